"""Plain text: one text a line, without labels."""

import dataclasses
from collections.abc import Iterator
from typing import ClassVar

from tftransfer import registry
from tftransfer.data.source import BadRow, Row, Source, checked
from tftransfer.data.textfile import read_lines, without_end
from tftransfer.errors import ConfigError

__all__ = ["Lines"]


@registry.sources.register("lines")
@dataclasses.dataclass(frozen=True)
class Lines(Source):
    """One text a line. There are no columns, so `text` is not used and the others must be None.

    Raises:
        ConfigError: if a label or a second text is asked for.
    """

    expected: ClassVar[str] = "one text a line"

    label: str | None = None

    def __post_init__(self) -> None:
        asked = [role for role in self.columns() if role != "text"]
        if asked:
            formats = "csv, tsv or jsonl"
            raise ConfigError(f"{self.path}: format 'lines' has no {' and no '.join(asked)}. Use {formats}, or null.")

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a line; a blank line is a bad row, so that answers can be matched with lines."""
        for number, text, problem in read_lines(self.path, self.expected):
            if problem is not None:
                yield BadRow(number, problem, text)
            else:
                yield checked(number, {"text": without_end(text)}, text)
