"""Files that are whole or absent, and the checksum that tells whether they still are."""

import hashlib
import os
from pathlib import Path

__all__ = ["sha256", "write"]


def write(path: Path, content: str | bytes) -> None:
    """Writes a file beside its place, then moves it there, so that no reader ever sees half of it.

    Args:
        path: Path. The file; an earlier one is replaced, and is left as it was when writing fails.
        content: str or bytes. A string is written as UTF-8 with its line ends as they are; a lone surrogate, which has
            no UTF-8 form, becomes its escape (`\\ud83d`), which JSON reads back as it was.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Returns the hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
