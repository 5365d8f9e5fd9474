"""The learning-rate schedule, against the one of transformers."""

import decimal

import keras
import pytest
import torch
import transformers

from tftransfer.training.schedule import WarmupLinearDecay, warmup_steps


@pytest.mark.parametrize(("total", "warmup"), [(20, 0), (20, 1), (20, 7), (20, 19), (20, 20), (1, 0), (1, 1)])
def test_equals_transformers_at_every_step(total: int, warmup: int) -> None:
    ours = WarmupLinearDecay(3e-4, total, warmup)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3e-4)
    theirs = transformers.get_linear_schedule_with_warmup(optimizer, warmup, total)
    for step in range(total + 3):
        assert float(ours(step)) == pytest.approx(theirs.get_last_lr()[0], rel=1e-6, abs=1e-12), step
        optimizer.step()
        theirs.step()


def test_the_peak_and_the_ends() -> None:
    schedule = WarmupLinearDecay(1.0, 110, 10)
    assert [float(schedule(step)) for step in (0, 5, 10, 60, 110, 500)] == [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("warmup", "total", "steps"),
    [("10%", 100, 10), ("10%", 99, 9), ("0%", 50, 0), ("99%", 200, 198), ("2.5%", 1000, 25), (7, 100, 7), (7, 5, 5)],
)
def test_warmup_in_steps(warmup: str | int, total: int, steps: int) -> None:
    assert warmup_steps(warmup, total) == steps


def test_a_percentage_is_not_cut_short_by_binary_fractions() -> None:
    for tenths in range(1000):
        text = str(decimal.Decimal(tenths) / 10)
        assert warmup_steps(f"{text}%", 1000) == tenths, text


def test_survives_serialization() -> None:
    schedule = WarmupLinearDecay(3e-4, 20, 7)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert isinstance(copy, WarmupLinearDecay)
    assert [float(copy(step)) for step in range(21)] == [float(schedule(step)) for step in range(21)]
