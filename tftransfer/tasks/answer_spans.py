"""Answers as spans of a text: which tokens of rows they are, and which span the logits of rows say.

`components/answer_spans.py` chooses in TensorFlow as `best_spans` does here.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tftransfer.token_rows import TokenRows

__all__ = ["IMPOSSIBLE", "BestSpans", "best_spans", "best_threshold", "positions"]

IMPOSSIBLE = -1e9
"""A logit that leaves no probability; finite, since the difference of two infinite ones is not a number."""


@dataclasses.dataclass(frozen=True)
class BestSpans:
    """The best span of each example, over all its rows.

    Args:
        starts, ends: int array `(examples,)`. Its first character and the one behind its last; -1 if no span is
            possible.
        logits: float array `(examples,)`. Its start's and its end's together; `IMPOSSIBLE` if no span is possible.
        probabilities: float array `(examples,)`. That of its start times that of its end, among all tokens of its row.
        leads: float array `(examples,)`. How far its logits are above those of the best other span.
        nulls: float array `(examples,)`. Start and end logits of the first token of a row, the least of its rows'.
    """

    starts: np.ndarray
    ends: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    leads: np.ndarray
    nulls: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)


def positions(rows: TokenRows, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Returns the first and the last token of each row's answer, int32 `(rows, 2)`, counted from the row's first token.

    A row that has not all of the answer's tokens has 0, 0, the first token, as one without an answer.

    Args:
        rows: TokenRows. With offsets; answers are in the second text.
        starts, ends: int array `(examples,)`. The answer's first character and the one behind its last; -1 for none.
    """
    assert rows.starts is not None
    assert rows.ends is not None
    assert rows.texts is not None
    row_of = np.repeat(np.arange(len(rows.examples)), np.diff(rows.offsets))
    example_of = rows.examples[row_of]
    shared = (rows.starts < ends[example_of]) & (rows.ends > starts[example_of]) & (rows.ends > rows.starts)
    tokens = np.flatnonzero(shared & (rows.texts == 1))
    found = np.full((len(rows.examples), 2), -1)
    found[row_of[tokens][::-1], 0] = tokens[::-1]  # the last assignment stays
    found[row_of[tokens], 1] = tokens
    # A row has all of it if no row of the example has more of it: some of its characters may be of no token.
    some = np.flatnonzero(found[:, 0] >= 0)
    reach = np.stack([-rows.starts[found[some, 0]], rows.ends[found[some, 1]]], axis=1)
    furthest = np.full((len(starts), 2), np.iinfo(np.int32).min, np.int32)
    np.maximum.at(furthest, rows.examples[some], reach)
    whole = some[(reach == furthest[rows.examples[some]]).all(axis=1)]
    targets = np.zeros(found.shape, "int32")
    targets[whole] = found[whole] - rows.offsets[whole, None]
    return targets


def best_spans(logits: Sequence[np.ndarray], rows: TokenRows, longest: int) -> BestSpans:
    """Returns the best span of each example: tokens of the second text, from a start to an end in the same row.

    Args:
        logits: one array `(tokens, 2)` a row, those of starts and ends.
        rows: TokenRows. With offsets.
        longest: int. How many tokens a span may have.
    """
    assert rows.starts is not None
    assert rows.ends is not None
    assert rows.texts is not None
    flat, examples = np.concatenate(logits), np.arange(rows.examples[-1] + 1)
    firsts, row_of = rows.offsets[:-1], np.repeat(np.arange(len(logits)), np.diff(rows.offsets))
    totals = np.logaddexp.reduceat(flat, firsts, axis=0)  # (rows, 2)
    nulls = np.minimum.reduceat(flat[firsts].sum(axis=1), np.searchsorted(rows.examples, examples))
    tokens = np.flatnonzero(rows.texts == 1)
    bounds = np.searchsorted(rows.examples[row_of[tokens]], [*examples, len(examples)])
    found = np.zeros((len(examples), 5))
    for example in examples:
        own = tokens[bounds[example] : bounds[example + 1]]
        first, last, lead = _best(flat[own], rows.starts[own], rows.ends[own], row_of[own], longest)
        if first < 0:
            found[example] = -1, -1, IMPOSSIBLE, 0, -IMPOSSIBLE
            continue
        first, last = own[first], own[last]
        logit = flat[first, 0] + flat[last, 1]
        found[example] = rows.starts[first], rows.ends[last], logit, np.exp(logit - totals[row_of[first]].sum()), lead
    starts, ends, sums, probabilities, leads = found.T
    return BestSpans(starts.astype(int), ends.astype(int), sums, probabilities, leads, nulls)


def _best(
    logits: np.ndarray, starts: np.ndarray, ends: np.ndarray, row_of: np.ndarray, longest: int
) -> tuple[int, int, float]:
    """Returns the first and the last token of an example's best span, -1 for none, and its lead."""
    count = len(logits)
    lasts = np.arange(count)[:, None] + np.arange(min(longest, count))  # (tokens, lengths)
    inside, lasts = lasts < count, np.minimum(lasts, count - 1)
    possible = inside & (row_of[lasts] == row_of[:, None]) & (ends[lasts] > starts[:, None])
    if not possible.any():
        return -1, -1, -IMPOSSIBLE
    sums = np.where(possible, logits[:, :1] + logits[lasts, 1], IMPOSSIBLE)
    first, length = np.unravel_index(sums.argmax(), sums.shape)
    last = int(first + length)
    # The same characters in another window are the same span.
    same = (starts[:, None] == starts[first]) & (ends[lasts] == ends[last])
    return int(first), last, float(sums[first, length] - sums[~same].max(initial=IMPOSSIBLE))


def best_threshold(differences: np.ndarray, given: np.ndarray, withheld: np.ndarray) -> float:
    """Returns above which difference it is best to give no answer; thresholds are half-way between neighbours.

    Args:
        differences: float array `(examples,)`. How far having no answer is above the best span.
        given, withheld: float array `(examples,)`. What it is worth to give that span, and to give no answer.
    """
    order = np.argsort(differences, kind="stable")
    differences = differences[order]
    kept = np.concatenate([[0.0], np.cumsum((given - withheld)[order])])  # worth of giving the first n answers
    bounds = np.concatenate([[differences[0] - 2], differences, [differences[-1] + 2]])
    kept[1:-1][np.diff(differences) == 0] = -np.inf  # there is no threshold between equals
    middles = (bounds[:-1] + bounds[1:]) / 2
    best = np.flatnonzero(kept >= kept.max() - 1e-9)
    return float(middles[best[np.abs(middles[best]).argmin()]])
