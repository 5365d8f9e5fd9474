"""Rate tables over variable paths."""

import contextlib
from pathlib import Path
from typing import Any

import keras
import pytest

import tftransfer
from tftransfer.config import Training
from tftransfer.errors import ConfigError
from tftransfer.training.fine_tune import compile_model
from tftransfer.training.rates import RateRow, apply_rates, rate_of


def variables(*paths: str) -> list[keras.Variable]:
    """Returns variables of those paths; the n-th one is a matrix of n + 1 numbers."""
    made = []
    for n, path in enumerate(paths):
        *scopes, name = path.split("/")
        with contextlib.ExitStack() as stack:
            for scope in scopes:
                stack.enter_context(keras.name_scope(scope))
            made.append(keras.Variable(keras.ops.zeros((1, n + 1)), name=name))
    assert [variable.path for variable in made] == list(paths)
    return made


PATHS = ("encoder/layer_1/kernel", "encoder/layer_10/kernel", "encoder/layer_10/bias", "head/kernel")


def test_the_first_match_wins() -> None:
    rows = apply_rates(variables(*PATHS), [("bias$", 0.5), ("^encoder/", 0.0), ("^encoder/layer_1/", 9.0), ("", 2.0)])
    assert rows == [
        RateRow("bias$", 0.5, 1, 3),
        RateRow("^encoder/", 0.0, 2, 1 + 2),
        RateRow("^encoder/layer_1/", 9.0, 0, 0),
        RateRow("", 2.0, 1, 4),
    ]


def test_rate_0_freezes_and_any_other_frees() -> None:
    made = variables(*PATHS)
    for variable in made:
        variable.trainable = variable.path.startswith("head")
    apply_rates(made, [("^encoder/", 1e-30), ("", 0.0)])
    assert [variable.trainable for variable in made] == [True, True, True, False]


def test_a_slash_tells_layer_1_from_layer_10() -> None:
    assert [rate_of(path, [("layer_1/", 0.1), ("layer_10/", 0.2)]) for path in PATHS] == [0.1, 0.2, 0.2, None]
    assert [rate_of(path, [("layer_1", 0.1), ("layer_10", 0.2)]) for path in PATHS] == [0.1, 0.1, 0.1, None]


def test_unclaimed_variables_are_named_and_nothing_is_frozen() -> None:
    made = variables(*PATHS)
    with pytest.raises(
        ConfigError, match=r"no rate for 2 variables: encoder/layer_1/kernel, head/kernel\. End it with"
    ):
        apply_rates(made, [("layer_10/", 0.0)])
    assert all(variable.trainable for variable in made)


@pytest.mark.parametrize("rate", [-1.0, -1e-30, float("nan"), float("inf")])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(ConfigError, match=rf"expected a rate >= 0 for '\^head/'; received {rate}"):
        apply_rates(variables(*PATHS), [("^head/", rate), ("", 1.0)])


def test_a_pattern_that_is_no_regular_expression() -> None:
    with pytest.raises(ConfigError, match=r"'\(head' is not a regular expression: missing \)"):
        apply_rates(variables(*PATHS), [("(head", 1.0), ("", 1.0)])


def test_what_a_head_keeps_for_itself_is_left_alone(tiny_checkpoint: Path) -> None:
    def head(features: dict[str, Any]) -> Any:
        return keras.layers.Dense(2)(keras.layers.BatchNormalization()(features["pooler_output"]))

    task = tftransfer.tasks.SequenceClassification(labels=["a", "b"])
    model = tftransfer.build(str(tiny_checkpoint), task, head=head)
    compile_model(model, tftransfer.strategies.Full(), Training(), 10)
    assert [v.name for v in model.non_trainable_weights] == ["moving_mean", "moving_variance"]
