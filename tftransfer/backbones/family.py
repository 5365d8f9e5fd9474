"""What a family of checkpoints tells us: its config map and its tensor-name map."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pydantic

from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import CheckpointError
from tftransfer.registry import describe

__all__ = ["Family"]

# Our variable names -> the suffix of the tensor in the file; only kernels are stored transposed, `[out, in]`.
_LEAVES = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}


class Family:
    """A `model_type` of Hugging Face, described by tables; `families/` holds one class a file.

    Attributes:
        prefix: str. What task classes put before the encoder's tensor names, such as "bert.".
        fields: dict. `config.json` key -> (`TransformerConfig` field, default for files that leave the key out).
        fixed: dict. `config.json` key -> the values we implement; another value is refused, never guessed around.
        modules: sequence of (regular expression over a variable's path without its last part, replacement). The
            first match gives the tensor's module; the last part (kernel, gamma ...) follows from a table.
        heads: sequence of regular expressions over tensor names without the prefix. Tensors of task heads and of
            pre-training, and buffers, which a backbone may leave out; anything else left over is an error.
    """

    prefix: ClassVar[str]
    fields: ClassVar[Mapping[str, tuple[str, Any]]]
    fixed: ClassVar[Mapping[str, Sequence[Any]]] = {}
    modules: ClassVar[Sequence[tuple[str, str]]]
    heads: ClassVar[Sequence[str]] = ()

    def config(self, raw: Mapping[str, Any]) -> TransformerConfig:
        """Returns the numbers of a `config.json`.

        Raises:
            CheckpointError: for a value that is not implemented or not of the field's type.
        """
        for key, known in self.fixed.items():
            if raw.get(key) is not None and raw[key] not in known:
                raise CheckpointError(
                    f"config.json: {key} is {raw[key]!r}, but only {' or '.join(map(repr, known))} is implemented "
                    "for this family. Loading it as if it were that would give wrong numbers."
                )
        values = {field: raw.get(key, default) for key, (field, default) in self.fields.items()}
        if values["classifier_dropout"] is None:
            values["classifier_dropout"] = values["hidden_dropout"]
        keys = {field: key for key, (field, _) in self.fields.items()}
        try:
            config = pydantic.TypeAdapter(TransformerConfig).validate_python(values)
        except pydantic.ValidationError as error:
            found = [describe(e) for e in error.errors()]
            problems = [f"{keys[str(field)]}: {text}" for (field,), text in found]
            raise CheckpointError("\n".join(["config.json:", *problems])) from None
        if config.hidden_size % config.num_heads:
            raise CheckpointError(
                f"config.json: expected {keys['hidden_size']} to be a multiple of {keys['num_heads']}; received "
                f"{config.hidden_size} and {config.num_heads}."
            )
        return config

    def tensor(self, path: str) -> tuple[str, bool]:
        """Returns the name of the tensor that fills a variable, without prefix, and whether it is stored transposed.

        Args:
            path: str. The variable's path, such as "encoder/layer_0/attention/query/kernel".

        Raises:
            KeyError: if no rule claims the path, which is a mistake in the family's table.
        """
        module, leaf = path.rsplit("/", 1)
        for pattern, replacement in self.modules:
            match = re.fullmatch(pattern, module)
            if match:
                return f"{match.expand(replacement)}.{_LEAVES[leaf]}", leaf == "kernel"
        raise KeyError(path)

    def canonical(self, names: Sequence[str]) -> dict[str, str]:
        """Returns tensor name without prefix and in today's spelling -> the name in the file.

        Raises:
            CheckpointError: if two names of the file come to the same.
        """
        strip = any(name.startswith(self.prefix) for name in names)
        canonical: dict[str, str] = {}
        for name in names:
            short = _today(name.removeprefix(self.prefix) if strip else name)
            if canonical.setdefault(short, name) != name:
                raise CheckpointError(f"The checkpoint holds '{short}' twice: as '{canonical[short]}' and as '{name}'.")
        return canonical

    def is_excused(self, name: str) -> bool:
        """Returns whether a backbone may leave this tensor out."""
        return any(re.match(pattern, name) for pattern in self.heads)


def _today(name: str) -> str:
    """Returns the name as it has been spelled since 2019: checkpoints converted from TF 1 say gamma and beta."""
    return re.sub(r"LayerNorm\.(gamma|beta)$", lambda m: f"LayerNorm.{_LEAVES[m[1]]}", name)
