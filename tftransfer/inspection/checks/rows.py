"""Which rows can be used at all."""

import collections
import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from tftransfer import registry
from tftransfer.inspection.check import Check, Finding, Record, Section, counted
from tftransfer.inspection.corpus import Corpus

__all__ = ["Rows"]


@registry.checks.register("rows")
@dataclasses.dataclass(frozen=True)
class Rows(Check):
    """Good and bad rows, by file.

    Args:
        listed: int. Bad rows that are listed. Defaults to 20.
    """

    place: ClassVar[int] = 0
    ids: ClassVar[Sequence[str]] = ("rows",)

    listed: int = 20

    def __call__(self, corpus: Corpus) -> Section:
        splits = [{"split": name, "file": part.examples.path, "rows": len(part)} for name, part in corpus.parts.items()]
        bad = [
            {"where": f"{file}:{row.line}", "reason": row.reason, "row": row.raw.strip()[:120]}
            for file, row in corpus.bad_rows[: self.listed]
        ]
        tables: dict[str, Sequence[Record]] = {"Good rows": splits, "Bad rows by file": _by_file(corpus)}
        return Section("Rows", {**tables, "First bad rows": bad}, self._findings(corpus))

    def _findings(self, corpus: Corpus) -> list[Finding]:
        if not corpus.bad_rows:
            return []
        file, row = corpus.bad_rows[0]
        text = f"{counted(len(corpus.bad_rows), 'row')} cannot be used, the first at {file}:{row.line}: {row.reason}."
        if corpus.experiment.data.on_bad_rows == "skip":
            return [Finding("warning", self.ids, text, "Training leaves them out; see that none is missed.")]
        return [Finding("error", self.ids, text, "Correct these lines, or leave them out with data.on_bad_rows=skip.")]


def _by_file(corpus: Corpus) -> list[Record]:
    good: collections.Counter[str] = collections.Counter()
    for part in corpus.parts.values():
        good[part.examples.path] += len(part)
    bad = collections.Counter(file for file, _ in corpus.bad_rows)
    return [{"file": file, "rows": good[file] + n, "bad": n, "share": n / (good[file] + n)} for file, n in bad.items()]
