"""JSON read strictly: no key twice, no half characters, numbers as they are written."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tftransfer import registry
from tftransfer.data.source import BadRow, Row, checked
from tftransfer.data.textfile import Line, read_lines, without_end

__all__ = ["DECODER", "Number", "decode", "encode", "integer", "json_rows", "kind_of", "label_of", "member", "string"]


class Number(str):
    """A number as it is written: the label 1.50 stays "1.50"."""


_SQUAD = re.compile(r"""\s*\{\s*["'](version|data)["']""")
_KINDS = {
    type(None): "null",
    bool: "a boolean",
    Number: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def kind_of(value: Any) -> str:
    """Returns what a decoded value is, for messages."""
    return _KINDS[type(value)]


def json_rows(path: str, expected: str, read: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[Row | BadRow]:
    """Yields one row for each line with a JSON object; blank lines are passed over.

    Args:
        path: str. The file.
        expected: str. What it should hold, for messages.
        read: callable. Returns a row's values from the object; raises ValueError if it cannot.
    """
    for line in read_lines(path, expected):
        if line.problem is not None:
            yield BadRow(line.number, line.problem + _hint(line), line.text)
        elif line.text and not line.text.isspace():
            yield _row(line, read)


def _row(line: Line, read: Callable[[dict[str, Any]], dict[str, Any]]) -> Row | BadRow:
    try:
        found = decode(without_end(line.text))
        if isinstance(found, dict):
            return checked(line.number, read(found), line.text)
        reason = f"expected a JSON object, found {kind_of(found)}"
    except json.JSONDecodeError as error:
        reason = f"not JSON: {error.msg} at character {error.pos + 1}"
    except ValueError as error:
        reason = str(error)
    return BadRow(line.number, reason + _hint(line), line.text)


def _hint(line: Line) -> str:
    """Returns what a first line tells of a file that is not JSON lines."""
    if line.number > 1:
        return ""
    if _SQUAD.match(line.text):
        return "; this looks like SQuAD's JSON, which format: squad reads"
    if line.text.startswith("[") or line.text.strip() == "{":
        return "; JSON over several lines is not read: write one object a line, or for SQuAD's JSON set format: squad"
    return ""


def decode(text: str) -> Any:
    """Returns a JSON value, its numbers as `Number`.

    Raises:
        json.JSONDecodeError: if it is not JSON.
        ValueError: if it is not strict, or nested too deeply.
    """
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def encode(value: Any) -> str:
    """Returns what `decode` returned as JSON again; half characters appear as escapes."""
    return json.dumps(_plain(value), ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return json.loads(value) if isinstance(value, Number) else value


def member(found: dict[str, Any], role: str, key: str) -> Any:
    """Returns the value under the key that the option `role` names.

    Raises:
        ValueError: if there is none.
    """
    if key not in found:
        keys = ", ".join(map(repr, found)) or "none"
        hint = registry.suggest(key, found)
        raise ValueError(f"no key {key!r}, which the option '{role}' names; keys found: {keys}.{hint}")
    return found[key]


def string(value: Any, role: str, *, number: bool = False) -> str:
    """Returns a string, or where it may be one, a number as it is written.

    Raises:
        ValueError: if it is something else, or no Unicode text.
    """
    if not isinstance(value, str) or (isinstance(value, Number) and not number):
        wanted = "a string or a number" if number else "a string"
        raise ValueError(f"expected {wanted} for {role}, found {kind_of(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"half of a surrogate pair in {role}, which is no Unicode text") from None
    return str(value)


def label_of(value: Any) -> str | list[str]:
    """Returns a label, which may be a number, or the labels of a list.

    Raises:
        ValueError: if it is something else, or a label of a list is empty or there twice.
    """
    if not isinstance(value, list):
        return string(value, "label", number=True)
    labels = [string(one, "each label", number=True).strip() for one in value]
    for place, label in enumerate(labels, 1):
        if not label or "\0" in label:
            raise ValueError(f"{'NUL character in' if label else 'empty'} label {place} of {len(labels)}")
    if len(set(labels)) < len(labels):
        raise ValueError(f"a label appears twice in {labels}")
    return labels


def integer(value: Any, role: str) -> int:
    """Returns a whole number.

    Raises:
        ValueError: if it is something else.
    """
    try:
        if isinstance(value, Number):
            return int(value)
    except ValueError:
        pass
    found = value if isinstance(value, Number) else kind_of(value)
    raise ValueError(f"expected a whole number for {role}, found {found}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"not JSON: {name}")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_constant)
