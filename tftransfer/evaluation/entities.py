"""Entities that were found beside those that are there: what is matched, and what went wrong with the rest."""

import dataclasses
from collections.abc import Sequence

from tftransfer.tags import Span

__all__ = ["KINDS", "Mistake", "mistakes", "same_place"]

KINDS = ("missed", "spurious", "wrong type", "wrong boundary", "wrong boundary and type")


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One thing that went wrong: an entity that is not found, one that is not there, or the two mixed up.

    Args:
        kind: str. One of `KINDS`.
        expected: Span or None. The true entity, None for a spurious one.
        predicted: Span or None. The entity that the model found, None for a missed one.
    """

    kind: str
    expected: Span | None
    predicted: Span | None


def mistakes(targets: Sequence[Span], predictions: Sequence[Span]) -> list[Mistake]:
    """Returns what went wrong in one example, by place.

    No entity is paired twice: those in the same place come first, then those that overlap and are of one type, then
    those that overlap; what is left over is missed or spurious.
    """
    missed, spurious = (sorted(set(a) - set(b)) for a, b in ((targets, predictions), (predictions, targets)))
    found = []
    for kind, fits in (
        ("wrong type", lambda a, b: a[:2] == b[:2]),
        ("wrong boundary", lambda a, b: a[2] == b[2] and _overlap(a, b)),
        ("wrong boundary and type", lambda a, b: _overlap(a, b)),
    ):
        for target in list(missed):
            other = next((span for span in spurious if fits(target, span)), None)
            if other:
                missed.remove(target)
                spurious.remove(other)
                found.append(Mistake(kind, target, other))
    found += [Mistake("missed", span, None) for span in missed] + [Mistake("spurious", None, span) for span in spurious]
    return sorted(found, key=lambda mistake: mistake.expected or mistake.predicted or ())


def same_place(targets: Sequence[Span], predictions: Sequence[Span]) -> list[tuple[str | None, str | None]]:
    """Returns (true type, predicted type) for every place that holds an entity on either side, None for no entity."""
    pairs: list[tuple[str | None, str | None]] = [(span[2], span[2]) for span in set(targets) & set(predictions)]
    for mistake in mistakes(targets, predictions):
        expected, predicted = (span and span[2] for span in (mistake.expected, mistake.predicted))
        one = mistake.kind == "wrong type"
        pairs += [(expected, predicted)] if one else [(expected, None), (None, predicted)]
    return [pair for pair in pairs if pair != (None, None)]


def _overlap(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]
