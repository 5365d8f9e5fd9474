"""Adapters, (IA)3, prefixes and prompts against PEFT, PyTorch and their papers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import transformers

import tftransfer
from tftransfer import strategies
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.transformer import BlockSparse, Disentangled, RelativeBias, Rotary, TransformerConfig
from tftransfer.errors import ConfigError
from tftransfer.strategies.strategy import Strategy

BATCH = {
    "input_ids": np.array([[2, 60, 70, 80, 90, 100, 3], [2, 110, 120, 3, 0, 0, 0]], "int32"),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]], "int32"),
    "token_type_ids": np.zeros((2, 7), "int32"),
}
# transformers renames what PEFT calls.
OTHERS_WARN = pytest.mark.filterwarnings("ignore::FutureWarning:(?!tftransfer)")
REAL = BATCH["attention_mask"] > 0
# One of each way in which families tell positions, with what has to go with it.
KINDS: dict[str, dict[str, Any]] = {
    "learned": {},
    "counted": {"position_offset": 2},
    "narrow": {"embedding_size": 8, "embedding_scale": 3.0},
    "rotary": {"rotary": Rotary(values=True), "learned_positions": False},
    "relative": {"relative_bias": RelativeBias(8, 16)},
    "disentangled": {"disentangled": Disentangled(16), "convolution": (3, "tanh"), "learned_positions": False},
}


@pytest.fixture(scope="module")
def directory(make_checkpoint: Callable[..., Path]) -> str:
    return str(make_checkpoint())


def backbone(directory: str, strategy: Strategy | None = None, **options: Any) -> Backbone:
    additions = strategy.additions() if strategy else None
    return Backbone.from_checkpoint(Checkpoint.find(directory), additions=additions, **options)


def assembled(strategy: Strategy | None, position_ids: bool = False, **fields: Any) -> Backbone:
    sizes = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 24, "vocab_size": 130}
    others = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "classifier_dropout": 0.0, "initializer_range": 0.3}
    shape = {"activation": "gelu", "layer_norm_epsilon": 1e-12, "max_positions": 40, "type_vocab_size": 2}
    config = TransformerConfig(**{**sizes, **others, **shape, "pad_token_id": 0, **fields})
    additions = strategy.additions() if strategy else None
    return Backbone.assemble(config, position_ids=position_ids, additions=additions)


def shake(model: keras.Model, strategy: Strategy) -> dict[str, np.ndarray]:
    """Gives what the strategy adds other numbers than at first, and returns it."""
    rng, pattern = np.random.default_rng(0), strategy.additions().pattern
    found = [variable for variable in model.weights if re.search(pattern, variable.path)]
    for variable in found:
        variable.assign(rng.normal(1.0 if variable.path.endswith("scale") else 0.0, 0.4, variable.shape))
    return {variable.path: variable.numpy() for variable in found}


def count(added: dict[str, np.ndarray]) -> int:
    return sum(value.size for value in added.values())


def states(model: keras.Model, batch: dict[str, Any] = BATCH) -> np.ndarray:
    return np.asarray(model({name: batch[name] for name in model.input})["last_hidden_state"])


def reference(directory: str) -> Any:
    pytest.importorskip("torch")
    return transformers.AutoModel.from_pretrained(directory, attn_implementation="eager").eval()


def torch_states(model: Any) -> np.ndarray:
    torch = pytest.importorskip("torch")
    # Without the token types, which are all 0: PEFT warns of them.
    batch = {name: torch.tensor(BATCH[name], dtype=torch.long) for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        return model(**batch).last_hidden_state.numpy()


def with_peft(directory: str, config: Any) -> Any:
    return pytest.importorskip("peft").get_peft_model(reference(directory), config).eval()


def trainable(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def test_a_bottleneck_has_the_parameters_of_the_papers() -> None:
    """2md + d + m each; the sums are AdapterHub's for bert-base and a reduction of 16."""
    for kind, expected in {"houlsby": 1_789_056, "pfeiffer": 894_528}.items():
        additions, found = strategies.Adapters(kind).additions(), 0  # type: ignore[arg-type]
        for block in ("attention", "feed_forward"):
            layer = additions.after_block(f"encoder/layer_3/{block}", 768, "float32")
            if layer is not None:
                layer.build((None, None, 768))
                found += layer.count_params()
        assert 12 * found == expected


