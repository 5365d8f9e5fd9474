"""A checkpoint as it is: its encoder with its own head, as a plain Keras model."""

from typing import Any

import keras

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.family import ARCHITECTURES
from tftransfer.backbones.tensors import fill
from tftransfer.errors import CheckpointError, ConfigError
from tftransfer.pretrained_head import head_hints, is_for, labels_of
from tftransfer.registry import suggest
from tftransfer.tasks.components.heads import head_logits

__all__ = ["load_pretrained"]

_KINDS = tuple(kind for kind in ARCHITECTURES if kind)
# As transformers chooses them for the heads of a Longformer.
_GLOBAL_TOKENS: dict[str, Any] = {"sequence_classification": "first", "question_answering": "question"}


def load_pretrained(
    name: str, head: str, revision: str | None = None, *, position_ids: bool = False, dtype: str = "float32"
) -> keras.Model:
    """Returns a checkpoint's encoder with its own head: what transformers calls `AutoModelFor...`.

    Args:
        name: str. A directory, or a name on the Hugging Face Hub.
        head: "sequence_classification", "token_classification", "question_answering" or "masked_lm".
        revision: str. Commit, tag or branch on the Hub. Defaults to None: see `Backbone.from_pretrained`.
        position_ids: bool. Whether the model takes `position_ids`. Defaults to False.
        dtype: str. Keras dtype policy of the encoder; the head is float32. Defaults to "float32".

    Returns:
        A functional `keras.Model`, with the inputs of `Backbone` and, beside its outputs, float32 `logits`: `(batch,
        labels)` for "sequence_classification", `(batch, length, labels)` for "token_classification", `(batch, length,
        2)`, starts and ends, for "question_answering", and `(batch, length, vocab)` for "masked_lm". Its `labels` are
        those of the checkpoint's `id2label`, in the order of the logits; () for the last two.

    Raises:
        ConfigError: if there is no such kind of head.
        CheckpointError: if the checkpoint does not hold that head; see `Backbone.from_pretrained` for others.

    Example:

        >>> model = tftransfer.load_pretrained("dslim/bert-base-NER", "token_classification")
        >>> tags = np.array(model.labels)[model(inputs)["logits"].numpy().argmax(-1)]
    """
    if head not in _KINDS:
        raise ConfigError(f"head: unknown kind '{head}'.{suggest(head, _KINDS)} Known: {', '.join(_KINDS)}.")
    checkpoint = Checkpoint.find(name, revision)
    if not is_for(checkpoint, head):
        held = [kind for kind in _KINDS if is_for(checkpoint, kind)]
        raise CheckpointError(
            f"'{name}': expected the weights of a head for {head}; the checkpoint holds "
            f"{'one for ' + ' or '.join(held) if held else 'none'}. Load the encoder alone with "
            "`Backbone.from_pretrained`, or give it a new head with `build`."
        )
    backbone = Backbone.from_checkpoint(
        checkpoint, position_ids=position_ids, global_tokens=_GLOBAL_TOKENS.get(head, "none"), dtype=dtype
    )
    labels = labels_of(checkpoint, head)
    logits = head_logits(head, backbone.features, head_hints(checkpoint, head), len(labels) or 2)
    model = keras.Model(backbone.input, {**backbone.output, "logits": logits})
    own = [variable for variable in model.weights if variable.path.startswith("head/")]
    fill(own, checkpoint.family, checkpoint.tensors, head, partial=True)
    model.labels = labels
    return model
