"""Features computed once: what frozen lower layers make of the texts is kept on disk, and the rest trains on it."""

import contextlib
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tftransfer.backbones.layers import EncoderPart, TransformerEncoder
from tftransfer.config import Training
from tftransfer.data.pipeline import STATES, EncodedExamples
from tftransfer.errors import ConfigError
from tftransfer.regularizers.regularizer import Regularizer
from tftransfer.strategies.strategy import Strategy
from tftransfer.training.cut import above, encoder_states

__all__ = ["RowStates", "features_once", "frozen_depth", "split"]

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class RowStates:
    """The states of the tokens of many rows, end to end.

    Args:
        values: array `(tokens, hidden)`. Memory-mapped.
        offsets: int array `(rows + 1,)`. Where each row begins.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __call__(self, rows: np.ndarray, length: int) -> np.ndarray:
        """Returns the states of some rows, `(rows, length, hidden)`, zeros where there is padding."""
        padded = np.zeros((len(rows), length, self.values.shape[1]), self.values.dtype)
        for place, row in enumerate(rows):
            states = self.values[self.offsets[row] : self.offsets[row + 1]]
            padded[place, : len(states)] = states
        return padded


@contextlib.contextmanager
def features_once(
    model: Any,
    train: EncodedExamples,
    validation: EncodedExamples | None,
    training: Training,
    parts: Sequence[Any] = (),
    tell: Callable[[str], None] | None = None,
) -> Iterator[tuple[EncodedExamples, EncodedExamples | None]]:
    """Gives the examples to train with: with the states at the frontier, or as they are.

    The frontier is above the embeddings and as many layers as have nothing to train. Their dropout is off, so their
    states are a function of the text, and training above them takes the steps that it would take anyway. Meanwhile
    `model` takes a batch with states from there on; afterwards it is as it was. The file of the states has no name, so
    nothing is left of it however the training ends.

    Args:
        model: TransferModel. Compiled, its rates applied.
        train, validation: EncodedExamples, or None for no validation.
        training: Training. Its `cache_features`; None stands for True if the whole backbone is frozen.
        parts: sequence of Strategy and Regularizer. With an objective of their own they see the whole model. Defaults
            to ().
        tell: callable. Called with notes for a person. Defaults to None.

    Raises:
        ConfigError: if `cache_features` is True and there is no room for the states.
    """
    tell = tell or (lambda text: None)
    examples = [part for part in (train, validation) if part is not None]
    reason = _obstacle(model, train, parts) if _wanted(model, training) else None
    if reason == "":
        reason = _lack_of_room(model, examples)
        if reason and training.cache_features:
            raise ConfigError(reason)
    if reason is None or reason:
        if reason:
            tell(f"features are computed anew in every epoch: {reason}")
        yield train, validation
        return
    with model.distribute_strategy.scope():
        lower, upper = split(model)
    with contextlib.ExitStack() as stack:
        stored = [_stored(lower, part, stack.enter_context(_file(model, part)), tell) for part in examples]
        model.upper = upper
        try:
            yield stored[0], stored[1] if validation is not None else None
        finally:
            model.upper = None


def _wanted(model: Any, training: Training) -> bool:
    if training.cache_features is not None:
        return training.cache_features
    depth = frozen_depth(model)
    return training.epochs > 1 and depth > 0 and depth == model.get_layer("encoder").config.num_layers


def frozen_depth(model: Any) -> int:
    """Returns how many of the lowest layers have nothing to train, down to the embeddings; 0 if those train.

    It is 0, too, of a model that has no Transformer's layers.
    """
    layers = {layer.name: layer for layer in model.layers}
    encoder = layers.get("encoder")
    if not isinstance(encoder, TransformerEncoder) or layers["embeddings"].trainable_variables:
        return 0
    # A prompt's states are no token's, and there is no row in the file for them.
    return 0 if encoder.additions.prompt_length else encoder.frozen_depth


def split(model: Any) -> tuple[keras.Model, Callable[..., Any]]:
    """Cuts a model at the frontier.

    Args:
        model: TransferModel. With a frozen layer at least.

    Returns:
        A tuple of a `keras.Model` from the inputs to states `(batch, length, hidden)`, and a callable from a batch with
        `STATES` to logits. Both share the model's layers.
    """
    encoder, depth = model.get_layer("encoder"), frozen_depth(model)
    inputs, top = [model.input[name] for name in model.input], encoder.config.num_layers
    embedded, *others = encoder.input  # the masks
    states = EncoderPart(encoder, 0, depth, name="lower")(embedded, *others)
    head = above(model, [encoder_states(model)])
    if depth < top:
        last = EncoderPart(encoder, depth, top, name="upper")(states, *others)
        head = above(keras.Model(model.input, head([*inputs, last])), [states])

    def upper(batch: Any, training: bool | None = None) -> Any:
        return head([*(batch[name] for name in model.input), batch[STATES]], training=training)

    return keras.Model(model.input, states), upper


def _obstacle(model: Any, train: EncodedExamples, parts: Sequence[Any]) -> str:
    """Returns why what the lower layers compute cannot be kept; "" if it can."""
    if frozen_depth(model) == 0:
        return "no layer of a Transformer is frozen down to the embeddings"
    if train.rewrite is not None:
        return f"{model.task.name} makes other inputs of the texts each time"
    plain = (Strategy.objective, Regularizer.objective)
    changing = [type(part).__name__ for part in parts if type(part).objective not in plain]
    return f"{', '.join(changing)} may look at the whole model" if changing else ""


def _lack_of_room(model: Any, examples: Sequence[EncodedExamples]) -> str:
    """Returns what is to be done if the states of examples took more than half of what is free; "" if they do not."""
    folder = tempfile.gettempdir()
    size, free = sum(_size(model, part) for part in examples), shutil.disk_usage(folder).free
    if size <= free // 2:
        return ""
    return (
        f"cache_features: expected half of what is free in {folder}, {_megabytes(free // 2)}, to be enough for the "
        f"states of {sum(map(len, examples)):,} examples; they take {_megabytes(size)}. Set TMPDIR to a larger disk, "
        "or cache_features to false."
    )


@contextlib.contextmanager
def _file(model: Any, encoded: EncodedExamples) -> Iterator[Any]:
    """Gives a nameless file with room for the states of examples."""
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, _size(model, encoded))  # a full disk is an error here, not a crash later
        yield file


def _size(model: Any, encoded: EncodedExamples) -> int:
    states = encoder_states(model)
    return int(encoded.tokens.offsets[-1]) * states.shape[-1] * _dtype(states).itemsize


def _dtype(states: Any) -> np.dtype:
    import tensorflow as tf

    return np.dtype(tf.as_dtype(states.dtype).as_numpy_dtype)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _stored(lower: keras.Model, encoded: EncodedExamples, file: Any, tell: Callable[[str], None]) -> EncodedExamples:
    """Returns examples with the states that the lower layers make of them, computed now, the short rows together."""
    offsets, start = encoded.tokens.offsets, time.monotonic()
    shape = (int(offsets[-1]), lower.output.shape[-1])
    values = np.memmap(file, _dtype(lower.output), "w+", shape=shape)
    told, done = start, 0
    for rows, inputs in encoded.inputs_by_length(_BATCH_SIZE):
        for row, found in zip(rows, lower.predict(inputs, verbose=0), strict=True):
            values[offsets[row] : offsets[row + 1]] = found[: offsets[row + 1] - offsets[row]]
        done += len(rows)
        if time.monotonic() - told > 15:
            told = time.monotonic()
            tell(f"features  row {done:,}/{len(offsets) - 1:,}")
    seconds = time.monotonic() - start
    tell(f"features of {len(offsets) - 1:,} rows computed once in {seconds:.0f} s, {_megabytes(values.nbytes)} on disk")
    return dataclasses.replace(encoded, extra={STATES: RowStates(values, offsets)})
