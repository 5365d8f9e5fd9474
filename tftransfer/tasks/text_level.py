"""What tasks with one answer a text, or a pair of texts, have in common."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer.row_options import RowOptions
from tftransfer.tasks.numbers import check_not_negative, check_shares
from tftransfer.tasks.task import HeadHints, Task
from tftransfer.token_rows import TokenRows

__all__ = ["PooledTask", "TextLevelTask"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextLevelTask(Task):
    """A task with logits for a text as a whole.

    Args:
        truncate: str. What becomes of a text longer than the model's `max_length`: "head" keeps its beginning, "tail"
            its end, "head_tail" a quarter of the row from its beginning and the rest from its end (Sun et al., 2019),
            and "windows" reads all of it, window by window: each is a row of its own in training, together of the
            weight of one, and the answer is made of the mean of their logits. Defaults to "head".
        stride: int. Tokens that neighbouring windows share, at most half of a window. Defaults to 32.
    """

    head_kind: ClassVar[str] = "sequence_classification"
    global_tokens: ClassVar[Literal["none", "first", "question"]] = "first"

    truncate: Literal["head", "tail", "head_tail", "windows"] = "head"
    stride: int = 32

    def __post_init__(self) -> None:
        check_not_negative("a number of tokens", stride=self.stride)

    @property
    def row_options(self) -> RowOptions:
        return RowOptions(self.truncate, self.stride)

    def example_weights(self, targets: np.ndarray, rows: TokenRows) -> np.ndarray:
        windows = np.bincount(rows.examples)
        return (len(rows.examples) / len(windows) / windows[rows.examples]).astype("float32")

    def gather_in_graph(self, logits: Any, tokens: Mapping[str, Any]) -> Any:
        """Returns what the logits of rows say of texts: what `gather` does outside of the graph."""
        import tensorflow as tf

        return logits if self.truncate != "windows" else tf.math.segment_mean(logits, tokens["examples"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class PooledTask(TextLevelTask):
    """A task with a head of its own on one vector a text.

    Args:
        pooling: "mean", "max", "cls" (first token), "pooler" (the checkpoint's pooler, or a fresh one), or "auto": what
            the checkpoint suggests. Defaults to "auto".
        dropout: float. Dropout rate before the last layer. Defaults to None: what the checkpoint suggests.
        **options: `truncate` and `stride`; see `TextLevelTask`.
    """

    pooling: Literal["auto", "mean", "max", "cls", "pooler"] = "auto"
    dropout: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares(dropout=self.dropout)

    @property
    def outputs(self) -> int:
        """How many logits a text has."""
        raise NotImplementedError

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        from tftransfer.tasks.components.heads import head_logits

        pooling = hints.pooling if self.pooling == "auto" else self.pooling
        dropout = hints.dropout if self.dropout is None else self.dropout
        hints = dataclasses.replace(hints, pooling=pooling, dropout=dropout)
        return head_logits(self.head_kind, features, hints, self.outputs)

    def takes_head(self, hints: HeadHints) -> bool:
        return self.pooling in ("auto", hints.pooling)
