"""What every task says of itself; it never learns which backbone it stands on."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pydantic

from tftransfer.errors import ConfigError
from tftransfer.row_options import RowOptions
from tftransfer.token_rows import TokenRows

__all__ = ["Columns", "HeadHints", "Hidden", "Label", "Task", "Texts", "shown_texts"]

Columns = Mapping[str, Sequence[Any]]


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
        pooling: str. How its states become one vector a text: "mean", "max", "cls" or "pooler". Defaults to "cls".
        dropout: float. Dropout rate before the last layer. Defaults to 0.1.
        initializer_range: float. Standard deviation of fresh kernels. Defaults to 0.02.
        hidden: Hidden or None. The layer before the last one. Defaults to None: there is none.
        tied: bool. Whether a head over the vocabulary shares the word embeddings. Defaults to True.
        max_norm: float or None. Greatest L2 norm of the weights of each output of the last layer. Defaults to None:
            none.
    """

    pooling: str = "cls"
    dropout: float = 0.1
    initializer_range: float = 0.02
    hidden: Hidden | None = None
    tied: bool = True
    max_norm: float | None = None


class Texts(NamedTuple):
    """The texts that examples are made of.

    Args:
        first: sequence of str.
        second: sequence of str or None. As many, if a row of tokens holds two texts.
        per_example: int. How many of them an example has, one after the other. Defaults to 1.
    """

    first: Sequence[str]
    second: Sequence[str] | None
    per_example: int = 1


def shown_texts(columns: Columns) -> list[str]:
    """Returns the text of each example as reports show it, a pair on one line."""
    if "text_pair" not in columns:
        return list(columns["text"])
    return [f"{first} ⏐ {second}" for first, second in zip(columns["text"], columns["text_pair"], strict=True)]


