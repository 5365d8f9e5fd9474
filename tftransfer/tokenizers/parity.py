"""Does the tokenizer in the graph answer what the fast tokenizer answers?"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.encoded import Encoded
from tftransfer.tokenizers.fast import FastTokenizer
from tftransfer.tokenizers.layout import HEAD
from tftransfer.tokenizers.torture import torture

__all__ = ["Difference", "differences", "torture"]

_BATCH = 512
# What each token of a row has a number of.
_NAMES = ("input_ids", "token_type_ids", "starts", "ends", "texts", "word_starts")
_Row = dict[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Difference:
    """A text, or a pair, on which two tokenizers disagree, and the first thing on which they do.

    Args:
        text: str.
        expected: the fast tokenizer's numbers.
        actual: the graph's, without padding.
        text_pair: str, the second text, or None. Defaults to `None`.
        name: str, of what the numbers are: an output of the graph, of one row. Defaults to "input_ids".
    """

    text: str
    expected: tuple[int, ...]
    actual: tuple[int, ...]
    text_pair: str | None = None
    name: str = "input_ids"


def differences(
    tokenizer: FastTokenizer,
    module: tf.Module,
    texts: Sequence[str],
    text_pairs: Sequence[str] | None = None,
    *,
    max_length: int,
    options: RowOptions = HEAD,
) -> list[Difference]:
    """Compares two tokenizers text by text, in everything that the options ask for.

    Args:
        tokenizer: `FastTokenizer`, the one to equal.
        module: what `in_graph` returned for it, or the `tokenize` of a reloaded one: texts to the dict of tensors.
        texts: sequence of str.
        text_pairs: sequence of str, the second text of each row. Defaults to `None`.
        max_length: int, the one that the module was built with.
        options: `RowOptions`, those that the module was built with. Defaults to a row a text.

    Returns:
        A list of `Difference`; empty if the two agree on everything.
    """
    found = []
    for start in range(0, len(texts), _BATCH):
        chunk = slice(start, start + _BATCH)
        columns = [list(column[chunk]) for column in (texts, text_pairs) if column is not None]
        encoded = tokenizer.encode(*columns, max_length=max_length, options=options)
        outputs = {name: value.numpy() for name, value in module(*map(tf.constant, columns)).items()}
        both = (_expected_rows(encoded), _actual_rows(outputs))
        expected, actual = (_by_example(rows, len(columns[0])) for rows in both)
        for row, ours, theirs in zip(zip(*columns, strict=True), expected, actual, strict=True):
            if ours != theirs:
                found.append(_difference(row, ours, theirs))
    return found


def _expected_rows(encoded: Encoded) -> Iterator[tuple[int, _Row]]:
    """Yields which text each row is of, and its numbers by the names of the graph's outputs."""
    flat = {name: values for name in _NAMES if (values := getattr(encoded, name)) is not None}
    for example, part in zip(encoded.examples, itertools.pairwise(encoded.offsets), strict=True):
        yield int(example), {name: _ints(values[slice(*part)]) for name, values in flat.items()}


def _actual_rows(outputs: Mapping[str, np.ndarray]) -> Iterator[tuple[int, _Row]]:
    mask = outputs["attention_mask"]
    for row, example in enumerate(outputs.get("examples", np.arange(len(mask)))):
        # The mask says which ids are tokens, so a wrong mask is a difference too.
        real = mask[row] == 1
        yield int(example), {name: _ints(outputs[name][row][real]) for name in _NAMES if name in outputs}


def _by_example(rows: Iterator[tuple[int, _Row]], count: int) -> list[list[_Row]]:
    grouped: list[list[_Row]] = [[] for _ in range(count)]
    for example, row in rows:
        grouped[example].append(row)
    return grouped


def _difference(texts: Sequence[str], expected: list[_Row], actual: list[_Row]) -> Difference:
    """Finds the first name, ids before all else, and the first row in which two tokenizers have other numbers."""
    nothing: _Row = {}
    for name in _NAMES:
        for ours, theirs in itertools.zip_longest(expected, actual, fillvalue=nothing):
            numbers = ours.get(name, ()), theirs.get(name, ())
            if numbers[0] != numbers[1]:
                return Difference(texts[0], *numbers, texts[1] if len(texts) == 2 else None, name)
    raise AssertionError("expected rows that differ")


def _ints(values: np.ndarray) -> tuple[int, ...]:
    return tuple(values.astype(int).tolist())
