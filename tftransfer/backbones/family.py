"""What a family of checkpoints tells us: its config map and its tensor-name map."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pydantic

from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import CheckpointError
from tftransfer.registry import describe

__all__ = ["ARCHITECTURES", "Family", "Head", "Known", "Place"]

# Our variable names -> the suffix of the tensor in the file; only kernels are stored transposed, `[out, in]`.
_LEAVES = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}

# Kind of head -> how Hugging Face's class for it ends; "" is the encoder alone.
ARCHITECTURES = {
    "": "Model",
    "sequence_classification": "ForSequenceClassification",
    "token_classification": "ForTokenClassification",
    "question_answering": "ForQuestionAnswering",
    "masked_lm": "ForMaskedLM",
}


@dataclasses.dataclass(frozen=True)
class Head:
    """A head that the family's task classes put on the encoder.

    Args:
        modules: dict. Module of our head ("hidden", "norm", "logits", "decoder", "" for the head's own bias) -> module
            of the tensors in the file.
        pooling: str. How a text becomes one vector: "pooler" (the encoder's own), "cls" (the first token) or "mean".
            Defaults to "cls".
        activation: str or None. Activation of the hidden layer; "encoder" is that of the encoder's layers. Defaults to
            None: there is no hidden layer.
        norm: bool. Whether the hidden layer is normalised. Defaults to False.
        hidden_bias: bool. Whether the hidden layer has a bias. Defaults to True.
        dropout: str. Field of `TransformerConfig` with the head's dropout rate, "" for none. Defaults to
            "classifier_dropout".
    """

    modules: Mapping[str, str]
    pooling: str = "cls"
    activation: str | None = None
    norm: bool = False
    hidden_bias: bool = True
    dropout: str = "classifier_dropout"


@dataclasses.dataclass(frozen=True)
class Known:
    """A well-known public checkpoint of a family.

    Args:
        name: str. Its name on the Hugging Face Hub.
        parameters: float. How many of them, in millions.
        languages: str. Such as "English", "Chinese" or "100 languages".
        licence: str. As its card has it, such as "Apache-2.0" or "MIT"; "not stated" if the card has none.
    """

    name: str
    parameters: float
    languages: str
    licence: str


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a variable's numbers are in a file.

    Args:
        name: str. The tensor, without the family's prefix.
        transposed: bool. Whether the tensor's axes are in reverse order.
        part: int. Which part of the tensor's rows it is. Defaults to 0.
        parts: int. Into how many equal parts the tensor's rows are cut. Defaults to 1: the variable is all of it.
    """

    name: str
    transposed: bool
    part: int = 0
    parts: int = 1


class Family:
    """A `model_type` of Hugging Face, described by tables; `families/` holds one class a file.

    Attributes:
        architecture: str. How the family's class names begin, such as "Bert".
        prefix: str. What task classes put before the encoder's tensor names, such as "bert.".
        fields: dict. `config.json` key -> (`TransformerConfig` field, default for files that leave the key out).
        aliases: dict. Another `config.json` key -> the one of `fields` that it stands for.
        fixed: dict. `config.json` key -> the values we implement; another value is refused, never guessed around.
        implied: dict. `config.json` key -> the attribute of `TransformerConfig` that it must equal if it is there.
        modules: sequence of (regular expression over a variable's path without its last part, replacement). The
            first match gives the tensor's module; the last part (kernel, gamma ...) follows from a table. A module that
            ends with "|1/3" is the second third of the rows of a fused tensor.
        heads: dict. Kind of head (see `ARCHITECTURES`) -> Head.
        unused: sequence of regular expressions over tensor names without the prefix: buffers, and heads of pre-training
            that nothing here uses. Anything else left over is an error.
        renamed: sequence of (regular expression over tensor names, replacement). Older spellings.
        constants: dict. Tensor name without the prefix -> numbers that PyTorch keeps in its files although they follow
            from the `config.json`; no variable takes them, and a file must not hold others.
        checkpoints: sequence of `Known`. From the smallest to the largest.
        packing: bool. Whether several texts in a row are as if alone, in rows of up to
            `TransformerConfig.packed_length`. Defaults to True.
        idle_poolers: sequence of str. Kinds of heads whose classes keep a pooler that they have no use for, "" for the
            encoder alone. Defaults to ("",).
        modules_as_tensors: bool. Whether the modules of transformers' class are named as the tensors of its files.
            Defaults to True.
        tokenizer: str. The kind that its checkpoints usually have: "WordPiece", "byte-level BPE", "BPE" or "Unigram".
            Defaults to "not stated".
        context: int or None. Tokens that its checkpoints usually take. Defaults to None: as many as a `config.json`
            that does not say.
    """

    architecture: ClassVar[str]
    prefix: ClassVar[str]
    fields: ClassVar[Mapping[str, tuple[str, Any]]]
    aliases: ClassVar[Mapping[str, str]] = {}
    fixed: ClassVar[Mapping[str, Sequence[Any]]] = {}
    implied: ClassVar[Mapping[str, str]] = {}
    modules: ClassVar[Sequence[tuple[str, str]]]
    heads: Mapping[str, Head] = {}
    unused: ClassVar[Sequence[str]] = ()
    # Checkpoints converted from TF 1 say gamma and beta.
    renamed: ClassVar[Sequence[tuple[str, str]]] = (
        (r"LayerNorm\.gamma$", "LayerNorm.weight"),
        (r"LayerNorm\.beta$", "LayerNorm.bias"),
    )

    constants: Mapping[str, np.ndarray] = {}
    checkpoints: ClassVar[Sequence[Known]] = ()
    packing: ClassVar[bool] = True
    idle_poolers: ClassVar[Sequence[str]] = ("",)
    modules_as_tensors: ClassVar[bool] = True
    tokenizer: ClassVar[str] = "not stated"
    context: ClassVar[int | None] = None

    def for_config(self, raw: Mapping[str, Any]) -> "Family":
        """Returns the family with the tables of a `config.json`, where its names of tensors depend on that.

        Raises:
            CheckpointError: for a value that is not implemented.
        """
        return self

    def config(self, raw: Mapping[str, Any]) -> TransformerConfig:
        """Returns the numbers of a `config.json`.

        Raises:
            CheckpointError: for a value that is not implemented or not of the field's type.
        """
        raw = {self.aliases.get(key, key): value for key, value in raw.items()}
        for key, known in self.fixed.items():
            if raw.get(key) is not None and raw[key] not in known:
                raise CheckpointError(
                    f"config.json: {key} is {raw[key]!r}, but only {' or '.join(map(repr, known))} is implemented "
                    "for this family. Loading it as if it were that would give wrong numbers."
                )
        values = {field: raw.get(key, default) for key, (field, default) in self.fields.items()}
        if values.get("classifier_dropout") is None:
            values["classifier_dropout"] = values["hidden_dropout"]
        values |= self.extras(raw)
        keys = {field: key for key, (field, _) in self.fields.items()}
        try:
            config = pydantic.TypeAdapter(TransformerConfig).validate_python(values)
        except pydantic.ValidationError as error:
            found = [describe(e) for e in error.errors()]
            problems = [f"{keys.get(str(path[0]), '.'.join(map(str, path)))}: {text}" for path, text in found]
            raise CheckpointError("\n".join(["config.json:", *problems])) from None
        if config.hidden_size % config.num_heads:
            raise CheckpointError(
                f"config.json: expected {keys['hidden_size']} to be a multiple of {keys['num_heads']}; received "
                f"{config.hidden_size} and {config.num_heads}."
            )
        for key, attribute in self.implied.items():
            if raw.get(key) not in (None, expected := getattr(config, attribute)):
                raise CheckpointError(
                    f"config.json: {key} is {raw[key]!r}, but only {expected!r} is implemented for this family, its "
                    f"{attribute.replace('_', ' ')}."
                )
        return config

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields of `TransformerConfig` that a table cannot give; none by default.

        Raises:
            CheckpointError: for a value that is not implemented.
        """
        return {}

    def head(self, kind: str, raw: Mapping[str, Any]) -> Head | None:
        """Returns the family's head of that kind, None if it has none."""
        return self.heads.get(kind)

    def place(self, path: str, kind: str = "") -> Place:
        """Returns where the numbers of a variable are in a file.

        Args:
            path: str. The variable's path, such as "encoder/layer_0/attention/query/kernel" or "head/logits/bias".
            kind: str. Kind of the head, for paths of a head. Defaults to "".

        Raises:
            KeyError: if no rule claims the path, which is a mistake in the family's table.
        """
        module, leaf = path.rsplit("/", 1)
        for pattern, replacement in [*self.modules, *self._head_rules(kind)]:
            match = re.fullmatch(pattern, module)
            if match:
                name, _, share = match.expand(replacement).partition("|")
                part, parts = map(int, share.split("/")) if share else (0, 1)
                return Place(f"{name}.{_LEAVES[leaf]}", leaf == "kernel", part, parts)
        raise KeyError(path)

    def _head_rules(self, kind: str) -> list[tuple[str, str]]:
        modules = self.heads[kind].modules if kind in self.heads else {}
        return [(f"head/{ours}" if ours else "head", theirs) for ours, theirs in modules.items()]

    def file_name(self, place: Place, path: str, kind: str) -> str:
        """Returns the tensor's name in a file of the class for that kind of head: the encoder's have the prefix."""
        return f"{self.prefix}{place.name}" if kind and not path.startswith("head/") else place.name

    def canonical(self, names: Sequence[str]) -> dict[str, str]:
        """Returns tensor name without prefix and in today's spelling -> the name in the file.

        Raises:
            CheckpointError: if two names of the file come to the same.
        """
        strip = any(name.startswith(self.prefix) for name in names)
        canonical: dict[str, str] = {}
        for name in names:
            short = name.removeprefix(self.prefix) if strip else name
            for pattern, replacement in self.renamed:
                short = re.sub(pattern, replacement, short)
            if canonical.setdefault(short, name) != name:
                raise CheckpointError(f"The checkpoint holds '{short}' twice: as '{canonical[short]}' and as '{name}'.")
        return canonical

    def has_head(self, kind: str, names: Mapping[str, str]) -> bool:
        """Returns whether a file with these canonical names holds the head of that kind."""
        modules = self.heads[kind].modules if kind in self.heads else {}
        # A decoder of its own is there only where it does not share the word embeddings.
        wanted = [theirs for ours, theirs in modules.items() if ours != "decoder"]
        # BERT's classifiers of texts and of tokens have one name, but only the former stands on a pooler.
        if kind in self.heads and self.heads[kind].pooling == "pooler":
            wanted.append(self.place("pooler/dense/kernel").name.rpartition(".")[0])
        return bool(wanted) and all(
            any(f"{theirs}.{leaf}" in names for leaf in ("weight", "bias")) for theirs in wanted
        )

    def is_excused(self, name: str) -> bool:
        """Returns whether a model may leave this tensor out: it is of a head, or of no use to any."""
        modules = {theirs for head in self.heads.values() for theirs in head.modules.values()}
        if name in self.constants or name.rpartition(".")[0] in modules:
            return True
        return any(re.match(pattern, name) for pattern in self.unused)
