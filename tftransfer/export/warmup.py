"""Requests that a server sends to itself while it loads a model, so that the first user does not wait for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from tftransfer.export.wire import message_class

__all__ = ["REQUESTS_FILE", "read_warmup", "write_warmup"]

REQUESTS_FILE = "assets.extra/tf_serving_warmup_requests"

# Of tensorflow_serving/apis: prediction_log.proto, predict.proto and model.proto; a map is a list of entries.
_PredictionLog = message_class(
    "PredictionLog",
    {
        "PredictionLog": {"predict_log": (6, "PredictLog")},
        "PredictLog": {"request": (1, "PredictRequest")},
        "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "repeated Input")},
        "ModelSpec": {"signature_name": (3, "string")},
        "Input": {"key": (1, "string"), "value": (2, "bytes")},
    },
)

_SHORT = "Thank you, it works."
_LONG = "The parcel came late, and the box was damaged, but what was inside was as good as new. " * 40


def write_warmup(directory: Path, inputs: Sequence[str], signature: str = "serving_default") -> int:
    """Writes the warmup requests of a SavedModel: one text and eight, short ones and long ones.

    Args:
        directory: Path. The SavedModel.
        inputs: sequence of str. Its input keys, all of them strings `[batch]`.
        signature: str. Which signature to call. Defaults to "serving_default".

    Returns:
        How many records were written.
    """
    batches = [[_SHORT], [_LONG], [_SHORT] * 8, [_SHORT, _LONG] * 4]
    path = directory / REQUESTS_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in batches:
            writer.write(record(dict.fromkeys(inputs, batch), signature))
    return len(batches)


def record(columns: Mapping[str, Sequence[str]], signature: str) -> bytes:
    """Returns one request as the bytes of a `PredictionLog`."""
    log = _PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for key, values in columns.items():
        tensor = tf.make_tensor_proto([value.encode() for value in values], tf.string, [len(values)])
        request.inputs.add(key=key, value=tensor.SerializeToString())
    return log.SerializeToString()


def read_warmup(directory: Path) -> list[tuple[str, dict[str, list[str]]]]:
    """Returns the warmup requests of a SavedModel: (signature, input key -> texts) each."""
    requests = []
    for content in tf.data.TFRecordDataset(str(directory / REQUESTS_FILE)).as_numpy_iterator():
        request = _PredictionLog.FromString(content).predict_log.request
        columns = {entry.key: _texts(entry.value) for entry in request.inputs}
        requests.append((request.model_spec.signature_name, columns))
    return requests


def _texts(tensor: bytes) -> list[str]:
    values = tf.make_ndarray(_TensorProto.FromString(tensor)).ravel()
    return [value.decode() for value in values]


_TensorProto = type(tf.make_tensor_proto(0))
