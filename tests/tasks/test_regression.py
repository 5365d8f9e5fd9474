"""Numbers of texts: their scale, the loss, the metric and the answers, against PyTorch and SciPy."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import torch

from tftransfer import registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.tasks import Regression

COLUMNS = {"text": ["a", "b", "c"], "label": ["1000", "3000.5", "-500"]}


class OneRowEach:
    """Rows of three examples."""

    examples = np.arange(3)
    offsets = np.arange(4)


def test_the_network_learns_standard_numbers_and_answers_in_the_users_units() -> None:
    task = Regression().resolve(COLUMNS)
    numbers = np.array([1000, 3000.5, -500])
    assert (task.mean, task.scale) == pytest.approx((numbers.mean(), numbers.std()))
    targets = task.targets(COLUMNS, OneRowEach())  # type: ignore[arg-type]
    assert targets.shape == (3, 1)
    assert (targets.mean(), targets.std()) == pytest.approx((0, 1), abs=1e-6)
    assert [answer["value"] for answer in task.decode(task.scores(targets), {})] == pytest.approx(numbers, rel=1e-6)
    served = task.serve(tf.constant(targets), {})["value"].numpy()
    assert served == pytest.approx(numbers, rel=1e-6)
    assert task.read_served({"value": [1.5]}) == [{"value": 1.5}]


def test_numbers_as_they_are() -> None:
    task = Regression(standardize=False).resolve(COLUMNS)
    assert task.targets(COLUMNS, OneRowEach())[:, 0].tolist() == [1000, 3000.5, -500]  # type: ignore[arg-type]
    assert task.scores(np.array([[2.5]], "float32")).tolist() == [2.5]
    assert Regression().adopt(("LABEL_0",)) == Regression(standardize=False)


def test_the_loss_is_that_of_pytorch_and_the_metric_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(50, 1)).astype("float32")
    logits = targets + rng.normal(size=(50, 1)).astype("float32")
    truth = torch.nn.MSELoss()(torch.tensor(logits), torch.tensor(targets))
    assert float(Regression().loss()(targets, logits)) == pytest.approx(truth.item(), rel=1e-6)
    (metric,) = Regression().metrics()
    assert float(metric.result()) == 0.0
    for batch in np.array_split(np.arange(50), 4):
        metric.update_state(targets[batch], logits[batch])
    assert float(metric.result()) == pytest.approx(scipy.stats.pearsonr(targets[:, 0], logits[:, 0])[0], abs=1e-5)
    metric.reset_state()
    metric.update_state(targets, np.ones_like(targets))
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("value", ["nan", "inf", "many", "", None])
def test_what_is_no_number(value: Any) -> None:
    problems = Regression().problems({"label": ["1.5", value, "2"]})
    assert problems == {1: f"expected a finite number as label, found {value!r}"}


def test_a_column_of_one_number_is_nothing_to_learn() -> None:
    with pytest.raises(
        DataError, match="different numbers in the label column of the training data; every example has 3"
    ):
        Regression().resolve({"label": ["3", "3.0"]})
    with pytest.raises(DataError, match="found none, but 'good'"):
        Regression().resolve({"label": ["good", "bad"]})


def test_options_that_make_no_sense() -> None:
    for options, message in (
        ({"scale": 0}, "scale: expected a number > 0; received 0"),
        ({"standardize": False, "mean": 1.0}, "standardize: expected true where mean or scale are given"),
    ):
        with pytest.raises(ConfigError, match=message):
            registry.tasks.build("regression", options)
    with pytest.raises(ConfigError, match="scale of the numbers is not known"):
        Regression().adopt(())
