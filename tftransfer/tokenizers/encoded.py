"""Rows of tokens as flat arrays."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tftransfer.errors import DataError

__all__ = ["Encoded", "join"]


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Tokenized rows in flat form: row i is `offsets[i]:offsets[i + 1]` of the flat arrays.

    Args:
        input_ids: int32 array `[total]`, with the special tokens and without padding.
        token_type_ids: int32 array `[total]`.
        offsets: int32 array `[rows + 1]`.
        truncated: bool array `[rows]`. Whether the text had more tokens than fitted; never so with windows.
        examples: int32 array `[rows]`. Which text each row is of, counted from 0; with windows a text may have several.
        starts: int32 array `[total]` or None: only if `RowOptions.offsets`, as all that follow. The first character of
            each token in its text as the user wrote it, in code points; -1 for a special token. White space around a
            token does not count; a token of nothing else is an empty one. Defaults to None.
        ends: int32 array `[total]` or None. The character after the last, or -1. Marks that no token is
            of, such as stripped accents, are of the token before. Defaults to None.
        texts: int8 array `[total]` or None. Which text of the row each token is of: 0 the first, 1 the second, -1 none,
            since it is a special token. Defaults to None.
        word_starts: bool array `[total]` or None. Whether a word begins with the token. A word is a run of letters,
            digits, marks and the like, or one ideograph, punctuation mark or symbol. Defaults to None.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray
    truncated: np.ndarray
    examples: np.ndarray
    starts: np.ndarray | None = None
    ends: np.ndarray | None = None
    texts: np.ndarray | None = None
    word_starts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.truncated)


def join(parts: Sequence[Encoded]) -> Encoded:
    """Puts parts, at least one, end to end."""
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise DataError(f"Expected at most 2,147,483,647 tokens in one call, got {offsets[-1]:,}. Encode it in parts.")
    names = [name for name, value in vars(parts[0]).items() if value is not None and name != "offsets"]
    flat = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Encoded(**flat, offsets=offsets.astype(np.int32))
