"""Does the tokenizer in the graph answer what the fast tokenizer answers?"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.torture import torture

__all__ = ["Difference", "differences", "torture"]

_BATCH = 512


@dataclasses.dataclass(frozen=True)
class Difference:
    """A row on which two tokenizers disagree.

    Args:
        text: str.
        expected: the fast tokenizer's ids.
        actual: the graph's ids, without padding.
        text_pair: str, the second text of the row, or None. Defaults to `None`.
    """

    text: str
    expected: tuple[int, ...]
    actual: tuple[int, ...]
    text_pair: str | None = None


def differences(
    tokenizer: FastTokenizer,
    module: tf.Module,
    texts: Sequence[str],
    text_pairs: Sequence[str] | None = None,
    *,
    max_length: int,
    options: RowOptions | None = None,
) -> list[Difference]:
    """Compares two tokenizers row by row: the ids, and the token type ids.

    Args:
        tokenizer: `FastTokenizer`, the one to equal.
        module: what `in_graph` returned for it, or the `tokenize` of a reloaded one: texts to the dict of tensors.
        texts: sequence of str.
        text_pairs: sequence of str, the second text of each row. Defaults to `None`.
        max_length: int, the one that the module was built with.

    Returns:
        A list of `Difference`; empty if the two agree on everything.
    """
    found = []
    for start in range(0, len(texts), _BATCH):
        chunk = slice(start, start + _BATCH)
        columns = [list(column[chunk]) for column in (texts, text_pairs) if column is not None]
        expected = tokenizer.encode(*columns, max_length=max_length)
        actual = {name: value.numpy() for name, value in module(*map(tf.constant, columns)).items()}
        for i, row in enumerate(zip(*columns, strict=True)):
            wanted = slice(expected.offsets[i], expected.offsets[i + 1])
            # The mask says which ids are tokens, so a wrong mask is a difference too.
            real = actual["attention_mask"][i] == 1
            ids, types = actual["input_ids"][i][real], actual["token_type_ids"][i][real]
            same = np.array_equal(ids, expected.input_ids[wanted])
            if not same or not np.array_equal(types, expected.token_type_ids[wanted]):
                found.append(Difference(row[0], _ints(expected.input_ids[wanted]), _ints(ids), *row[1:]))
    return found


def _ints(ids: np.ndarray) -> tuple[int, ...]:
    return tuple(ids.tolist())
