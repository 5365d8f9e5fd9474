"""The answers of examples, whatever the task, as labels that can be counted."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tftransfer.tasks.task import Columns, Task

__all__ = ["Answers", "answers_of"]

Kind = Literal["label", "labels", "number", "spans", "answers", "none"]
_BY_REPORT: dict[str, Kind] = {"multi_label": "labels", "regression": "number", "sentence_embeddings": "number"}


@dataclasses.dataclass(frozen=True)
class Answers:
    """The answers of a split.

    Args:
        kind: "label" (one a row), "labels" (any number), "number", "spans", "answers" (to questions) or "none".
        values: sequence. Of each row, as the file has it; empty if there are none.
        separator: str. What stands between labels that are one string. Defaults to "".
    """

    kind: Kind
    values: Sequence[Any]
    separator: str = ""

    def labels(self, row: int) -> list[str]:
        """Returns what can be counted of a row: its labels, the types of its spans, or whether it has an answer."""
        value = self.values[row]
        if self.kind == "label" and isinstance(value, str):
            return [value]
        if self.kind == "spans":
            return [label for _, _, label in value]
        if self.kind == "answers":
            return ["with an answer" if value else "without an answer"]
        parts = value.split(self.separator) if isinstance(value, str) else value
        return list(dict.fromkeys(part.strip() for part in parts if part.strip()))

    def identity(self, row: int) -> str:
        """Returns a string that is the same for the same answer, and fit to be shown."""
        if self.kind == "none":
            return ""
        if self.kind in ("label", "number"):
            return str(self.values[row])
        if self.kind == "labels":
            return ", ".join(sorted(self.labels(row)))
        if self.kind == "answers":
            return " | ".join(sorted({text for text, _ in self.values[row]}))
        return json.dumps(self.values[row], ensure_ascii=False)

    def numbers(self) -> np.ndarray:
        """Returns those of the values that are finite numbers, float64."""
        found = np.array([_number(value) for value in self.values], float)
        return found[np.isfinite(found)]


def answers_of(task: Task, columns: Columns) -> Answers:
    """Returns the answers that a task sees in the columns of a split."""
    if task.answer in ("spans", "answers") and task.answer in columns:
        return Answers(task.answer, columns[task.answer])  # type: ignore[arg-type]
    if task.answer is None or "label" not in columns:
        return Answers("none", ())
    return Answers(_BY_REPORT.get(task.report, "label"), columns["label"], getattr(task, "separator", ""))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
