"""A list in a large JSON file, an item at a time."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from tftransfer.data.files import opened
from tftransfer.data.json_objects import DECODER

__all__ = ["json_items"]

_CHARACTERS = 2**20  # read at a time, at least
_BEHIND = frozenset(" \t\n\r,:]}")  # what may stand behind a value
_BLANK = re.compile(r"[ \t\n\r]*")


def json_items(path: str, key: str) -> Iterator[Any]:
    """Yields the items, which are objects, of the list under a key of the object that a file holds.

    Args:
        path: str. The file; gzip if its name ends in .gz.
        key: str. The list may stand before and behind other keys.

    Raises:
        ValueError: as soon as the file turns out to be otherwise. It may be JSON all the same; reading it whole tells.
    """
    with opened(path) as stream:
        text = _Text(io.TextIOWrapper(stream, "utf-8-sig", newline=""))
        keys: list[Any] = []
        text.take("{")
        while not keys or text.take(",}") == ",":
            keys.append(text.value())
            text.take(":")
            if keys[-1] == key:
                yield from _listed(text)
            else:
                text.value()
        if text.next_sign() or key not in keys or len(set(keys)) < len(keys):
            raise ValueError(f"expected one object with a list '{key}', and no key twice; found {keys}")


def _listed(text: "_Text") -> Iterator[Any]:
    text.take("[")
    if text.next_sign() == "]":
        text.take("]")
        return
    while True:
        if text.next_sign() != "{":
            raise ValueError("expected an object in the list")
        yield text.value()
        if text.take(",]") == "]":
            return


class _Text:
    """What of a stream is not yet read as JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._held, self._at = stream, "", 0

    def next_sign(self) -> str:
        """Returns the next character that is not blank, "" at the end."""
        while True:
            self._at = _end_of_blanks(self._held, self._at)
            if self._at < len(self._held) or not self._more():
                return self._held[self._at : self._at + 1]

    def take(self, signs: str) -> str:
        """Goes beyond the next sign, which is one of `signs`, and returns it."""
        sign = self.next_sign()
        if not sign or sign not in signs:
            raise ValueError(f"expected one of {signs!r}, found {sign!r}")
        self._at += 1
        return sign

    def value(self) -> Any:
        """Goes beyond the next value, and returns it."""
        self.next_sign()
        while True:
            try:
                value, end = DECODER.raw_decode(self._held, self._at)
                # A number may go on beyond what is held, also from "1." and "1e".
                if self._held[end : end + 1] in _BEHIND or not self._more():
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if not self._more():
                    raise

    def _more(self) -> bool:
        """Reads on, as much again as is held, so that a long value is not tried too often."""
        self._held = self._held[self._at :]
        self._at = 0
        read = self._stream.read(max(_CHARACTERS, len(self._held)))
        self._held += read
        return bool(read)


def _end_of_blanks(text: str, start: int) -> int:
    found = _BLANK.match(text, start)
    return found.end() if found else start
