"""Every family equals PyTorch: hidden states, logits of every head, packed rows, and a step of training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from parity import (
    ODD,
    SPECIAL_HEADS,
    SPECIAL_ODD,
    ask,
    batch,
    family_of,
    keys_of,
    pack,
    run,
    save,
    torch,
    torch_class,
    transformers_pad,
    types_of,
)

import tftransfer
from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.family import ARCHITECTURES
from tftransfer.backbones.tensors import collect

pytestmark = pytest.mark.skipif(torch is None, reason="PyTorch is the reference")

TOLERANCE = 1e-5  # on hidden states of standard deviation 1
FAMILIES = registry.backbones.names()
KINDS = [
    *(
        pytest.param(name, kind, {}, id=f"{name}-{kind or 'encoder'}")
        for name in FAMILIES
        for kind in ARCHITECTURES
        if torch_class(name, kind) is not None
    ),
    *(pytest.param(*special, id=title) for title, special in SPECIAL_HEADS.items()),
]
SPECIAL_ONES = [
    pytest.param(name, keys, id=f"{name}-{title}") for name, odd in SPECIAL_ODD.items() for title, keys in odd.items()
]
ODD_ONES = [
    *(
        pytest.param(name, fields, {}, id=f"{name}-{title}")
        for name in FAMILIES
        for title, fields in ODD.items()
        if len(keys_of(name, fields)) == len(fields)
    ),
    *(pytest.param(param.values[0], {}, param.values[1], id=param.id) for param in SPECIAL_ONES),
]


def check_states(reference: Any, backbone: Backbone, inputs: dict[str, np.ndarray]) -> float:
    """Compares every hidden state of real tokens, and the pooler's output; returns the greatest difference."""
    encoder = getattr(reference, reference.base_model_prefix, reference)
    expected = run(encoder, inputs)
    states = keras.Model(backbone.input, backbone.hidden_states)(inputs)
    real = inputs["attention_mask"] > 0
    assert len(states) == len(expected.hidden_states)
    worst = 0.0
    for n, (state, theirs) in enumerate(zip(states, expected.hidden_states, strict=True)):
        ours, theirs = np.asarray(state)[real], theirs.numpy()[real]
        assert 0.3 < theirs.std() < 3, (
            f"states of layer {n} are too small or too large to show an error: {theirs.std()}"
        )
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE, err_msg=str(n))
        worst = max(worst, float(np.abs(ours - theirs).max()))
    outputs = backbone(inputs)
    np.testing.assert_allclose(outputs["last_hidden_state"], states[-1], rtol=0, atol=1e-6)
    pooled = getattr(expected, "pooler_output", None)
    assert ("pooler_output" in outputs) == (pooled is not None)
    # The first token is padding in a row padded on the left, and no model says what it holds.
    if pooled is not None and real[:, 0].all():
        np.testing.assert_allclose(outputs["pooler_output"], pooled, rtol=0, atol=TOLERANCE)
    return worst


