"""The lines of a text file, plain or gzip, each decoded by itself so that one bad byte costs one line."""

import codecs
import functools
import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from tftransfer.data.files import opened
from tftransfer.errors import DataError

__all__ = ["MAX_BYTES", "Line", "read_lines", "without_end"]

MAX_BYTES = 10_000_000  # of one line; a longer one is a damaged or a binary file, or meant to fill the memory
_KEPT = 1000  # bytes that a report shows of a line that is too long
_FOREIGN = {
    b"\x1f\x8b": "gzip data; give the file a name that ends in .gz",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV in UTF-8",
    b"PAR1": "Parquet; set format: parquet, or give the file a name that ends in .parquet",
    b"ARROW1": "an Arrow file; set format: arrow, or give the file a name that ends in .arrow",
    codecs.BOM_UTF16_LE: "UTF-16 text; save it as UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16 text; save it as UTF-8",
}


class Line(NamedTuple):
    """One physical line.

    Args:
        number: int. Counted from 1.
        text: str. With its line end; bytes that are not UTF-8 appear as backslash escapes.
        problem: str or None. Why the line cannot be used.
    """

    number: int
    text: str
    problem: str | None


def read_lines(path: str, expected: str, max_bytes: int = MAX_BYTES) -> Iterator[Line]:
    r"""Yields the lines of a UTF-8 file, which is gzip if its name ends in .gz; a byte order mark is dropped.

    Only `\n` and `\r\n` end a line.

    Args:
        path: str. The file.
        expected: str. What it should hold, for messages.
        max_bytes: int. A longer line is a problem. Defaults to 10,000,000.

    Raises:
        DataError: if the file is missing, empty, unreadable, damaged or plainly of another kind.
    """
    number = 0
    with opened(path) as stream:
        try:
            for number, raw in enumerate(iter(functools.partial(stream.readline, max_bytes), b""), 1):
                if number == 1:
                    _refuse_foreign(path, raw, expected)
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                if len(raw) >= max_bytes - len(codecs.BOM_UTF8) and not raw.endswith(b"\n"):
                    _skip_line(stream)
                    text = raw[:_KEPT].decode("utf-8", "backslashreplace").replace('"', "'")  # must open no quote
                    yield Line(number, text + "...\n", f"longer than {max_bytes:,} bytes")
                else:
                    yield _decoded(number, raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            reason = f"{path}: a damaged gzip file, read up to line {number} ({error})."
            advice = "Copy or compress it again; if it is plain text, drop .gz from its name."
            raise DataError(f"{reason} {advice}") from error
    if number == 0:
        raise DataError(f"{path}: the file is empty. Expected {expected}.")


def without_end(text: str) -> str:
    r"""Returns a line's text without its `\n` or `\r\n`."""
    return text.removesuffix("\n").removesuffix("\r")


def _decoded(number: int, raw: bytes) -> Line:
    try:
        return Line(number, raw.decode(), None)
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line)"
        return Line(number, raw.decode("utf-8", "backslashreplace"), problem)


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(MAX_BYTES)) and not rest.endswith(b"\n"):
        pass


def _refuse_foreign(path: str, raw: bytes, expected: str) -> None:
    for start, advice in _FOREIGN.items():
        if raw.startswith(start):
            raise DataError(f"{path}: expected {expected}, but this looks like {advice}.")
