"""Two replicas give the numbers of one device: the same losses, the same weights, the same answers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strategy_blocks import strategy_block

from tftransfer import Examples, registry
from tftransfer.data.batches import BatchPlan

TRAINING = {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "seed": 4, "monitor": "loss"}
DEFAULTS: dict[str, Any] = {
    "rows": 16,
    "strategy": {"name": "full"},
    "regularizers": [],
    "task": {"name": "sequence_classification"},
    "poisoned": [],
    "training": TRAINING,
}
# 61 = 7 * 8 + 5 leaves uneven parts, 57 = 7 * 8 + 1 an empty replica, and of 5 the first batch is uneven already.
CASES: dict[str, dict[str, Any]] = {
    "clipped": {"rows": 61, "training": TRAINING | {"clip_norm": 0.1, "gradient_accumulation_steps": 3}},
    "weighted": {
        "rows": 57,
        "task": DEFAULTS["task"] | {"class_weights": {"negative": 3.0, "positive": 0.5}},
        "training": TRAINING | {"gradient_checkpointing": True},
    },
    "few": {
        "rows": 5,
        "strategy": {"name": "feature_extraction"},
        "training": TRAINING | {"clip_norm": None, "gradient_accumulation_steps": 4},
    },
    # Each replica's sequences are in rows of its own, and so are those of each part of its batch.
    "packed": {"rows": 61, "training": TRAINING | {"batching": "packed", "gradient_accumulation_steps": 3}},
}
# Targets of other shapes, and batches that are drawn anew: a mean over the tokens that count is one over all replicas'.
OTHERS: dict[str, dict[str, Any]] = {
    "tags": {"rows": 13, "task": {"name": "token_classification"}},
    "masks": {"rows": 13, "task": {"name": "masked_lm"}},
    "several": {"rows": 13, "task": {"name": "multi_label_classification"}},
    "numbers": {"rows": 13, "task": {"name": "regression"}},
}
# The row of the last place in step 2: it is the second replica's.
POISONED = int(BatchPlan(16, 8, seed=4).rows(0, 1)[-1])
# Sums of several losses, and a table moved along a gradient, are rounded more often; Adam divides small gradients by
# their own size.
ROUNDING = {"strategy distillation": 4e-6, "regularizer adversarial": 2e-6}
# Softmax does not see what a key's bias adds to all scores of a row: its gradient is 0 but for rounding, which Adam
# scales up to whole steps.
WITHOUT_GRADIENT = "attention/key/bias"


# Every way to transfer, and what goes with it.
STRATEGIES: dict[str, dict[str, Any]] = {
    f"strategy {name}": {"rows": 13, "strategy": strategy_block(name)} for name in registry.strategies.names()
}
REGULARIZERS: dict[str, dict[str, Any]] = {
    f"regularizer {name}": {"rows": 13, "regularizers": [{"name": name}]} for name in registry.regularizers.names()
}
# What they add up is of the whole batch, weighed as the loss is. Without dropout R-Drop needs passes that differ.
R_DROP = [{"name": "alternating"}, {"name": "r_drop"}]
REGULARIZERS |= {
    "regularizer of weighted rows": {"rows": 57, "regularizers": R_DROP, "task": CASES["weighted"]["task"]},
    "regularizer of tags": {"rows": 13, "regularizers": R_DROP, "task": {"name": "token_classification"}},
    "regularizer of an empty part": {"rows": 57, "regularizers": [{"name": "adversarial"}]},
}
SLOW = OTHERS | STRATEGIES | REGULARIZERS
EVERY = [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


@pytest.fixture(scope="module")
def run_all(
    shallow_checkpoint: Path, toy: Callable[..., Examples], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], Path]:
    """Runs cases in one process: a second MirroredStrategy in a process may fail, several models under one do not."""
    columns: dict[str, list[Any]] = dict(toy(61).columns)
    columns["spans"] = [[(0, text.index(" "), label)] for text, label in zip(*columns.values(), strict=True)]
    common = {"checkpoint": str(shallow_checkpoint), "columns": columns}
    lengths = {"columns": columns | {"label": [str(len(text)) for text in columns["text"]]}}

    def run_all(cases: dict[str, Any]) -> Path:
        directory = tmp_path_factory.mktemp("mirrored")
        own = {name: DEFAULTS | common | case | (lengths if name == "numbers" else {}) for name, case in cases.items()}
        path = directory / "cases.json"
        path.write_text(json.dumps(own), encoding="utf-8")
        script = Path(__file__).with_name("mirrored_runs.py")
        done = subprocess.run(
            [sys.executable, str(script), str(path), str(directory)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=1800,
        )
        assert done.returncode == 0, done.stderr[-5000:]
        return directory

    return run_all


@pytest.fixture(scope="module")
def runs(run_all: Callable[[dict[str, Any]], Path]) -> Path:
    return run_all(CASES | {"poisoned": {"poisoned": [POISONED]}})


@pytest.fixture(scope="module")
def other_runs(run_all: Callable[[dict[str, Any]], Path]) -> Path:
    return run_all(OTHERS | STRATEGIES)


@pytest.fixture(scope="module")
def regularized_runs(run_all: Callable[[dict[str, Any]], Path]) -> Path:
    return run_all(REGULARIZERS)


@pytest.fixture
def results(request: pytest.FixtureRequest, name: str) -> Path:
    fixture = "runs" if name in CASES else "regularized_runs" if name in REGULARIZERS else "other_runs"
    return request.getfixturevalue(fixture)


def both(runs: Path, name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    single, mirrored = (dict(np.load(runs / f"{name}-{kind}.npz")) for kind in ("single", "mirrored"))
    assert set(single) == set(mirrored)
    return single, mirrored


def group(results: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name: value for name, value in results.items() if name.startswith(prefix)}


def difference(one: dict[str, np.ndarray], other: dict[str, np.ndarray], prefix: str) -> float:
    """Returns the greatest difference of the results whose names begin so, relative to numbers above 1."""
    names = [name for name in group(one, prefix) if not name.endswith(WITHOUT_GRADIENT)]
    return max(float((np.abs(one[n] - other[n]) / np.maximum(np.abs(one[n]), 1)).max()) for n in names)


@pytest.mark.parametrize("name", EVERY)
def test_training_is_that_of_one_device(results: Path, name: str) -> None:
    single, mirrored = both(results, name)
    steps = 2 * BatchPlan((CASES | SLOW)[name]["rows"], 8).steps_per_epoch
    assert len(single["losses"]) == len(mirrored["losses"]) == steps
    assert single["iterations"] == mirrored["iterations"] == steps
    assert np.isfinite(single["losses"]).all()
    assert difference(single, mirrored, "losses") <= 1e-6
    assert difference(single, mirrored, "weight/") <= ROUNDING.get(name, 1e-6)
    assert difference(single, mirrored, "history/") <= 2e-6
    assert mirrored["copies"] == 0


@pytest.mark.parametrize("name", EVERY)
def test_evaluation_is_that_of_one_device(results: Path, name: str) -> None:
    single, mirrored = both(results, name)
    task = registry.tasks.get((DEFAULTS | (CASES | SLOW)[name])["task"]["name"])
    assert set(group(single, "evaluate/")) >= {f"evaluate/{metric}" for metric in task.monitors}
    assert difference(single, mirrored, "evaluate/") <= 2e-6


@pytest.mark.parametrize("name", list(CASES))
def test_answers_are_those_of_one_device(runs: Path, name: str) -> None:
    single, mirrored = both(runs, name)
    assert single["scores"].shape == mirrored["scores"].shape == (13, 2)
    assert difference(single, mirrored, "scores") <= 1e-6


def test_the_cases_differ_in_what_they_test(runs: Path) -> None:
    """Guards the comparison: the weights move, and a frozen backbone does not."""
    for name in CASES:
        _, mirrored = both(runs, name)
        moved = {
            path.removeprefix("weight/"): np.abs(value - mirrored[path.replace("weight/", "before/", 1)]).max()
            for path, value in group(mirrored, "weight/").items()
        }
        assert moved["head/logits/kernel"] > 1e-5, name
        assert (moved["encoder/layer_0/output/kernel"] > 0) == (name != "few"), name


def test_a_loss_that_is_not_finite_on_the_second_replica_stops_both(runs: Path) -> None:
    results = dict(np.load(runs / "poisoned-mirrored.npz"))
    message = str(results["error"])
    assert "not finite at step 2 of epoch 1" in message
    assert f"toy.tsv:{POISONED + 2}" in message
    assert len(results["losses"]) == 1
    for path, value in group(results, "weight/").items():
        assert value.tobytes() == results[path.replace("weight/", "before/", 1)].tobytes(), path
