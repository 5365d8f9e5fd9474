"""What every family of the registry promises, without PyTorch; a new family changes nothing here."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from parity import batch, family_of, pack, torch_config, transformers_pad, types_of
from strategy_blocks import EPOCHS
from tiny import write_checkpoint

import tftransfer
from tftransfer import Examples, registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.strategies.strategy import BACKBONE, Strategy

FAMILIES = registry.backbones.names()
KIN = {"camembert", "distilbert", "electra", "ernie", "mpnet", "xlm-roberta"}  # of the layers of BERT or RoBERTa
ROWS = Examples(
    {"text": ["good lamp", "bad box", "great", "wrong and late"] * 2, "label": ["yes", "no"] * 4},
    "toy.tsv",
    np.arange(8),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the tiny checkpoint of a family, without dropout."""
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            write_checkpoint(made[name], name)
        return made[name]

    return find


def build(directory: Path, strategy: Strategy | None = None, **options: str) -> TransferModel:
    task = tftransfer.tasks.SequenceClassification(labels=["no", "yes"])
    return tftransfer.build(str(directory), task, strategy=strategy, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_config_is_plain_data(name: str) -> None:
    config = family_of(name).config(torch_config(name).to_dict())
    assert TransformerConfig.of(config.to_dict()) == config
    assert family_of(name).config({}).num_layers > 1  # every field has the family's default


@pytest.mark.parametrize("name", FAMILIES)
def test_variables_are_told_from_those_of_a_head(name: str, checkpoint: Callable[[str], Path]) -> None:
    import re

    model = build(checkpoint(name))
    for variable in model.weights:
        assert bool(re.search(BACKBONE, variable.path)) != variable.path.startswith("head/"), variable.path
    assert len({variable.path for variable in model.weights}) == len(model.weights)


@pytest.mark.parametrize("name", FAMILIES)
def test_saved_and_loaded_by_keras(name: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    model, inputs = build(checkpoint(name)), batch(name, types=types_of(name))
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy(inputs), model(inputs))
    model.save_weights(tmp_path / "model.weights.h5")
    other = build(checkpoint(name))
    for variable in other.weights:
        variable.assign(np.zeros(variable.shape))
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(inputs), model(inputs))


@pytest.mark.parametrize("name", [n for n in FAMILIES if family_of(n).packing])
def test_packed_rows(name: str, checkpoint: Callable[[str], Path]) -> None:
    backbone = Backbone.from_pretrained(str(checkpoint(name)))
    alone = batch(name, types=types_of(name))
    packed = pack(alone, transformers_pad(name))
    states, expected = backbone(packed.inputs)["last_hidden_state"], backbone(alone)["last_hidden_state"]
    for index, (row, start, size) in enumerate(packed.places):
        np.testing.assert_allclose(states[row, start : start + size], expected[index, :size], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_padding_changes_nothing(name: str, checkpoint: Callable[[str], Path]) -> None:
    model, inputs = build(checkpoint(name)), batch(name, types=types_of(name), length=24)
    padded = {key: np.pad(array, [(0, 0), (0, 9)]) for key, array in inputs.items()}
    padded["input_ids"][:, 24:] = transformers_pad(name)
    np.testing.assert_allclose(model(padded), model(inputs), rtol=0, atol=1e-5)
    one = {key: array[:1, :1] for key, array in inputs.items()}
    assert np.isfinite(np.asarray(model(one))).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision(name: str, checkpoint: Callable[[str], Path]) -> None:
    directory, inputs = str(checkpoint(name)), batch(name, types=types_of(name))
    full, half = (Backbone.from_pretrained(directory, dtype=dtype) for dtype in ("float32", "mixed_bfloat16"))
    assert {variable.dtype for variable in half.weights} == {"float32"}
    states = [np.asarray(backbone(inputs)["last_hidden_state"], "float32") for backbone in (full, half)]
    assert np.isfinite(states[1]).all()
    difference = np.abs(states[0] - states[1])[inputs["attention_mask"] > 0]
    assert 1e-4 < difference.mean() < 5e-2, difference.mean()


# Every strategy meets BERT in tests/strategies. These are the ones that look into a family's layers.
MEETING = ["adapters", "feature_extraction", "frozen_layers", "full", "ia3", "layerwise_decay", "lora"]
MEETING += ["prefix_tuning", "prompt_tuning"]
QUICK = {"bert", "modernbert"}  # a training step of each family is compared with PyTorch's anyway
# Their attention does not see all tokens, so there is no place for a prefix.
WITHOUT_PREFIX = {"big_bird", "longformer", "modernbert"}


@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        pytest.param(name, strategy, marks=() if strategy == "full" and name in QUICK else pytest.mark.slow)
        for name in FAMILIES
        for strategy in (["full"] if name in KIN else MEETING)
    ],
)
def test_every_strategy_trains_it(name: str, strategy: str, checkpoint: Callable[[str], Path]) -> None:
    if strategy == "prefix_tuning" and name in WITHOUT_PREFIX:
        with pytest.raises(ConfigError, match="prefix"):
            build(checkpoint(name), registry.strategies.build(strategy))
        return
    model = build(checkpoint(name), registry.strategies.build(strategy))
    before = {variable.path: variable.numpy() for variable in model.weights}
    trained = tftransfer.fine_tune(
        model,
        ROWS,
        epochs=EPOCHS.get(strategy, 1),
        batch_size=8,
        warmup=0,
        learning_rate=1e-2,
        show_progress=False,
    )
    assert np.isfinite(trained.history["loss"]).all()
    trainable = {variable.path for variable in model.trainable_variables}
    moved = {v.path for v in model.weights if v.path not in before or v.numpy().tobytes() != before[v.path].tobytes()}
    assert moved <= trainable
    # A variable that no text of the batch touches, such as a key's bias, may stay where it was.
    assert len(moved) > 0.7 * len(trainable)


@pytest.mark.slow
def test_two_replicas_train_as_one_device(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    script = Path(__file__).with_name("mirrored_families.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "results.npz"), *(f"{n}={checkpoint(n)}" for n in FAMILIES)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    results = np.load(tmp_path / "results.npz")
    assert len(results.files) == 2 * len(FAMILIES)
    for name in FAMILIES:
        (one, moved), (two, _) = (results[f"{name}/{kind}"] for kind in ("single", "mirrored"))
        assert moved.max() > 1e-4, name
        np.testing.assert_allclose(two, one, rtol=0, atol=2e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_it_serves(name: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    version = tftransfer.export(build(checkpoint(name)), tmp_path / "served", texts=ROWS.columns["text"])
    assert (version / "saved_model.pb").is_file()  # export itself compares its answers in a fresh process
