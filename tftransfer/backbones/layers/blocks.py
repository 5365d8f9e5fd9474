"""Rows cut into blocks that see their neighbours: the ground of attention at linear cost."""

from typing import Any, NamedTuple

from keras import ops

__all__ = ["Blocks"]


class Blocks(NamedTuple):
    """How rows of `length` tokens are cut: `count` blocks of `size`, which also see `margin` tokens on either side.

    The numbers are ints where the length is static and scalar int32 tensors elsewhere.

    Args:
        length: int. Tokens in a row.
        count: int. Blocks in a row; the last is filled up with zeros.
        size: int. Tokens in a block.
        margin: int. Tokens seen on either side of a block, at most `size`.
    """

    length: Any
    count: Any
    size: Any
    margin: Any

    @classmethod
    def for_window(cls, length: Any, window: int) -> "Blocks":
        """Returns a cut in which a block and its margins hold all that the block's tokens see.

        Blocks are at least one window long, so that one neighbour on either side is enough, and less than two. Under
        three windows a single block of the whole row is cheaper than blocks with their margins.

        Args:
            length: int, or scalar int32 tensor. Tokens in a row.
            window: int. The distance at which a token is still seen, at least 1.
        """
        if window < 1:
            raise ValueError(f"A window reaches at least 1 token. Received: window={window!r}")
        is_long = length >= 3 * window
        size = _ceil_divide(length, _choose(is_long, length // window, 1))
        return cls(length, _ceil_divide(length, size), size, _choose(is_long, window, 0))

    @classmethod
    def of_size(cls, length: Any, size: int) -> "Blocks":
        """Returns a cut into blocks of that size, each of which sees its two neighbours whole.

        Args:
            length: int, or scalar int32 tensor. Tokens in a row.
            size: int. Tokens in a block.
        """
        return cls(length, _ceil_divide(length, size), size, size)

    def cut(self, x: Any) -> Any:
        """Cuts rows into blocks: `(batch, heads, length, width)` to `(batch, heads, count, size, width)`."""
        batch, heads, _, width = ops.shape(x)
        missing = self.count * self.size - self.length
        if not isinstance(missing, int) or missing > 0:
            x = ops.pad(x, [[0, 0], [0, 0], [0, missing], [0, 0]])
        return ops.reshape(x, (batch, heads, self.count, self.size, width))

    def cut_with_margins(self, x: Any) -> Any:
        """Cuts rows into blocks with margins: to `(batch, heads, count, margin + size + margin, width)`."""
        own = self.cut(x)
        if isinstance(self.margin, int) and self.margin == 0:
            return own
        # Slices of the shifted blocks; a gather would write an index for every token, and add up its gradients by one.
        before = ops.pad(own[:, :, :-1, self.size - self.margin :], [[0, 0], [0, 0], [1, 0], [0, 0], [0, 0]])
        after = ops.pad(own[:, :, 1:, : self.margin], [[0, 0], [0, 0], [0, 1], [0, 0], [0, 0]])
        return ops.concatenate([before, own, after], axis=3)

    def join(self, x: Any) -> Any:
        """Undoes `cut`: `(batch, heads, count, size, width)` to `(batch, heads, length, width)`."""
        batch, heads, _, _, width = ops.shape(x)
        return ops.reshape(x, (batch, heads, self.count * self.size, width))[:, :, : self.length]


def _ceil_divide(number: Any, divisor: Any) -> Any:
    return -(-number // divisor)


def _choose(condition: Any, chosen: Any, other: Any) -> Any:
    """Returns one of two numbers, in Python where the condition is Python's."""
    if isinstance(condition, bool):
        return chosen if condition else other
    return ops.where(condition, chosen, other)
