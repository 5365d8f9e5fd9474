"""Which place the right document has among all of them, by the cosine of vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["cosines", "ranks", "unit"]

_CHUNK = 256
"""Queries at a time: 256 x 10,000 similarities take 20 MB."""

_TIE = 1e-9
"""Vectors that are equal have similarities that differ by so little at most, after sums in another order."""


def unit(vectors: Any) -> np.ndarray:
    """Returns the vectors (examples, dimensions) as float64, each of length 1; one of length 0 stays as it is."""
    array = np.asarray(vectors, np.float64)
    length = np.linalg.norm(array, axis=1, keepdims=True)
    return np.divide(array, length, out=np.zeros(array.shape), where=length > 0)


def cosines(first: Any, second: Any) -> np.ndarray:
    """Returns the cosine of the two vectors (examples, dimensions) of every example, float64 (examples,)."""
    return np.einsum("nd,nd->n", unit(first), unit(second)).clip(-1, 1)


def ranks(queries: Any, documents: Any, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns where each query's own document stands among all documents that are nearest to it.

    Documents with the same text are one. One that is as near as the right one stands before it.

    Args:
        queries: float array (examples, dimensions).
        documents: float array (examples, dimensions). The right document of each query.
        texts: Sequence of str. The texts of the documents.

    Returns:
        tuple of the ranks int (examples,), from 1; the example int (examples,) of the nearest of the documents, the
        nearest wrong one where the rank is over 1; and the number of different documents.
    """
    first: dict[str, int] = {}
    rows = [first.setdefault(text, i) for i, text in enumerate(texts)]
    kept = np.array(list(first.values()))
    own = np.searchsorted(kept, rows)  # kept is sorted, for the first of each text comes in order
    near, far = unit(queries), unit(np.asarray(documents)[kept])
    places, nearest = np.empty(len(near), np.int64), np.empty(len(near), np.int64)
    for start in range(0, len(near), _CHUNK):
        part = slice(start, start + _CHUNK)
        similarity = near[part] @ far.T  # (chunk, documents)
        right = np.take_along_axis(similarity, own[part, None], axis=1)
        np.put_along_axis(similarity, own[part, None], -np.inf, axis=1)
        places[part] = 1 + (similarity >= right - _TIE).sum(axis=1)
        nearest[part] = np.where(places[part] > 1, similarity.argmax(axis=1), own[part])
    return places, kept[nearest], len(kept)
