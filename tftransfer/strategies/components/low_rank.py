"""Linear layers with an update of low rank."""

import dataclasses
import re
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tftransfer.additions import Additions
from tftransfer.errors import ConfigError

__all__ = ["LowRankDense", "LowRankUpdates"]


@keras.saving.register_keras_serializable("tftransfer")
class LowRankDense(keras.layers.Dense):
    """A dense layer that computes `x W + b + scale * (x A) B`; the full matrix `A B` is not formed.

    With `dora`, the columns of `W + scale * A B` are given lengths of their own, learned (Liu et al., 2024): its
    lengths as they are count as constants in the gradient (section 4.3 of the paper), and they alone need the matrix.

    Args:
        units: int. Width of the result.
        rank: int. Columns of A, rows of B.
        scale: float. Factor of the update. Defaults to 1.0.
        dropout: float. Rate on what goes into the update. Defaults to 0.0.
        dora: bool. Whether lengths are learned apart from directions. Defaults to False.
        **kwargs: Those of `keras.layers.Dense`.

    Call arguments:
        inputs: float tensor `(..., in)`.
        training: bool. Whether dropout is active.

    Returns:
        A float tensor `(..., units)`.
    """

    def __init__(
        self, units: int, rank: int, scale: float = 1.0, dropout: float = 0.0, dora: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(units, **kwargs)
        self.options = {"rank": rank, "scale": scale, "dropout": dropout, "dora": dora}
        # Uniform within 1 / sqrt(in), as PyTorch begins every linear layer.
        uniform = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        plain = {"use_bias": False, "dtype": self.dtype_policy}
        self.lora_a = keras.layers.Dense(rank, kernel_initializer=uniform, name="lora_a", **plain)
        self.lora_b = keras.layers.Dense(units, kernel_initializer="zeros", name="lora_b", **plain)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="lora_dropout")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        super().build(input_shape)
        self.lora_a.build(input_shape)
        self.lora_b.build((*input_shape[:-1], self.options["rank"]))
        if self.options["dora"]:
            # float32 in any precision: what counts is by how much it differs from the length.
            self.lora_magnitude = self.add_weight((self.units,), "ones", autocast=False, name="lora_magnitude")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        dropped = self.dropout(inputs, training=training)
        update = self.lora_b(self.lora_a(dropped)) * self.options["scale"]
        if not self.options["dora"]:
            return super().call(inputs) + update
        ratio = ops.convert_to_tensor(self.lora_magnitude) / ops.stop_gradient(self._lengths())
        more, ratio = (ops.cast(x, self.compute_dtype) for x in (ratio - 1, ratio))
        return super().call(inputs) + more * ops.matmul(dropped, self.kernel) + ratio * update

    def _lengths(self) -> Any:
        """Returns the length of each column of the updated matrix, `(units,)` float32."""
        kernel, a, b = (ops.cast(dense.kernel, "float32") for dense in (self, self.lora_a, self.lora_b))
        return ops.norm(kernel + self.options["scale"] * ops.matmul(a, b), axis=0)

    def save_own_variables(self, store: Any) -> None:
        keras.layers.Layer.save_own_variables(self, store)  # Dense's own knows of kernel and bias alone

    def load_own_variables(self, store: Any) -> None:
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.options}


@keras.saving.register_keras_serializable("tftransfer")
@dataclasses.dataclass(frozen=True)
class LowRankUpdates(Additions):
    """Low-rank updates of those linear layers whose paths end with what `targets` matches.

    Args:
        targets: str. Regular expression over whole names at a path's end, such as "query|value".
        rank, scale, dropout, dora: Those of `LowRankDense`.
    """

    pattern: ClassVar[str] = r"/lora_(a/kernel|b/kernel|magnitude)$"
    mergeable: ClassVar[bool] = True

    targets: str
    rank: int
    scale: float
    dropout: float
    dora: bool

    def projection(self, path: str, dense: Any) -> Any:
        if not re.search(f"/({self.targets})$", path):
            return dense
        options = {"rank": self.rank, "scale": self.scale, "dropout": self.dropout, "dora": self.dora}
        return LowRankDense.from_config({**dense.get_config(), **options})

    def initialize(self, variables: dict[str, Any]) -> None:
        """Gives every column the length that it has.

        Raises:
            ConfigError: if the backbone has no linear layer that `targets` names.
        """
        modules = _updated(variables)
        if not modules:
            found = (re.fullmatch(r"encoder/layer_\d+/(.+)/kernel", path) for path in variables)
            names = dict.fromkeys(match[1] for match in found if match)
            raise ConfigError(
                f"targets: expected a regular expression for linear layers of this backbone, which are "
                f"{', '.join(names)}; received '{self.targets}', which fits none."
            )
        for module in modules if self.dora else []:
            kernel = np.asarray(variables[f"{module}/kernel"], "float64")
            variables[f"{module}/lora_magnitude"].assign(np.linalg.norm(kernel, axis=0).astype("float32"))

    def merged(self, values: dict[str, Any]) -> dict[str, Any]:
        kernels = {f"{module}/kernel": self._kernel(values, module) for module in _updated(values)}
        return {path: value for path, value in values.items() if not re.search(self.pattern, path)} | kernels

    def _kernel(self, values: dict[str, Any], module: str) -> np.ndarray:
        """Returns the matrix `(in, out)` that does what a module does."""
        names = ("kernel", "lora_a/kernel", "lora_b/kernel")
        kernel, a, b = (np.asarray(values[f"{module}/{name}"], "float64") for name in names)
        kernel = kernel + self.scale * a @ b
        if self.dora:
            kernel *= np.asarray(values[f"{module}/lora_magnitude"]) / np.linalg.norm(kernel, axis=0)
        return kernel.astype("float32")


def _updated(paths: dict[str, Any]) -> list[str]:
    """Returns the paths of the linear layers that have an update."""
    end = "/lora_a/kernel"
    return [path.removesuffix(end) for path in paths if path.endswith(end)]
