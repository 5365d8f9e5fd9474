"""The file of the rows that were left out."""

import json
from collections.abc import Iterable
from pathlib import Path

from tftransfer import atomic
from tftransfer.data.origin import place
from tftransfer.data.source import BadRow

__all__ = ["write_quarantine"]


def write_quarantine(path: Path, bad_rows: Iterable[tuple[str, BadRow]]) -> None:
    """Writes bad rows as JSON lines with the keys file, line, reason and raw.

    The file appears whole or not at all, and takes the place of an earlier one.

    Args:
        path: Path. The file to write; its folder is made if it is missing.
        bad_rows: iterable of (path of the source that the row came from, BadRow).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    placed = ((*place(path, row.line), row) for path, row in bad_rows)
    entries = ({"file": file, "line": line, "reason": row.reason, "raw": row.raw} for file, line, row in placed)
    atomic.write(path, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))
