"""Where the PEFT library keeps what LoRA trains."""

import dataclasses
import re
from typing import Any

import numpy as np

from tftransfer.backbones.family import Place
from tftransfer.errors import ExportError
from tftransfer.export.hub_layout import Layout, layout_of
from tftransfer.strategies.lora import LoRA
from tftransfer.strategies.strategy import BACKBONE

__all__ = ["PREFIX", "Adapter", "Entry", "adapter_of"]

PREFIX = "base_model.model."
# What is added to a linear layer -> PEFT's name behind the module's.
_PARTS = {
    "lora_a/kernel": "lora_A.weight",
    "lora_b/kernel": "lora_B.weight",
    "lora_magnitude": "lora_magnitude_vector",
}


@dataclasses.dataclass(frozen=True, eq=False)  # variables have no equality
class Entry:
    """A trained variable, and where its numbers are.

    Args:
        variable: Keras variable.
        name: str. The tensor in PEFT's file; or, of a head that no class of transformers has, in a file beside it.
        transposed: bool. Whether the tensor's axes are in reverse order.
        kind: "lora", "bias" or "head".
        module: str. What the config of the adapter names for it: the layer that is updated, the module that is saved
            whole, "" for neither.
    """

    variable: Any
    name: str
    transposed: bool
    kind: str
    module: str = ""

    @property
    def tensor(self) -> np.ndarray:
        """The numbers as the file has them."""
        array = np.asarray(self.variable)
        return np.ascontiguousarray(array.T if self.transposed else array)


@dataclasses.dataclass(frozen=True)
class Adapter:
    """What training moves in a model with `LoRA`, as PEFT knows it.

    Args:
        strategy: LoRA. The options.
        layout: Layout. The class of transformers, and what it holds.
        entries: list of Entry. All trained variables; the names are unique.
    """

    strategy: LoRA
    layout: Layout
    entries: list[Entry]

    def modules(self, kind: str) -> list[str]:
        """Returns the modules of one kind of entries, each once."""
        return list(dict.fromkeys(entry.module for entry in self.entries if entry.kind == kind and entry.module))


def adapter_of(model: Any) -> Adapter:
    """Returns what PEFT's files hold of a model.

    Args:
        model: TransferModel. Built with `LoRA`.

    Raises:
        ExportError: if the model has no low-rank updates, a head of the user's own or of masked words, or updates of
            layers that the checkpoint's family keeps in one tensor with others.
    """
    strategy = model.strategy
    if not isinstance(strategy, LoRA):
        raise ExportError(
            f"Expected a model that was built with strategy=LoRA(...), of which PEFT has an adapter; this one was "
            f"built with {strategy!r}."
        )
    layout, table = layout_of(model), strategy.rates(model)
    family = model.checkpoint.family
    if not family.modules_as_tensors:
        raise ExportError(
            f"Expected a family whose tensors are named as its modules in transformers are, by which PEFT finds them; "
            f"{family.architecture}'s are not. Export the merged model instead: --format huggingface."
        )
    if layout.kind == "masked_lm":
        raise ExportError(
            "Expected a head that PEFT can keep apart from the checkpoint; that of masked words shares the embeddings. "
            "Export the merged model instead: tftransfer.export_huggingface, or --format huggingface."
        )
    trained = [v for v in model.weights if next(rate for pattern, rate in table if re.search(pattern, v.path)) > 0]
    updated = {v.path.removesuffix("/lora_a/kernel") for v in trained if v.path.endswith("/lora_a/kernel")}
    return Adapter(strategy, layout, [_entry(model, layout, updated, variable) for variable in trained])


def _entry(model: Any, layout: Layout, updated: set[str], variable: Any) -> Entry:
    path: str = variable.path
    if not re.search(BACKBONE, path):
        return _of_head(model, layout, variable)
    module = next((path.removesuffix(f"/{part}") for part in _PARTS if path.endswith(f"/{part}")), "")
    if not module:  # a bias
        name = _name(model, layout, path)[0]
        inside = path.rpartition("/")[0] in updated
        return Entry(
            variable, PREFIX + (re.sub(r"\.bias$", ".base_layer.bias", name) if inside else name), False, "bias"
        )
    name, place = _name(model, layout, f"{module}/kernel")
    if place.parts > 1:
        raise ExportError(
            f"{module}: expected a linear layer that is a module of its own in transformers' class, as PEFT has its "
            f"updates; '{name}' of {layout.architecture(model.checkpoint.family)} holds {place.parts} of them. Choose "
            "other targets, such as 'attention/output', or export the merged model: --format huggingface."
        )
    part = path.removeprefix(f"{module}/")
    theirs = name.removesuffix(".weight")
    return Entry(variable, f"{PREFIX}{theirs}.{_PARTS[part]}", part != "lora_magnitude", "lora", theirs)


def _of_head(model: Any, layout: Layout, variable: Any) -> Entry:
    """Returns the entry of a head's variable; it has no module if no class of transformers holds the head."""
    if not layout.kind:
        return Entry(variable, variable.path, False, "head")
    path = layout.path(variable.path)
    name, place = _name(model, layout, path)
    # PEFT takes a head whole, such as RoBERTa's classifier with both of its layers.
    module = name.partition(".")[0] if path.startswith("head/") else name.rpartition(".")[0]
    return Entry(variable, PREFIX + name, place.transposed, "head", module)


def _name(model: Any, layout: Layout, path: str) -> tuple[str, Place]:
    """Returns a tensor's name in transformers' class, and what is there."""
    family = model.checkpoint.family
    place = family.place(path, layout.kind)
    return family.file_name(place, path, layout.kind), place
