"""The model of TensorFlow Text's `SentencepieceTokenizer`, written field by field: it is plain protocol buffers.

The normalizer is the identity and adds nothing, so that the op only looks for pieces in what it is given.
"""

import struct
from collections.abc import Iterable

__all__ = ["BPE", "CONTROL", "NORMAL", "UNIGRAM", "UNKNOWN", "USER_DEFINED", "sentencepiece_model"]

UNIGRAM, BPE = 1, 2
# What a piece is: found in texts; what stands for unknown text; never found in any text; always taken whole.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4


def sentencepiece_model(kind: int, pieces: Iterable[tuple[str, float, int]]) -> bytes:
    """Writes a `ModelProto`.

    Args:
        kind: int. `UNIGRAM` or `BPE`.
        pieces: iterable of (text, score, what it is), in the order of the op's ids. Texts are distinct and not empty,
            and one of them is `UNKNOWN`.

    Returns:
        bytes, for `SentencepieceTokenizer(model=...)`.
    """
    written = [
        _bytes(1, _bytes(1, text.encode()) + b"\x15" + struct.pack("<f", score) + _int(3, what))
        for text, score, what in pieces
    ]
    trainer = _int(3, kind)
    # No dummy prefix (3), no removal of spaces (4), no other character in place of the space (5).
    normalizer = _bytes(1, b"identity") + _int(3, 0) + _int(4, 0) + _int(5, 0)
    return b"".join([*written, _bytes(2, trainer), _bytes(3, normalizer)])


def _int(field: int, value: int) -> bytes:
    return bytes([field << 3, value])


def _bytes(field: int, content: bytes) -> bytes:
    length, size = len(content), bytearray([field << 3 | 2])
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    size.append(length)
    return bytes(size) + content
