"""Where a run's pretrained model came from: `origin.json`, the last file written beside its config and tokenizer."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tftransfer import atomic
from tftransfer.errors import RunDirectoryError

__all__ = ["ORIGIN", "Origin"]

ORIGIN = "origin.json"


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a checkpoint was, and what was kept of it.

    Args:
        name: str. What the user called it.
        revision: str. Commit on the Hub, "" for a local directory: then `files` alone tells what it was.
        has_pooler: bool. Whether its weights hold a pooler.
        files: dict of str to str. The sha256 of every file that was read, weights included.
        kept: dict of str to str. The sha256 of every file that stands beside `origin.json`.
        heads: list of str. Kinds of the heads that its weights hold, on which the shape of a head depends. Defaults to
            [].
    """

    name: str
    revision: str
    has_pooler: bool
    files: dict[str, str]
    kept: dict[str, str]
    heads: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def write(
        cls, directory: Path, name: str, revision: str, has_pooler: bool, files: dict[str, Path], heads: list[str]
    ) -> None:
        """Writes `origin.json`, with the checksums of all that stands in the directory already.

        Args:
            directory: Path. Where config and tokenizer were kept.
            name: str. What the user called the checkpoint.
            revision: str. Commit on the Hub, or "".
            has_pooler: bool. Whether its weights hold a pooler.
            files: dict of str to Path. Every file that the checkpoint is made of, by its name in the checkpoint.
            heads: list of str. Kinds of the heads that its weights hold.
        """
        kept = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
        kept.pop(ORIGIN, None)
        origin = cls(name, revision, has_pooler, _checksums(files), _checksums(kept), heads)
        atomic.write(directory / ORIGIN, json.dumps(dataclasses.asdict(origin), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, directory: Path) -> "Origin":
        """Reads `origin.json`; what stands beside it is not looked at.

        Raises:
            RunDirectoryError: if it is missing or not as it was written.
        """
        path = directory / ORIGIN
        try:
            origin = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunDirectoryError(
                f"{path}: expected the origin of the run's checkpoint; {error}. {_ADVICE}"
            ) from None
        for field in dataclasses.fields(cls):
            value = getattr(origin, field.name)
            if not _KINDS[field.type](value):
                raise RunDirectoryError(f"{path}: {field.name} is {repr(value)[:80]}, which no run writes. {_ADVICE}")
        return origin

    def verify(self, directory: Path) -> None:
        """Checks the files beside `origin.json`.

        Raises:
            RunDirectoryError: naming every file that is not as it was written, or is gone.
        """
        wrong = []
        for name, digest in self.kept.items():
            path = directory / name
            received = atomic.sha256(path) if path.is_file() else "no such file"
            if received != digest:
                wrong.append(f"- {name}: expected the sha256 {digest}, received {received}")
        if wrong:
            lines = "\n".join(wrong)
            raise RunDirectoryError(f"{directory}: not as the run wrote it:\n{lines}\n{_ADVICE}")


_ADVICE = "It was changed or damaged after it was written; restore it from a copy, or train again."
_KINDS: dict[Any, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    list[str]: lambda value: isinstance(value, list) and all(isinstance(text, str) for text in value),
    dict[str, str]: lambda value: isinstance(value, dict) and all(isinstance(text, str) for text in value.values()),
}


def _checksums(files: dict[str, Path]) -> dict[str, str]:
    return {name: atomic.sha256(path) for name, path in sorted(files.items())}
