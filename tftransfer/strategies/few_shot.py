"""Few-shot classification: the backbone learns from pairs of examples, then the head from its vectors."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.strategies.feature_extraction import FeatureExtraction
from tftransfer.strategies.full import Full
from tftransfer.strategies.strategy import LABELLED, Stage

__all__ = ["FewShot", "pairs_of"]


@registry.strategies.register("few_shot")
@dataclasses.dataclass(frozen=True)
class FewShot(FeatureExtraction):
    """SetFit: the backbone first learns which examples have the same label, then a head is put on the frozen result.

    A handful of examples a label makes hundreds of pairs. The first stage moves the whole backbone until the cosine of
    the vectors of a pair is 1 for examples with a common label and 0 for others. The main training is then that of
    `FeatureExtraction`, with the options of `training`; a head on few examples wants many epochs at a great learning
    rate, such as `epochs: 50`, `learning_rate: 1e-2` and `batch_size: 16`. The backbone wants to be one of
    sentence-transformers'. For tasks with one or several labels a text.

    Reference: Tunstall et al., "Efficient few-shot learning without prompts", 2022.

    Args:
        iterations: int >= 1. Pairs with the same label, and as many with another one, that are drawn for each example.
            Defaults to 20.
        epochs: int >= 1. Passes over the pairs. Defaults to 1.
        learning_rate: float > 0. The backbone's, at its peak. Defaults to 2e-5.
        batch_size: int >= 1. Pairs a step. Defaults to 16.

    Example:

        >>> strategy = tftransfer.strategies.FewShot()
        >>> tftransfer.fine_tune(model, train, strategy=strategy, epochs=50, learning_rate=1e-2, batch_size=16)
    """

    iterations: int = 20
    epochs: int = 1
    learning_rate: float = 2e-5
    batch_size: int = 16

    def __post_init__(self) -> None:
        for option in ("iterations", "epochs", "batch_size"):
            if getattr(self, option) < 1:
                raise ConfigError(f"{option}: expected a whole number >= 1; received {getattr(self, option)}.")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate: expected a number > 0; received {self.learning_rate}.")

    def stages(self, model: Any, columns: Mapping[str, Sequence[Any]], seed: int) -> Sequence[Stage]:
        if model.task.problem_type not in LABELLED or "text_pair" in columns:
            raise ConfigError(
                "strategy: few_shot expected a task with labels of single texts, sequence_classification or "
                f"multi_label_classification; received {model.task.name}"
                f"{' over pairs of texts' if 'text_pair' in columns else ''}. Choose another strategy, such as full."
            )
        options = {"objective": "cosine", "low": 0.0, "high": 1.0, "pooling": _pooling(model)}
        training = {name: getattr(self, name) for name in ("epochs", "learning_rate", "batch_size")} | {"warmup": "10%"}
        pairs = pairs_of(columns["text"], columns["label"], self.iterations, seed)
        return [Stage("sentence_embeddings", options, pairs, Full(), training)]


def _pooling(model: Any) -> str:
    """Returns how the model's head makes one vector of a text's states."""
    head = next((layer for layer in model.layers if layer.name == "head"), None)
    pooling = getattr(head, "pooling", "auto")  # a head of the user's own does not say
    return "pooler" if pooling == "none" else pooling


def pairs_of(texts: Sequence[str], labels: Sequence[Any], iterations: int, seed: int) -> dict[str, list[str]]:
    """Returns pairs of labelled texts as columns "text", "text_pair" and "label", which is "1" or "0".

    Every text is the first one of `iterations` pairs with a text that shares a label with it (itself if no other does)
    and of as many with one that shares none (of no such pairs if all share one). Texts without labels are alike.

    Args:
        texts: sequence of str.
        labels: sequence of str, or of lists of str. The label or labels of each text.
        iterations: int.
        seed: int. Of the choice.
    """
    random = np.random.default_rng(seed)
    drawn = [
        (texts[row], texts[other], score)
        for row, (alike, unlike) in enumerate(_partners(labels))
        for candidates, score in ((alike, "1"), (unlike, "0"))
        if len(candidates)
        for other in random.choice(candidates, iterations)
    ]
    first, second, scores = (list(column) for column in zip(*drawn, strict=True))
    return {"text": first, "text_pair": second, "label": scores}


def _partners(labels: Sequence[Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields for each row the rows that share a label with it, without itself where there are others, and the rest."""
    sets = [{label} if isinstance(label, str) else set(label) or {None} for label in labels]
    numbers = {label: number for number, label in enumerate(set().union(*sets))}
    has = np.zeros((len(sets), len(numbers)), bool)  # (rows, labels)
    for row, found in enumerate(sets):
        has[row, [numbers[label] for label in found]] = True
    for row in range(len(sets)):
        alike = (has & has[row]).any(axis=1)
        unlike = np.flatnonzero(~alike)
        alike[row] = alike.sum() == 1
        yield np.flatnonzero(alike), unlike
