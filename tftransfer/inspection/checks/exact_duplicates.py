"""Texts that come more than once, within a split and in several."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.evaluation.tables import width
from tftransfer.inspection.check import Check, Finding, Record, Section, counted, percent
from tftransfer.inspection.corpus import Corpus

__all__ = ["ExactDuplicates"]


@registry.checks.register("exact_duplicates")
@dataclasses.dataclass(frozen=True)
class ExactDuplicates(Check):
    """Rows whose texts are the same but for case, white space and how Unicode composes characters.

    Args:
        short: int. Texts of fewer terminal cells, such as "thank you", come twice by chance: they are counted, but are
            no finding. Defaults to 16; an ideograph has two.
        listed: int. Examples that are listed. Defaults to 10.
    """

    place: ClassVar[int] = 4
    ids: ClassVar[Sequence[str]] = ("exact_duplicates", "duplicates", "leakage", "conflicting_labels")

    short: int = 16
    listed: int = 10

    def __call__(self, corpus: Corpus) -> Section:
        groups = _groups(corpus.keys)
        findings: list[Finding] = []
        tables = {
            "Within a split": self._within(corpus, groups, findings),
            "Across splits": self._across(corpus, findings),
            "Same texts": self._examples(corpus, groups),
            "Conflicting answers": self._conflicts(corpus, groups, findings),
        }
        return Section("Duplicates", tables, findings)

    def _within(self, corpus: Corpus, groups: Sequence[np.ndarray], findings: list[Finding]) -> list[Record]:
        records: list[Record] = []
        for number, (name, part) in enumerate(corpus.parts.items()):
            mine = [rows[corpus.splits[rows] == number] for rows in groups]
            repeated = [rows for rows in mine if len(rows) > 1]
            count, longer = sum(len(rows) - 1 for rows in repeated), self._longer(corpus, [r[0] for r in repeated])
            share = count / len(part)
            records.append({"split": name, "rows": len(part), "repeated": count, "repeated_share": share})
            if count:
                advice = "They count twice: take them out, unless your users' texts repeat as often."
                text = f"{counted(count, 'row')} of {name} ({percent(share)}) with the text of an earlier row."
                severity = "warning" if longer else "note"
                findings.append(Finding(severity, ("exact_duplicates", "duplicates"), text, advice))  # type: ignore[arg-type]
        return records

    def _across(self, corpus: Corpus, findings: list[Finding]) -> list[Record]:
        records: list[Record] = []
        for (a, first), (b, second) in itertools.combinations(enumerate(corpus.parts), 2):
            here = np.flatnonzero(corpus.splits == b)
            shared = here[np.isin(corpus.keys[here], corpus.keys[corpus.splits == a])]
            longer = self._longer(corpus, shared)
            share = len(shared) / len(here)
            record = {"rows_of": second, "also_in": first, "rows": len(shared), "share": share, "not_short": longer}
            records.append(record)
            if len(shared):
                text = (
                    f"{counted(len(shared), 'row')} of {second} ({percent(share)}) with a text that is in {first} too."
                )
                advice = f"{second.capitalize()} scores are too good by them: take them out of {first}."
                severity = "error" if longer else "note"
                ids = ("exact_duplicates", "duplicates", "leakage")
                findings.append(Finding(severity, ids, text, advice))  # type: ignore[arg-type]
        return records

    def _longer(self, corpus: Corpus, rows: Sequence[int] | np.ndarray) -> int:
        """Returns how many of the rows are no short texts."""
        return sum(width(corpus.shown(int(row))) >= self.short for row in rows)

    def _examples(self, corpus: Corpus, groups: Sequence[np.ndarray]) -> list[Record]:
        """Returns the groups in most splits first, then the largest."""
        ranked = sorted(groups, key=lambda rows: (-len(np.unique(corpus.splits[rows])), -len(rows)))
        return [
            {"times": len(rows), "text": corpus.shown(rows[0]), "where": _places(corpus, rows)}
            for rows in ranked[: self.listed]
        ]

    def _conflicts(self, corpus: Corpus, groups: Sequence[np.ndarray], findings: list[Finding]) -> list[Record]:
        answers = ((rows, [_answer(corpus, int(row)) for row in rows]) for rows in groups)
        found = [(rows, given) for rows, given in answers if len(set(given)) > 1]
        if found:
            total = sum(len(rows) for rows, _ in found)
            text = f"{counted(len(found), 'text')} with different answers in different rows ({total:,} rows)."
            ids = ("conflicting_labels", "duplicates")
            findings.append(Finding("warning", ids, text, "A model can learn one answer of each: look at them."))
        return [
            {
                "text": corpus.shown(rows[0]),
                "answers": " / ".join(dict.fromkeys(given)),
                "where": _places(corpus, rows),
            }
            for rows, given in sorted(found, key=lambda pair: -len(pair[0]))[: self.listed]
        ]


def _groups(keys: np.ndarray) -> list[np.ndarray]:
    """Returns the rows that share a key, each group in their order; no group of one."""
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    sizes = np.diff(np.concatenate([[0], bounds, [len(keys)]]))
    starts = np.concatenate([[0], bounds])
    return [order[start : start + size] for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True)]


def _answer(corpus: Corpus, row: int) -> str:
    part, number = corpus.find(row)
    return part.answers.identity(number)


def _places(corpus: Corpus, rows: np.ndarray) -> str:
    """Returns where the rows are: one of each split first."""
    _, first = np.unique(corpus.splits[rows], return_index=True)
    shown = [*rows[first], *np.delete(rows, first)][:3]
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return ", ".join(corpus.where(int(row)) for row in shown) + more
