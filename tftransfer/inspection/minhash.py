"""Texts that are nearly the same, found without comparing each with each.

References: Broder, "On the resemblance and containment of documents", 1997; Leskovec, Rajaraman and Ullman, "Mining of
massive datasets", chapter 3.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

__all__ = ["candidates", "signatures", "similarity"]

_HASHES = 64
_CHARACTERS = 1 << 20  # of the texts that are hashed together
_RECALL = 0.99  # of pairs that are just as alike as the threshold says
_BEHIND = 16  # rows of a bucket that each row is compared with


def similarity(first: str, second: str, size: int) -> float:
    """Returns the Jaccard similarity of the sets of runs of `size` characters of two texts, from 0 to 1."""
    one, other = _shingles(first, size), _shingles(second, size)
    return len(one & other) / max(len(one | other), 1)


def signatures(texts: Iterable[str], size: int, seed: int = 0) -> np.ndarray:
    """Returns uint32 `(texts, 64)`: the share of equal numbers of two texts is about their `similarity`.

    Args:
        texts: iterable of str.
        size: int. Characters of a run.
        seed: int. Of the hash functions. Defaults to 0.
    """
    random = np.random.default_rng(seed)
    offsets = random.integers(0, 2**32, _HASHES, np.uint32)
    factors = random.integers(0, 2**32, _HASHES, np.uint32) | np.uint32(1)
    found = [_least(hashes, starts, offsets, factors) for hashes, starts in _hashed(texts, size)]
    return np.concatenate(found) if found else np.empty((0, _HASHES), np.uint32)


def candidates(signatures: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs of texts that are likely as alike as the threshold says.

    Texts with the same numbers in one of several bands of their signatures share a bucket (locality-sensitive hashing);
    of those, a text is compared with the 16 that follow it.

    Args:
        signatures: uint32 array `(texts, hashes)`.
        threshold: float between 0 and 1.

    Returns:
        An int array `(pairs, 2)`, the lower number first, without repetitions, and a float array `(pairs,)`: how alike
        they are by their signatures.
    """
    width, found = _band(threshold, signatures.shape[1]), []
    for start in range(0, signatures.shape[1] - width + 1, width):
        # Rows of equal numbers side by side; lexsort is stable, so the lower row comes first.
        band = signatures[:, start : start + width]
        order = np.lexsort(band.T)
        for lag in range(1, min(_BEHIND, len(order) - 1) + 1):
            same = (band[order[:-lag]] == band[order[lag:]]).all(axis=1)
            if not same.any():
                break
            found.append(np.stack([order[:-lag][same], order[lag:][same]], axis=1))
    if not found:
        return np.empty((0, 2), np.int64), np.empty(0)
    pairs = np.unique(np.concatenate(found), axis=0)
    estimates = np.concatenate([_equal(signatures, part) for part in np.array_split(pairs, len(pairs) // 65536 + 1)])
    # Three standard deviations of 64 throws below the threshold: what is farther away is not worth a look.
    likely = estimates >= threshold - 3 * (threshold * (1 - threshold) / signatures.shape[1]) ** 0.5
    return pairs[likely], estimates[likely]


def _equal(signatures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.mean(signatures[pairs[:, 0]] == signatures[pairs[:, 1]], axis=1)


def _shingles(text: str, size: int) -> set[str]:
    # As many as characters: the last ones run over the end, so that a text shorter than a run has some too.
    padded = text + "\0" * (size - 1)
    return {padded[i : i + size] for i in range(len(text))}


def _band(threshold: float, hashes: int) -> int:
    """Returns the widest band with which a pair just as alike as the threshold is found nearly always."""
    widths = range(1, hashes + 1)
    return max((n for n in widths if 1 - (1 - threshold**n) ** (hashes // n) >= _RECALL), default=1)


def _hashed(texts: Iterable[str], size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the hashes of the runs of some texts, uint32, and where those of each text begin."""
    some: list[str] = []
    total = 0
    for text in texts:
        some.append(text or "\0")
        total += len(some[-1]) + size
        if total >= _CHARACTERS:
            yield _rolling(some, size)
            some, total = [], 0
    if some:
        yield _rolling(some, size)


def _rolling(texts: Sequence[str], size: int) -> tuple[np.ndarray, np.ndarray]:
    gap = "\0" * (size - 1)
    points = np.frombuffer((gap.join(texts) + gap).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    lengths = np.array([len(text) for text in texts])
    count = len(points) - size + 1
    hashes = np.zeros(count, np.uint64)
    for shift in range(size):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + points[shift : shift + count]
    # The high bits of a product depend on all bits of what was multiplied.
    hashes = ((hashes ^ (hashes >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(32)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    begins = starts + (size - 1) * np.arange(len(texts))
    places = np.repeat(begins - starts, lengths) + np.arange(lengths.sum())
    return hashes[places].astype(np.uint32), starts


def _least(hashes: np.ndarray, starts: np.ndarray, offsets: np.ndarray, factors: np.ndarray) -> np.ndarray:
    columns = [np.minimum.reduceat((hashes ^ offset) * factor, starts) for offset, factor in zip(offsets, factors)]  # noqa: B905
    return np.stack(columns, axis=1)
