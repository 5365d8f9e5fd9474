"""Tensors of a safetensors file into variables and back, strictly: nothing guessed, nothing left over."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - gives NumPy the bfloat16 that safetensors asks it for
import numpy as np
import safetensors

from tftransfer.backbones.family import Family, Place
from tftransfer.errors import CheckpointError

__all__ = ["LoadReport", "collect", "fill", "open_tensors"]

_FLOATS = {"F64", "F32", "F16", "BF16"}


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint's tensors.

    Args:
        loaded: tuple of str. Paths of the variables that were filled.
        left_out: tuple of str. Tensors of the file that this model has no use for, such as those of another head.
        fresh: tuple of str. Paths of the variables that begin with random numbers. Defaults to ().
        head: str. What became of the checkpoint's head, in words. Defaults to "".
    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    fresh: tuple[str, ...] = ()
    head: str = ""

    def __str__(self) -> str:
        parts = [f"{len(self.loaded)} variables loaded"]
        parts += [f"left out: {', '.join(self.left_out)}"] if self.left_out else []
        return "; ".join([*parts, self.head] if self.head else parts)


def open_tensors(path: Path) -> Any:
    """Returns an open safetensors file: `keys()`, `get_slice(name)`, `get_tensor(name)`; data is read when asked for.

    Raises:
        CheckpointError: if the file is truncated or not a safetensors file.
    """
    try:
        return safetensors.safe_open(path, framework="np")
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: expected a complete safetensors file, received {path.stat().st_size:,} bytes that are not one "
            f"({error}). The download was probably cut short: fetch the file again."
        ) from None


def fill(
    variables: Iterable[Any], family: Family, tensors: Any, kind: str = "", *, partial: bool = False
) -> LoadReport:
    """Assigns to every variable its tensor.

    Args:
        variables: Keras variables of the backbone, and of a head.
        family: Family. Whose tables name the tensors.
        tensors: An open safetensors file.
        kind: str. Kind of the head among the variables. Defaults to "": there is none.
        partial: bool. Whether the variables are a part of the model, so that tensors left over are no concern.
            Defaults to False.

    Returns:
        A `LoadReport`.

    Raises:
        CheckpointError: listing every variable without a tensor, every tensor without a variable and every shape that
            does not fit; no variable has been changed then.
    """
    available = family.canonical(list(tensors.keys()))
    planned, problems, used = [], [], set()
    for variable in variables:
        place = family.place(variable.path, kind)
        used.add(place.name)
        if place.name not in available:
            problems.append(f"- {variable.path}: no tensor '{place.name}' in the file")
            continue
        stored = tensors.get_slice(available[place.name])
        shape = _shape_of(tuple(stored.get_shape()), place)
        if shape != tuple(variable.shape) or stored.get_dtype() not in _FLOATS:
            expected = f"float {tuple(variable.shape)}"
            problems.append(f"- {variable.path}: expected {expected}, '{place.name}' is {stored.get_dtype()} {shape}")
        planned.append((variable, available[place.name], place))
    left_out = [] if partial else sorted(set(available) - used)
    problems += [f"+ {name}: no variable takes this tensor" for name in left_out if not family.is_excused(name)]
    if problems:
        raise CheckpointError("The checkpoint does not fit its config.json:\n" + "\n".join(problems))
    for variable, name, place in planned:
        variable.assign(_cut(tensors.get_tensor(name), place))
    return LoadReport(tuple(variable.path for variable, _, _ in planned), tuple(left_out))


def _shape_of(stored: tuple[int, ...], place: Place) -> tuple[Any, ...]:
    """Returns the shape of the variable whose numbers are at a place of a tensor of this shape."""
    rows = stored[0] / place.parts if place.parts > 1 and stored else None
    shape = stored if rows is None else (int(rows) if rows.is_integer() else rows, *stored[1:])
    return shape[::-1] if place.transposed else shape


def _cut(tensor: np.ndarray, place: Place) -> np.ndarray:
    """Returns the numbers at a place of a tensor, as the variable has them."""
    if place.parts > 1:
        rows = len(tensor) // place.parts
        tensor = tensor[place.part * rows : (place.part + 1) * rows]
    return np.asarray(tensor.T if place.transposed else tensor, "float32")


def collect(variables: Iterable[Any], family: Family, kind: str = "") -> dict[str, np.ndarray]:
    """Returns what `fill` would read: the tensors of a file, by their names in it, float32.

    Args:
        variables: Keras variables of the backbone, and of a head.
        family: Family. Whose tables name the tensors.
        kind: str. Kind of the head among the variables. Defaults to "": there is none.
    """
    parts: dict[str, dict[int, np.ndarray]] = {}
    for variable in variables:
        place = family.place(variable.path, kind)
        array = np.asarray(variable)
        name = family.file_name(place, variable.path, kind)
        parts.setdefault(name, {})[place.part] = array.T if place.transposed else array
    # Contiguous, for a file holds the bytes as they lie.
    joined = {name: np.concatenate([found[n] for n in sorted(found)]) for name, found in parts.items()}
    return {name: np.ascontiguousarray(array) for name, array in joined.items()}
