"""Training on packed rows: the encoder sees them without padding, the head sees a row for each sequence as ever."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tftransfer.backbones.layers import TransformerEncoder, Unpack
from tftransfer.config import Training
from tftransfer.data.packing import UNPACK
from tftransfer.data.pipeline import EncodedExamples
from tftransfer.errors import ConfigError
from tftransfer.training.cut import above, encoder_states

__all__ = ["packed_call", "packed_rows"]


@contextlib.contextmanager
def packed_rows(
    model: Any,
    train: EncodedExamples,
    validation: EncodedExamples | None,
    training: Training,
    parts: Sequence[Any] = (),
    tell: Callable[[str], None] | None = None,
) -> Iterator[tuple[EncodedExamples, EncodedExamples | None]]:
    """Gives examples whose batches are packed, if they are to be, and has the model take such batches meanwhile.

    Loss, gradients and metrics are those of the padded batches.

    Args:
        model: TransferModel. Compiled.
        train, validation: EncodedExamples, or None for no validation.
        training: Training. Its `batching`: "packed", or "auto" for if the model can; others leave everything as it is.
        parts: sequence of Strategy and Regularizer. Some look at the inputs of a batch. Defaults to ().
        tell: callable. Called with a note for a person if "auto" means padded. Defaults to None.

    Raises:
        ConfigError: if `batching` is "packed" and the model cannot.
    """
    obstacle = _obstacle(model, train, parts) if training.batching in ("packed", "auto") else "it is to be so"
    if training.batching == "packed" and obstacle:
        raise ConfigError(f"batching: expected a model that takes packed rows; {obstacle}. Set it to length_grouped.")
    if obstacle:
        if training.batching == "auto" and tell is not None:
            tell(f"batches are padded: {obstacle}")
        yield train, validation
        return
    with model.distribute_strategy.scope():
        model.packed = packed_call(model)
    replicas = model.distribute_strategy.num_replicas_in_sync
    cut = (replicas, training.gradient_accumulation_steps)
    try:
        yield (
            dataclasses.replace(train, packed=cut),
            validation and dataclasses.replace(validation, packed=(replicas,)),
        )
    finally:
        model.packed = None


def _obstacle(model: Any, train: EncodedExamples, parts: Sequence[Any]) -> str:
    """Returns why a model cannot take packed rows; "" if it can."""
    encoder = next((layer for layer in model.layers if layer.name == "encoder"), None)
    if not isinstance(encoder, TransformerEncoder):
        return "its encoder is no Transformer, which would tell the sequences of a row apart"
    if encoder.additions.prompt_length:
        return "it has a learned prompt, which stands before one sequence"
    curious = [type(part).__name__ for part in parts if part.reads_inputs]
    if curious:
        return f"{', '.join(curious)} asks another network about the same batch"
    return "its lower layers' states were computed before" if train.extra else ""


def packed_call(model: Any) -> Callable[..., Any]:
    """Returns a callable from a batch as `tftransfer.data.packing.pack` makes it to logits; it shares all layers."""
    own = model.task.inputs()
    rows = {name: value for name, value in model.input.items() if name not in own}
    _, words = model.get_layer("embeddings").output
    states = encoder_states(model)
    below = keras.Model(rows, [states, words])
    head = above(model, [states, words])
    unpack = Unpack(name="unpack", dtype=states.dtype)

    def call(batch: Any, training: bool | None = None) -> Any:
        places = batch[UNPACK]
        packed, table = below({name: batch[name] for name in rows}, training=training)
        inputs = {name: batch[name] if name in own else unpack(batch[name], places) for name in model.input}
        inputs["attention_mask"] = tf.cast(places >= 0, "int32")
        return head([*inputs.values(), unpack(packed, places), table], training=training)

    return call