class Task(abc.ABC):
    """A head, a loss, metrics, and how answers are encoded and decoded.

    A task is a frozen dataclass whose fields are the options of its config block. Examples go through it as rows of
    tokens: a long text may have several (see `row_options`), and `gather` makes one answer of theirs.

    Attributes:
        name: str. The registered name.
        answer: str or None. The column that holds the answers; None if a task needs none. Defaults to "label".
        input_keys: sequence of str. Input keys of the SavedModel for the columns "text" and "text_pair"; one alone if
            nobody asks about pairs.
        per_token: bool. Whether targets are of tokens, not of rows. Defaults to False.
        trains: bool. Whether there is anything to train. Defaults to True.
        needs_whole_batch: bool. Whether its loss compares the rows of a batch, so that gradients cannot be accumulated
            over parts of it. Defaults to False.
        wants_pretrained: bool. Whether it makes no sense on a network that knows nothing yet. Defaults to False.
        head_kind: str. Which of a checkpoint's heads is one for this task, "" for none. Defaults to "".
        global_tokens: "none", "first" (of every text) or "question" (all of the first of two texts). Which tokens see
            the whole text, where the backbone has such tokens (Longformer). Defaults to "none".
        problem_type: str. The `problem_type` of a Hugging Face `config.json`, "" for none. Defaults to "".
        report: str. Which report of `tftransfer.evaluation` describes its predictions.
        judged_by: "scores" or "metrics". Whether `evidence` is made of each example's scores, or of the `metrics` over
            all examples, where the logits of all would not fit into memory. Defaults to "scores".
        monitors: sequence of str. What `training.monitor` may name: its metrics, the usual one first, and "loss".
        minimised: set of str. Those of them of which less is better. Defaults to "loss" alone.
    """

    name: ClassVar[str]
    answer: ClassVar[str | None] = "label"
    input_keys: ClassVar[Sequence[str]] = ("text", "text_pair")
    per_token: ClassVar[bool] = False
    trains: ClassVar[bool] = True
    needs_whole_batch: ClassVar[bool] = False
    wants_pretrained: ClassVar[bool] = False
    head_kind: ClassVar[str] = ""
    global_tokens: ClassVar[Literal["none", "first", "question"]] = "none"
    problem_type: ClassVar[str] = ""
    report: ClassVar[str]
    judged_by: ClassVar[Literal["scores", "metrics"]] = "scores"
    monitors: ClassVar[Sequence[str]]
    minimised: ClassVar[frozenset[str]] = frozenset({"loss"})
    labels: Sequence[str] | None

    @property
    def head_labels(self) -> Sequence[str] | None:
        """What the last layer of a head from a checkpoint tells apart; by default the task's own labels."""
        return self.labels

    # --- what the data is ---

    @property
    def is_resolved(self) -> bool:
        """Whether nothing is left open for `resolve`."""
        return True

    @abc.abstractmethod
    def resolve(self, columns: Columns) -> "Task":
        """Returns the task with what was left open, such as the labels, taken from the training data."""

    def adopt(self, labels: Sequence[str]) -> "Task":
        """Returns the task with what was left open taken from a checkpoint's own head.

        Args:
            labels: sequence of str. Those of the head; empty if there is none.

        Raises:
            ConfigError: if that does not say enough.
        """
        if not labels:
            raise ConfigError(
                "The task's labels are not known: give labels=train.labels, or task.resolve(train.columns)."
            )
        return dataclasses.replace(self, labels=tuple(labels))  # type: ignore[type-var]

    @abc.abstractmethod
    def problems(self, columns: Columns) -> dict[int, str]:
        """Returns row index -> what is wrong with its answer; an empty dict if every row can be encoded."""

    def is_answered(self, columns: Columns) -> bool:
        """Returns whether the examples hold what the task trains on and is judged by."""
        return self.answer is None or self.answer in columns

    # --- from examples to the network ---

    @property
    def row_options(self) -> RowOptions:
        """How texts become rows of tokens."""
        return RowOptions()

    def texts(self, columns: Columns) -> Texts:
        """Returns the texts to tokenize: by default "text", and "text_pair" beside it for a pair."""
        return Texts(columns["text"], columns["text_pair"] if self.is_pair(columns) else None)

    def is_pair(self, columns: Columns) -> bool:
        """Returns whether somebody who asks the model gives two texts."""
        return len(self.input_keys) == 2 and "text_pair" in columns

    @abc.abstractmethod
    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        """Returns the answers as the loss takes them: `(rows, ...)`, or `(tokens,)` end to end if `per_token`.

        A token without an answer has `tftransfer.token_rows.IGNORED`.
        """

    def example_weights(self, targets: np.ndarray, rows: TokenRows) -> np.ndarray:
        """Returns the weight of each row in training, float32 `(rows,)`; 1 by default."""
        return np.ones(len(rows.offsets) - 1, "float32")

    def with_tokenizer(self, tokenizer: Any) -> "Task":
        """Returns the task with what it has to know of the checkpoint's tokenizer, such as its words; or itself.

        Args:
            tokenizer: FastTokenizer.

        Raises:
            ConfigError: if the task cannot do with this one.
        """
        return self

    def rewriter(self, rows: TokenRows) -> Callable[..., Any] | None:
        """Returns what makes a batch of padded rows into another one each time, such as by masking words.

        Args:
            rows: TokenRows. All of them.

        Returns:
            A callable from (inputs, row numbers `(batch,)`, `numpy.random.Generator`) to (inputs, targets, weights);
            weights are `(batch, ...)` with a mean of 1. Where it is inputs alone that are wanted it gets None for the
            generator, and returns (inputs,). None, the default, if batches stay as they are.
        """
        return None

    # --- the network ---

    def inputs(self) -> dict[str, Any]:
        """Returns the symbolic inputs that the head takes beside the backbone's; none by default."""
        return {}

    @abc.abstractmethod
    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        """Returns the symbolic logits, float32.

        Args:
            features: dict of symbolic tensors: `last_hidden_state` `(batch, length, hidden)`, `attention_mask`
                `(batch, length)`, the table `word_embeddings` `(vocab, embedding)`, where the checkpoint has one,
                `pooler_output` `(batch, hidden)`, and the task's own `inputs`.
            hints: HeadHints. What the checkpoint suggests.
        """

    def takes_head(self, hints: HeadHints) -> bool:
        """Returns whether the weights of a checkpoint's own head, which these hints describe, fit the task's."""
        return True

    def initialize(self, model: Any) -> None:  # noqa: B027 - most tasks have nothing to fill
        """Fills what a task computes with the pretrained model itself, such as the vectors of its labels."""

    @property
    def logits_per_token(self) -> bool:
        """Whether logits are of tokens, `(batch, length, ...)`, not of rows; by default where targets are."""
        return self.per_token

    @abc.abstractmethod
    def loss(self) -> Any:
        """Returns the `keras.losses.Loss` between `targets` and logits."""

    @abc.abstractmethod
    def metrics(self) -> list[Any]:
        """Returns fresh `keras.metrics.Metric`s between `targets` and logits."""

    def divergence(self, logits: Any, reference: Any, temperature: float = 1.0) -> Any:
        """Returns how far logits are from others of the same examples, as distillation and R-Drop want it.

        By default the Kullback-Leibler divergence of the softmax of `logits` from that of `reference`, each divided by
        the temperature, times the square of the temperature. It has an entry wherever the task's loss has one, and is
        to be weighed as the loss is, by sample weights (see `tftransfer.objective.mean_over_rows`).

        Args:
            logits: float tensor `(rows, ...)`.
            reference: float tensor of that shape. Whether it is constant is the caller's choice: `tf.stop_gradient`.
            temperature: float > 0. Defaults to 1.0. Numbers and vectors have none, and ignore it.

        Returns:
            A float32 tensor `(rows,)`, or `(rows, targets)` if there are several targets a row; 0 where both agree.
        """
        from tftransfer.tasks.components.divergences import categorical_divergence

        return categorical_divergence(logits, reference, temperature)

    @property
    def measured(self) -> list[str]:
        """Those of `monitors` that this task with its options measures, the usual one first."""
        names = {"loss", *(metric.name for metric in self.metrics())}
        return [name for name in self.monitors if name in names]

    # --- from the network to answers ---

    def gather(self, logits: Sequence[np.ndarray], rows: TokenRows) -> Any:
        """Returns what the logits of rows say of examples, one entry each; by default their mean over an example's.

        Args:
            logits: one array a row, without padding: `(...)`, or `(tokens, ...)` if `logits_per_token`.
            rows: TokenRows. The rows.
        """
        stacked = np.stack(list(logits))
        counts = np.bincount(rows.examples)
        if len(counts) == len(stacked):
            return stacked
        sums = np.zeros((len(counts), *stacked.shape[1:]), "float32")
        np.add.at(sums, rows.examples, stacked)
        return sums / counts.reshape(-1, *[1] * (stacked.ndim - 1))

    @property
    def tunes(self) -> bool:
        """Whether `tuned` has something to choose."""
        return False

    def tuned(self, logits: Any, columns: Columns) -> "Task":
        """Returns the task with what it chooses on validation data, such as thresholds, or itself.

        Args:
            logits: what `gather` returned for the validation data.
            columns: its columns.
        """
        return self

    @abc.abstractmethod
    def scores(self, logits: Any) -> Any:
        """Returns what `decode` and the report are made from, such as probabilities, of what `gather` returned."""

    @abc.abstractmethod
    def decode(self, scores: Any, columns: Columns) -> list[dict[str, Any]]:
        """Returns one JSON-able answer an example, in the words of the user's data."""

    @abc.abstractmethod
    def evidence(self, scores: Any, columns: Columns) -> dict[str, Any]:
        """Returns the fields of the task's report, but for `origins`, which only scores have."""

    # --- the same in a SavedModel ---

    def requests(self, columns: Columns) -> Columns:
        """Returns what one asks the model about texts of the data: what an export compares answers on.

        Args:
            columns: "text", and "text_pair" if `is_pair`.
        """
        return columns

    def texts_in_graph(self, texts: Sequence[Any]) -> Sequence[Any]:
        """Returns the string tensors to tokenize for those of the signature; the same by default."""
        return texts

    def rows_in_graph(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """Returns the inputs of the network, and what `serve` wants, for what the tokenizer in the graph made."""
        return tokens

    @abc.abstractmethod
    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the outputs of the SavedModel's signature, as tensors of the graph.

        Args:
            logits: tensor. Of rows.
            tokens: dict. What `rows_in_graph` returned, and the texts of the signature under their input keys.
        """

    @abc.abstractmethod
    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """Returns the answers, as `decode` has them, that a SavedModel's outputs say; each has an entry a text."""

    @property
    def answer_scale(self) -> float:
        """What a difference of 1 between logits may come to in the numbers of an answer."""
        return 1.0

    def margins(self, scores: Any) -> np.ndarray:
        """Returns how far each example's scores are from another answer, `(examples,)`; by default infinitely far."""
        return np.full(len(scores), np.inf)
