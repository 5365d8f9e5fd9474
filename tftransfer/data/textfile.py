"""The lines of a text file, plain or gzip, each decoded by itself so that one bad byte costs one line."""

import codecs
import functools
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from tftransfer import registry
from tftransfer.errors import DataError

__all__ = ["MAX_BYTES", "Line", "read_lines", "without_end"]

MAX_BYTES = 10_000_000  # of one line; a longer one is a damaged or a binary file, or meant to fill the memory
_KEPT = 1000  # bytes that a report shows of a line that is too long
_FOREIGN = {
    b"\x1f\x8b": "gzip data; give the file a name that ends in .gz",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV in UTF-8",
    b"PAR1": "Parquet; convert it to CSV or JSON lines",
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
    try:
        with _open(path) as stream:
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
    except FileNotFoundError as error:
        raise DataError(_missing(path)) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        reason = f"{path}: a damaged gzip file, read up to line {number} ({error})."
        raise DataError(f"{reason} Copy or compress it again; if it is plain text, drop .gz from its name.") from error
    except OSError as error:
        reason = f"{path}: the file cannot be read ({error.strerror or error})."
        raise DataError(f"{reason} Check its permissions and the disk.") from error
    if number == 0:
        raise DataError(f"{path}: the file is empty. Expected {expected}.")


def without_end(text: str) -> str:
    r"""Returns a line's text without its `\n` or `\r\n`."""
    return text.removesuffix("\n").removesuffix("\r")


def _open(path: str) -> BinaryIO:
    if os.path.isdir(path):
        raise DataError(f"{path}: expected a file, found a folder. Name one of the files in it.")
    if path.lower().endswith(".gz"):
        # A GzipFile reads line by line in Python; the buffer on top does it in C.
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, gzip.open(path, "rb"))))
    return open(path, "rb")


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


def _missing(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return f"{path}: no such file: the folder '{folder}' is missing or closed. Check the path."
    return f"{path}: no such file.{registry.suggest(name, names)} Check the path; it is taken from {os.getcwd()}."
