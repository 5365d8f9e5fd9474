"""Plain text: one text a line, or one between blank lines."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from tftransfer import registry
from tftransfer.data.source import BadRow, Row, Source, checked
from tftransfer.data.textfile import Line, read_lines, without_end

__all__ = ["Lines"]


@registry.sources.register("lines")
@dataclasses.dataclass(frozen=True)
class Lines(Source):
    """Texts without columns, for language modelling and for prediction.

    Args:
        path: str. The file; gzip if its name ends in .gz.
        separator: "line" (default) for one text a line, or "blank_line" for texts of several lines, with blank lines
            between them.
        skip_blank: bool. Whether blank lines are passed over. If not, they are bad rows, so that answers can be matched
            with lines. Defaults to True.
    """

    expected: ClassVar[str] = "one text a line"

    separator: Literal["line", "blank_line"] = "line"
    skip_blank: bool = True

    def roles(self) -> list[str]:
        """Returns `["text"]`."""
        return ["text"]

    def without_answers(self) -> Self:
        """Returns the source itself."""
        return self

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a text, where it starts."""
        for is_blank, group in itertools.groupby(read_lines(self.path, self.expected), _is_blank):
            if self.separator == "blank_line":
                if not is_blank:
                    yield _row(list(group))
            elif not (is_blank and self.skip_blank):
                yield from (_row([line]) for line in group)


def _is_blank(line: Line) -> bool:
    return line.problem is None and (not line.text or line.text.isspace())


def _row(lines: list[Line]) -> Row | BadRow:
    raw = "".join(line.text for line in lines)
    for line in lines:
        if line.problem is not None:
            return BadRow(line.number, line.problem, raw)
    text = "\n".join(without_end(line.text) for line in lines)
    return checked(lines[0].number, {"text": text}, raw)
