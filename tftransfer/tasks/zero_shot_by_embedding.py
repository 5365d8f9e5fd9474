"""Labels whose descriptions lie near the text."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.tasks.numbers import Tuned
from tftransfer.tasks.task import HeadHints
from tftransfer.tasks.zero_shot import ZeroShotTask

__all__ = ["ZeroShotByEmbedding"]


@registry.tasks.register("zero_shot_by_embedding")
@dataclasses.dataclass(frozen=True)
class ZeroShotByEmbedding(ZeroShotTask):
    """The label whose description is nearest to the text, without training.

    A label's vector is the mean of those of its descriptions; its logit is the cosine with the text's. It wants a
    checkpoint whose vectors were trained to be compared, such as those of sentence-transformers.

    Args:
        temperature: float > 0, or "tuned". Cosines are divided by it. Defaults to 0.05.
        pooling: "mean", "max", "cls" (first token), "pooler" (the checkpoint's own), or "auto": what the checkpoint was
            trained with, else the mean. Defaults to "auto".
        **options: `labels`, `descriptions` and `template`; see `ZeroShotTask`. `truncate` and `stride`; see
            `TextLevelTask`.

    Example:

        >>> task = tftransfer.tasks.ZeroShotByEmbedding(["sport", "trade"], {"trade": ["markets", "business"]})
    """

    name: ClassVar[str] = "zero_shot_by_embedding"
    head_kind: ClassVar[str] = ""

    temperature: Tuned = dataclasses.field(default=0.05, kw_only=True)
    pooling: Literal["auto", "mean", "max", "cls", "pooler"] = "auto"

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        import keras

        from tftransfer.tasks.components.heads import sentence_vector

        vectors = sentence_vector(features, hints.pooling if self.pooling == "auto" else self.pooling)
        # Its kernel is the labels' vectors, which no strategy is to move: (hidden, labels).
        options: dict[str, Any] = {"use_bias": False, "trainable": False, "dtype": "float32", "name": "head"}
        return keras.layers.Dense(self.outputs, **options)(vectors)

    def initialize(self, model: Any) -> None:
        vectors, of = model.layer_output("sentence_vector", self.statements), np.asarray(self.statement_labels)
        means = np.stack([vectors[of == number].mean(axis=0) for number in range(self.outputs)])
        lengths = np.linalg.norm(means, axis=-1, keepdims=True)
        model.get_layer("head").kernel.assign((means / np.maximum(lengths, 1e-12)).T)
