"""What there is to know of families and checkpoints before any weights are there: from tables and `config.json`."""

import dataclasses
import difflib
import inspect
from pathlib import Path
from typing import Any

from tftransfer import registry
from tftransfer.backbones import checkpoint as checkpoints
from tftransfer.backbones import hub
from tftransfer.backbones.checkpoint import PINNED, Checkpoint
from tftransfer.backbones.family import ARCHITECTURES, Family, Known
from tftransfer.backbones.network import Network
from tftransfer.backbones.origin import ORIGIN
from tftransfer.backbones.size import parameters
from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import CheckpointError

__all__ = ["describe", "families", "find_config", "has_pooler", "known_checkpoints", "long_inputs"]


def families() -> dict[str, dict[str, Any]]:
    """Returns every family's name -> what it is: `summary`, `context`, `long_inputs`, `packing`, `tokenizer`."""
    return {name: _family(registry.backbones.get(name)()) for name in registry.backbones.names()}


def _family(family: Family) -> dict[str, Any]:
    config = family.config({})
    return {
        "summary": (inspect.getdoc(type(family)) or "").split("\n")[0],
        "context": family.context or config.max_positions,
        "long_inputs": long_inputs(config),
        "packing": family.packing,
        "tokenizer": family.tokenizer,
    }


def known_checkpoints() -> dict[str, tuple[str, Known]]:
    """Returns name -> (family, what is known) of every well-known checkpoint, family by family."""
    return {
        known.name: (family, known)
        for family in registry.backbones.names()
        for known in vars(registry.backbones.get(family)).get("checkpoints", ())  # not those of the class it extends
    }


def long_inputs(config: TransformerConfig) -> str:
    """Returns how attention's cost grows with the length: "linear", "quadratic", or in how many layers it is linear."""
    layers = range(config.num_layers)
    local = config.num_layers if config.block_sparse else sum(config.window(n) > 0 for n in layers)
    if local in (0, config.num_layers):
        return "linear" if local else "quadratic"
    return f"linear in {local} of {config.num_layers} layers"


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Returns what is to be known of a checkpoint without its weights.

    Args:
        checkpoint: Checkpoint. See `find_config`.

    Raises:
        CheckpointError: if it is of a family that is not supported, or its config has a value that is not implemented.
    """
    family, config = checkpoint.family, checkpoint.config
    if isinstance(config, Network):
        raise CheckpointError(
            f"{checkpoint.directory}: expected a pretrained checkpoint; this is what a run keeps of '{config.name}', a "
            "network that was trained from scratch. Look at the run directory itself."
        )
    count = parameters(config, has_pooler(checkpoint))
    _, known = known_checkpoints().get(checkpoint.name, (None, None))
    sizes = ("num_layers", "hidden_size", "intermediate_size", "num_heads", "vocab_size")
    return {
        "name": checkpoint.name,
        "revision": checkpoint.revision,
        "family": checkpoint.raw_config["model_type"],
        **_family(family),
        **{name: getattr(config, name) for name in sizes},
        "parameters": {"total": count.total, **dataclasses.asdict(count)},
        "context": config.max_length,
        "packed_length": config.packed_length,
        "long_inputs": long_inputs(config),
        "languages": known and known.languages,
        "licence": known and known.licence,
        "labels": _labels(checkpoint.raw_config),
    }


def _labels(raw: dict[str, Any]) -> list[str]:
    named = raw.get("id2label")
    return [str(label) for label in named.values()] if isinstance(named, dict) else []


def has_pooler(checkpoint: Checkpoint) -> bool:
    """Returns whether a checkpoint has a pooler: by its weights where they are, else by the class that was saved.

    Early checkpoints of BERT hold a pooler that their class does not speak of.
    """
    if checkpoint.weights.is_file() or (checkpoint.directory / ORIGIN).is_file():
        return checkpoint.has_pooler
    try:
        checkpoint.family.place("pooler/dense/kernel")
    except KeyError:  # a family without poolers
        return False
    classes = [str(name) for name in checkpoint.raw_config.get("architectures") or []]
    kinds = [kind for kind, ending in ARCHITECTURES.items() if any(name.endswith(ending) for name in classes)]
    if not kinds or kinds[0] in checkpoint.family.idle_poolers:
        return True
    head = checkpoint.family.head(kinds[0], checkpoint.raw_config)
    return head is not None and head.pooling == "pooler"


def find_config(name: str) -> Checkpoint:
    """Returns a checkpoint of which nothing but `config.json` need be there; nothing else is downloaded.

    Looked for in the order of `Checkpoint.find`.

    Args:
        name: str. A directory, or a name on the Hugging Face Hub.

    Raises:
        CheckpointError: if it is nowhere to be found.
    """
    path = Path(name).expanduser()
    if path.exists() or name.startswith((".", "/", "~")):
        return Checkpoint(path, name)
    pin = PINNED.get(name)
    folder = checkpoints.package_folder(pin) if pin else None
    if pin and folder:
        return Checkpoint(folder, name, pin.revision)
    folder = hub.download_config(name, pin.revision if pin else None, _suggestion(name))
    return Checkpoint(folder, name, folder.name)


def _suggestion(name: str) -> str:
    full = [*known_checkpoints(), *PINNED]
    spellings = {known.rpartition("/")[2]: known for known in full} | {known: known for known in full}
    nearest = difflib.get_close_matches(name, spellings, n=1, cutoff=0.6)
    return f" Did you mean '{spellings[nearest[0]]}'?" if nearest else ""
