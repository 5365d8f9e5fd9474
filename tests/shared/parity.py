"""Random checkpoints of any family, made by transformers and PyTorch, and what PyTorch says of them.

Everything is found from the family's own tables, so that a new family is tested with nothing to edit here; `SPECIAL`
has what only one family knows.
"""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from tftransfer import registry
from tftransfer.backbones.family import ARCHITECTURES, Family

torch: Any
try:
    import torch
except ImportError:
    torch = None

LENGTH = 40
VOCABULARY = 99
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_layers": 3,
    "num_heads": 4,
    "intermediate_size": 48,
    "max_positions": LENGTH,
    "pad_token_id": 1,
}
DROPOUTS = ("hidden_dropout", "attention_dropout", "classifier_dropout")
# What every family that has the field must honour, by the field of `TransformerConfig`.
ODD: dict[str, dict[str, Any]] = {
    "three token types": {"type_vocab_size": 3},
    "relu and a large epsilon": {"activation": "relu", "layer_norm_epsilon": 1e-3},
    "tanh gelu": {"activation": "gelu_new"},
    "silu and one head": {"activation": "silu", "num_heads": 1},
    "wide initializer": {"initializer_range": 0.2},
    "another padding token": {"pad_token_id": 7},
}
DEBERTA_V3 = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
}
# model_type -> keys of its config.json that its tiny checkpoints need, and odd ones of its own.
SPECIAL: dict[str, dict[str, Any]] = {
    "deberta-v2": DEBERTA_V3,
    "longformer": {"attention_window": 8},
    "modernbert": {"local_attention": 8},
}
SPECIAL_ODD: dict[str, dict[str, dict[str, Any]]] = {
    "albert": {
        "embeddings as wide as layers": {"embedding_size": 32},
        "narrow embeddings": {"embedding_size": 12},
        "two groups for three layers": {"num_hidden_groups": 2},
        "more groups than layers": {"num_hidden_groups": 4},
        "groups that do not divide layers": {"num_hidden_layers": 18, "num_hidden_groups": 14},
    },
    "distilbert": {
        "sinusoidal positions": {"sinusoidal_pos_embds": True},
        "an epsilon that is not read": {"layer_norm_eps": 1e-3},
    },
    "electra": {
        "embeddings as wide as layers": {"embedding_size": 32},
        "narrow embeddings": {"embedding_size": 12},
    },
    "ernie": {
        "task types": {"use_task_id": True},
        "five task types": {"use_task_id": True, "task_type_vocab_size": 5},
        "task types that are not used": {"use_task_id": False, "task_type_vocab_size": 5},
    },
    "deberta-v2": {
        "projections of its own": {"share_att_key": False},
        "content to position": {"share_att_key": False, "pos_att_type": ["c2p"]},
        "position to content": {"share_att_key": False, "pos_att_type": ["p2c"]},
        "positions that nothing asks for": {"pos_att_type": []},
        "a row a distance": {"position_buckets": -1, "max_relative_positions": 16, "norm_rel_ebd": "none"},
        "the fewest buckets": {"position_buckets": 2, "max_relative_positions": 12},
        "contents alone": {"relative_attention": False, "pos_att_type": None, "norm_rel_ebd": "none"},
        "absolute positions too": {"position_biased_input": True, "pos_att_type": "C2P| p2c", "type_vocab_size": 2},
        "convolution": {"conv_kernel_size": 3, "conv_act": "gelu"},
        "wide convolution": {"conv_kernel_size": 5},
    },
    "roformer": {
        "rotated values": {"rotary_value": True},
        "narrow embeddings": {"embedding_size": 12},
    },
    "nomic_bert": {"another theta": {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}},
    "longformer": {
        "a window for each layer": {"attention_window": [4, 16, 8]},
        "a window longer than the rows": {"attention_window": 128},
    },
    "modernbert": {
        "two thetas and biases": {
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 500.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
            },
            "norm_bias": True,
            "attention_bias": True,
            "mlp_bias": True,
        },
        "old spelling": {"global_rope_theta": 300.0, "local_rope_theta": 50.0, "global_attn_every_n_layers": 2},
        "types of layers": {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        "local layers alone": {"layer_types": ["sliding_attention"] * 3, "local_attention": 5},
    },
    "big_bird": {
        "sparse": {"block_size": 4, "num_random_blocks": 1},
        "sparse with two random blocks": {"block_size": 4, "num_random_blocks": 2},
        "short of sparse": {"block_size": 4, "num_random_blocks": 3},
        "full, no bias, scaled": {"attention_type": "original_full", "use_bias": False, "rescale_embeddings": True},
    },
}
# Heads that differ with the config: (model_type, kind, keys of config.json).
SPECIAL_HEADS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "deberta-v2 with the original head": ("deberta-v2", "masked_lm", {"legacy": False}),
    "deberta-v2 with a tanh pooler": ("deberta-v2", "sequence_classification", {"pooler_hidden_act": "tanh"}),
    "modernbert with a mean": ("modernbert", "sequence_classification", {"classifier_pooling": "mean"}),
    "modernbert with another head": (
        "modernbert",
        "token_classification",
        {"classifier_bias": True, "classifier_activation": "silu", "norm_bias": True},
    ),
    "modernbert with a decoder": ("modernbert", "masked_lm", {"tie_word_embeddings": False}),
    "roformer with narrow embeddings": ("roformer", "masked_lm", {"embedding_size": 12}),
}


def family_of(name: str) -> Family:
    return registry.backbones.get(name)()


