"""What a person sees of a training: a bar on a terminal, plain lines elsewhere; always on standard error."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["counting", "note", "progress"]


def note(text: str) -> None:
    """Tells a person something, on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress() -> Iterator[keras.callbacks.Callback]:
    """Gives the callback that suits standard error, and leaves the terminal as it was however the training ends."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with _progress("logs") as bar:
        yield _Bar(bar)


@contextlib.contextmanager
def counting(what: str, after: float = 3.0) -> Iterator[Callable[[int, int], None]]:
    """Gives what tells how far something with rows has come, if it takes long: a bar on a terminal, or lines.

    Args:
        what: str. Such as "tokenizing".
        after: float. Seconds before which nothing is shown. Defaults to 3.0.
    """
    count = _Count(what, after)
    try:
        yield count
    finally:
        if count.bar is not None:
            count.bar.stop()


def _progress(field: str) -> Progress:
    """Returns a bar that is not shown yet, with a field of its tasks beside it."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return Progress(*columns, TextColumn(f"{{task.fields[{field}]}}"), console=Console(stderr=True))


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


class _Count:
    """Rows that are done, on a bar or in a line every few seconds; the first after `after` seconds."""

    interval = 15.0  # seconds

    def __init__(self, what: str, after: float) -> None:
        self.what, self.after = what, after
        self.begun = time.monotonic()
        self.told = -self.interval
        self.bar: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.begun < self.after:
            return
        speed = f"{done / (now - self.begun):,.0f} rows/s"
        if sys.stderr.isatty():
            if self.bar is None:
                self.bar = _progress("speed")
                self.bar.start()
                self.task = self.bar.add_task(self.what, total=total, speed=speed)
            self.bar.update(self.task, completed=done, speed=speed)
        elif now - self.told >= self.interval or done == total:
            self.told = now
            note(f"{self.what}  row {done:,}/{total:,}  {speed}")
