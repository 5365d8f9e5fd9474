"""Stored tensors into variables: every value in its place whatever the blocks, and little memory beside the model."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import safetensors.numpy

from tftransfer.backbones import assign as assign_module
from tftransfer.backbones.assign import assign
from tftransfer.backbones.safetensors_files import StoredTensor, open_tensors


def stored(array: np.ndarray, directory: Path) -> StoredTensor:
    safetensors.numpy.save_file({"a": array.copy("C")}, directory / "model.safetensors")
    return open_tensors(directory / "model.safetensors").get_slice("a")


@pytest.mark.parametrize("shape", [(), (0,), (1,), (50,), (7, 11), (64, 1), (1, 64), (5, 4, 3), (3, 0)], ids=str)
@pytest.mark.parametrize("transposed", [False, True], ids=["as it is", "transposed"])
@pytest.mark.parametrize("block", [1, 100, 1 << 20], ids=["a row a block", "some rows a block", "one block"])
def test_every_value_in_its_place(
    shape: tuple[int, ...], transposed: bool, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assign_module, "_BLOCK", block)
    array = np.random.default_rng(0).normal(size=shape).astype("float16")
    expected = array.T if transposed else array
    variable = keras.Variable(np.full(expected.shape, np.nan), dtype="float32")
    assign(variable, stored(array, tmp_path), transposed=transposed)
    np.testing.assert_array_equal(np.asarray(variable), expected.astype("float32"))


def test_a_variable_of_another_dtype(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assign_module, "_BLOCK", 40)
    array = np.arange(64, dtype="float32").reshape(16, 4)
    variable = keras.Variable(np.zeros((16, 4)), dtype="bfloat16")
    assign(variable, stored(array, tmp_path))
    np.testing.assert_array_equal(np.asarray(variable).astype("float32"), array)


MIRRORED = """
import sys, pathlib
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from tftransfer.backbones import assign
from tftransfer.backbones.safetensors_files import open_tensors

assign._BLOCK = 40
stored = open_tensors(pathlib.Path(sys.argv[1])).get_slice("a")
expected = np.load(sys.argv[2])
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    inside, outside = (keras.Variable(np.zeros(expected.shape), dtype="float32") for _ in range(2))
    assign.assign(inside, stored)
assign.assign(outside, stored)
for variable in (inside, outside):
    replicas = strategy.experimental_local_results(variable.value)
    print([bool(np.array_equal(replica.numpy(), expected)) for replica in replicas])
"""


@pytest.mark.slow
def test_every_replica_gets_the_values(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    np.save(tmp_path / "a.npy", array)
    path = stored(array, tmp_path).path
    command = [sys.executable, "-c", MIRRORED, str(path), str(tmp_path / "a.npy")]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["[True, True]"] * 2


# Prints the highest resident memory of loading, above that of the bare imports, in bytes.
PEAK = """
import sys
import tensorflow
from tftransfer import Backbone

def status(key):
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))

before = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # VmHWM counts from here
backbone = Backbone.from_pretrained(sys.argv[1])
print(status("VmHWM") - before)
"""

BASE: dict[str, Any] = {
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(
            {"vocab_size": 30_522, "num_hidden_layers": 12},
            id="BERT base",
        ),
        pytest.param(
            {"vocab_size": 120_000, "num_hidden_layers": 6},
            id="multilingual",
        ),
    ],
)
def test_peak_memory_of_loading(config: dict[str, Any], make_checkpoint: Callable[..., Path]) -> None:
    directory = make_checkpoint(BASE | config)
    size = (directory / "model.safetensors").stat().st_size
    assert size >= 400e6
    command = [sys.executable, "-c", PEAK, str(directory)]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(f"checkpoint {size / 1e6:.0f} MB, peak while loading {peak / 1e6:.0f} MB = {peak / size:.2f} x")
    (directory / "model.safetensors").unlink()
    assert peak / size <= 1.3