def test_adapters_are_those_of_a_hooked_torch_model(directory: str) -> None:
    torch = pytest.importorskip("torch")
    strategy = strategies.Adapters(reduction=4, activation="relu")
    ours, theirs = backbone(directory, strategy), reference(directory)
    np.testing.assert_array_equal(states(ours), states(backbone(directory)))
    added = {path: torch.tensor(value) for path, value in shake(ours, strategy).items()}

    def behind(path: str) -> Callable[..., Any]:
        down, up = ((added[f"{path}/{name}/kernel"], added[f"{path}/{name}/bias"]) for name in ("down", "up"))
        return lambda module, inputs, output: output + torch.relu(output @ down[0] + down[1]) @ up[0] + up[1]

    for n, layer in enumerate(theirs.encoder.layer):
        layer.attention.output.dropout.register_forward_hook(behind(f"encoder/layer_{n}/adapter_attention"))
        layer.output.dropout.register_forward_hook(behind(f"encoder/layer_{n}/adapter_feed_forward"))
    np.testing.assert_allclose(states(ours)[REAL], torch_states(theirs)[REAL], atol=1e-5)


@OTHERS_WARN
def test_ia3_is_that_of_peft_and_can_be_merged(directory: str) -> None:
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    strategy, plain = strategies.IA3(), backbone(directory)
    ours = backbone(directory, strategy)
    np.testing.assert_array_equal(states(ours), states(plain))
    added = shake(ours, strategy)

    inner = r".*layer\.\d+\.output\.dense"
    config = peft.IA3Config(target_modules=rf".*\.(key|value)|{inner}", feedforward_modules=inner)
    theirs = with_peft(directory, config)
    assert count(added) == trainable(theirs) == 2 * (2 * 32 + 64)
    for n, layer in enumerate(theirs.base_model.model.encoder.layer):
        own = layer.attention.self
        modules = {"attention/key": own.key, "attention/value": own.value, "output": layer.output.dense}
        for name, module in modules.items():
            scale = module.ia3_l["default"]
            scale.data = torch.tensor(added[f"encoder/layer_{n}/{name}/ia3/scale"]).reshape(scale.shape)
    np.testing.assert_allclose(states(ours)[REAL], torch_states(theirs)[REAL], atol=1e-5)

    merged = strategy.additions().merged({variable.path: variable.numpy() for variable in ours.weights})
    assert merged.keys() == {variable.path for variable in plain.weights}
    for variable in plain.weights:
        variable.assign(merged[variable.path])
    np.testing.assert_allclose(states(plain), states(ours), atol=1e-5)


@OTHERS_WARN
def test_prefixes_are_those_of_peft(directory: str) -> None:
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    strategy = strategies.PrefixTuning(length=5)
    ours = backbone(directory, strategy, position_ids=True)
    added = shake(ours, strategy)
    config = peft.PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=5)
    theirs = with_peft(directory, config)
    assert count(added) == trainable(theirs) == 2 * 2 * 5 * 32
    # (length, layers * {key, value} * width)
    kept = [added[f"encoder/layer_{n}/attention/prefix/{name}"] for n in range(2) for name in ("key", "value")]
    rows = np.concatenate([value.transpose(1, 0, 2).reshape(5, 32) for value in kept], axis=1)
    theirs.prompt_encoder["default"].embedding.weight.data = torch.tensor(rows)
    # PEFT's texts begin behind the prefix.
    batch = {**BATCH, "position_ids": np.broadcast_to(np.arange(5, 12, dtype="int32"), (2, 7))}
    np.testing.assert_allclose(states(ours, batch)[REAL], torch_states(theirs)[REAL], atol=1e-5)


@pytest.mark.parametrize("kind", ["learned", "rotary", "relative", "disentangled"])
def test_all_texts_of_a_packed_row_see_the_prefix(kind: str) -> None:
    fields = {**KINDS[kind], "convolution": None}
    strategy = strategies.PrefixTuning(length=4)
    model = assembled(strategy, **fields)
    own = np.arange(5, 9, dtype="int32")[None]
    alone = {"input_ids": own, "attention_mask": np.ones_like(own), "token_type_ids": own * 0}
    packed = {name: np.concatenate([value, value], axis=1) for name, value in alone.items()}
    packed["attention_mask"] = np.repeat([[1, 2]], 4, axis=1).astype("int32")
    before = states(model, alone)
    shake(model, strategy)
    expected = states(model, alone)
    assert np.abs(expected - before).max() > 1e-3
    np.testing.assert_allclose(states(model, packed), np.concatenate([expected, expected], axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"windows": (0, 4)}, "LocalSelfAttention"),
        ({"windows": (4, 4), "global_attention": True}, "LongformerSelfAttention"),
        ({"block_sparse": BlockSparse(4, 1)}, "BlockSparseSelfAttention"),
    ],
)
def test_attention_that_does_not_see_everything_has_no_prefix(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=f"strategy: expected a checkpoint whose tokens all see .* with {name}"):
        assembled(strategies.PrefixTuning(), **fields)


