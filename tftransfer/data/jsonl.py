"""JSON lines: one object a line."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.data.columns import Columns
from tftransfer.data.json_objects import json_rows, member, string
from tftransfer.data.source import BadRow, Row

__all__ = ["JsonLines"]


@registry.sources.register("jsonl")
@dataclasses.dataclass(frozen=True)
class JsonLines(Columns):
    """One JSON object a line, whose keys are the columns. Blank lines are passed over.

    A label may be a number. Where a text may have several, or none, all labels are lists.
    """

    expected: ClassVar[str] = "one JSON object a line"

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a line."""
        columns = self.columns()

        def read(found: dict[str, Any]) -> dict[str, Any]:
            return {role: _value(member(found, role, column), role) for role, column in columns.items()}

        return json_rows(self.path, self.expected, read)


def _value(value: Any, role: str) -> str | list[str]:
    if role != "label":
        return string(value, role)
    return _labels(value) if isinstance(value, list) else string(value, role, number=True)


def _labels(values: list[Any]) -> list[str]:
    labels = [string(value, "each label", number=True).strip() for value in values]
    for place, label in enumerate(labels, 1):
        if not label or "\0" in label:
            raise ValueError(f"{'NUL character in' if label else 'empty'} label {place} of {len(labels)}")
    if len(set(labels)) < len(labels):
        raise ValueError(f"a label appears twice in {labels}")
    return labels
