"""A numbered folder that appears under its number when it is finished, or not at all."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from tftransfer.errors import ExportError

__all__ = ["write_version"]


def write_version(directory: str | Path, write: Callable[[Path], None]) -> Path:
    """Has a folder written beside its place, then moves it there in one step.

    Args:
        directory: str or Path. Gets the folder `<n>`, where n is one more than the highest number there, or 1. Made if
            it is missing.
        write: callable. Writes the content into the path that it is given, and checks it.

    Returns:
        The new version's folder.

    Raises:
        ExportError: if the directory cannot be written. Whatever `write` raises goes through; then nothing is left.
    """
    base = Path(directory)
    if base.exists() and not base.is_dir():
        raise ExportError(f"{base}: expected a directory, found a file. Choose another place for the export.")
    # A server ignores names that are no numbers.
    partial = base / f".tmp-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ExportError(f"{base}: cannot be written: {error.strerror}. Choose another place.") from None
    try:
        write(partial)
        return _publish(partial, base)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, base: Path) -> Path:
    """Moves the finished folder to its number, in one step."""
    while True:
        numbers = [int(entry.name) for entry in base.iterdir() if entry.name.isascii() and entry.name.isdigit()]
        version = base / str(max(numbers, default=0) + 1)
        try:
            os.rename(partial, version)
        except OSError:
            if not version.exists():  # else another export was quicker; take the next number
                raise
        else:
            return version
