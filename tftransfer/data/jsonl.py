"""JSON lines: one object a line."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.data.columns import Columns
from tftransfer.data.json_objects import json_rows, label_of, member, string
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
            values = {role: member(found, role, column) for role, column in columns.items()}
            return {role: label_of(x) if role == "label" else string(x, role) for role, x in values.items()}

        return json_rows(self.path, self.expected, read)
