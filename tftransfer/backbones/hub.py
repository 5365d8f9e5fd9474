"""Files of a checkpoint from the Hugging Face Hub, or from its cache where there is no network."""

import os
import re
from pathlib import Path

from tftransfer.backbones.safetensors_files import INDEX
from tftransfer.errors import CheckpointError

__all__ = ["SMALL_FILES", "download", "download_config"]

SMALL_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "README.md",
)


def download(name: str, revision: str | None, hint: str = "") -> Path:
    """Returns the directory of the files; its name is the commit.

    Nothing but configs, tokenizers, the card and safetensors is fetched, the shards only if there is no single file. A
    token is taken from the environment (`HF_TOKEN`), never from a file.

    Args:
        name: str. On the Hub.
        revision: str. Commit, tag or branch; None is the main branch.
        hint: str. What else to try, for the error. Defaults to "".

    Raises:
        CheckpointError: if neither the Hub nor its cache has it.
    """
    try:
        folder = _fetch(name, revision, [*SMALL_FILES, "model.safetensors"])
        if not (folder / "model.safetensors").is_file():
            folder = _fetch(name, folder.name, [*SMALL_FILES, INDEX, "model-*.safetensors"])
    except Exception as error:  # noqa: BLE001 - the Hub's client raises whatever its transports raise
        raise _unavailable(error, name, revision, hint) from None
    return folder


def download_config(name: str, revision: str | None, hint: str = "") -> Path:
    """Returns a directory that holds `config.json` at least; nothing else is fetched. As `download` otherwise."""
    try:
        return _fetch(name, revision, ["config.json"])
    except Exception as error:  # noqa: BLE001 - the Hub's client raises whatever its transports raise
        raise _unavailable(error, name, revision, hint) from None


def _unavailable(error: Exception, name: str, revision: str | None, hint: str) -> CheckpointError:
    option = f" --revision {revision}" if revision else ""
    return CheckpointError(
        f"'{name}' is neither a local directory nor to be had from the Hugging Face Hub "
        f"({type(error).__name__}: {_without_tokens(_first_line(error))}). Where there is a network, run "
        f"`hf download {name}{option} --local-dir DIRECTORY`, and give that directory.{hint}"
    )


def _fetch(name: str, revision: str | None, patterns: list[str]) -> Path:
    import huggingface_hub  # slow to import, and not needed for local files

    # False, for None would look for a token in files too.
    token = next(iter(_tokens()), False)
    return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=patterns, token=token))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _tokens() -> list[str]:
    values = (os.environ.get(key, "").strip() for key in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))
    return [value for value in values if value]


def _without_tokens(text: str) -> str:
    for token in _tokens():
        text = text.replace(token, "***")
    return re.sub(r"hf_\w{8,}", "hf_***", text)