@pytest.mark.parametrize(("name", "kind", "keys"), KINDS)
def test_every_saved_class(
    name: str, kind: str, keys: dict[str, Any], tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    reference = save(tmp_path, name, kind, **({"num_labels": 3} if "classification" in kind else {}), **keys)
    backbone = Backbone.from_pretrained(str(tmp_path))
    for padding in ("right", "left"):
        worst = check_states(reference, backbone, batch(name, padding, types_of(name)))
        record_property(f"{name}: hidden states", worst)  # for benchmarks/families.py
    if kind not in family_of(name).heads:
        return
    inputs = ask(name, batch(name, types=types_of(name)))
    expected, logits = (
        run(reference, inputs),
        np.asarray(tftransfer.load_pretrained(str(tmp_path), kind)(inputs)["logits"]),
    )
    if kind == "question_answering":
        theirs = np.stack([expected.start_logits.numpy(), expected.end_logits.numpy()], axis=-1)
    else:
        theirs = expected.logits.numpy()
    real = slice(None) if kind == "sequence_classification" else inputs["attention_mask"] > 0
    assert logits.shape == theirs.shape
    np.testing.assert_allclose(logits[real], theirs[real], rtol=0, atol=TOLERANCE * max(1, np.abs(theirs[real]).max()))
    record_property(f"{name}: logits", np.abs(logits[real] - theirs[real]).max())


@pytest.mark.parametrize("name", [name for name in FAMILIES if torch_class(name, "ForPreTraining") is not None])
def test_heads_of_pretraining_are_left_out(name: str, tmp_path: Path) -> None:
    reference = save(tmp_path, name, "ForPreTraining")
    check_states(reference, Backbone.from_pretrained(str(tmp_path)), batch(name, types=types_of(name)))


@pytest.mark.parametrize("name", [name for name in FAMILIES if "masked_lm" in family_of(name).heads])
def test_a_vocabulary_head_with_a_table_of_its_own(name: str, tmp_path: Path) -> None:
    reference = save(tmp_path, name, "masked_lm", tie_word_embeddings=False)
    inputs = batch(name, types=types_of(name))
    real = inputs["attention_mask"] > 0
    logits, theirs = (
        np.asarray(tftransfer.load_pretrained(str(tmp_path), "masked_lm")(inputs)["logits"]),
        run(reference, inputs).logits.numpy(),
    )
    np.testing.assert_allclose(logits[real], theirs[real], rtol=0, atol=TOLERANCE * np.abs(theirs[real]).max())


@pytest.mark.parametrize(("name", "fields", "keys"), ODD_ONES)
def test_odd_configs(name: str, fields: dict[str, Any], keys: dict[str, Any], tmp_path: Path) -> None:
    reference = save(tmp_path, name, "", fields, **keys)
    types = reference.config.to_dict().get("type_vocab_size", 1) or 1
    check_states(reference, Backbone.from_pretrained(str(tmp_path)), batch(name, types=types))


@pytest.mark.parametrize(("name", "keys"), [*(pytest.param(name, {}, id=name) for name in FAMILIES), *SPECIAL_ONES])
@pytest.mark.parametrize("explicit", [True, False], ids=["position_ids", "default positions"])
def test_packed_texts_are_as_if_alone(
    name: str, keys: dict[str, Any], explicit: bool, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    reference = save(tmp_path, name, **keys)
    backbone = Backbone.from_pretrained(str(tmp_path), position_ids=explicit)
    alone = batch(name, types=types_of(name))
    packed = pack(alone, transformers_pad(name))
    assert packed.inputs["attention_mask"].max() >= 3
    limit = backbone.config.packed_length
    if limit is not None and limit < packed.inputs["attention_mask"].shape[1]:
        pytest.skip(f"rows of over {limit} tokens hold one text; test_long_rows.py has how others are refused")
    if explicit:
        positions = np.zeros_like(packed.inputs["input_ids"])
        for row, start, size in packed.places:
            positions[row, start : start + size] = np.arange(size)
        packed.inputs["position_ids"] = positions
    states = np.asarray(backbone(packed.inputs)["last_hidden_state"])
    expected = run(reference, alone).last_hidden_state.numpy()
    for index, (row, start, size) in enumerate(packed.places):
        ours, theirs = states[row, start : start + size], expected[index, :size]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)
        record_property(f"{name}: packed", np.abs(ours - theirs).max())


@pytest.mark.parametrize(("name", "kind", "keys"), KINDS)
def test_a_file_is_given_back_as_it_was(
    name: str, kind: str, keys: dict[str, Any], tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    save(tmp_path, name, kind, **keys)
    checkpoint = Checkpoint.find(str(tmp_path))
    if kind and kind not in family_of(name).heads:
        pytest.skip("a head of a kind of its own, which is left out")
    model = tftransfer.load_pretrained(str(tmp_path), kind) if kind else Backbone.from_checkpoint(checkpoint)
    tensors = checkpoint.tensors
    collected = collect(model.weights, checkpoint.family, kind)
    assert set(collected) == set(tensors.keys())
    for key, array in collected.items():
        assert array.tobytes() == tensors.get_tensor(key).tobytes(), key
    record_property(f"{name}: round trip", 0.0)  # bytes that differ
