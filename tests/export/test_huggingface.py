"""transformers loads what we export, without a missing or unexpected key, and computes the same."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import huggingface_hub
import keras
import numpy as np
import parity
import pytest
import safetensors.numpy
import tokenizers
import transformers
from parity import torch

import tftransfer
from tftransfer import registry
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.family import ARCHITECTURES, Known
from tftransfer.errors import ConfigError, ExportError
from tftransfer.export import hub_tokenizer, huggingface, model_card
from tftransfer.export.hub_layout import layout_of
from tftransfer.tasks.components.heads import ClassificationHead, MaskedLMHead, TokenHead
from tftransfer.tasks.task import HeadHints, Hidden
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.torture import torture

pytestmark = pytest.mark.skipif(torch is None, reason="PyTorch is the reference")

LABELS = ["so so", "good", "bad"]  # not sorted
TEXTS = ["a good lamp", "bad", "so so, it is late", "abc [SEP] def", "", "x y z " * 30]
FAMILIES = registry.backbones.names()
CLASSIFIERS = [name for name in FAMILIES if parity.torch_class(name, "sequence_classification") is not None]
KINDS = [
    pytest.param(name, kind, id=f"{name}-{kind or 'encoder'}")
    for name in FAMILIES
    for kind in ARCHITECTURES
    if parity.torch_class(name, kind) is not None and (not kind or kind in parity.family_of(name).heads)
]


@dataclasses.dataclass(frozen=True)
class AnyKind(tftransfer.tasks.SequenceClassification):
    """A task of any kind of head, as far as building and exporting go."""

    head_kind: ClassVar[str] = ""
    problem_type: ClassVar[str] = ""

    @property
    def is_resolved(self) -> bool:
        return True

    def head(self, features: Any, hints: HeadHints) -> Any:
        options = {"dropout": hints.dropout, "hidden": hints.hidden, "name": "head"}
        if self.head_kind == "sequence_classification":
            return super().head(features, hints)
        if self.head_kind == "masked_lm":
            return MaskedLMHead(hints.tied, **options)(features["last_hidden_state"], features["word_embeddings"])
        size = len(self.labels or ()) or 2
        return (
            TokenHead(size, **options)(features["last_hidden_state"])
            if self.head_kind
            else features["last_hidden_state"]
        )


def task_of(kind: str, labels: list[str] | None = None) -> AnyKind:
    return type("SomeTask", (AnyKind,), {"head_kind": kind})(labels=labels)


def add_tokenizer(directory: Path, vocab_size: int = parity.VOCABULARY) -> None:
    """Writes a small WordPiece tokenizer, which says nothing of its family."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *".,!?"]
    ids = {word: n for n, word in enumerate(words)}
    assert len(ids) <= vocab_size
    rust = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]"))
    rust.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    rust.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    rust.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=special
    )
    rust.add_special_tokens(words[:5])
    rust.save(str(directory / "tokenizer.json"))


def checkpoint_of(directory: Path, name: str, kind: str = "", **keys: Any) -> Path:
    """Saves a random checkpoint with a tokenizer."""
    parity.save(directory, name, kind, **keys)
    add_tokenizer(directory)
    return directory


def labelled() -> dict[str, Any]:
    return {"id2label": dict(enumerate(LABELS)), "label2id": {label: n for n, label in enumerate(LABELS)}}


def train_a_step(model: Any) -> None:
    columns = {"text": TEXTS[:4], "label": [model.task.labels[n % 3] for n in range(4)]}
    examples = tftransfer.Examples(columns, "<tests>", np.arange(4))
    tftransfer.fine_tune(model, examples, epochs=1, batch_size=4, warmup=0, learning_rate=1e-2, show_progress=False)


def move(model: Any) -> None:
    """Changes every variable, as training does, in no time."""
    rng = np.random.default_rng(2)
    for variable in model.weights:
        variable.assign_add(rng.normal(0, 0.02, variable.shape))


