"""Tables of rates against what their papers say."""

import math
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import transformers

import tftransfer
from tftransfer import Examples, strategies
from tftransfer.errors import ConfigError
from tftransfer.model import TransferModel
from tftransfer.strategies.components.unfreezing import SlantedTriangular
from tftransfer.training.rates import rate_of

TASK = tftransfer.tasks.SequenceClassification(labels=["no", "yes"])
ROWS = Examples({"text": ["good lamp", "bad box"] * 2, "label": ["yes", "no"] * 2}, "toy.tsv", np.arange(4))


@pytest.fixture(scope="module")
def directory(make_checkpoint: Callable[..., Path]) -> Path:
    """A BERT of 12 small layers: `layer_1` is a beginning of `layer_10`."""
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 12}
    return make_checkpoint(sizes)


@pytest.fixture(scope="module")
def model(directory: Path) -> TransferModel:
    return tftransfer.build(str(directory), TASK)


def test_layers_are_the_slower_the_lower(model: TransferModel) -> None:
    table = strategies.LayerwiseDecay(0.8).rates(model)
    expected = {
        "head/logits/kernel": 1.0,
        "pooler/dense/kernel": 1.0,
        "encoder/layer_11/output/kernel": 0.8,
        "encoder/layer_10/output/kernel": 0.8**2,
        "encoder/layer_1/output/kernel": 0.8**11,
        "encoder/layer_0/attention/query/bias": 0.8**12,
        "embeddings/word_embeddings/embeddings": 0.8**13,
    }
    assert {path: rate_of(path, table) for path in expected} == pytest.approx(expected)


def test_bitfit_trains_what_is_called_a_bias_in_torch(model: TransferModel, directory: Path) -> None:
    torch_model = transformers.BertForSequenceClassification.from_pretrained(directory, num_labels=2)
    named = dict(torch_model.named_parameters())
    biases = sum(p.numel() for name, p in named.items() if name.endswith("bias") and not name.startswith("classifier"))
    table = strategies.BitFit().rates(model)
    trained = [v for v in model.weights if not v.path.startswith("head/") and rate_of(v.path, table)]
    assert sum(int(np.prod(v.shape)) for v in trained) == biases


def test_layer_norm_trains_what_is_called_so_in_torch(model: TransferModel, directory: Path) -> None:
    torch_model = transformers.BertModel.from_pretrained(directory)
    expected = sum(p.numel() for name, p in torch_model.named_parameters() if "LayerNorm" in name)
    table = strategies.LayerNorm().rates(model)
    trained = [v for v in model.weights if not v.path.startswith("head/") and rate_of(v.path, table)]
    assert sum(int(np.prod(v.shape)) for v in trained) == expected


def test_the_slanted_triangle_is_the_papers() -> None:
    """Equation 3 of Howard & Ruder (2018), as it stands there."""
    peak, total, cut_fraction, ratio = 0.01, 200, 0.1, 32
    ours, cut = SlantedTriangular(peak, total, 20, ratio), math.floor(total * cut_fraction)
    for step in range(total):
        part = step / cut if step < cut else 1 - (step - cut) / (cut * (1 / cut_fraction - 1))
        assert float(ours(step)) == pytest.approx(peak * (1 + part * (ratio - 1)) / ratio, rel=1e-5)
    assert float(ours(total + 50)) == pytest.approx(peak / ratio)


class _Moved(keras.callbacks.Callback):
    """Keeps, for each epoch, the parts of the model whose weights are no longer those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[set[str]] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.before = {v.path: v.numpy() for v in self.model.weights}

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        moved = [v.path for v in self.model.weights if not np.array_equal(v.numpy(), self.before[v.path])]
        self.parts.append({path.split("/")[1 if path.startswith("encoder/") else 0] for path in moved})


def test_layers_thaw_from_the_head_down(tiny_checkpoint: Path) -> None:
    model, moved = tftransfer.build(str(tiny_checkpoint), TASK), _Moved()
    traces = []
    plain = model.plain_objective
    model.plain_objective = lambda *batch: traces.append(1) or plain(*batch)  # type: ignore[assignment]
    tftransfer.fine_tune(
        model,
        ROWS,
        strategy=strategies.GradualUnfreezing(),
        epochs=5,
        batch_size=4,
        warmup=0,
        learning_rate=1e-2,
        callbacks=[moved],
        show_progress=False,
    )
    head, top = {"head", "pooler"}, {"head", "pooler", "layer_1"}
    assert moved.parts == [head, top, {*top, "layer_0"}, *[{*top, "layer_0", "embeddings"}] * 2]
    assert len(traces) == 1  # no stage was compiled anew


def test_a_step_is_as_long_as_the_rate_says(tiny_checkpoint: Path) -> None:
    """Adam's first step is the learning rate in every number, so the rates are seen in what moved."""
    table = [(r"^head/", 1.0), (r"/layer_1/", 0.5), (r"/layer_0/", 0.25), (r"", 0.0)]
    model = tftransfer.build(str(tiny_checkpoint), TASK)
    before = {v.path: v.numpy() for v in model.weights}
    options = {"epochs": 1, "batch_size": 4, "warmup": 0, "learning_rate": 1e-3, "weight_decay": 0.0}
    tftransfer.fine_tune(model, ROWS, strategy=strategies.RateTable(table), show_progress=False, **options)
    for layer, rate in ((1, 0.5), (0, 0.25)):
        path = f"encoder/layer_{layer}/output/kernel"
        kernel = next(v for v in model.weights if v.path == path)
        assert np.median(np.abs(kernel.numpy() - before[path])) == pytest.approx(rate * 1e-3, rel=1e-2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: strategies.LayerwiseDecay(1.5), r"decay: expected a number in \(0, 1\]; received 1.5"),
        (lambda: strategies.GradualUnfreezing(decay=0.5), "decay: expected a number >= 1; received 0.5"),
        (lambda: strategies.GradualUnfreezing(layers_per_epoch=0), "layers_per_epoch: expected a number >= 1"),
    ],
)
def test_bad_options_say_what_was_expected(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
