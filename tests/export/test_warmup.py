"""Warmup requests are read by a server in C++: the bytes must be those of tensorflow-serving-api."""

from pathlib import Path

import pytest
import tensorflow as tf

from tftransfer.export.warmup import read_warmup, record, write_warmup
from tftransfer.export.wire import message_class

# Written by `prediction_log_pb2.PredictionLog.SerializeToString` of tensorflow-serving-api 2.21.0: predict_log.request
# with model_spec.signature_name "serving_default" and `tf.make_tensor_proto` of strings as inputs.
ONE_INPUT = (
    "323b0a390a111a0f73657276696e675f64656661756c7412240a0474657874121c0807120412020802420573686f7274420b6c6f6e6765722"
    "074657874"
)
TWO_INPUTS = (
    "32450a430a111a0f73657276696e675f64656661756c7412190a09746578745f70616972120c08071204120208014202c3a912130a0474657"
    "874120b0807120412020801420161"
)


def test_the_bytes_are_those_of_the_serving_api() -> None:
    assert record({"text": ["short", "longer text"]}, "serving_default").hex() == ONE_INPUT
    assert record({"text_pair": ["\u00e9"], "text": ["a"]}, "serving_default").hex() == TWO_INPUTS


def test_the_serving_api_reads_them_where_it_is_installed() -> None:
    api = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    log = api.PredictionLog.FromString(record({"text": ["a", "b"]}, "serving_default"))
    assert log.predict_log.request.model_spec.signature_name == "serving_default"
    assert tf.make_ndarray(log.predict_log.request.inputs["text"]).tolist() == [b"a", b"b"]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    count = write_warmup(tmp_path, ["text", "text_pair"])
    requests = read_warmup(tmp_path)
    assert len(requests) == count <= 1000  # a server refuses more
    assert {name for name, _ in requests} == {"serving_default"}
    assert {len(columns["text"]) for _, columns in requests} == {1, 8}
    assert all(columns["text"] == columns["text_pair"] for _, columns in requests)
    lengths = [len(text) for _, columns in requests for text in columns["text"]]
    assert min(lengths) < 50
    assert max(lengths) > 2000


def test_described_messages_stay_out_of_the_common_pool() -> None:
    fields = {"Thing": {"name": (1, "string"), "parts": (2, "repeated Thing")}}
    first, second = message_class("Thing", fields), message_class("Thing", {"Thing": {"name": (7, "bytes")}})
    thing = first(name="a", parts=[first(name="b")])
    assert first.FromString(thing.SerializeToString()) == thing
    assert second.FromString(thing.SerializeToString()).name == b""
