"""Tiny checkpoints of any family, made without PyTorch."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors.numpy
from parity import family_of, torch_config, write_tokenizer

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.tensors import collect

# Half of what parity tests take: contracts are about behaviour, and there are many.
SMALL = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 24}


def write_checkpoint(directory: Path, name: str, fields: dict[str, Any] | None = None, **keys: Any) -> None:
    """Writes config.json, model.safetensors and a tokenizer of a random model of the family.

    Args:
        directory: Path. An empty directory.
        name: str. The family's model_type.
        fields: dict. Fields of `TransformerConfig` to set. Defaults to None.
        **keys: Keys of `config.json` to set.
    """
    raw = torch_config(name, {**SMALL, **(fields or {})}, **keys).to_dict()
    (directory / "config.json").write_text(json.dumps(raw, default=str), encoding="utf-8")
    family = family_of(name).for_config(raw)
    pooler = any("pooler" in pattern for pattern, _ in family.modules)
    backbone = Backbone.assemble(family.config(raw), pooler=pooler)
    randomize(backbone, seed=0)
    safetensors.numpy.save_file(collect(backbone.weights, family), directory / "model.safetensors")
    write_tokenizer(directory, raw["pad_token_id"] or 0)


def randomize(model: keras.Model, seed: int) -> None:
    """Gives every variable numbers that keep hidden states at a standard deviation of about 1."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        values = rng.normal(size=variable.shape)
        if variable.path.endswith("gamma"):
            values = 1 + 0.1 * values
        elif len(variable.shape) == 1:
            values *= 0.1
        elif variable.path.endswith("kernel"):
            values *= variable.shape[-2] ** -0.5
        variable.assign(values.astype("float32"))
