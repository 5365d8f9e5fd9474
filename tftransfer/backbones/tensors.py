"""Tensors of a safetensors file into variables, strictly: nothing guessed, nothing left over."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from tftransfer.backbones.family import Family
from tftransfer.errors import CheckpointError

__all__ = ["LoadReport", "fill"]

_FLOATS = {"F64", "F32", "F16", "BF16"}


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint's tensors.

    Args:
        loaded: tuple of str. Paths of the variables that were filled.
        left_out: tuple of str. Tensors of the file that this model has no use for, such as those of another head.
    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{len(self.loaded)} variables loaded"
        return f"{text}; left out: {', '.join(self.left_out)}" if self.left_out else text


def fill(variables: Iterable[Any], family: Family, tensors: Any) -> LoadReport:
    """Assigns to every variable its tensor.

    Args:
        variables: Keras variables of the backbone.
        family: Family. Whose tables name the tensors.
        tensors: TensorFiles.

    Returns:
        A `LoadReport`.

    Raises:
        CheckpointError: listing every variable without a tensor, every tensor without a variable and every shape that
            does not fit; no variable has been changed then.
    """
    available = family.canonical(list(tensors.keys()))
    planned, problems, used = [], [], set()
    for variable in variables:
        name, transposed = family.tensor(variable.path)
        used.add(name)
        if name not in available:
            problems.append(f"- {variable.path}: no tensor '{name}' in the file")
            continue
        stored = tensors.get_slice(available[name])
        shape = tuple(stored.get_shape())[:: -1 if transposed else 1]
        if shape != tuple(variable.shape) or stored.get_dtype() not in _FLOATS:
            expected = f"float {tuple(variable.shape)}"
            problems.append(f"- {variable.path}: expected {expected}, '{name}' is {stored.get_dtype()} {shape}")
        planned.append((variable, available[name], transposed))
    left_out = sorted(set(available) - used)
    problems += [f"+ {name}: no variable takes this tensor" for name in left_out if not family.is_excused(name)]
    if problems:
        raise CheckpointError("The checkpoint does not fit its config.json:\n" + "\n".join(problems))
    for variable, name, transposed in planned:
        array = tensors.get_tensor(name)
        variable.assign(np.asarray(array.T if transposed else array, "float32"))
    return LoadReport(tuple(variable.path for variable, _, _ in planned), tuple(left_out))
