"""Answers texts with a SavedModel as a server would: run as a script, in a process that knows nothing of tftransfer.

    python fresh_process.py REQUEST.json ANSWER.json

The request: `directory`, `columns` (input key -> texts), `batch_size` (the largest), and `warmup`, a list of
(signature, columns) that only have to run. The answer: `outputs` (output key -> values) and `tensorflow_version`. It
runs on the TensorFlow of old servers too.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.modules["tftransfer"] = None  # type: ignore[assignment]  # what the artefact needs of it would not be on a server

import tensorflow as tf  # noqa: E402
import tensorflow_text  # noqa: E402, F401 - registers the ops


def answer(directory: str, columns: dict, batch_size: int, warmup: list) -> dict[str, Any]:
    """Returns the answer to a request."""
    signatures = tf.saved_model.load(directory).signatures
    for name, texts in warmup:
        signatures[name](**{key: tf.constant(values, tf.string) for key, values in texts.items()})
    rows = len(next(iter(columns.values())))
    outputs: dict[str, list] = {}
    start = stop = 0
    while stop < rows:
        # Batches of 1, 2, 4 ...: an answer that depends on the other texts of its batch, as through padding, shows.
        start, stop = stop, stop + min(stop + 1, batch_size)
        batch = {key: tf.constant(values[start:stop], tf.string) for key, values in columns.items()}
        for key, tensor in signatures["serving_default"](**batch).items():
            outputs.setdefault(key, []).extend(_plain(tensor.numpy().tolist()))
    return {"outputs": outputs, "tensorflow_version": tf.__version__}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps(answer(**request)), encoding="utf-8")
