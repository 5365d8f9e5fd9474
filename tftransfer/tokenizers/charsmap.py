"""The "Precompiled" normalizer of SentencePiece models, as the Rust tokenizer applies it.

Rust works on graphemes. One of fewer than six bytes becomes what its shortest beginning in the map becomes, and the
rest of it is dropped; of any other grapheme, each character is looked up alone. The latter a table over single
characters can do; what is here finds the former: graphemes that change as a whole.
"""

import base64
import functools
import struct
from collections.abc import Iterator

import numpy as np
import tokenizers

from tftransfer.tokenizers.character_classes import character_class
from tftransfer.tokenizers.trie import build_trie

__all__ = ["grapheme_pattern", "whole_graphemes"]

_LONGEST = 5  # bytes


@functools.lru_cache(maxsize=4)
def whole_graphemes(charsmap: str) -> dict[str, str]:
    """Returns how the graphemes of several characters begin that change as a whole, and what they become.

    Args:
        charsmap: str. The base64 of `precompiled_charsmap`.

    Returns:
        A dict: a single character, which then stands alone; or the shortest beginning of more characters, with what
        replaces it.
    """
    found: dict[str, str] = {}
    for key, value in sorted(_entries(base64.b64decode(charsmap)), key=lambda entry: len(entry[0])):
        text = key.decode()
        if not any(text[:n] in found for n in range(1, len(text))):
            found[text] = text if len(text) == 1 else value.decode()
    return found


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys of up to five bytes with their values."""
    (size,) = struct.unpack_from("<I", content)
    units, values = np.frombuffer(content, "<u4", size // 4, 4).astype(np.int64), content[4 + size :]
    labels, waiting = np.arange(1, 256), [(0, b"")]
    while waiting:
        place, key = waiting.pop()
        unit = int(units[place])
        base = place ^ (unit >> 10) << ((unit & 0x200) >> 6)
        if unit & 0x100:
            start = int(units[base]) & 0x7FFFFFFF
            yield key, values[start : values.index(b"\0", start)]
        if len(key) < _LONGEST:
            children = base ^ labels
            children, bytes_ = children[children < len(units)], labels[children < len(units)]
            hits = (units[children] & 0x800000FF) == bytes_
            waiting += [(int(c), key + bytes([b])) for c, b in zip(children[hits], bytes_[hits], strict=True)]


@functools.cache
def grapheme_pattern() -> str:
    """Returns an RE2 pattern whose second group is a grapheme of several characters; the first only keeps others away.

    What extends a grapheme, what ends it, and what swallows the next character is found by asking Rust, with a map that
    turns each character of up to three bytes into "b" - and so drops the rest of its grapheme.
    """
    asked = _all_to_b()
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    extends = [point for point in points if asked.normalize_str(f"a{chr(point)}") == "b"]
    few = [point for point in points if 0 < point < 0x10000]
    ends = [0, *(point for point in few if asked.normalize_str(f"{chr(point)}\u0301") == "bb")]
    swallows = [point for point in few if asked.normalize_str(f"{chr(point)}a") == "b"]
    extend, end, swallow = map(character_class, (extends, ends, swallows))
    return f"([{swallow}]+[^{end}]?[{extend}]*)|([^{end}{extend}]?[{extend}]+|\r\n)"


def _all_to_b() -> tokenizers.normalizers.Normalizer:
    units = build_trie({chr(point).encode(): 0 for point in range(1, 0x10000) if not 0xD800 <= point < 0xE000})
    return tokenizers.normalizers.Precompiled(struct.pack("<I", units.nbytes) + units.tobytes() + b"b\0")
