"""TensorFlow Datasets."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tftransfer import atomic, registry
from tftransfer.data.table import Table
from tftransfer.errors import DataError

__all__ = ["Tfds"]

_COMMUNITY = re.compile(r"\w+:[A-Za-z_]")  # a namespace; what follows the name of a data set is a version


@registry.sources.register("tfds")
@dataclasses.dataclass(frozen=True)
class Tfds(Table):
    """A split of a data set that TensorFlow Datasets prepares, which is downloaded if it is not there yet.

    What was prepared as `array_record` or `parquet` is read without TensorFlow.

    Args:
        name: str. Name, config and version, such as "imdb_reviews/plain_text:1.0.0".
        split: str. A split or a slice of one, such as "train" or "train[:10%]".
        data_dir: str or None. Where data sets stand. Defaults to None: TensorFlow Datasets' own folder.
    """

    expected: ClassVar[str] = "a data set of texts"

    path: str = dataclasses.field(init=False, default="")
    name: str = dataclasses.field(kw_only=True)
    split: str = dataclasses.field(kw_only=True)
    data_dir: str | None = dataclasses.field(kw_only=True, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"{self.name} {self.split}")
        super().__post_init__()

    def classes(self) -> Mapping[str, list[str] | None]:
        """Returns the features, with the names of their classes."""
        return {name: _class_names(feature) for name, feature in self._builder.info.features.items()}

    def records(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yields the examples."""
        builder = self._builder
        if self.split.partition("[")[0] not in {*builder.info.splits, "all"} and "+" not in self.split:
            known = ", ".join(builder.info.splits)
            hint = registry.suggest(self.split, builder.info.splits)
            raise DataError(f"{self.name}: there is no split '{self.split}'.{hint} Splits: {known}.")
        features = {name: builder.info.features[name] for name in columns}
        try:
            examples = builder.as_data_source(self.split)
        except NotImplementedError:  # a file format without random access
            examples = _library().as_numpy(builder.as_dataset(split=self.split, shuffle_files=False))
        for example in examples:
            yield {name: _narrow(example[name], feature) for name, feature in features.items()}

    def fingerprint(self) -> str | None:
        """Returns a hash of the prepared files and of which of their rows are read."""
        files = sorted(path for path in Path(self._builder.data_path).glob("*") if path.is_file())
        sums = [f"{path.name} {atomic.sha256(path)}" for path in files]
        return hashlib.sha256("\n".join([self.split, *sums]).encode()).hexdigest() if files else None

    @functools.cached_property
    def _builder(self) -> Any:
        """The data set's builder, prepared."""
        if _COMMUNITY.match(self.name):
            raise DataError(
                f"{self.name}: data sets of the community are built by code of their own, which is not run."
            )
        tensorflow_datasets = _library()
        try:
            builder = tensorflow_datasets.builder(self.name, data_dir=self.data_dir)
        except (ValueError, AssertionError) as error:
            known = tensorflow_datasets.list_builders(with_community_datasets=False)
            base = re.split("[/:]", self.name)[0]
            hint = "" if base in known else registry.suggest(base, known)
            hint = hint or " Check name, config and version."
            place = self.data_dir or "TensorFlow Datasets' folder"
            reason = str(error).strip().splitlines()[0]
            raise DataError(f"{self.name}: there is no such data set in {place} ({reason}).{hint}") from error
        if not builder.is_prepared():
            try:
                builder.download_and_prepare()
            except (OSError, ImportError) as error:
                advice = "Check the network, or set data_dir to the folder where it was prepared."
                raise DataError(f"{self.name}: could not be prepared ({error}). {advice}") from error
        return builder


def _library() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise DataError(
            f"format: tfds needs TensorFlow Datasets ({error}). Install it: pip install tensorflow-datasets."
        ) from error
    return tensorflow_datasets


def _class_names(feature: Any) -> list[str] | None:
    """Returns the names of a feature of class numbers, or of lists of them."""
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return None if names is None else list(names)


def _narrow(value: Any, feature: Any) -> Any:
    """Returns a narrow float as one again, where the library made a wide one of it: 3.8 would be 3.799999952316284."""
    return np.dtype(feature.np_dtype).type(value) if isinstance(value, float) else value
