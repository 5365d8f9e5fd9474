"""What tokenized texts are to those who do not tokenize: tasks, batches and models."""

from typing import Protocol

import numpy as np

__all__ = ["IGNORED", "TokenRows", "token_weights"]

IGNORED = -100
"""The target of what has no answer, such as padding; losses and metrics pass over it."""


class TokenRows(Protocol):
    """Tokenized rows of different lengths, end to end; row i is `offsets[i]:offsets[i + 1]`.

    `examples` says of each row which text it is of, from 0 and in order; `truncated` whether that text was longer.
    Where they were asked for there is of each token: `starts` and `ends`, the characters of the text that it is of (-1
    for a special token), `texts`, 0 or 1 for the first or second text and -1 for a special token, and `word_starts`,
    whether it begins a word; otherwise None.
    """

    @property
    def input_ids(self) -> np.ndarray: ...

    @property
    def token_type_ids(self) -> np.ndarray: ...

    @property
    def offsets(self) -> np.ndarray: ...

    @property
    def examples(self) -> np.ndarray: ...

    @property
    def truncated(self) -> np.ndarray: ...

    @property
    def starts(self) -> np.ndarray | None: ...

    @property
    def ends(self) -> np.ndarray | None: ...

    @property
    def texts(self) -> np.ndarray | None: ...

    @property
    def word_starts(self) -> np.ndarray | None: ...


def token_weights(targets: np.ndarray) -> np.ndarray:
    """Returns the weight of each target of a batch: 0 where it is `IGNORED`, elsewhere one number for all.

    The weights are such that the mean over all of the batch, `IGNORED` ones included, is the mean over the others: what
    a Keras loss computes is then what PyTorch's cross-entropy with `ignore_index` computes, over several replicas too.

    Args:
        targets: int array of any shape.

    Returns:
        A float32 array of that shape.
    """
    counted = targets != IGNORED
    return (counted * (counted.size / max(int(counted.sum()), 1))).astype("float32")
