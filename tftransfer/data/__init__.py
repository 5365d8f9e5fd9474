"""From the user's files to batches."""

from tftransfer.data.examples import Examples
from tftransfer.data.read import read  # the function takes the place of its module as the package's attribute

__all__ = ["Examples", "read"]
