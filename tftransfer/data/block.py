"""Data blocks of a config: what is wrong with one, where its paths start, and how it reads another file."""

import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from tftransfer import registry
from tftransfer.data.read import infer_format
from tftransfer.data.shards import first_path
from tftransfer.errors import TFTransferError

__all__ = ["block_for", "block_problems", "joined"]

_PATHS = ("path", "data_dir")  # keys that `data.folder` stands before
_WHERE = frozenset({"path", "name", "config", "split", "revision", "data_dir"})  # keys that say where the rows are
_Problem = tuple[tuple[str | int, ...], str]  # path of the key, message


def block_problems(block: Mapping[str, Any]) -> list[_Problem]:
    """Returns what is wrong with a data block, without looking for its files."""
    sample, path = block.get("sample"), first_path(block.get("path"))
    if sample is not None and (not isinstance(sample, int) or sample < 1):
        return [(("sample",), f"expected a number of rows >= 1; received {sample!r}.")]
    if block.get("format") is None and not isinstance(path, str):
        return [(("path",), "required: the path of a file, a pattern such as 'train-*.jsonl', or a list of these.")]
    if isinstance(block.get("path"), list) and not all(isinstance(one, str) for one in [path, *block["path"]]):
        return [(("path",), f"expected a path, or a list of at least one; received {block['path']!r}.")]
    try:
        name = block.get("format") or infer_format(path)
    except TFTransferError as error:
        return [(("path",), str(error))]
    options = {key: value for key, value in block.items() if key not in ("format", "sample")}
    problems = registry.sources.problems(name, options | ({"path": path} if "path" in block else {}))
    return problems if name in registry.sources.names() else [(("format",), text) for _, text in problems]


def joined(folder: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the block with its relative paths behind a folder."""
    return {**block, **{key: _joined(folder, block[key]) for key in _PATHS if key in block}}


def block_for(path: str, block: Mapping[str, Any], format: str | None = None) -> dict[str, Any]:
    """Returns the block that reads another file with the options of a block.

    Args:
        path: str. The file.
        block: dict. The data block; options that the file's format does not have are left out.
        format: str. The file's format. Defaults to None: the block's, if its file has the same ending, or else what the
            name tells.
    """
    if format is None and "path" in block and _ending(path) == _ending(first_path(block["path"])):
        format = block.get("format")
    name = format or infer_format(path)
    known = {*registry.sources.options(name)} - _WHERE
    return {**{key: value for key, value in block.items() if key in known}, "path": path, "format": name}


def _joined(folder: str, path: Any) -> Any:
    if isinstance(path, list):
        return [_joined(folder, one) for one in path]
    if not isinstance(path, str) or "://" in path:  # an address stands for itself
        return path
    return posixpath.join(folder, path) if "://" in folder else str(Path(folder) / path)


def _ending(path: str) -> str:
    return PurePath(path.removesuffix(".gz")).suffix
