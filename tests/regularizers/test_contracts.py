"""What every regularizer of the registry promises, whichever it is."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click.testing
import keras
import numpy as np
import pytest

import tftransfer
from tftransfer import Examples, config, registry
from tftransfer.cli.main import main
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.regularizers import Regularizer

NAMES = registry.regularizers.names()
# The quick suite has one by itself, and all together; `test_truths.py` has each of them.
ALONE = [pytest.param(n, marks=[] if n == "mixout" else pytest.mark.slow) for n in NAMES]
STEP = {"epochs": 1, "batch_size": 8, "warmup": 0, "learning_rate": 1e-2, "show_progress": False}


def check(
    model: TransferModel, rows: Examples, strategy: str, regularizers: Sequence[Regularizer], directory: Path
) -> None:
    """Trains a model for a step, saves and loads it."""
    trained = tftransfer.fine_tune(
        model, rows, rows, strategy=registry.strategies.build(strategy), regularizers=regularizers, **STEP
    )
    assert np.isfinite(trained.history["loss"]).all()
    assert all(np.isfinite(variable.numpy()).all() for variable in model.weights)

    # Nothing of it stays in the model: it is evaluated, saved and loaded as any other.
    assert model.measure(model.encode(rows))["loss"] == pytest.approx(trained.history["val_loss"][0], rel=1e-5)
    model.save(directory / "model.keras")
    copy = keras.saving.load_model(directory / "model.keras")
    inputs = model.encode(rows).batch(np.arange(8))[0]
    assert np.array_equal(np.asarray(copy(inputs)), np.asarray(model(inputs)))


@pytest.mark.parametrize(
    ("strategy", "precision"),
    [("full", "float32"), pytest.param("feature_extraction", "mixed_bfloat16", marks=pytest.mark.slow)],
    ids=["full", "half"],
)
@pytest.mark.parametrize("name", ALONE)
def test_a_regularizer(
    name: str,
    strategy: str,
    precision: str,
    dropping: Path,
    build: Callable[..., TransferModel],
    rows: Examples,
    tmp_path: Path,
) -> None:
    regularizer, model = registry.regularizers.build(name), build(dropping, precision=precision)
    before = {variable.path: variable.numpy() for variable in model.weights}
    check(model, rows, strategy, [regularizer], tmp_path)
    still = {v.path for v in model.weights if np.array_equal(v.numpy(), before[v.path])}
    frozen = {path for path in before if strategy == "feature_extraction" and not path.startswith("head/")}
    if name == "reinitialize":  # what was random once more is no other number, where it was 0 or 1
        frozen = {path for path in frozen if not path.startswith(("pooler/", "encoder/"))}
        still = {path for path in still if not path.startswith(("pooler/", "encoder/"))}
    assert still == frozen


@pytest.mark.parametrize("order", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_all_together(
    order: int, dropping: Path, build: Callable[..., TransferModel], rows: Examples, tmp_path: Path
) -> None:
    check(build(dropping), rows, "full", [registry.regularizers.build(name) for name in NAMES][::order], tmp_path)


def test_no_training_changes_nothing(dropping: Path, build: Callable[..., TransferModel], rows: Examples) -> None:
    model = build(dropping)
    before = model.get_weights()
    regularizers = [registry.regularizers.build(name) for name in NAMES]
    tftransfer.fine_tune(model, rows, regularizers=regularizers, **{**STEP, "epochs": 0})
    assert all(np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True))


CONFIG = """\
model: {checkpoint: some/model}
task: {name: sequence_classification, labels: [no, yes]}
data: {train: {path: a.tsv, text: sentence}}
regularizers:
- {name: r_drop, alpha: 5}
- {name: mixout, p: 0.9}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("mixout", "mixuot", "6:4: regularizers.1.name: Unknown regularizer 'mixuot'. Did you mean 'mixout'?"),
        ("alpha", "alhpa", "5:18: regularizers.0.alhpa: unknown option of 'r_drop'. Did you mean 'alpha'?"),
        ("0.9", "1.5", "6:18: regularizers.1.p: expected a number in [0, 1); received 1.5."),
        ("name: r_drop, ", "", "5:3: regularizers.0: required, but missing: name. Known: adversarial, "),
    ],
)
def test_a_config_says_where_it_is_wrong(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    assert config.load(path).regularizers == [{"name": "r_drop", "alpha": 5}, {"name": "mixout", "p": 0.9}]
    path.write_text(CONFIG.replace(right, wrong), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        config.load(path)
    assert f"{path}:{message}" in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("r_drop", {"alpha": -1}, "alpha: expected a number >= 0; received -1"),
        ("mixout", {"p": 1}, r"p: expected a number in \[0, 1\); received 1"),
        ("adversarial", {"epsilon": float("inf")}, "epsilon: expected a number >= 0; received inf"),
        ("ema", {"momentum": 1}, r"momentum: expected a number in \[0, 1\); received 1"),
        ("reinitialize", {"layers": -1}, "layers: expected a number of layers >= 0; received -1"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.regularizers.build(name, options)


def test_they_are_listed() -> None:
    result = click.testing.CliRunner().invoke(main, ["list", "regularizers"])
    assert [line.split()[:2] for line in result.output.splitlines()[2:]] == [["regularizers", name] for name in NAMES]
