"""A checkpoint with some of its layers only: what its `config.json` and its tensors would be."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.backbones.family import Family
from tftransfer.backbones.safetensors_files import TensorFiles
from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import ConfigError

__all__ = ["check", "check_windows", "config_json", "tensors"]

_PER_LAYER = ("attention_window", "layer_types")  # keys of config.json that may hold one entry a layer


def check(layers: Sequence[int], config: TransformerConfig) -> None:
    """Raises ConfigError unless an encoder has these layers, and can do with them alone."""
    known = config.num_layers
    if not layers or list(layers) != sorted({*layers} & {*range(known)}):
        raise ConfigError(
            f"keep_layers: expected 1 to {known} layers, or different numbers from 0 to {known - 1} in their order; "
            f"received {list(layers)}."
        )
    if config.num_groups:
        raise ConfigError("keep_layers: expected layers of their own weights; those of this checkpoint share theirs.")
    if config.norm == "pre" and layers[0] != 0:
        raise ConfigError(
            "keep_layers: expected layer 0 among them, since the first layer of this checkpoint does not normalise its "
            f"input as others do; received {list(layers)}."
        )


def check_windows(found: TransformerConfig, full: TransformerConfig, layers: Sequence[int]) -> None:
    """Raises ConfigError if a `config.json` with fewer layers says of one that it looks farther, or less far."""
    expected = tuple(full.windows[n] for n in layers) if full.windows else ()
    if found.windows != expected:
        raise ConfigError(
            f"keep_layers: expected layers that look as far as this checkpoint's first {len(layers)}, {found.windows}; "
            f"the layers {list(layers)} look {expected} tokens far (0 is everywhere)."
        )


def config_json(raw: Mapping[str, Any], family: type[Family], layers: Sequence[int]) -> dict[str, Any]:
    """Returns a `config.json` with these layers only.

    Args:
        raw: dict. With all layers.
        family: type of Family. Whose tables name the keys.
        layers: sequence of int. Numbers of layers, from 0.
    """
    name, (_, default) = next((key, entry) for key, entry in family.fields.items() if entry[0] == "num_layers")
    spellings = [key for key in raw if family.aliases.get(key, key) == name] or [name]
    full = raw.get(spellings[0], default)
    lists = {key: raw[key] for key in _PER_LAYER if isinstance(raw.get(key), list) and len(raw[key]) == full}
    cut = {key: [values[n] for n in layers] for key, values in lists.items()}
    return {**raw, **dict.fromkeys(spellings, len(layers)), **cut}


def tensors(found: TensorFiles, family: Family, layers: Sequence[int]) -> TensorFiles:
    """Returns the tensors without those of other layers; these layers are numbered anew, from 0.

    Args:
        found: TensorFiles. All tensors.
        family: Family. Whose tables name them.
        layers: sequence of int. Numbers of layers, from 0.
    """
    numbers = {str(old): str(new) for new, old in enumerate(layers)}
    # "encoder.layer.\1.output" gives "encoder.layer."
    stems = {theirs.partition(r"\1")[0] for ours, theirs in family.modules if ours.startswith(r"encoder/layer_(\d+)")}
    layer = re.compile(rf"((?:{re.escape(family.prefix)})?(?:{'|'.join(map(re.escape, stems))}))(\d+)\.")
    kept = {}
    for name in list(found.keys()):
        match = layer.match(name)
        if match is None:
            kept[name] = found.get_slice(name)
        elif match[2] in numbers:
            kept[f"{match[1]}{numbers[match[2]]}.{name[match.end() :]}"] = found.get_slice(name)
    return TensorFiles(kept)