def logits_of(model: Any, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(model({key: inputs[key] for key in model.input}, training=False))


def inputs_of(model: Any, texts: list[str]) -> dict[str, np.ndarray]:
    """Returns a padded batch."""
    columns = {"text": texts}
    encoded = model.encode(tftransfer.Examples(columns, "<tests>", np.arange(len(texts))))
    (inputs, *_) = next(iter(encoded.evaluation_dataset(len(texts))))
    return {key: np.asarray(value) for key, value in inputs.items()}


def load(auto: Any, directory: Path) -> Any:
    """Loads with transformers, and asserts that every key is there and none is left over."""
    model, info = auto.from_pretrained(directory, output_loading_info=True)
    assert {key: list(value) for key, value in info.items() if value} == {}
    return model.eval()


def tensors_of(directory: Path) -> dict[str, bytes]:
    return {
        name: array.tobytes() for name, array in safetensors.numpy.load_file(directory / "model.safetensors").items()
    }


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Exports that compare tokenizers on few texts."""
    monkeypatch.setattr(hub_tokenizer, "torture", lambda: TEXTS)
    return monkeypatch


# === Classes of transformers ===


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_trained_classifier_gives_the_same_logits(few: Any, name: str, tmp_path: Path) -> None:
    source = checkpoint_of(tmp_path / "in", name, "sequence_classification", **labelled())
    model = tftransfer.build(str(source), tftransfer.tasks.SequenceClassification(), max_length=parity.LENGTH - 4)
    inputs = parity.batch(name, types=parity.types_of(name))
    before = logits_of(model, inputs)
    (train_a_step if name in ("bert", "roberta") else move)(model)
    path = tftransfer.export_huggingface(model, tmp_path / "out")
    assert path == tmp_path / "out" / "1"
    theirs = load(transformers.AutoModelForSequenceClassification, path)
    ours, expected = logits_of(model, inputs), parity.run(theirs, inputs).logits.numpy()
    assert np.abs(ours - before).max() > 1e-3  # the step moved it
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    assert theirs.config.id2label == dict(enumerate(LABELS))
    assert theirs.config.problem_type == "single_label_classification"
    assert theirs.dtype == torch.float32
    mine = inputs_of(model, TEXTS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    batch = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        expected = theirs(**batch).logits.numpy()
    np.testing.assert_allclose(logits_of(model, mine), expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    again = tftransfer.build(str(path), tftransfer.tasks.SequenceClassification())
    assert list(again.task.labels) == LABELS
    np.testing.assert_array_equal(logits_of(again, mine), logits_of(model, mine))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_what_came_in_goes_out(few: Any, name: str, kind: str, tmp_path: Path) -> None:
    keys = labelled() if "classification" in kind else {}
    source = checkpoint_of(tmp_path / "in", name, kind, **keys)
    model = tftransfer.build(str(source), task_of(kind, LABELS if keys else None))
    path = tftransfer.export_huggingface(model, tmp_path / "out")
    assert tensors_of(path) == tensors_of(source)
    came, went = (json.loads((folder / "config.json").read_text()) for folder in (source, path))
    assert went == came
    load(parity.torch_class(name, kind), path)


def test_a_pooler_of_ours_becomes_the_classes_own(few: Any, make_checkpoint: Callable, tmp_path: Path) -> None:
    """A checkpoint of masked words has no pooler, which the class for sequences needs."""
    source = make_checkpoint(pooler=False, prefix="bert.")
    model = tftransfer.build(str(source), tftransfer.tasks.SequenceClassification(labels=LABELS))
    move(model)
    theirs = load(transformers.AutoModelForSequenceClassification, tftransfer.export_huggingface(model, tmp_path))
    inputs = inputs_of(model, TEXTS)
    expected = parity.run(theirs, inputs).logits.numpy()
    np.testing.assert_allclose(logits_of(model, inputs), expected, rtol=0, atol=1e-5)


def test_the_mask_of_masked_words_can_be_typed(few: Any, tmp_path: Path) -> None:
    source = checkpoint_of(tmp_path / "in", "bert", "masked_lm")
    path = tftransfer.export_huggingface(tftransfer.build(str(source), task_of("masked_lm")), tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    assert tokenizer("a [MASK] b").input_ids.count(tokenizer.mask_token_id) == 1


# === What files may hold ===


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("old", [False, True], ids=["today", "gamma and beta, buffers"])
def test_older_files_come_out_in_todays_spelling(
    few: Any, prefix: str, old: bool, make_checkpoint: Callable, tmp_path: Path
) -> None:
    source = make_checkpoint(prefix=prefix)
    arrays = safetensors.numpy.load_file(source / "model.safetensors")
    expected = {name.removeprefix(prefix): array.tobytes() for name, array in arrays.items()}
    if old:
        spelling = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        renamed = {
            re.sub(r"LayerNorm\.\w+$", lambda match: spelling[match[0]], name): array for name, array in arrays.items()
        }
        renamed[f"{prefix}embeddings.position_ids"] = np.arange(64)[None]
        safetensors.numpy.save_file(renamed, source / "model.safetensors")
    path = tftransfer.export_huggingface(tftransfer.build(str(source), task_of("")), tmp_path)
    assert tensors_of(path) == expected
    load(transformers.AutoModel, path)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_comes_out_as_float32(few: Any, dtype: str, tmp_path: Path) -> None:
    reference = parity.save(tmp_path / "in", "bert", "sequence_classification", **labelled())
    half = reference.to(getattr(torch, dtype))
    half.save_pretrained(tmp_path / "in")
    add_tokenizer(tmp_path / "in")
    assert json.loads((tmp_path / "in" / "config.json").read_text())["dtype"] == dtype
    model = tftransfer.build(str(tmp_path / "in"), tftransfer.tasks.SequenceClassification())
    path = tftransfer.export_huggingface(model, tmp_path / "out")
    assert json.loads((path / "config.json").read_text())["dtype"] == "float32"
    exported = safetensors.numpy.load_file(path / "model.safetensors")
    assert {array.dtype for array in exported.values()} == {np.dtype("float32")}
    for name, tensor in half.state_dict().items():
        np.testing.assert_array_equal(exported[name], tensor.float().numpy(), err_msg=name)


def test_numbers_of_the_file_that_changed_are_named_anew(few: Any, make_checkpoint: Callable, tmp_path: Path) -> None:
    odd = {"torch_dtype": "float16", "num_labels": 9, "classifier_dropout": 0.3, "my_key": [1], "hidden_act": "relu"}
    source = make_checkpoint(config=odd)
    model = tftransfer.build(str(source), tftransfer.tasks.SequenceClassification(labels=LABELS))
    config = json.loads((tftransfer.export_huggingface(model, tmp_path) / "config.json").read_text())
    assert (config["my_key"], config["classifier_dropout"], config["hidden_act"]) == ([1], 0.3, "relu")
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert {"torch_dtype", "num_labels"}.isdisjoint(config)
    assert config["label2id"] == {"so so": 0, "good": 1, "bad": 2}


def test_others_may_read_the_weights(few: Any, make_checkpoint: Callable, tmp_path: Path) -> None:
    model = tftransfer.build(str(make_checkpoint()), tftransfer.tasks.SequenceClassification(LABELS, pooling="mean"))
    path = tftransfer.export_huggingface(model, tmp_path)
    modes = {file.stat().st_mode & 0o777 for file in path.rglob("*") if file.is_file()}
    (tmp_path / "mine").touch()
    assert modes == {(tmp_path / "mine").stat().st_mode & 0o777}


# === Modules of sentence-transformers ===


def by_modules(directory: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Returns what the modules of a directory compute, in PyTorch, step by step as their files say."""
    encoder = load(transformers.AutoModel, directory)
    batch = {key: torch.from_numpy(value.astype("int64")) for key, value in inputs.items()}
    with torch.no_grad():
        states = parity.run(encoder, inputs).last_hidden_state
        first, pooling, *rest = json.loads((directory / "modules.json").read_text())
        assert (first["type"], first["path"]) == ("sentence_transformers.models.Transformer", "")
        assert pooling["type"] == "sentence_transformers.models.Pooling"
        modes = json.loads((directory / pooling["path"] / "config.json").read_text())
        assert modes.pop("word_embedding_dimension") == states.shape[-1]
        (mode,) = [key for key, chosen in modes.items() if chosen]
        real = batch["attention_mask"][..., None].float()
        means = (states * real).sum(1) / real.sum(1)
        greatest = torch.where(real > 0, states, -torch.inf).amax(1)
        x = {
            "pooling_mode_mean_tokens": means,
            "pooling_mode_max_tokens": greatest,
            "pooling_mode_cls_token": states[:, 0],
        }[mode]
        for module in rest:
            assert module["type"] == "sentence_transformers.models.Dense"
            options = json.loads((directory / module["path"] / "config.json").read_text())
            activation = getattr(torch.nn, options.pop("activation_function").rpartition(".")[2])()
            linear = torch.nn.Linear(*(options[key] for key in ("in_features", "out_features", "bias")))
            arrays = safetensors.numpy.load_file(directory / module["path"] / "model.safetensors")
            state = {name.removeprefix("linear."): torch.from_numpy(array) for name, array in arrays.items()}
            linear.load_state_dict(state)
            x = activation(linear(x))
    return x.numpy()


@pytest.mark.parametrize(
    ("name", "pooling", "dense"),
    [("bert", "mean", 1), ("bert", "max", 1), ("bert", "cls", 1), ("roberta", "mean", 2), ("roberta", "pooler", 3)],
)
def test_other_heads_become_modules(few: Any, name: str, pooling: str, dense: int, tmp_path: Path) -> None:
    source = checkpoint_of(tmp_path / "in", name)
    model = tftransfer.build(str(source), tftransfer.tasks.SequenceClassification(LABELS, pooling=pooling))
    move(model)
    path = tftransfer.export_huggingface(model, tmp_path / "out")
    assert [folder.name for folder in sorted(path.glob("*_Dense"))] == [f"{n}_Dense" for n in range(2, 2 + dense)]
    assert json.loads((path / "config.json").read_text())["architectures"] == [
        f"{parity.family_of(name).architecture}Model"
    ]
    inputs = inputs_of(model, TEXTS)
    expected = by_modules(path, inputs)
    np.testing.assert_allclose(logits_of(model, inputs), expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The real MiniLM with its default head, as it is exported, compared on all hard texts."""
    keras.utils.set_random_seed(0)
    task = tftransfer.tasks.SequenceClassification(labels=LABELS)
    model = tftransfer.build("sentence-transformers/all-MiniLM-L6-v2", task, max_length=64)
    return model, tftransfer.export_huggingface(model, tmp_path_factory.mktemp("minilm"))


def test_minilm_goes_out_as_it_came(minilm: tuple[Any, Path]) -> None:
    model, path = minilm
    source = tensors_of(model.checkpoint.directory)
    del source["embeddings.position_ids"]
    assert any("pooler" in name for name in source)  # the head does without it, and it is there all the same
    assert tensors_of(path) == source
    inputs = inputs_of(model, TEXTS)
    np.testing.assert_allclose(logits_of(model, inputs), by_modules(path, inputs), rtol=0, atol=1e-5)


def test_minilms_tokenizer_gives_the_same_tokens(minilm: tuple[Any, Path]) -> None:
    model, path = minilm
    tokenizer, texts = transformers.AutoTokenizer.from_pretrained(path), torture()
    ids = tokenizer(texts, truncation=True)["input_ids"]  # the length is the run's
    ours = model.tokenizer.encode(texts, max_length=64)
    assert np.concatenate(ids).tolist() == ours.input_ids.tolist()
    assert max(map(len, ids)) == 64
    assert tokenizer.sep_token_id not in tokenizer("[SEP]").input_ids[1:-1]
    assert FastTokenizer.from_directory(path).pad_token_id == tokenizer.pad_token_id == 0


def test_sentence_transformers_gives_the_same_logits(minilm: tuple[Any, Path]) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model, path = minilm
    logits = sentence_transformers.SentenceTransformer(str(path), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(logits_of(model, inputs_of(model, TEXTS)), logits, rtol=0, atol=1e-5)


def test_a_run_has_kept_the_pooler_that_its_head_does_without(
    few: Any, make_checkpoint: Callable, tmp_path: Path
) -> None:
    source = Checkpoint.find(str(make_checkpoint()))
    task = tftransfer.tasks.SequenceClassification(LABELS, pooling="mean")
    trained = tftransfer.build(source, task)
    source.describe(tmp_path / "run")
    trained.tokenizer.save(tmp_path / "run")
    model = tftransfer.build(Checkpoint(tmp_path / "run", source.name), task, weights=False)
    model.set_weights(trained.get_weights())
    path = tftransfer.export_huggingface(model, tmp_path / "out")
    assert tensors_of(path) == tensors_of(source.directory)
    assert transformers.AutoTokenizer.from_pretrained(path).mask_token == "[MASK]"


# === What cannot be expressed ===


def normalised(features: Any, hints: HeadHints) -> Any:
    head = ClassificationHead(3, "mean", hidden=Hidden("tanh", norm=True), name="head")
    return head(features["last_hidden_state"], features["attention_mask"])


def quick(features: Any, hints: HeadHints) -> Any:
    return ClassificationHead(3, "cls", hidden=Hidden("quick_gelu"), name="head")(features["last_hidden_state"])


@pytest.mark.parametrize(("head", "complaint"), [(normalised, "hold the head of this"), (quick, "found 'quick_gelu'")])
def test_heads_that_nothing_holds(head: Any, complaint: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    task = type("Odd", (tftransfer.tasks.SequenceClassification,), {"head": lambda _, *given: head(*given)})(LABELS)
    with pytest.raises(ExportError, match=f"{complaint}(.|\n)*tftransfer.export"):
        tftransfer.export_huggingface(tftransfer.build(str(tiny_checkpoint), task), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_layers_of_the_users_own(tiny_checkpoint: Path, tmp_path: Path) -> None:
    task = tftransfer.tasks.SequenceClassification(labels=LABELS)
    model = tftransfer.build(str(tiny_checkpoint), task, head=lambda f: keras.layers.Dense(3)(f["pooler_output"]))
    with pytest.raises(ExportError, match="your own Keras layers.*without head=.*as a SavedModel"):
        tftransfer.export_huggingface(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_variables_that_no_class_has(tiny_checkpoint: Path, tmp_path: Path) -> None:
    class Scaled(tftransfer.tasks.SequenceClassification):
        def head(self, features: Any, hints: HeadHints) -> Any:
            scaled = keras.layers.LayerNormalization(name="extra")(features["last_hidden_state"])
            return super().head({**features, "last_hidden_state": scaled}, dataclasses.replace(hints, pooling="mean"))

    model = tftransfer.build(str(tiny_checkpoint), Scaled(labels=LABELS))
    with pytest.raises(ExportError, match="only variables that BertModel has; found extra/gamma, extra/beta too"):
        tftransfer.export_huggingface(model, tmp_path / "out")


# === Around the checks ===


@pytest.fixture
def model(tiny_checkpoint: Path) -> Any:
    return tftransfer.build(str(tiny_checkpoint), tftransfer.tasks.SequenceClassification(labels=LABELS))


def test_a_bit_that_fell_over_is_noticed(few: pytest.MonkeyPatch, model: Any, tmp_path: Path) -> None:
    real = huggingface._save

    def save(path: Path, tensors: dict[str, np.ndarray]) -> None:
        real(path, tensors)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    few.setattr(huggingface, "_save", save)
    with pytest.raises(ExportError, match="1 parts were not: "):
        tftransfer.export_huggingface(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_tokenizer_is_noticed(few: pytest.MonkeyPatch, model: Any, tmp_path: Path) -> None:
    real = huggingface.write_tokenizer

    def write(model: Any, directory: Path) -> None:
        real(model, directory)
        path = directory / "tokenizer.json"
        path.write_text(path.read_text().replace('"good"', '"goof"'))

    few.setattr(huggingface, "write_tokenizer", write)
    with pytest.raises(ExportError, match=r"on 1 of 7 texts it does not:\n  'a good lamp': expected ids"):
        tftransfer.export_huggingface(model, tmp_path, texts=["the parcel"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_ends_early_leaves_nothing(
    few: pytest.MonkeyPatch, model: Any, tmp_path: Path, error: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise error

    few.setattr(huggingface, "check_tokenizer", fail)
    with pytest.raises(type(error)):
        tftransfer.export_huggingface(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_places_that_are_refused(few: Any, model: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "served" / "1").mkdir(parents=True)
    (tmp_path / "served" / "1" / "saved_model.pb").write_text("")
    for place, complaint in (
        ("file", "expected a directory, found a file"),
        ("file/below", "cannot be written: Not a directory"),
        ("served", "without SavedModels"),
    ):
        with pytest.raises(ExportError, match=complaint):
            tftransfer.export_huggingface(model, tmp_path / place)
    with pytest.raises(ConfigError, match="one string"):
        tftransfer.export_huggingface(model, tmp_path / "out", texts="hello")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["1", "file", "saved_model.pb", "served"]


def test_versions_count_up(few: Any, model: Any, tmp_path: Path) -> None:
    assert [tftransfer.export_huggingface(model, tmp_path).name for _ in range(2)] == ["1", "2"]


# === The card ===

FACTS = {
    "config": {"strategy": {"name": "full"}, "training": {"epochs": 3, "learning_rate": 5e-5, "patience": None}},
    "data": {
        "train": {"path": "/home/someone/train.tsv", "examples": 1200, "fingerprint": "abc", "truncated": 0},
        "test": {"path": "/home/someone/a|b.tsv", "examples": 60, "fingerprint": "def", "truncated": 1},
        "skipped": 2,
    },
    "metrics": {"best_epoch": 2, "test": {"accuracy": 0.91, "examples": 60, "per_class": {}}},
}
CARD = "---\nlicense: apache-2.0\nlanguage: en\n---\n# Somebody's model\n"


def python_blocks(text: str, path: Path) -> list[str]:
    return [block.replace("DIRECTORY", str(path)) for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]


def test_the_card_says_what_it_is_and_its_code_runs(few: Any, make_checkpoint: Callable, tmp_path: Path) -> None:
    source = make_checkpoint()
    (source / "README.md").write_text(CARD)
    model = tftransfer.build(str(source), tftransfer.tasks.SequenceClassification(labels=LABELS))
    path = tftransfer.export_huggingface(model, tmp_path, run=FACTS)
    card = huggingface_hub.ModelCard.load(path / "README.md")
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "text-classification")
    assert (card.data.license, card.data.language, card.data.base_model) == ("apache-2.0", "en", None)
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_split) == ("accuracy", 0.91, "test")
    assert (result.dataset_name, result.dataset_type) == ("a|b.tsv", "def")
    for row in ("| train | train.tsv | 1,200 | `abc` |", r"| test | a\|b.tsv | 60 | `def` |", "| epochs | `3` |"):
        assert row in card.text
    assert "| test | accuracy | 0.9100 |" in card.text
    assert str(source) not in card.content
    assert "/home" not in card.content
    first, second = python_blocks(card.text, path)
    found: dict[str, Any] = {}
    exec(first, found)
    expected = logits_of(model, inputs_of(model, ["I would buy it again."]))
    np.testing.assert_allclose(found["outputs"].logits.numpy(), expected, rtol=0, atol=1e-5)
    exec(second, found)
    assert list(found["model"].task.labels) == LABELS


def test_the_card_of_modules(minilm: tuple[Any, Path]) -> None:
    model, path = minilm
    card = huggingface_hub.ModelCard.load(path / "README.md")
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert (card.data.library_name, card.data.pipeline_tag) == ("sentence-transformers", None)
    first, second = python_blocks(card.text, path)
    found: dict[str, Any] = {}
    exec(second, found)
    assert found["backbone"].config == model.checkpoint.config
    pytest.importorskip("sentence_transformers")
    exec(first, found)
    answer = model.predict_text(["I would buy it again."])
    assert found["labels"] == [answer[0]["label"]]


def test_a_card_that_cannot_be_read_is_no_reason(make_checkpoint: Callable) -> None:
    source = make_checkpoint()
    for text in ("", "# no front matter", "---\n[: :\n---\n", "---\n- a list\n---\n"):
        (source / "README.md").write_text(text)
        assert model_card._card_of(Checkpoint(source, "x")) == {}


@pytest.mark.parametrize(
    ("card", "licence", "expected"),
    [("", "MIT", "mit"), ("", "not stated", ""), (CARD, "MIT", "apache-2.0")],
)
def test_the_licence_is_the_cards_or_the_known_one(
    card: str, licence: str, expected: str, make_checkpoint: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_checkpoint()
    (source / "README.md").write_text(card)
    known = Known("some/bert", 0.1, "English", licence)
    monkeypatch.setattr(registry.backbones.get("bert"), "checkpoints", (known,))
    model = tftransfer.build(Checkpoint(source, "some/bert"), tftransfer.tasks.SequenceClassification(LABELS))
    content = model_card._front_matter(model, layout_of(model), {})
    assert content.get("license", "") == expected
    assert content["base_model"] == "some/bert"
