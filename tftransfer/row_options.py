"""How texts become rows of tokens: said by a task, obeyed alike by the tokenizer and by its twin in the graph."""

import dataclasses
from typing import Literal

__all__ = ["RowOptions"]


@dataclasses.dataclass(frozen=True)
class RowOptions:
    """How texts become rows of tokens.

    Args:
        truncate: str. What becomes of a text that is longer than a row. "head" keeps its beginning, "tail" its end,
            "head_tail" a quarter of the row from its beginning and the rest from its end (Sun et al., 2019), "windows"
            all of it, in several rows. In a pair, the longer text gives way first; windows run over the second text,
            beside as much of the first as half a row holds. Defaults to "head".
        stride: int. Tokens that neighbouring windows share, at most half of a window. Defaults to 0.
        offsets: bool. Whether rows tell of each token which characters of the text it is of. Defaults to False.
        space_cjk: bool. Whether each Chinese, Japanese or Korean ideograph is set apart by spaces before it is
            tokenized, so that none shares a token with its neighbour. Defaults to False.
        mask: str. What stands for the tokenizer's mask token in a text, such as "[MASK]"; other special tokens that are
            typed in a text are ordinary text. Defaults to "": nothing does.
    """

    truncate: Literal["head", "tail", "head_tail", "windows"] = "head"
    stride: int = 0
    offsets: bool = False
    space_cjk: bool = False
    mask: str = ""
