"""What reports ask of their fields, in errors that name the example at fault."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tftransfer.errors import DataError

__all__ = ["examples", "label_ids", "named", "numbers", "parallel", "probabilities", "probable", "ranges", "shapes"]

_SLACK = 1e-3
"""How far outside 0 to 1 a probability may lie: what rounding in float16 leaves of a softmax."""


def label_ids(values: Any) -> np.ndarray:
    """Returns the values as an int64 array.

    Raises:
        DataError: if they are not whole numbers.
    """
    array = _array("targets", values)
    if array.dtype.kind not in "iu" and array.size:
        raise DataError(f"Expected targets to be label ids, an array of integers; got dtype {array.dtype}.")
    return array.astype(np.int64)


def examples(texts: Sequence[Any], **optional: Sequence[Any]) -> None:
    """Checks that there is an example, and that every other field is as long as the texts or empty.

    Raises:
        DataError: if not.
    """
    if not len(texts):
        raise DataError("Expected at least one example to report on, got none. Is the evaluation split empty?")
    for name, values in optional.items():
        if len(values) not in (0, len(texts)):
            raise DataError(f"Expected {len(texts)} {name}, one a text, or none at all; got {len(values)}.")


def parallel(texts: Sequence[Any], **fields: Sequence[Any]) -> None:
    """Checks that every field has something for each text.

    Raises:
        DataError: if not.
    """
    for name, values in fields.items():
        if len(values) != len(texts):
            raise DataError(f"Expected {len(texts)} {name}, one a text; got {len(values)}.")


def numbers(name: str, values: Any, shape: tuple[int, ...], origins: Sequence[str] = ()) -> np.ndarray:
    """Returns the values as a float64 array of that shape, every one of them finite.

    Raises:
        DataError: if they are not; it names the first example at fault.
    """
    array = _array(name, values)
    if array.shape != shape or array.dtype.kind not in "biuf":
        raise DataError(f"Expected {name} of shape {shape}, numbers; got {array.shape}, dtype {array.dtype}.")
    array = array.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    if broken.size:
        raise DataError(f"Expected finite {name}, got {array[broken[0]]} in {_where(broken, origins)}.")
    return array


def probabilities(values: Any) -> np.ndarray:
    """Returns the values as a float array, in their own precision where NumPy has it.

    Raises:
        DataError: if they are not numbers.
    """
    array = _array("scores", values)
    try:
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"Expected scores to be an array of floats; got dtype {array.dtype}.") from error


def named(labels: Sequence[str], examples: int) -> None:
    """Checks that there is something to report on and that no two labels are alike.

    Raises:
        DataError: if not.
    """
    if not examples or not len(labels):
        raise DataError(
            f"Expected at least one example and one label to report on, got {examples} examples and {len(labels)} "
            f"labels. Is the evaluation split empty?"
        )
    seen: set[str] = set()
    twice = [label for label in labels if label in seen or seen.add(label)]  # type: ignore[func-returns-value]
    if twice:
        raise DataError(f"Expected every label once, got {', '.join(map(repr, twice))} again.")


def shapes(
    labels: Sequence[str],
    targets: np.ndarray,
    scores: np.ndarray,
    texts: Sequence[str],
    origins: Sequence[str],
    marked: bool = False,
) -> None:
    """Checks that there is something to report on and that the fields fit each other; targets are ids, or marks.

    Raises:
        DataError: if not.
    """
    named(labels, len(texts))
    size = (len(texts), len(labels))
    for name, array, shape in (("targets", targets, size if marked else size[:1]), ("scores", scores, size)):
        if array.shape != shape:
            fit = f"for {len(texts)} texts and {len(labels)} labels"
            raise DataError(f"Expected {name} of shape {shape} {fit}, got {array.shape}.")
    examples(texts, origins=origins)


def ranges(labels: Sequence[str], targets: np.ndarray, scores: np.ndarray, origins: Sequence[str]) -> None:
    """Checks that every target is the id of a label and every score a probability.

    Raises:
        DataError: if not; it names the first example at fault.
    """
    unknown = np.flatnonzero((targets < 0) | (targets >= len(labels)))
    if unknown.size:
        where = _where(unknown, origins)
        raise DataError(f"Expected targets from 0 to {len(labels) - 1}, got {targets[unknown[0]]} in {where}.")
    probable(scores, origins)


def probable(scores: np.ndarray, origins: Sequence[str]) -> None:
    """Checks that every score (examples, labels) is a probability.

    Raises:
        DataError: if not; it names the first example at fault.
    """
    broken = np.flatnonzero(np.isnan(scores).any(axis=1))
    if broken.size:
        where = _where(broken, origins)
        raise DataError(f"Expected scores that are numbers, got NaN in {where}. The model's weights may hold NaN too.")
    outside = np.flatnonzero(((scores < -_SLACK) | (scores > 1 + _SLACK)).any(axis=1))
    if outside.size:
        row, where = scores[outside[0]], _where(outside, origins)
        worst = row[np.argmax(np.abs(row - 0.5))]
        raise DataError(f"Expected scores from 0 to 1, got {worst:g} in {where}. Pass probabilities, not logits.")


def _where(rows: np.ndarray, origins: Sequence[str]) -> str:
    first = int(rows[0])
    place = f" ({origins[first]})" if origins else ""
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"example {first}{place}{more}"


def _array(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"Expected {name} to be one array, got rows of different lengths.") from error
