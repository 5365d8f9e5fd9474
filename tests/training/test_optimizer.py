"""AdamW with rates, against torch.optim.AdamW."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from tftransfer.training.optimizer import AdamW
from tftransfer.training.schedule import WarmupLinearDecay

STEPS = 5
WIDTH = 4
# Token 2 occurs four times in a batch, token 5 twice, token 0 never.
TOKENS = np.array([[2, 5, 2, 1], [2, 3, 5, 2]])


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def variable(name: str, value: np.ndarray) -> keras.Variable:
    scope, _, leaf = name.rpartition("/")
    with keras.name_scope(scope):
        return keras.Variable(value, name=leaf)


def ours(
    optimizer: keras.optimizers.Optimizer, values: Sequence[np.ndarray], loss: Callable[..., Any]
) -> list[np.ndarray]:
    """Returns the values after training; `loss` is given the step and the tensors, of either library."""
    variables = [variable(f"layer/v{n}", value) for n, value in enumerate(values)]
    optimizer.build(variables)
    for step in range(STEPS):
        with tf.GradientTape() as tape:
            value = loss(tf, step, *[v.value for v in variables])
        optimizer.apply_gradients(zip(tape.gradient(value, [v.value for v in variables]), variables, strict=True))
    return [v.numpy() for v in variables]


def theirs(
    values: Sequence[np.ndarray],
    loss: Callable[..., Any],
    learning_rates: Sequence[float],
    decays: Sequence[float],
    warmup: int | None = None,
) -> list[np.ndarray]:
    """Returns what torch.optim.AdamW makes of the values."""
    tensors = [torch.tensor(value, requires_grad=True) for value in values]
    groups = [
        {"params": [tensor], "lr": rate, "weight_decay": decay}
        for tensor, rate, decay in zip(tensors, learning_rates, decays, strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    total = 10**9 if warmup is None else STEPS
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup or 0, total)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss(torch, step, *tensors).backward()
        optimizer.step()
        schedule.step()
    return [tensor.detach().numpy() for tensor in tensors]


def difference(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """Returns the greatest difference relative to the greatest value of its array."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(one, other, strict=True))


def dense_loss(library: Any, step: int, kernel: Any, bias: Any) -> Any:
    """Returns a loss whose gradient changes from step to step."""
    x = normal(100 + step, 6, 8)
    x = tf.constant(x) if library is tf else torch.tensor(x)
    output = library.tanh(x @ kernel + bias)
    return tf.reduce_sum(output**2) if library is tf else (output**2).sum()


def embedding_loss(library: Any, step: int, table: Any) -> Any:
    """Returns a loss over rows of a table, some of them looked up several times."""
    weight = normal(200 + step, *TOKENS.shape, WIDTH)
    if library is tf:
        return tf.reduce_sum(tf.tanh(tf.gather(table, tf.constant(TOKENS))) * weight)
    rows = torch.nn.functional.embedding(torch.tensor(TOKENS), table)
    return (torch.tanh(rows) * torch.tensor(weight)).sum()


DENSE = [normal(0, 8, WIDTH), normal(1, WIDTH)]
TABLE = [normal(2, 6, WIDTH)]


def test_matrices_decay_and_vectors_do_not_as_in_torch() -> None:
    result = ours(AdamW(0.05, weight_decay=0.1), DENSE, dense_loss)
    assert difference(result, theirs(DENSE, dense_loss, [0.05] * 2, [0.1, 0.0])) <= 1e-6
    # The test would see a vector that decays.
    assert difference(result, theirs(DENSE, dense_loss, [0.05] * 2, [0.1, 0.1])) > 1e-3


def test_a_token_that_occurs_several_times_as_in_torch() -> None:
    truth = theirs(TABLE, embedding_loss, [0.05], [0.01])
    assert difference(ours(AdamW(0.05, weight_decay=0.01), TABLE, embedding_loss), truth) <= 1e-6


def test_keras_own_adamw_would_fail_that_test() -> None:
    stock = keras.optimizers.AdamW(0.05, weight_decay=0.01, epsilon=1e-8)
    assert difference(ours(stock, TABLE, embedding_loss), theirs(TABLE, embedding_loss, [0.05], [0.01])) > 1e-2


def test_a_schedule_as_in_torch() -> None:
    optimizer = AdamW(WarmupLinearDecay(0.05, STEPS, 2), weight_decay=0.1)
    truth = theirs(DENSE, dense_loss, [0.05] * 2, [0.1, 0.0], warmup=2)
    assert difference(ours(optimizer, DENSE, dense_loss), truth) <= 1e-6


def test_a_rate_scales_step_and_decay() -> None:
    optimizer = AdamW(0.05, rates=[("v0$", 0.25), ("v1$", 3.0)], weight_decay=0.1)
    # Torch's decay is learning rate * weight_decay, so a group's learning rate scales both.
    truth = theirs(DENSE, dense_loss, [0.0125, 0.15], [0.1, 0.0])
    assert difference(ours(optimizer, DENSE, dense_loss), truth) <= 1e-6


def test_a_variable_that_no_pattern_claims_has_rate_1() -> None:
    optimizer = AdamW(0.05, rates=[("^nothing", 7.0)], weight_decay=0.1)
    assert difference(ours(optimizer, DENSE, dense_loss), theirs(DENSE, dense_loss, [0.05] * 2, [0.1, 0.0])) <= 1e-6


def test_rate_0_changes_no_bit() -> None:
    kernel, bias = ours(AdamW(0.05, rates=[("v0$", 0.0), ("", 1.0)], weight_decay=0.1), DENSE, dense_loss)
    assert kernel.tobytes() == DENSE[0].tobytes()
    assert np.all(bias != DENSE[1])


@pytest.mark.parametrize("graph", [False, True])
def test_a_gradient_of_nan_changes_no_bit(graph: bool) -> None:
    kernel = variable("layer/kernel", DENSE[0])
    optimizer = AdamW(0.05, weight_decay=0.1)
    optimizer.build([kernel])
    good, bad = tf.constant(normal(5, 8, WIDTH)), tf.fill((8, WIDTH), np.float32("nan"))

    def step(gradient: tf.Tensor) -> None:
        optimizer.apply_gradients([(gradient, kernel)])

    step = tf.function(step) if graph else step
    step(good)
    state = [v for v in [kernel, *optimizer.variables] if "iteration" not in v.path]
    assert len(state) == 5  # the kernel, its moments, its rate and the learning rate
    before = [v.numpy().tobytes() for v in state]
    step(bad)
    assert [v.numpy().tobytes() for v in state] == before
    step(good)  # and goes on
    assert kernel.numpy().tobytes() != before[0]
    assert np.isfinite(kernel.numpy()).all()


def test_survives_serialization() -> None:
    optimizer = AdamW(
        WarmupLinearDecay(0.05, STEPS, 2), [("v0$", 0.25), ("", 1.0)], 0.1, beta_1=0.8, beta_2=0.99, epsilon=1e-6
    )
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(copy, AdamW)
    assert copy.get_config() == optimizer.get_config()
    first, second = ours(optimizer, DENSE, dense_loss), ours(copy, DENSE, dense_loss)
    assert [a.tobytes() for a in first] == [b.tobytes() for b in second]
    other = ours(AdamW(WarmupLinearDecay(0.05, STEPS, 2)), DENSE, dense_loss)
    assert difference(first, other) > 1e-3
