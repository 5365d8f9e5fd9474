"""Heads: from hidden states to logits, a text, a token or a word of the vocabulary at a time.

They compute in float32 whatever the backbone does.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from tftransfer.activations import find_activation
from tftransfer.errors import ConfigError
from tftransfer.tasks.task import HeadHints, Hidden

__all__ = [
    "ClassificationHead",
    "Logits",
    "MaskedLMHead",
    "SentenceVector",
    "StatesAt",
    "TokenHead",
    "head_logits",
    "sentence_vector",
]


_LEAST = -1e9  # less than any hidden state, and a number of bfloat16 too


class _Head(keras.layers.Layer):
    """A hidden layer if there is to be one, dropout, and what a subclass does last.

    Args:
        dropout: float. Dropout rate before the last layer. Defaults to 0.1.
        initializer_range: float. Standard deviation of the kernels. Defaults to 0.02.
        hidden: Hidden, the dict of one, or None. Defaults to None: no hidden layer.
        max_norm: float. Greatest L2 norm of the weights of each output of the last layer (Hinton et al., 2012), of one
            label or one token's. Defaults to None: none.
    """

    def __init__(
        self,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        hidden: Hidden | dict[str, Any] | None = None,
        max_norm: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.hidden_options = Hidden(**hidden) if isinstance(hidden, dict) else hidden
        self.max_norm = max_norm
        self.supports_masking = True
        self.feature_dropout = keras.layers.Dropout(dropout, name="dropout")

    def _dense(self, name: str, width: int, units: int, **options: Any) -> keras.layers.Dense:
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        layer = keras.layers.Dense(units, kernel_initializer=initializer, name=name, **options)
        layer.build((None, width))
        return layer

    def _last(self, width: int, units: int) -> keras.layers.Dense:
        constraint = None if self.max_norm is None else keras.constraints.MaxNorm(self.max_norm)
        return self._dense("logits", width, units, kernel_constraint=constraint)

    def _build_hidden(self, width: int, units: int) -> None:
        options = self.hidden_options
        if options is None:
            return
        activation = find_activation(options.activation)
        self.hidden = self._dense("hidden", width, units, activation=activation, use_bias=options.use_bias)
        if options.norm:
            self.norm = keras.layers.LayerNormalization(epsilon=options.epsilon, center=options.norm_bias, name="norm")
            self.norm.build((None, units))

    def _features(self, x: Any, training: bool | None) -> Any:
        if self.hidden_options is not None:
            x = self.norm(self.hidden(x)) if self.hidden_options.norm else self.hidden(x)
        return self.feature_dropout(x, training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
            "hidden": self.hidden_options and dataclasses.asdict(self.hidden_options),
            "max_norm": self.max_norm,
        }


def _pool(pooling: str, hidden: Any, attention_mask: Any) -> Any:
    """Returns one vector a text, `(batch, hidden)`; "none" if `hidden` is that already."""
    if pooling == "none":
        return hidden
    if pooling == "mean":
        real = ops.cast(ops.greater(attention_mask, 0), hidden.dtype)[..., None]  # (batch, length, 1)
        return ops.sum(hidden * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)
    if pooling == "max":
        return ops.max(ops.where(ops.greater(attention_mask, 0)[..., None], hidden, _LEAST), axis=1)
    return hidden[:, 0]


@keras.saving.register_keras_serializable("tftransfer")
class ClassificationHead(_Head):
    """One row of logits a text: pooling, a hidden layer if there is to be one, dropout and a linear layer.

    Args:
        num_labels: int. How many logits.
        pooling: str. "mean" or "max" over the tokens, "cls" for the first token, "none" if the input is one vector a
            text already. Defaults to "cls".
        **options: `dropout`, `initializer_range`, `hidden` and `max_norm`; see `_Head`.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`, or `(batch, hidden)` for pooling "none".
        attention_mask: int tensor `(batch, length)`; 0 is padding. One sequence a row.
        training: bool. Whether dropout is active.

    Returns:
        A float32 tensor `(batch, num_labels)`.
    """

    def __init__(self, num_labels: int, pooling: str = "cls", **options: Any) -> None:
        super().__init__(**options)
        self.num_labels = num_labels
        self.pooling = pooling

    def compute_mask(self, *inputs: Any) -> None:
        """Returns None: a text's logits are not padding, whatever its tokens are."""

    def build(self, hidden_shape: tuple[int | None, ...], attention_mask_shape: Any = None) -> None:
        width: Any = hidden_shape[-1]
        self._build_hidden(width, width)
        self.logits = self._last(width, self.num_labels)

    def call(self, hidden: Any, attention_mask: Any = None, training: bool | None = None) -> Any:
        return self.logits(self._features(_pool(self.pooling, hidden, attention_mask), training))

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[int | None, ...]:
        return (hidden_shape[0], self.num_labels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_labels": self.num_labels, "pooling": self.pooling}


@keras.saving.register_keras_serializable("tftransfer")
class TokenHead(_Head):
    """A row of logits a token: labels of tokens, or starts and ends of answers.

    Args:
        num_labels: int. How many logits.
        **options: `dropout`, `initializer_range`, `hidden` and `max_norm`; see `_Head`.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.
        training: bool. Whether dropout is active.

    Returns:
        A float32 tensor `(batch, length, num_labels)`.
    """

    def __init__(self, num_labels: int, **options: Any) -> None:
        super().__init__(**options)
        self.num_labels = num_labels

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        width: Any = hidden_shape[-1]
        self._build_hidden(width, width)
        self.logits = self._last(width, self.num_labels)

    def call(self, hidden: Any, training: bool | None = None) -> Any:
        return self.logits(self._features(hidden, training))

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*hidden_shape[:-1], self.num_labels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_labels": self.num_labels}


@keras.saving.register_keras_serializable("tftransfer")
class MaskedLMHead(_Head):
    """Logits over the vocabulary for every token (Devlin et al., 2019).

    Args:
        tied: bool. Whether a word's logit comes of its row in the table of word embeddings; otherwise of a decoder of
            the head's own, with a bias of its own. Defaults to True.
        **options: `dropout`, `initializer_range` and `hidden`; see `_Head`.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.
        words: float tensor `(vocab, embedding)`, the table of word embeddings.
        training: bool. Whether dropout is active.

    Returns:
        A float32 tensor `(batch, length, vocab)`.
    """

    def __init__(self, tied: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.tied = tied

    def build(self, hidden_shape: tuple[int | None, ...], words_shape: tuple[Any, ...]) -> None:
        vocabulary, width = words_shape
        self._build_hidden(hidden_shape[-1], width)  # type: ignore[arg-type]
        if self.tied:
            self.bias = self.add_weight((vocabulary,), initializer="zeros", name="bias")
        else:
            self.decoder = self._dense("decoder", width, vocabulary)

    def call(self, hidden: Any, words: Any, training: bool | None = None) -> Any:
        features = self._features(hidden, training)
        return ops.matmul(features, ops.transpose(words)) + self.bias if self.tied else self.decoder(features)

    def compute_output_shape(self, hidden_shape: tuple[Any, ...], words_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*hidden_shape[:-1], words_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tied": self.tied}


@keras.saving.register_keras_serializable("tftransfer")
class Logits(keras.layers.Layer):
    """What a head says, as float32, and without a Keras mask.

    Targets say which tokens count; by a mask, Keras would weigh the loss of each replica's tokens once more.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns None."""

    def call(self, inputs: Any) -> Any:
        return inputs * 1.0  # another tensor: Keras hangs masks on tensors

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable("tftransfer")
class StatesAt(keras.layers.Layer):
    """The hidden states of some tokens of each row.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.
        positions: int tensor `(batch, some)`, from 0.

    Returns:
        A float tensor `(batch, some, hidden)`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, *inputs: Any) -> None:
        """Returns None: what is padding among the positions, their targets say."""

    def call(self, hidden: Any, positions: Any) -> Any:
        batch, length, width = ops.shape(hidden)
        first = ops.arange(batch, dtype="int32")[:, None] * length  # of each row, among all states
        return ops.take(ops.reshape(hidden, (-1, width)), first + positions, axis=0)

    def compute_output_shape(self, hidden_shape: tuple[Any, ...], positions_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*positions_shape, hidden_shape[-1])


@keras.saving.register_keras_serializable("tftransfer")
class SentenceVector(keras.layers.Layer):
    """One vector of length 1 a text; it has no weights.

    Args:
        pooling: "mean", "max", "cls" (first token), or "none" if `hidden` is one vector a text. Defaults to "mean".

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`, or `(batch, hidden)` for pooling "none".
        attention_mask: int tensor `(batch, length)`; 0 is padding. One sequence a row.

    Returns:
        A float32 tensor `(batch, hidden)`.
    """

    def __init__(self, pooling: str = "mean", **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.pooling = pooling
        self.supports_masking = True

    def compute_mask(self, *inputs: Any) -> None:
        """Returns None: a text's vector is not padding, whatever its tokens are."""

    def call(self, hidden: Any, attention_mask: Any = None) -> Any:
        vectors = _pool(self.pooling, hidden, attention_mask)
        # As PyTorch's normalize, which a vector of zeros passes through.
        return vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), 1e-12)

    def compute_output_shape(self, hidden_shape: tuple[Any, ...], *other: Any) -> tuple[Any, ...]:
        return (hidden_shape[0], hidden_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pooling": self.pooling}


def sentence_vector(features: Mapping[str, Any], pooling: str) -> Any:
    """Returns the symbolic vectors `(batch, hidden)` of a layer called "sentence_vector".

    Args:
        features: dict of symbolic tensors, see `Task.head`.
        pooling: "mean", "max", "cls" or "pooler".

    Raises:
        ConfigError: if the checkpoint has no pooler to pool with.
    """
    if pooling != "pooler":
        layer = SentenceVector(pooling, name="sentence_vector")
        return layer(features["last_hidden_state"], features["attention_mask"])
    if "pooler_output" not in features:
        raise ConfigError("pooling: expected mean, max or cls, since this checkpoint has no pooler; received 'pooler'.")
    return SentenceVector("none", name="sentence_vector")(features["pooler_output"])


def head_logits(kind: str, features: Mapping[str, Any], hints: HeadHints, num_labels: int) -> Any:
    """Returns the symbolic logits of a layer called "head".

    Args:
        kind: "sequence_classification", "token_classification", "question_answering" or "masked_lm".
        features: dict of symbolic tensors, see `Task.head`.
        hints: HeadHints. The shape of the head; without a pooler, "pooler" pools the first token with a fresh one.
        num_labels: int. How many logits a text, or a token; of no concern to "masked_lm".
    """
    options: dict[str, Any] = {"dropout": hints.dropout, "initializer_range": hints.initializer_range, "name": "head"}
    options |= {"max_norm": hints.max_norm}
    states, mask = features["last_hidden_state"], features["attention_mask"]
    if kind == "masked_lm":
        return MaskedLMHead(hints.tied, hidden=hints.hidden, **options)(states, features["word_embeddings"])
    if kind != "sequence_classification":
        return TokenHead(num_labels, hidden=hints.hidden, **options)(states)
    if hints.pooling != "pooler":
        return ClassificationHead(num_labels, hints.pooling, hidden=hints.hidden, **options)(states, mask)
    if "pooler_output" in features:
        return ClassificationHead(num_labels, "none", hidden=hints.hidden, **options)(features["pooler_output"])
    return ClassificationHead(num_labels, "cls", hidden=Hidden("tanh"), **options)(states, mask)
