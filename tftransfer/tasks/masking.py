"""Which tokens a masked language model has to find: drawn anew for each batch."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from tftransfer.token_rows import IGNORED, TokenRows, token_weights

__all__ = ["Masking", "first_columns"]

_MULTIPLE = 4
"""The most masked tokens of a row are rounded up to a multiple of it, so that few shapes occur."""


@dataclasses.dataclass(frozen=True, eq=False)
class Masking:
    """Makes batches of rows into batches with masked tokens (Devlin et al., 2019).

    Args:
        rows: TokenRows. All of them; with `word_starts` if words are masked as a whole.
        mask_token_id: int. What stands for a masked token.
        special_ids: int array. Tokens that are never masked.
        replacements: int array. What a random token is drawn from.
        probability: float. Share of a row's tokens that are to be found; one at least.
        mask_share: float. Share of those that become the mask token.
        random_share: float. Share of those that become a random token; the rest stays what it is.
        whole_words: bool. Whether words are masked as a whole. Defaults to False.
    """

    rows: TokenRows
    mask_token_id: int
    special_ids: np.ndarray
    replacements: np.ndarray
    probability: float
    mask_share: float
    random_share: float
    whole_words: bool = False

    def __call__(
        self, inputs: Mapping[str, np.ndarray], rows: np.ndarray, random: np.random.Generator | None
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray] | tuple[dict[str, np.ndarray]]:
        """Returns a batch with masked tokens.

        Args:
            inputs: dict of int32 arrays `(batch, length)`. The padded rows.
            rows: int array `(batch,)`. Which ones they are.
            random: NumPy's generator; None if nothing is to be masked but what is masked already.

        Returns:
            Inputs, with int32 `masked_positions` `(batch, masked)`; and if there was something to draw, the tokens that
            stood there, int32 with `IGNORED` where a row has fewer, and their float32 weights.
        """
        ids = inputs["input_ids"]
        if random is None:
            positions, _ = first_columns(ids == self.mask_token_id, multiple=1)
            return ({**inputs, "masked_positions": positions},)
        chosen = self._chosen(inputs, rows, random)
        positions, known = first_columns(chosen, _MULTIPLE)
        targets = np.where(known, np.take_along_axis(ids, positions, axis=1), IGNORED).astype("int32")
        masked = {**inputs, "input_ids": self._masked(ids, chosen, random), "masked_positions": positions}
        return masked, targets, token_weights(targets)

    def _chosen(self, inputs: Mapping[str, np.ndarray], rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Returns which tokens are to be found, bool `(batch, length)`."""
        candidates = (inputs["attention_mask"] > 0) & ~np.isin(inputs["input_ids"], self.special_ids)
        row, column = np.nonzero(candidates)
        begins = np.diff(row, prepend=-1) > 0  # whether a word begins with the token; with a row's first one it does
        begins |= self._word_starts(rows, inputs["attention_mask"])[row, column]
        words = np.cumsum(begins) - 1
        sizes, row_of = np.bincount(words), row[begins]
        quota = np.maximum(np.rint(self.probability * candidates.sum(axis=1)), 1)
        # The words of each row in a random order; one is taken if its middle lies within the row's quota.
        order = np.lexsort((random.random(len(sizes)), row_of))
        before = np.cumsum(sizes[order]) - sizes[order]
        before -= before[np.searchsorted(row_of, row_of[order])]
        taken = np.zeros(len(sizes), bool)
        taken[order] = (before == 0) | (before + sizes[order] / 2 <= quota[row_of[order]])
        chosen = np.zeros_like(candidates)
        chosen[row, column] = taken[words]
        return chosen

    def _word_starts(self, rows: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        starts = np.ones_like(attention_mask, bool)
        if self.whole_words and self.rows.word_starts is not None:
            found = [self.rows.word_starts[self.rows.offsets[row] : self.rows.offsets[row + 1]] for row in rows]
            starts[attention_mask > 0] = np.concatenate(found)
        return starts

    def _masked(self, ids: np.ndarray, chosen: np.ndarray, random: np.random.Generator) -> np.ndarray:
        masked, count = ids.copy(), int(chosen.sum())
        fate, drawn = random.random(count), random.choice(self.replacements, count)
        drawn = np.where(fate < self.mask_share + self.random_share, drawn, ids[chosen])
        masked[chosen] = np.where(fate < self.mask_share, self.mask_token_id, drawn)
        return masked


def first_columns(chosen: np.ndarray, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the columns that are true in each row.

    Args:
        chosen: bool array `(rows, columns)`.
        multiple: int. The most of a row are rounded up to a multiple of it; there is one column at least.

    Returns:
        int32 `(rows, most)`, with 0 where a row has fewer, and bool of that shape, where it has not.
    """
    counts = chosen.sum(axis=1)
    most = max(-(-int(counts.max(initial=0)) // multiple), 1) * multiple
    known = np.arange(most) < counts[:, None]
    positions = np.zeros(known.shape, "int32")
    positions[known] = np.nonzero(chosen)[1]
    return positions, known
