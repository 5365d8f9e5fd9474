"""Data sets of Hugging Face: from the Hub, or saved to disk."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from tftransfer import atomic, registry
from tftransfer.data.arrow import ArrowTable
from tftransfer.errors import ConfigError, DataError

__all__ = ["HuggingFace"]

_ROWS = 1024  # of a batch


@registry.sources.register("huggingface")
@dataclasses.dataclass(frozen=True)
class HuggingFace(ArrowTable):
    """A split of a data set, which stays on disk while it is read. Code that comes with a data set is never run.

    Args:
        path: str. A folder that `save_to_disk` wrote. Defaults to "": `name` says which data set.
        name: str. A name on the Hub, such as "stanfordnlp/imdb". Defaults to "".
        config: str or None. Which of the Hub's configurations. Defaults to None: the only one.
        split: str or None. A split or a slice of one, such as "train" or "train[:10%]". Defaults to None: the only one.
        revision: str or None. Commit, tag or branch on the Hub. Defaults to None: the newest commit.
    """

    expected: ClassVar[str] = "a data set of texts"

    path: str = ""
    name: str = ""
    config: str | None = None
    split: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        title = " ".join(part for part in (self.name, self.config, self.split) if part)
        if self.name and self.path not in ("", title):
            raise ConfigError("path: expected the path of a folder or the 'name' of a data set on the Hub, found both.")
        if not self.name and not self.path:
            raise ConfigError("name: required: the name of a data set on the Hub, or else the 'path' of a folder.")
        if not self.name and (self.config or self.revision):
            raise ConfigError("config: expected none, and no revision, for a folder: only the Hub has them.")
        if self.name:
            object.__setattr__(self, "path", title)
        super().__post_init__()

    def batches(self, columns: list[str] | None) -> Iterator[Any]:
        """Yields tables of rows."""
        data = self._data
        if columns is None:
            yield data.features.arrow_schema
        else:
            yield from data.select_columns(columns).with_format("arrow").iter(_ROWS)

    def fingerprint(self) -> str | None:
        """Returns a hash of the files on disk and of which of their rows are read."""
        files = sorted({entry["filename"] for entry in self._data.cache_files})
        sums = [str(self.split), *(atomic.sha256(Path(file)) for file in files)]
        return hashlib.sha256("\n".join(sums).encode()).hexdigest() if files else None

    @functools.cached_property
    def _data(self) -> Any:
        return self._loaded() if self.name else self._saved()

    def _loaded(self) -> Any:
        """Returns the split of a data set on the Hub, or of what was loaded from there before."""
        datasets = _library()
        try:
            found = datasets.load_dataset(self.name, self.config, split=self.split, revision=self.revision)
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(f"{self.path}: {_explained(error)}") from error
        return found if isinstance(found, datasets.Dataset) else self._of_several(found)

    def _saved(self) -> Any:
        """Returns the split of a folder."""
        datasets = _library()
        try:
            found = datasets.load_from_disk(self.path)
        except OSError as error:
            raise DataError(f"{self.path}: expected a folder that save_to_disk wrote ({error}).") from error
        parts = {str(found.split or "train"): found} if isinstance(found, datasets.Dataset) else found
        if self.split is None:
            return self._of_several(parts)
        lengths = {name: len(part) for name, part in parts.items()}
        try:
            places = datasets.ReadInstruction.from_spec(self.split).to_absolute(lengths)
        except (ValueError, AssertionError) as error:
            known = ", ".join(parts)
            raise DataError(f"{self.path}: there is no split '{self.split}' ({error}). Splits: {known}.") from error
        # Of absolute places, None is the beginning or the end.
        ends = [lengths[place.splitname] if place.to is None else place.to for place in places]
        chosen = [parts[x.splitname].select(range(x.from_ or 0, end)) for x, end in zip(places, ends, strict=True)]
        return datasets.concatenate_datasets(chosen)

    def _of_several(self, parts: Any) -> Any:
        if len(parts) > 1:
            names = ", ".join(parts)
            raise DataError(f"{self.path}: expected 'split' to say which of its splits to read: {names}.")
        return next(iter(parts.values()))


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        advice = "Install it: pip install 'tftransfer[datasets]'."
        raise DataError(f"format: huggingface needs the package datasets ({error}). {advice}") from error
    if int(datasets.__version__.partition(".")[0]) < 4:
        raise DataError(
            f"format: huggingface needs datasets 4 or later, which runs no code that comes with data, found"
            f" {datasets.__version__}. Install it: pip install 'tftransfer[datasets]'."
        )
    return datasets


def _explained(error: Exception) -> str:
    """Returns why a data set cannot be had from the Hub, and what to do."""
    reason = str(error).strip()
    if "scripts are no longer supported" in reason:
        return (
            f"this data set comes as a script, which is not run ({reason}). Use a copy of it as Parquet, which the Hub"
            " often has under revision: refs/convert/parquet."
        )
    if isinstance(error, ConnectionError):
        return (
            f"the Hub cannot be reached ({reason}), and the data set is not among those loaded before. Check the"
            " network and HF_HUB_OFFLINE, or name the 'path' of a folder that save_to_disk wrote."
        )
    return f"cannot be loaded from the Hub: {reason} Check name, config, split, revision, and HF_TOKEN if it is private"
