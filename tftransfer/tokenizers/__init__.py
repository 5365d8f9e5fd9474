"""The checkpoint's fast tokenizer; its twin inside the graph; the check that the two agree.

Importing this package loads no TensorFlow; `tftransfer.tokenizers.in_graph` and `tftransfer.tokenizers.parity` do.
"""

from tftransfer.tokenizers.encoded import Encoded
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.twin import has_twin

__all__ = ["Encoded", "FastTokenizer", "has_twin"]
