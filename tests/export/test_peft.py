"""The PEFT library computes with our adapters what we do, and we with its; trainings move the same numbers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import parity
import pytest
import safetensors.numpy
import tiny
import transformers

import tftransfer
from tftransfer import config, experiment, registry
from tftransfer.errors import CheckpointError, ExportError
from tftransfer.export.hub_layout import layout_of
from tftransfer.strategies import LoRA
from tftransfer.training.rates import rate_of

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

LABELS = ["bad", "good", "so so"]
# Those whose adapters PEFT cannot hold have tests of their own.
FAMILIES = [name for name in registry.backbones.names() if name not in ("modernbert", "nomic_bert")]
QUICK = {"bert"}
TOLERANCE = 1e-5


# What PEFT asks of transformers.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def build(checkpoint: Path, strategy: LoRA, task: Any = None) -> Any:
    keras.utils.set_random_seed(0)
    return tftransfer.build(str(checkpoint), task or tftransfer.tasks.SequenceClassification(LABELS), strategy=strategy)


def move(model: Any) -> Any:
    """Changes all that the strategy trains."""
    rng = np.random.default_rng(1)
    for variable in trained_by(model):
        variable.assign_add(rng.normal(0, 0.1, variable.shape))
    return model


def trained_by(model: Any) -> list[Any]:
    table = model.strategy.rates(model)
    return [variable for variable in model.weights if rate_of(variable.path, table)]


def base_of(model: Any, directory: Path) -> Any:
    """Returns the checkpoint in transformers' class for the model."""
    layout = layout_of(model)
    names = {"id2label": dict(enumerate(LABELS))} if layout.kind else {}
    return getattr(transformers, layout.architecture(model.checkpoint.family)).from_pretrained(directory, **names)


def batch(name: str = "bert") -> dict[str, np.ndarray]:
    return parity.ask(name, parity.batch(name, types=1))


