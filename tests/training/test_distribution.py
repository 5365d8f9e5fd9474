"""Which strategy a name stands for, on a machine with one CPU; test_mirrored.py has two."""

import pytest
import tensorflow as tf

from tftransfer.errors import ConfigError
from tftransfer.training.distribution import TransferMirrored, distribution


@pytest.mark.parametrize("name", ["auto", "single"])
def test_one_device_needs_no_strategy(name: str) -> None:
    assert distribution(name) is tf.distribute.get_strategy()


@pytest.mark.parametrize("name", ["auto", "single"])
def test_a_device_by_name(name: str) -> None:
    strategy = distribution(name, ["CPU:0"])
    assert isinstance(strategy, tf.distribute.OneDeviceStrategy)
    with strategy.scope():
        assert tf.Variable(0.0).device.endswith("CPU:0")


def test_mirrored_takes_every_cpu_where_there_is_no_gpu() -> None:
    strategy = distribution("mirrored")
    assert isinstance(strategy, TransferMirrored)
    assert strategy.num_replicas_in_sync == len(tf.config.list_logical_devices("CPU"))


@pytest.mark.parametrize("name", ["auto", "single", "mirrored"])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(ConfigError, match=r"distribution.devices: no device 'GPU:7'; this machine has .*CPU:0"):
        distribution(name, ["CPU:0", "GPU:7"])


def test_single_takes_one_device() -> None:
    with pytest.raises(ConfigError, match="expected one device for 'single'"):
        distribution("single", ["CPU:0", "CPU:0"])
