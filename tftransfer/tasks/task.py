"""What every task says of itself; it never learns which backbone it stands on."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic

__all__ = ["HeadHints", "Hidden", "Label", "Task"]


def _label(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# Labels are strings everywhere; a config may write `labels: [0, 1]` for the labels "0" and "1" of a file.
Label = Annotated[str, pydantic.BeforeValidator(_label)]


@dataclasses.dataclass(frozen=True)
class Hidden:
    """A layer between the encoder and a head's last layer.

    Args:
        activation: str. Name in `tftransfer.activations.ACTIVATIONS`. Defaults to "tanh".
        use_bias: bool. Whether it has a bias. Defaults to True.
        norm: bool. Whether its result is normalised. Defaults to False.
        norm_bias: bool. Whether the normalisation has a bias. Defaults to True.
        epsilon: float. Added to the variance of the normalisation. Defaults to 1e-12.
    """

    activation: str = "tanh"
    use_bias: bool = True
    norm: bool = False
    norm_bias: bool = True
    epsilon: float = 1e-12


@dataclasses.dataclass(frozen=True)
class HeadHints:
    """What a checkpoint suggests to whatever head is put on it.

    Args:
        pooling: str. How its states become one vector a text: "mean", "cls" or "pooler". Defaults to "cls".
        dropout: float. Dropout rate before the last layer. Defaults to 0.1.
        initializer_range: float. Standard deviation of fresh kernels. Defaults to 0.02.
        hidden: Hidden or None. The layer before the last one. Defaults to None: there is none.
        tied: bool. Whether a head over the vocabulary shares the word embeddings. Defaults to True.
    """

    pooling: str = "cls"
    dropout: float = 0.1
    initializer_range: float = 0.02
    hidden: Hidden | None = None
    tied: bool = True


class Task(abc.ABC):
    """A head, a loss, metrics, and how answers are encoded and decoded.

    A task is a frozen dataclass whose fields are the options of its config block.

    Attributes:
        name: str. The registered name.
        head_kind: str. Which of a checkpoint's heads is one for this task, "" for none. Defaults to "".
        global_tokens: "none", "first" (of every text) or "question" (all of the first of two texts). Which tokens see
            the whole text, where the backbone has such tokens (Longformer). Defaults to "none".
        problem_type: str. The `problem_type` of a Hugging Face `config.json`, "" for none. Defaults to "".
        report: str. Which report of `tftransfer.evaluation` describes its predictions.
        monitors: sequence of str. What `training.monitor` may name: "loss" and the task's metrics.
    """

    name: ClassVar[str]
    head_kind: ClassVar[str] = ""
    global_tokens: ClassVar[Literal["none", "first", "question"]] = "none"
    problem_type: ClassVar[str] = ""
    report: ClassVar[str]
    monitors: ClassVar[Sequence[str]]
    labels: Sequence[str] | None

    @property
    def is_resolved(self) -> bool:
        """Whether nothing is left open for `resolve`."""
        return True

    @abc.abstractmethod
    def resolve(self, columns: Mapping[str, Sequence[str]]) -> "Task":
        """Returns the task with what was left open, such as the labels, taken from the training data."""

    @abc.abstractmethod
    def problems(self, columns: Mapping[str, Sequence[str]]) -> dict[int, str]:
        """Returns row index -> what is wrong with its answer; an empty dict if every row can be encoded."""

    @abc.abstractmethod
    def targets(self, columns: Mapping[str, Sequence[str]]) -> np.ndarray:
        """Returns the answers as the loss takes them, one row an example."""

    @abc.abstractmethod
    def example_weights(self, targets: np.ndarray) -> np.ndarray:
        """Returns the weight of each training example, float32 `(examples,)`."""

    @abc.abstractmethod
    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        """Returns the symbolic logits, float32.

        Args:
            features: dict of symbolic tensors: `last_hidden_state` `(batch, length, hidden)`, `attention_mask`
                `(batch, length)`, the table `word_embeddings` `(vocab, embedding)` and, where the checkpoint has one,
                `pooler_output` `(batch, hidden)`.
            hints: HeadHints. What the checkpoint suggests.
        """

    def takes_head(self, hints: HeadHints) -> bool:
        """Returns whether the weights of a checkpoint's own head, which these hints describe, fit the task's."""
        return True

    @abc.abstractmethod
    def loss(self) -> Any:
        """Returns the `keras.losses.Loss` between `targets` and logits."""

    @abc.abstractmethod
    def metrics(self) -> list[Any]:
        """Returns fresh `keras.metrics.Metric`s between `targets` and logits."""

    @abc.abstractmethod
    def serve(self, logits: Any) -> dict[str, Any]:
        """Returns the outputs of the SavedModel's signature, as tensors of the graph, from logits."""

    @abc.abstractmethod
    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Returns what `decode` and the report are made from, such as probabilities, for a batch of logits."""

    @abc.abstractmethod
    def decode(self, scores: np.ndarray) -> list[dict[str, Any]]:
        """Returns one JSON-able answer a row, in the words of the user's data."""
