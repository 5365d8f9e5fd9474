"""Writes the `precompiled_charsmap` of a SentencePiece model, plainly: a block of 256 units for each node."""

import struct
from collections.abc import Mapping

__all__ = ["write_charsmap"]


def write_charsmap(entries: Mapping[str, str]) -> bytes:
    """Returns the darts-clone double array of the keys, and behind it the values, each ended by a NUL."""
    values, offsets = b"", {}
    for value in entries.values():
        offsets[value] = len(values)
        values += value.encode() + b"\0"
    root: dict = {}
    for key, value in entries.items():
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = offsets[value]
    units = [0] * 256
    _place(units, 0, 0, root)
    content = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(content)) + content + values


def _place(units: list[int], place: int, label: int, node: dict) -> None:
    base = len(units)
    units += [0] * 256
    units[place] = (place ^ base) << 10 | (None in node) << 8 | label
    for byte, child in node.items():
        if byte is None:
            units[base] = 1 << 31 | child
        else:
            _place(units, base ^ byte, byte, child)
