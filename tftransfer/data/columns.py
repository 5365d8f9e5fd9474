"""What formats with named columns share: which column plays which role."""

import dataclasses
from collections.abc import Sequence
from typing import Self

from tftransfer import registry
from tftransfer.data.source import Source

__all__ = ["Columns"]


@dataclasses.dataclass(frozen=True)
class Columns(Source):
    """A file whose columns have names.

    Args:
        path: str. The file; gzip if its name ends in .gz.
        text: str, default "text". The column that holds the text.
        text_pair: str or None, default None. The column of a second text, in tasks on pairs.
        text_negative: str or None, default None. The column of a text unlike the first two, in tasks on triplets.
        label: str or None, default "label". The column of the label; None for rows without one.
    """

    text: str = "text"
    text_pair: str | None = None
    text_negative: str | None = None
    label: str | None = "label"

    def columns(self) -> dict[str, str]:
        """Returns the column of each role that is read."""
        named = {role: getattr(self, role) for role in ("text", "text_pair", "text_negative", "label")}
        return {role: column for role, column in named.items() if column is not None}

    def missing(self, names: Sequence[str]) -> list[str]:
        """Returns a sentence for each role whose column is not among those of the file."""
        return [
            f"There is no column {column!r} for {role}.{registry.suggest(column, names)}"
            f" Set the option '{role}' to the name of the column"
            + (", or to null for none." if role == "label" else ".")
            for role, column in self.columns().items()
            if column not in names
        ]

    def roles(self) -> list[str]:
        """Returns the roles of the columns that are read."""
        return list(self.columns())

    def without_answers(self) -> Self:
        """Returns the source without its label."""
        return dataclasses.replace(self, label=None)
