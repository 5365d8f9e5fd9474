"""Rows as a source yields them."""

from typing import Any, NamedTuple

__all__ = ["BadRow", "Row"]


class Row(NamedTuple):
    """A good row.

    Args:
        line: int. Where it starts in the file, counted from 1.
        values: dict of role to str, or to a list for the roles that `Examples` names.
    """

    line: int
    values: dict[str, Any]


class BadRow(NamedTuple):
    """A row that cannot be used.

    Args:
        line: int. Where it starts in the file, counted from 1.
        reason: str.
        raw: str. The row as it stands there; bytes that are not UTF-8 appear as backslash escapes.
    """

    line: int
    reason: str
    raw: str
