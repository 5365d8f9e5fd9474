"""What a check is, and what it says."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from tftransfer.inspection.corpus import Corpus

__all__ = ["SEVERITIES", "Check", "Finding", "Record", "Section", "counted", "percent"]

SEVERITIES = ("error", "warning", "note")
"""The gravest first; a note is worth knowing and fails nothing."""

Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that somebody should look at.

    Args:
        severity: "error" (training stops at it, or its scores will not mean what they say), "warning" or "note".
        ids: sequence of str. What `--fail-on` knows it by, such as ("exact_duplicates", "duplicates"), the narrowest
            first; these never change.
        text: str. What was found, in numbers.
        advice: str. What to do.
    """

    severity: Literal["error", "warning", "note"]
    ids: Sequence[str]
    text: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Section:
    """What a check says.

    Args:
        title: str.
        tables: dict of caption to records. The records of a table have the same keys, and plain values: a number whose
            key holds the word "share" is from 0 to 1.
        findings: sequence of Finding.
        notes: sequence of str. How it was measured, where that is not plain, such as from a sample.
        pictures: dict of caption to a callable without arguments that draws it, as the bytes of a PNG.
    """

    title: str
    tables: Mapping[str, Sequence[Record]]
    findings: Sequence[Finding] = ()
    notes: Sequence[str] = ()
    pictures: Mapping[str, Callable[[], bytes]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Check(abc.ABC):
    """One question about the data. A subclass is registered under its name, and its fields are its options.

    Attributes:
        place: int. Where its section stands among the others.
        ids: sequence of str. All that its findings may have.
    """

    place: ClassVar[int]
    ids: ClassVar[Sequence[str]]

    @abc.abstractmethod
    def __call__(self, corpus: Corpus) -> Section:
        """Returns what there is to say of the data."""


def counted(count: int, noun: str) -> str:
    """Returns "1 row" or "1,200 rows"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float) -> str:
    """Returns a share in percent; one that is not 0 never reads as 0."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
