"""What any strategy adds is merged to the same answers, or refused."""

from pathlib import Path

import numpy as np
import pytest
from strategy_blocks import build_strategy, strategy_block

import tftransfer
from tftransfer import registry
from tftransfer.additions import Additions
from tftransfer.errors import ConfigError

STRATEGIES = {name: build_strategy(strategy_block(name)) for name in registry.strategies.names()}


@pytest.mark.parametrize("name", [name for name, strategy in STRATEGIES.items() if strategy.additions() != Additions()])
def test_a_model_is_merged_or_refused(name: str, tiny_checkpoint: Path) -> None:
    strategy = STRATEGIES[name]
    task = tftransfer.tasks.SequenceClassification(["no", "yes"])
    model = tftransfer.build(str(tiny_checkpoint), task, strategy=strategy)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign_add(rng.normal(0, 0.05, variable.shape))
    if not strategy.additions().mergeable:
        with pytest.raises(ConfigError, match="are layers of their own"):
            tftransfer.merge(model)
        return
    merged = tftransfer.merge(model)
    inputs = {key: np.ones((2, 5), "int32") for key in model.input}
    np.testing.assert_allclose(merged(inputs), model(inputs), rtol=0, atol=1e-5)
    plain = tftransfer.build(str(tiny_checkpoint), task)
    assert [variable.path for variable in merged.weights] == [variable.path for variable in plain.weights]
