"""Top layers that begin anew."""

import dataclasses
import re
from typing import Any

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.regularizers.regularizer import Regularizer

__all__ = ["Reinitialize"]


@registry.regularizers.register("reinitialize")
@dataclasses.dataclass(frozen=True)
class Reinitialize(Regularizer):
    """Forgets the pooler and the topmost layers of the encoder before training, which begin with fresh numbers.

    They know most of what the pretraining was for, and least of other tasks; with few examples training is then often
    steadier. Fresh are matrices, normal with the checkpoint's `initializer_range` and cut at two of it, and
    normalisations and biases, 1 and 0. It is for strategies that train these layers: under one that freezes them they
    stay random.

    Reference: Zhang et al., "Revisiting few-sample BERT fine-tuning", 2021.

    Args:
        layers: int >= 0. How many layers begin anew; the paper tries 1 to 6 of 24. Defaults to 1.
        pooler: bool. Whether the pooler, if the model has one, begins anew too. Defaults to True.

    Example:

        >>> tftransfer.fine_tune(model, train, regularizers=[tftransfer.regularizers.Reinitialize(layers=2)])
    """

    layers: int = 1
    pooler: bool = True

    def __post_init__(self) -> None:
        if self.layers < 0:
            raise ConfigError(f"layers: expected a number of layers >= 0; received {self.layers}.")

    def prepare(self, model: Any) -> None:
        import keras

        # A strategy's additions have beginnings of their own.
        added = model.strategy.additions().pattern
        variables = {v.path: v for v in model.weights if not re.search(added, v.path)}
        pattern = self._pattern(list(variables))
        config = model.checkpoint.config
        normal = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        fresh = {path: variable for path, variable in variables.items() if re.search(pattern, path)}
        for path, variable in fresh.items():
            begin = keras.initializers.Ones() if path.endswith("/gamma") else keras.initializers.Zeros()
            variable.assign((normal if len(variable.shape) > 1 else begin)(variable.shape, "float32"))
        if model.load_report is not None:
            loaded = tuple(path for path in model.load_report.loaded if path not in fresh)
            unloaded = tuple(dict.fromkeys((*model.load_report.fresh, *fresh)))
            model.load_report = dataclasses.replace(model.load_report, loaded=loaded, fresh=unloaded)

    def _pattern(self, paths: list[str]) -> str:
        """Returns a regular expression for the paths of what begins anew."""
        found = {int(match[1]) for path in paths if (match := re.match(r"encoder/layer_(\d+)/", path))}
        if self.layers > len(found):
            raise ConfigError(f"layers: expected at most {len(found)}, what the model has; received {self.layers}.")
        top = [f"encoder/layer_{number}/" for number in sorted(found)[len(found) - self.layers :]]
        return "^(" + "|".join([*top, *["pooler/"] * self.pooler, "(?!)"]) + ")"
