"""The directory of one run: what stands where, and how it comes to be there.

config.yaml          the resolved config
status.json          running, complete, interrupted or failed; when
task.json            the task with its labels
load_report.json     which variables the checkpoint filled, which are fresh, what of it was left out
environment.json     versions and platform
data.json            files, rows, fingerprints, truncated share
quarantine.jsonl     rows that were skipped, if any were
rates.txt            the strategy's table as it was applied
checkpoint/          config, tokenizer, card and pooler of the pretrained model, and where it came from, with checksums
weights/             the best epoch's weights, and their sha256
history.json         metrics of every epoch
metrics.json         metrics of validation and test data
report/              per-class table, confusion matrix, worst mistakes, curves
logs/                for TensorBoard
export/<n>/          SavedModels for TF Serving
huggingface/<n>/     the model in Hugging Face's format
peft/<n>/            what LoRA trained, in PEFT's format
"""

import contextlib
import datetime
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tftransfer import atomic
from tftransfer.errors import RunDirectoryError

__all__ = ["RunDirectory"]


class RunDirectory:
    """A run directory; `create` makes a new one, the constructor opens what is there.

    Args:
        path: Path. The directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint"
        self.config = self.path / "config.yaml"
        self.export = self.path / "export"
        self.huggingface = self.path / "huggingface"
        self.logs = self.path / "logs"
        self.peft = self.path / "peft"
        self.quarantine = self.path / "quarantine.jsonl"
        self.report = self.path / "report"
        self.weights = self.path / "weights"

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """Returns an existing run with weights.

        Raises:
            RunDirectoryError: if there is none, or it has no weights yet.
        """
        run = cls(path)
        if not run.config.is_file():
            raise RunDirectoryError(
                f"{path}: expected a run directory, made by `tftransfer fit`; there is no config.yaml."
            )
        if not (run.weights / "manifest.json").is_file():
            state = run.read("status").get("status", "unknown")
            raise RunDirectoryError(
                f"{path}: this run has no weights (its status is '{state}'). Run `tftransfer fit` again."
            )
        return run

    @classmethod
    def check(cls, path: str | Path, overwrite: bool = False) -> None:
        """Raises what `create` would raise, and changes nothing.

        Raises:
            RunDirectoryError: if the directory is not empty and `overwrite` is False, or cannot be written.
        """
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise RunDirectoryError(f"{path}: expected a directory, or nothing, to write the run to; it is a file.")
        if path.is_dir() and any(path.iterdir()):
            if not overwrite:
                raise RunDirectoryError(
                    f"{path}: the run directory is not empty. Choose another (--run), or replace it with --overwrite."
                )
            if not (path / "config.yaml").is_file():
                raise RunDirectoryError(f"{path}: not a run directory, so --overwrite will not replace it.")
        existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise RunDirectoryError(f"{path}: cannot be written: {existing} is not a directory that you may write to.")

    @classmethod
    @contextlib.contextmanager
    def create(cls, path: str | Path, overwrite: bool = False) -> Iterator["RunDirectory"]:
        """Makes a fresh run directory; its status tells afterwards how the `with` block ended.

        If the block ends early before any weights were kept, the new directory is taken away again, and a run that
        `overwrite` was to replace is back in its place.

        Args:
            path: str or Path. The directory.
            overwrite: bool. Whether an earlier run there is replaced. Defaults to False.

        Raises:
            RunDirectoryError: see `check`.
        """
        cls.check(path, overwrite)
        run = cls(path)
        earlier = run.path.with_name(f".{run.path.name}.replaced-{os.getpid()}")
        if run.path.exists():
            os.replace(run.path, earlier)
        try:
            run.path.mkdir(parents=True)
        except OSError as error:
            raise RunDirectoryError(f"{path}: cannot be written: {error.strerror}.") from None
        status = "failed"
        try:
            run.write("status", {"status": "running", "since": _now()})
            yield run
            status = "complete"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            run._close(status, earlier)

    def _close(self, status: str, earlier: Path) -> None:
        if (self.weights / "manifest.json").is_file():
            self.write("status", {"status": status, "since": _now()})
            shutil.rmtree(earlier, ignore_errors=True)
            return
        shutil.rmtree(self.path)
        if earlier.exists():
            os.replace(earlier, self.path)

    def write(self, name: str, value: Any) -> None:
        """Writes `<name>.json`, whole or not at all."""
        atomic.write(self.path / f"{name}.json", json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def read(self, name: str) -> Any:
        """Returns the content of `<name>.json`.

        Raises:
            RunDirectoryError: if the file is missing or damaged.
        """
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{path}: expected a JSON file of the run; {error}.") from None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
