"""What goes into the SavedModel: texts in, answers out, and nothing of the training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tftransfer.errors import ExportError

__all__ = ["Served", "save"]


class Served(tf.Module):
    """A tokenizer in the graph, a model, and a task's answer, as one function of strings.

    Args:
        model: TransferModel.
        tokenizer: tf.Module. What `tftransfer.tokenizers.in_graph` made for it.
        keys: sequence of str. The signature's input keys, one a text.

    Raises:
        ExportError: if the model takes an input that the tokenizer does not make.
    """

    def __init__(self, model: Any, tokenizer: tf.Module, keys: Sequence[str]) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        # The variables alone: a Keras model would bring its optimizer and its training functions along.
        self.model_variables = [variable.value for variable in model.variables]

        def answer(*texts: tf.Tensor) -> dict[str, tf.Tensor]:
            # A server does not check the rank, and the tokenizer's ops crash on another one.
            checked = [tf.ensure_shape(text, [None]) for text in texts]
            tokens = model.task.rows_in_graph(tokenizer(*model.task.texts_in_graph(checked)))
            logits = model({key: tokens[key] for key in _wanted(model, tokens)}, training=False)
            return model.task.serve(logits, {**tokens, **dict(zip(keys, checked, strict=True))})

        strings = [tf.TensorSpec([None], tf.string, name=key) for key in keys]
        self.serve = tf.function(answer, input_signature=strings, autograph=False)


def _wanted(model: Any, tokens: dict[str, tf.Tensor]) -> list[str]:
    missing = sorted(set(model.input) - set(tokens))
    if missing:
        raise ExportError(
            f"Expected a model that takes {', '.join(sorted(tokens))}, or some of them; this one also takes "
            f"{', '.join(missing)}, which no tokenizer makes. Build the model without it."
        )
    return list(model.input)


def save(served: Served, directory: Path, labels: Sequence[str] | None) -> list[str]:
    """Writes the SavedModel, with the labels as an asset.

    Args:
        served: Served.
        directory: Path. The new folder; files that are not part of the SavedModel, such as the list of labels before it
            is copied into the assets, are removed again.
        labels: sequence of str or None. Written to `assets/labels.txt`, one a line.

    Returns:
        The output keys of the signature.

    Raises:
        ExportError: if a label holds a line break.
    """
    broken = [label for label in labels or () if "\n" in label or "\r" in label]
    if broken:
        raise ExportError(
            f"Expected labels of one line each, since assets/labels.txt holds one a line; found {broken[0]!r}. "
            "Rename it in the training data."
        )
    directory.mkdir(parents=True, exist_ok=True)
    source = directory / "labels.txt"
    if labels is not None:
        source.write_text("".join(f"{label}\n" for label in labels), encoding="utf-8", newline="\n")
        served.labels = tf.saved_model.Asset(str(source))
    concrete = served.serve.get_concrete_function()
    tf.saved_model.save(served, str(directory), signatures={"serving_default": concrete})
    source.unlink(missing_ok=True)
    return sorted(concrete.structured_outputs)