def keys_of(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the keys of `config.json` for fields of `TransformerConfig`, those that the family has."""
    keys = {field: key for key, (field, _) in family_of(name).fields.items()}
    return {keys[field]: value for field, value in fields.items() if field in keys}


def torch_config(name: str, fields: dict[str, Any] | None = None, **keys: Any) -> Any:
    """Returns transformers' config of a tiny model without dropout."""
    sizes = {**SIZES, **dict.fromkeys(DROPOUTS, 0.0), **(fields or {})}
    if "position_offset" in family_of(name).extras({}):  # rows of the position table that no token has
        sizes["max_positions"] += sizes["pad_token_id"] + 1
    dropouts = {key: 0.0 for key in transformers.AutoConfig.for_model(name).to_dict() if "drop" in key}
    full = {**dropouts, **keys_of(name, sizes), **SPECIAL.get(name, {}), **keys}
    return transformers.AutoConfig.for_model(name, **full)


def torch_class(name: str, kind: str) -> Any:
    """Returns transformers' class for a kind of head, or with that ending; None if there is none."""
    return getattr(transformers, family_of(name).architecture + ARCHITECTURES.get(kind, kind), None)


def save(directory: Path, name: str, kind: str = "", fields: dict[str, Any] | None = None, **keys: Any) -> Any:
    """Saves a random model with transformers' own `save_pretrained`, and returns it."""
    torch.manual_seed(0)
    model = torch_class(name, kind)(torch_config(name, fields, **keys)).eval()
    with torch.no_grad():
        for parameter in filter(lambda one: one.requires_grad, model.parameters()):  # constants have their numbers
            parameter += 0.1 * torch.randn_like(parameter)  # biases and gains too, so that no error hides
    model.save_pretrained(directory)
    return model


def batch(name: str, padding: str = "right", types: int = 2, length: int = LENGTH) -> dict[str, np.ndarray]:
    """Returns 6 rows of 2 to `length` real tokens, none of them the padding token."""
    rng = np.random.default_rng(1)
    lengths = np.array([length, 2, 7, 13, 21, 33]) if length == LENGTH else rng.integers(2, length, 6)
    mask = (np.arange(length) < lengths[:, None]).astype("int32")
    if padding == "left":
        mask = mask[:, ::-1]
    pad = int(transformers_pad(name))
    ids = rng.integers(10, VOCABULARY, mask.shape) * mask + pad * (1 - mask)
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": rng.integers(0, types, mask.shape) * mask}
    return {key: np.ascontiguousarray(array, "int32") for key, array in inputs.items()}


def ask(name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns right-padded rows with three separators each, behind half of a row's tokens and thereafter.

    That is what transformers' Longformer wants of a question and its context; in short rows they are padding.
    """
    separator = family_of(name).config(torch_config(name).to_dict()).separator_token_id
    ids = inputs["input_ids"].copy()
    for row, length in zip(ids, inputs["attention_mask"].sum(axis=1), strict=True):
        if separator is not None:
            row[[length // 2, length // 2 + 1, max(length - 1, length // 2 + 2)]] = separator
    return {**inputs, "input_ids": ids}


def transformers_pad(name: str) -> int:
    return torch_config(name).pad_token_id or 0


def as_torch(model: Any, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns the inputs that a model of PyTorch takes, as it takes them."""
    known = inspect.signature(model.forward).parameters
    return {key: torch.from_numpy(array.astype("int64")) for key, array in inputs.items() if key in known}


def run(model: Any, inputs: dict[str, np.ndarray], **options: Any) -> Any:
    """Returns PyTorch's outputs, hidden states included."""
    with torch.no_grad():
        return model(**as_torch(model, inputs), output_hidden_states=True, **options)


def types_of(name: str, fields: dict[str, Any] | None = None) -> int:
    """Returns how many token types a tiny checkpoint has; 1 if it has none."""
    return max(family_of(name).config(torch_config(name, fields).to_dict()).type_vocab_size, 1)


@dataclasses.dataclass(frozen=True)
class Packed:
    """Rows that hold several sequences, and where each of them is: (row, start, length)."""

    inputs: dict[str, np.ndarray]
    places: list[tuple[int, int, int]]


def pack(alone: dict[str, np.ndarray], pad: int, length: int = LENGTH + 8) -> Packed:
    """Puts the sequences of right-padded rows into as few rows as come of taking the first with room."""
    rows: list[list[int]] = []
    places, sequences = [], alone["attention_mask"].sum(axis=1)
    for index, size in enumerate(sequences):
        row = next((n for n, row in enumerate(rows) if sum(sequences[i] for i in row) + size <= length), len(rows))
        if row == len(rows):
            rows.append([])
        places.append((row, int(sum(sequences[i] for i in rows[row])), int(size)))
        rows[row].append(index)
    shape = (len(rows), length)
    inputs = {"input_ids": np.full(shape, pad), "attention_mask": np.zeros(shape), "token_type_ids": np.zeros(shape)}
    for index, (row, start, size) in enumerate(places):
        for key in ("input_ids", "token_type_ids"):
            inputs[key][row, start : start + size] = alone[key][index, :size]
        inputs["attention_mask"][row, start : start + size] = rows[row].index(index) + 1
    return Packed({key: array.astype("int32") for key, array in inputs.items()}, places)


def write_tokenizer(directory: Path, pad: int) -> None:
    """Writes a WordPiece tokenizer over letters whose words have the tiny models' ids."""
    import tokenizers

    singles = [chr(n) for n in range(33, 127) if not chr(n).isupper()]
    tokens = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", *singles][: VOCABULARY - 1]
    tokens.insert(pad, "[PAD]")
    vocabulary = {token: n for n, token in enumerate(tokens)}
    rust = tokenizers.BertWordPieceTokenizer(vocabulary, strip_accents=True, lowercase=True)
    rust.enable_padding(pad_id=pad, pad_token="[PAD]")
    rust.save(str(directory / "tokenizer.json"))