@OTHERS_WARN
def test_prompts_are_those_of_peft(directory: str) -> None:
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    strategy = strategies.PromptTuning(length=5)
    ours = backbone(directory, strategy)
    first = ours.get_layer("embeddings").prompt.vectors.numpy()
    table = ours.get_layer("embeddings").word_embeddings.embeddings.numpy()
    assert all((table == vector).all(axis=1).any() for vector in first)  # words of the vocabulary
    added = shake(ours, strategy)
    config = peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=5)
    theirs = with_peft(directory, config)
    assert count(added) == trainable(theirs) == 5 * 32
    theirs.prompt_encoder["default"].embedding.weight.data = torch.tensor(added["embeddings/prompt/vectors"])
    np.testing.assert_allclose(states(ours)[REAL], torch_states(theirs)[:, 5:][REAL], atol=1e-5)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_of_words_is_those_words_before_the_text(kind: str, given: bool) -> None:
    strategy, words = strategies.PromptTuning(length=3), np.array([[60, 7, 61]] * 2, "int32")
    prompted, plain = (assembled(chosen, given, **KINDS[kind]) for chosen in (strategy, None))
    values = {variable.path: variable.numpy() for variable in prompted.weights}
    for variable in plain.weights:
        variable.assign(values[variable.path])
    prompt = prompted.get_layer("embeddings").prompt.vectors
    prompt.assign(values["embeddings/word_embeddings/embeddings"][words[0]])

    def batch(ids: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
        positions = np.broadcast_to(np.arange(ids.shape[1], dtype="int32"), ids.shape)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0, "position_ids": positions}

    text = batch(BATCH["input_ids"], BATCH["attention_mask"])
    mask = np.concatenate([words * 0 + 1, BATCH["attention_mask"]], axis=1)
    longer = batch(np.concatenate([words, BATCH["input_ids"]], axis=1), mask)
    found, expected = states(prompted, text), states(plain, longer)[:, 3:]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found[REAL], expected[REAL], atol=1e-5)


def test_a_packed_row_has_no_prompt(directory: str) -> None:
    packed = {**BATCH, "attention_mask": np.array([[1, 1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 0, 0, 0]], "int32")}
    with pytest.raises(tf.errors.InvalidArgumentError, match="one text a row"):
        backbone(directory, strategies.PromptTuning(2))(packed)


def test_a_prompt_takes_from_the_positions_of_texts(directory: str) -> None:
    task = tftransfer.tasks.SequenceClassification(labels=["no", "yes"])

    def length(**options: Any) -> int:
        return tftransfer.build(directory, task, **options).max_length

    assert length(strategy=strategies.PromptTuning(20)) == 64 - 20
    with pytest.raises(ConfigError, match="expected 3 to 44, the positions .* but for the 20 of .*; received 45"):
        length(strategy=strategies.PromptTuning(20), max_length=45)
    with pytest.raises(ConfigError, match="length: expected a prompt of at most 61, .* has 64 positions; received 62"):
        length(strategy=strategies.PromptTuning(62))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: strategies.Adapters("both"), "kind: expected houlsby or pfeiffer; received 'both'"),  # type: ignore[arg-type]
        (lambda: strategies.Adapters(reduction=0), "reduction: expected an integer >= 1; received 0"),
        (
            lambda: strategies.Adapters(activation="gellu"),
            "activation: expected .*; received 'gellu'. Did you mean 'gelu'",
        ),
        (lambda: strategies.PrefixTuning(0), "length: expected an integer >= 1; received 0"),
        (lambda: strategies.PromptTuning(-1), "length: expected an integer >= 1; received -1"),
    ],
)
def test_options_are_checked(make: Callable[[], Strategy], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
