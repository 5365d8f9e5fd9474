"""JSON lines: one object a line."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.data.source import BadRow, Row, Source, checked
from tftransfer.data.textfile import Line, read_lines, without_end

__all__ = ["JsonLines"]


class _Number(str):
    """A number as it is written: the label 1.50 stays "1.50"."""


_KINDS = {
    type(None): "null",
    bool: "a boolean",
    _Number: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


@registry.sources.register("jsonl")
@dataclasses.dataclass(frozen=True)
class JsonLines(Source):
    """One JSON object a line, whose keys are the columns. Blank lines are passed over; a label may be a number."""

    expected: ClassVar[str] = "one JSON object a line"

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a line."""
        columns = self.columns()
        for line in read_lines(self.path, self.expected):
            if line.problem is not None:
                yield BadRow(line.number, line.problem, line.text)
            elif line.text and not line.text.isspace():
                yield _row(line, columns)


def _row(line: Line, columns: dict[str, str]) -> Row | BadRow:
    try:
        found = _DECODER.decode(without_end(line.text))
        if not isinstance(found, dict):
            return BadRow(line.number, f"expected a JSON object, found {_KINDS[type(found)]}", line.text)
        values = {role: _value(found, role, column) for role, column in columns.items()}
    except json.JSONDecodeError as error:
        is_array = line.number == 1 and line.text.startswith("[")
        hint = "; an array over several lines is not read: write one object a line" if is_array else ""
        return BadRow(line.number, f"not JSON: {error.msg} at character {error.pos + 1}{hint}", line.text)
    except RecursionError:
        return BadRow(line.number, "nested too deeply", line.text)
    except ValueError as error:
        return BadRow(line.number, str(error), line.text)
    return checked(line.number, values, line.text)


def _value(found: dict[str, Any], role: str, column: str) -> str:
    if column not in found:
        keys = ", ".join(map(repr, found)) or "none"
        hint = registry.suggest(column, found)
        raise ValueError(f"no key {column!r}, which the option '{role}' names; keys found: {keys}.{hint}")
    value = found[column]
    if not isinstance(value, str) or (isinstance(value, _Number) and role != "label"):
        wanted = "a string or a number" if role == "label" else "a string"
        raise ValueError(f"expected {wanted} for {role}, found {_KINDS[type(value)]}")
    if not value.isascii():
        _refuse_surrogates(value, role)
    return str(value)


def _refuse_surrogates(value: str, role: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"half of a surrogate pair in {role}, which is no Unicode text") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"not JSON: {name}")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_Number, parse_float=_Number, parse_constant=_constant)