def ours(model: Any, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(model({key: inputs[key] for key in model.input}, training=False))


def theirs(adapted: Any, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return parity.run(adapted.get_base_model(), inputs).logits.numpy()


def config_of(strategy: LoRA, **options: Any) -> Any:
    """Returns PEFT's config of a strategy, written by hand."""
    return peft.LoraConfig(
        r=strategy.rank,
        lora_alpha=strategy.alpha,
        use_dora=strategy.dora,
        use_rslora=strategy.rslora,
        bias=strategy.biases,
        **{"target_modules": ["query", "value"], "task_type": "SEQ_CLS", **options},
    )


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in FAMILIES])
def test_peft_reads_ours_in_every_family(name: str, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    tiny.write_checkpoint(tmp_path / "base", name)
    model = move(build(tmp_path / "base", LoRA(rank=3, dora=True, rslora=True, targets=".*", biases="all")))
    path = tftransfer.save_adapter(model, tmp_path / "adapter")
    adapted = peft.PeftModel.from_pretrained(base_of(model, tmp_path / "base"), path).eval()
    inputs = batch(name)
    np.testing.assert_allclose(ours(model, inputs), theirs(adapted, inputs), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "strategy",
    [LoRA(rank=4), LoRA(rank=4, dora=True), LoRA(rank=4, rslora=True), LoRA(rank=4, biases="all")],
    ids=["lora", "dora", "rslora", "biases"],
)
def test_we_read_what_peft_wrote(strategy: LoRA, tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = build(tiny_checkpoint, strategy)
    adapted = peft.get_peft_model(base_of(model, tiny_checkpoint), config_of(strategy)).eval()
    # As many numbers are trained, of which PEFT counts those of the head's original too.
    moving = [p for n, p in adapted.named_parameters() if p.requires_grad and "original_module" not in n]
    trained = trained_by(model)
    assert sum(int(np.prod(v.shape)) for v in trained) == sum(p.numel() for p in moving)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in moving:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    adapted.save_pretrained(tmp_path)
    report = tftransfer.load_adapter(model, tmp_path)
    assert set(report.loaded) == {variable.path for variable in trained}
    inputs = batch()
    expected = theirs(adapted, inputs)
    np.testing.assert_allclose(ours(model, inputs), expected, rtol=0, atol=TOLERANCE)
    merged = tftransfer.merge(model)
    np.testing.assert_allclose(ours(merged, inputs), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_gradients_are_peft_s(dora: bool, tiny_checkpoint: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    model = move(build(tiny_checkpoint, LoRA(rank=4, dora=dora)))
    path = tftransfer.save_adapter(model, tmp_path / "adapter")
    adapted = peft.PeftModel.from_pretrained(base_of(model, tiny_checkpoint), path, is_trainable=True).eval()
    inputs, labels = batch(), np.arange(len(batch()["input_ids"])) % 3
    adapted(**parity.as_torch(adapted.get_base_model(), inputs), labels=torch.tensor(labels)).loss.backward()
    with tf.GradientTape() as tape:
        logits = model({key: inputs[key] for key in model.input}, training=False)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
    added = [v for v in model.weights if "/lora_" in v.path]
    expected = {name.replace(".default", ""): p.grad for name, p in adapted.named_parameters() if "lora_" in name}
    assert len(added) == len(expected) == (12 if dora else 8)
    for variable, gradient in zip(added, tape.gradient(loss, [v.value for v in added]), strict=True):
        layer, name, part = _parts(variable.path)
        end = {"a": "lora_A.weight", "b": "lora_B.weight", "magnitude": "lora_magnitude_vector.weight"}[part]
        found = next(
            grad for key, grad in expected.items() if key.endswith(f"layer.{layer}.attention.self.{name}.{end}")
        )
        scale = np.abs(found.numpy()).max()
        assert scale > 0
        np.testing.assert_allclose(gradient, found.numpy().T, rtol=0, atol=1e-4 * scale)


def _parts(path: str) -> tuple[str, str, str]:
    """Returns number of the layer, projection and part: encoder/layer_0/attention/query/lora_a/kernel."""
    _, layer, _, name, part, *_ = path.split("/")
    return layer.removeprefix("layer_"), name, part.removeprefix("lora_")


def test_peft_reads_biases_of_updated_layers(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = move(build(tiny_checkpoint, LoRA(rank=2, biases="lora_only")))
    path = tftransfer.save_adapter(model, tmp_path / "adapter")
    adapted = peft.PeftModel.from_pretrained(base_of(model, tiny_checkpoint), path).eval()
    inputs = batch()
    np.testing.assert_allclose(ours(model, inputs), theirs(adapted, inputs), rtol=0, atol=TOLERANCE)


def test_a_hidden_layer_of_the_head_is_the_classes_pooler(make_checkpoint: Callable, tmp_path: Path) -> None:
    """A checkpoint of masked words has no pooler, which the class for sequences needs."""
    source = make_checkpoint(pooler=False, prefix="bert.")
    model = move(build(source, LoRA(rank=2)))
    assert any(variable.path == "head/hidden/kernel" for variable in model.weights)
    path = tftransfer.save_adapter(model, tmp_path / "adapter")
    adapted = peft.PeftModel.from_pretrained(base_of(model, source), path).eval()
    inputs = batch()
    np.testing.assert_allclose(ours(model, inputs), theirs(adapted, inputs), rtol=0, atol=TOLERANCE)


def test_a_run_exports_its_adapter(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("text\tlabel\ngood lamp\tyes\nbad box\tno\n")
    data = {"path": str(tmp_path / "train.tsv"), "text": "text", "label": "label"}
    raw = {
        "model": {"checkpoint": str(tiny_checkpoint)},
        "task": {"name": "sequence_classification"},
        "data": {"train": data, "test": data},
        "strategy": {"name": "lora", "rank": 2, "targets": "value"},
        "training": {"epochs": 1},
        "export": {"formats": ["peft"]},
    }
    run = tmp_path / "run"
    summary = experiment.fit(config.validate(raw), run)
    assert summary["peft"] == str(run / "peft" / "1")
    trained = experiment.load(run)
    fresh = build(tiny_checkpoint, LoRA(rank=2, targets="value"), trained.task)
    tftransfer.load_adapter(fresh, experiment.export(run, "peft"))
    assert sorted(path.name for path in (run / "peft").iterdir()) == ["1", "2"]
    inputs = batch()
    np.testing.assert_array_equal(ours(fresh, inputs), ours(trained, inputs))
    # What would fail at the end fails at the beginning.
    other = config.validate({**raw, "strategy": {"name": "full"}})
    with pytest.raises(ExportError, match=r"built with strategy=LoRA\(...\)"):
        experiment.fit(other, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_head_without_a_class_is_beside_it(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """On a mean, as on checkpoints of sentence-transformers; PEFT has the encoder."""
    task = tftransfer.tasks.SequenceClassification(LABELS, pooling="mean")
    model = move(build(tiny_checkpoint, LoRA(), task))
    path = tftransfer.save_adapter(model, tmp_path / "adapter")
    assert sorted(file.name for file in path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "head.safetensors",
    ]
    assert not any("head" in name for name in safetensors.numpy.load_file(path / "adapter_model.safetensors"))
    inputs = batch()
    adapted = peft.PeftModel.from_pretrained(base_of(model, tiny_checkpoint), path).eval()
    states = keras.Model(model.input, model.get_layer("encoder").output[-1])
    with torch.no_grad():
        expected = adapted(**parity.as_torch(adapted.get_base_model(), inputs)).last_hidden_state.numpy()
    where = inputs["attention_mask"].astype(bool)
    np.testing.assert_allclose(ours(states, inputs)[where], expected[where], rtol=0, atol=TOLERANCE)
    again = build(tiny_checkpoint, LoRA(), task)
    assert tftransfer.load_adapter(again, path).fresh == ()
    np.testing.assert_array_equal(ours(again, inputs), ours(model, inputs))


def test_an_adapter_without_a_head(tiny_checkpoint: Path, tmp_path: Path) -> None:
    strategy = LoRA()
    model = build(tiny_checkpoint, strategy)
    base = transformers.BertForSequenceClassification.from_pretrained(tiny_checkpoint)
    peft.get_peft_model(base, config_of(strategy, task_type=None)).save_pretrained(tmp_path)
    report = tftransfer.load_adapter(model, tmp_path)
    assert report.fresh == ("head/logits/kernel", "head/logits/bias")
    assert str(report).endswith("the adapter has no head")


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("modernbert", "query|value", r"ModernBertForSequenceClassification holds 3 of them. Choose other targets"),
        ("nomic_bert", "query|value", "NomicBert's are not. Export the merged model"),
    ],
)
def test_what_peft_has_no_names_for(name: str, targets: str, message: str, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, name)
    with pytest.raises(ExportError, match=message):
        tftransfer.save_adapter(build(tmp_path, LoRA(targets=targets)), tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_what_is_no_adapter_of_lora(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = tftransfer.build(str(tiny_checkpoint), tftransfer.tasks.SequenceClassification(LABELS))
    with pytest.raises(ExportError, match=r"built with strategy=LoRA\(...\), .* built with Full\(\)"):
        tftransfer.save_adapter(model, tmp_path)
    with pytest.raises(ExportError, match="that of masked words shares the embeddings"):
        tftransfer.save_adapter(build(tiny_checkpoint, LoRA(), tftransfer.tasks.MaskedLM()), tmp_path)


@pytest.fixture(scope="module")
def written(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model, and its adapter; to be copied, not changed."""
    model = build(tiny_checkpoint, LoRA(rank=2))
    return model, tftransfer.save_adapter(model, tmp_path_factory.mktemp("adapters") / "adapter")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, t: c.update(r=4, use_dora=True), r"received one of LoRA\(rank=4, alpha=16.0, dora=True"),
        (lambda c, t: c.update(peft_type="IA3"), "expected the peft_type 'LORA'; received 'IA3'"),
        (lambda c, t: c.update(rank_pattern={"query": 1}), "received rank_pattern: {'query': 1}, which is not"),
        (lambda c, t: c.update(init_lora_weights="pissa"), "received init_lora_weights: 'pissa'"),
        (lambda c, t: t.popitem(), "no tensor 'base_model.model.*' in the file"),
        (lambda c, t: t.update(more=np.zeros(2)), r"\+ more: no variable takes this tensor"),
        (lambda c, t: t.update({k: v[..., :1] for k, v in t.items() if "lora_A" in k}), r"expected \(32, 2\), '.*' is"),
    ],
)
def test_another_adapter_is_refused(
    written: tuple[Any, Path], change: Callable[[Any, Any], Any], message: str, tmp_path: Path
) -> None:
    model, source = written
    config = json.loads((source / "adapter_config.json").read_text())
    tensors = safetensors.numpy.load_file(source / "adapter_model.safetensors")
    change(config, tensors)
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    safetensors.numpy.save_file(tensors, tmp_path / "adapter_model.safetensors")
    before = [variable.numpy() for variable in model.weights]
    with pytest.raises(CheckpointError, match=message):
        tftransfer.load_adapter(model, tmp_path)
    assert all(np.array_equal(old, v.numpy()) for old, v in zip(before, model.weights, strict=True))


def test_nothing_is_overwritten_and_no_pickle_opened(written: tuple[Any, Path], tmp_path: Path) -> None:
    model, source = written
    with pytest.raises(ExportError, match="expected a directory without an adapter"):
        tftransfer.save_adapter(model, source)
    with pytest.raises(CheckpointError, match="expected the config of an adapter of PEFT"):
        tftransfer.load_adapter(model, tmp_path)
    (tmp_path / "adapter_config.json").write_bytes((source / "adapter_config.json").read_bytes())
    (tmp_path / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match=r"expected adapter_model.safetensors; .* \(.bin\) are not opened"):
        tftransfer.load_adapter(model, tmp_path)
