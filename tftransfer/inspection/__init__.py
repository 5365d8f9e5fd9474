"""What there is to know of an experiment's data before anything is trained; one file a check, in `checks`."""

from tftransfer.inspection.inspection import Inspection, build_checks, check_ids, inspect, known_ids
from tftransfer.inspection.page import page  # these two functions take the places of their modules as attributes
from tftransfer.inspection.text import text

__all__ = ["Inspection", "build_checks", "check_ids", "inspect", "known_ids", "page", "text"]
