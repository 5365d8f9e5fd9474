"""What a server could not load, or not survive, is found in the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tensorflow_text

from tftransfer.errors import ExportError
from tftransfer.export.lint import lint
from tftransfer.export.server_ops import minimum_server, refusal, version_key

TEXT = tf.TensorSpec([None], tf.string, name="text")


def save(
    directory: Path, function: Callable[..., Any], *specs: tf.TensorSpec, jit_compile: bool | None = None, **holds: Any
) -> Path:
    """Saves one function as `serving_default`."""
    module = tf.Module()
    for name, value in holds.items():
        setattr(module, name, value)
    module.serve = tf.function(function, input_signature=specs or [TEXT], jit_compile=jit_compile)
    tf.saved_model.save(module, str(directory), signatures=module.serve)
    return directory


def lengths(text: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"length": tf.strings.length(text)}


def test_a_sound_model_is_described(tmp_path: Path) -> None:
    variable = tf.Variable([1])
    path = save(tmp_path, lambda text: {"length": tf.strings.length(text) + variable}, variable=variable)
    report = lint(path, inputs=["text"], outputs=["length"])
    assert report.minimum_server == "2.12"
    assert report.tensorflow_version == tf.__version__
    assert report.signatures == {
        "serving_default": {"inputs": {"text": "string [None]"}, "outputs": {"length": "int32 [None]"}}
    }
    assert {"StringLength", "RestoreV2"} <= set(report.ops)  # restoring the variable is no crime


@pytest.mark.parametrize("wrap", [tf.numpy_function, tf.py_function])
def test_python_in_the_graph_is_refused(tmp_path: Path, wrap: Any) -> None:
    def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
        length = wrap(lambda x: x, [tf.strings.length(text)], tf.int32)
        return {"length": tf.ensure_shape(length, [None])}

    with pytest.raises(ExportError, match=r"PyFunc.*: runs Python"):
        lint(save(tmp_path, serve))


def test_a_function_that_xla_must_compile_is_refused(tmp_path: Path) -> None:
    double = tf.function(lambda x: x * 2, jit_compile=True)
    path = save(tmp_path, lambda text: {"length": double(tf.strings.length(text))})
    with pytest.raises(ExportError, match="must be compiled by XLA"):
        lint(path)


def test_reading_a_file_while_answering_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="op ReadFile: reads or writes files"):
        lint(save(tmp_path / "read", lambda text: {"content": tf.map_fn(tf.io.read_file, text)}))

    def restore(text: tf.Tensor) -> dict[str, tf.Tensor]:
        [value] = tf.raw_ops.RestoreV2(prefix=text[0], tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32])
        return {"value": tf.reshape(value, [-1])}

    with pytest.raises(ExportError, match=r"op RestoreV2: .* while answering"):
        lint(save(tmp_path / "restore", restore))


def test_a_mutable_table_is_refused_and_a_constant_one_is_not(tmp_path: Path) -> None:
    mutable = tf.lookup.experimental.MutableHashTable(tf.string, tf.int32, 0)
    with pytest.raises(ExportError, match=r"MutableHashTable.*requests can change"):
        lint(save(tmp_path / "mutable", lambda text: {"id": mutable.lookup(text)}, table=mutable))
    (tmp_path / "words.txt").write_text("a\nb\n")
    index = tf.lookup.TextFileIndex
    initializer = tf.lookup.TextFileInitializer(
        str(tmp_path / "words.txt"), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    constant = tf.lookup.StaticHashTable(initializer, -1)
    path = save(tmp_path / "constant", lambda text: {"id": constant.lookup(text)}, table=constant)
    assert "InitializeTableFromTextFileV2" in lint(path).ops


def test_an_op_that_only_newer_servers_have(tmp_path: Path) -> None:
    trimmer = tensorflow_text.RoundRobinTrimmer(5)

    def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
        [kept] = trimmer.trim([tf.strings.bytes_split(text)])
        return {"length": kept.row_lengths()}

    path = save(tmp_path, serve)
    with pytest.raises(ExportError, match=r"RoundRobinTrim: needs TF Serving 2\.20, but the target is 2\.12"):
        lint(path)
    assert lint(path, server="2.20").minimum_server == "2.20"


def test_an_op_that_no_server_has() -> None:
    assert "neither TensorFlow nor TensorFlow Text" in (refusal("MyOwnOp", "2.20", restoring=False) or "")
    assert refusal("MatMul", "2.12", restoring=False) is None
    assert refusal("CudnnRNNV3", "2.20", restoring=False) is not None


def test_versions_compare_as_numbers() -> None:
    assert version_key("2.9") < version_key("2.12") < version_key("2.20.1")
    assert minimum_server("TFText>FastSentencepieceTokenize") == "2.20"


def test_a_fixed_batch_and_made_up_names_are_all_listed(tmp_path: Path) -> None:
    fixed = tf.TensorSpec([8], tf.string, name="keras_tensor_3")
    path = save(tmp_path, lambda x: [tf.strings.length(x)], fixed)
    with pytest.raises(ExportError) as caught:
        lint(path)
    for problem in ("input 'keras_tensor_3' is a made-up", "output 'output_0' is a made-up", r"found shape [8]"):
        assert problem in str(caught.value)


def test_an_input_of_any_rank_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, lambda text: {"n": tf.reshape(tf.size(text), [-1])}, tf.TensorSpec(None, tf.string, "text"))
    with pytest.raises(ExportError, match="input 'text': expected a known rank"):
        lint(path)


def test_other_keys_than_documented(tmp_path: Path) -> None:
    path = save(tmp_path, lengths)
    with pytest.raises(ExportError, match=r"input keys \['sentence'\], found \['text'\]"):
        lint(path, inputs=["sentence"])
    with pytest.raises(ExportError, match=r"output keys \['label'\], found \['length'\]"):
        lint(path, outputs=["label"])


def test_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="expected a SavedModel, found no such file"):
        lint(tmp_path)
