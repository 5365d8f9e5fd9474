"""What a person sees of a training: a bar on a terminal, plain lines elsewhere; always on standard error."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["note", "progress"]


def note(text: str) -> None:
    """Tells a person something, on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress() -> Iterator[keras.callbacks.Callback]:
    """Gives the callback that suits standard error, and leaves the terminal as it was however the training ends."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, TextColumn("{task.fields[logs]}"), console=Console(stderr=True)) as bar:
        yield _Bar(bar)


def _summary(logs: dict[str, Any]) -> str:
    return "  ".join(f"{name} {float(value):.4g}" for name, value in logs.items())


class _Lines(keras.callbacks.Callback):
    """A line every few seconds of an epoch, and one at its end."""

    interval = 15.0  # seconds

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.last = -self.interval  # the first step is worth a line: training has begun

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = f"epoch {epoch + 1}/{self.params['epochs']}"

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.monotonic() - self.last >= self.interval:
            self.last = time.monotonic()
            step = f"step {batch + 1}/{self.params['steps']}"
            note(f"{self.epoch}  {step}  {_summary(logs or {})}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        note(f"{self.epoch}  {_summary(logs or {})}")


class _Bar(keras.callbacks.Callback):
    """A progress bar an epoch, with the metrics beside it."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self.bar = bar

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        name = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.task = self.bar.add_task(name, total=self.params["steps"], logs="")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.update(self.task, completed=batch + 1, logs=_summary(logs or {}))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.update(self.task, logs=_summary(logs or {}))
