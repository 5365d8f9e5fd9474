"""Tensors of a safetensors file into variables and back, strictly: nothing guessed, nothing left over."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from tftransfer.backbones.assign import assign
from tftransfer.backbones.family import Family, Place
from tftransfer.backbones.safetensors_files import StoredTensor, TensorFiles
from tftransfer.errors import CheckpointError

__all__ = ["LoadReport", "collect", "fill", "read"]

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


def fill(
    variables: Iterable[Any], family: Family, tensors: TensorFiles, kind: str = "", *, partial: bool = False
) -> LoadReport:
    """Assigns to every variable its tensor.

    Args:
        variables: Keras variables of the backbone, and of a head.
        family: Family. Whose tables name the tensors.
        tensors: TensorFiles.
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
        if stored.shape and stored.shape[0] % place.parts == 0:
            stored = _part(stored, place)
        shape = stored.shape[::-1] if place.transposed else stored.shape
        if shape != tuple(variable.shape) or stored.dtype not in _FLOATS:
            expected = f"float {tuple(variable.shape)}"
            problems.append(f"- {variable.path}: expected {expected}, '{place.name}' is {stored.dtype} {shape}")
        planned.append((variable, stored, place.transposed))
    left_out = [] if partial else sorted(set(available) - used)
    problems += [f"+ {name}: no variable takes this tensor" for name in left_out if not family.is_excused(name)]
    problems += [
        f"- {name}: expected {numbers.dtype} {numbers.shape} that follow from config.json; received other numbers"
        for name, numbers in family.constants.items()
        if name in available and not _close(tensors.get_tensor(available[name]), numbers)
    ]
    if problems:
        raise CheckpointError("The checkpoint does not fit its config.json:\n" + "\n".join(problems))
    for variable, stored, transposed in planned:
        assign(variable, stored, transposed=transposed)
    return LoadReport(tuple(variable.path for variable, _, _ in planned), tuple(left_out))


def _part(stored: StoredTensor, place: Place) -> StoredTensor:
    """Returns the rows of a tensor that are at a place."""
    rows = stored.shape[0] // place.parts
    return stored.rows(place.part * rows, (place.part + 1) * rows)


def _close(stored: np.ndarray, numbers: np.ndarray) -> bool:
    """Returns whether a tensor holds these numbers, whatever it was rounded to."""
    return stored.shape == numbers.shape and np.allclose(np.asarray(stored, "float32"), numbers, atol=1e-2)


def read(paths: Iterable[str], family: Family, tensors: TensorFiles, kind: str = "") -> dict[str, np.ndarray]:
    """Returns what `fill` would assign to the variables of these paths, float32; a path without a tensor is left out.

    Args:
        paths: iterable of str. Paths of variables of the backbone, and of a head.
        family: Family. Whose tables name the tensors.
        tensors: TensorFiles.
        kind: str. Kind of the head among the paths. Defaults to "": there is none.
    """
    available, found = family.canonical(list(tensors.keys())), {}
    for path in paths:
        place = family.place(path, kind)
        if place.name in available:
            array = _part(tensors.get_slice(available[place.name]), place).read()
            found[path] = np.ascontiguousarray(array.T if place.transposed else array, "float32")
    return found


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
    constants = {f"{family.prefix if kind else ''}{name}": array for name, array in family.constants.items()}
    return {name: np.ascontiguousarray(array) for name, array in {**joined, **constants}.items()}
