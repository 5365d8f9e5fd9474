"""A darts-clone double array over the UTF-8 bytes of single code points, as TensorFlow Text's ops walk it.

From the unit u at position p, the child for byte b is at `p ^ offset(u) ^ b`, if that unit has the label b. If bit 8
of u is set, the value is at `p ^ offset(u)`, with bit 31 set. The op checks no bounds, so every block is complete: the
root has 256 units; any other node has continuation bytes only (0x80 to 0xBF), so 64 aligned units are enough, and the
array's length is a multiple of 256, which keeps even a walk over malformed bytes inside it.
"""

from collections.abc import Mapping

import numpy as np

__all__ = ["build_trie"]

_ROOT_BLOCK = 256
_BLOCK = 64
_HAS_VALUE = 1 << 8
_IS_VALUE = 1 << 31
_LARGEST_OFFSET = 1 << 21  # above it, the format needs an extension bit


def build_trie(entries: Mapping[bytes, int]) -> np.ndarray:
    """Builds the double array.

    Args:
        entries: the UTF-8 of a code point -> its value, below 2**31. No NUL.

    Returns:
        A uint32 array. Equal sub-tries share one block, and equal values one unit.
    """
    root: dict = {}
    for key, value in entries.items():
        node = root
        for byte in key[:-1]:
            node = node.setdefault(byte, {})
        node[key[-1]] = value
    array = _DoubleArray()
    array.place_values(sorted(set(entries.values())))
    array.place_root(root)
    return array.finish()


class _DoubleArray:
    def __init__(self) -> None:
        # The root's own unit is at 0; its children fill the block after the one that holds it.
        self._units = [0] * (2 * _ROOT_BLOCK)
        self._values: dict[int, int] = {}
        self._blocks: dict[tuple, int] = {}

    def place_values(self, values: list[int]) -> None:
        for value in values:
            self._values[value] = len(self._units)
            self._units.append(_IS_VALUE | value)
        self._fill_up(_BLOCK)

    def place_root(self, root: dict) -> None:
        self._units[0] = _pointer(0, _ROOT_BLOCK)
        for label, target, flag in self._children(root):
            place = _ROOT_BLOCK ^ label
            self._units[place] = _pointer(place, target) | flag | label

    def _children(self, node: dict) -> tuple:
        """(label, where it points, flag) of each child, once everything below the node has its place."""
        return tuple(
            (label, self._place(child), 0) if isinstance(child, dict) else (label, self._values[child], _HAS_VALUE)
            for label, child in sorted(node.items())
        )

    def _place(self, node: dict) -> int:
        """Returns the base of the node's block: the position from which the label of a child is counted."""
        children = self._children(node)
        base = self._blocks.get(children)
        if base is None:
            block = len(self._units)
            self._units += [0] * _BLOCK
            base = self._blocks[children] = block ^ 0x80
            for label, target, flag in children:
                place = base ^ label
                self._units[place] = _pointer(place, target) | flag | label
        return base

    def _fill_up(self, multiple: int) -> None:
        self._units += [0] * (-len(self._units) % multiple)

    def finish(self) -> np.ndarray:
        self._fill_up(_ROOT_BLOCK)
        return np.array(self._units, np.uint32)


def _pointer(place: int, target: int) -> int:
    offset = place ^ target
    assert offset < _LARGEST_OFFSET, "the table outgrew the trie's short offsets"
    return offset << 10
