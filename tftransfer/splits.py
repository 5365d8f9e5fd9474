"""The examples of an experiment: its files read, split, and sifted for answers that the task does not know."""

import dataclasses
from typing import Any

import numpy as np

from tftransfer import config
from tftransfer.arrow_store import ArrowStore
from tftransfer.data.examples import Examples
from tftransfer.data.read import infer_format
from tftransfer.data.shards import build_source
from tftransfer.data.source import BadRow, read_source
from tftransfer.errors import DataError
from tftransfer.tasks.task import Task

__all__ = ["Splits", "read_file", "read_splits", "sift_answers"]


@dataclasses.dataclass
class Splits:
    """The examples of an experiment, and the rows that were left out of them.

    Args:
        examples: dict of "train", "validation", "test" -> Examples; a split that is not given is absent.
        bad_rows: list of (file, BadRow).
    """

    examples: dict[str, Examples]
    bad_rows: list[tuple[str, BadRow]]


def read_file(
    block: dict[str, Any], on_bad_rows: Any, *, answers: bool = True, store: ArrowStore | None = None
) -> tuple[Examples, list[BadRow]]:
    """Returns the examples of a data block of the config, and its bad rows.

    Args:
        block: dict. `path`, `format` (default: by its name), `sample` (default: all) and the options of the format.
        on_bad_rows: "error" or "skip".
        answers: bool. Whether the rows need their answers, such as labels. Defaults to True.
        store: ArrowStore. Where the rows are kept. Defaults to None: in a temporary file.
    """
    name = block.get("format") or infer_format(block["path"])
    source = build_source(name, config.source_options(block))
    examples, bad = read_source(source if answers else source.without_answers(), on_bad_rows=on_bad_rows, store=store)
    if block.get("sample") is None:
        return examples, bad
    # RandomState: its stream is frozen, so that a new NumPy draws the same rows.
    drawn = np.random.RandomState(0).permutation(len(examples))[: block["sample"]]
    return examples.take(np.sort(drawn)), bad


def read_splits(data: config.Data, store: ArrowStore | None = None) -> Splits:
    """Returns the examples of every split that the config names.

    Args:
        data: Data.
        store: ArrowStore. Where the rows are kept. Defaults to None: that of the config.
    """
    store = ArrowStore.chosen(data.cache) if store is None else store
    splits = Splits({}, [])
    for name in config.SPLITS:
        block = getattr(data, name)
        if block is None or config.is_share(block):
            continue
        splits.examples[name], bad = read_file(block, data.on_bad_rows, store=store)
        splits.bad_rows += [(splits.examples[name].path, row) for row in bad]
    if data.validation is not None and config.is_share(data.validation):
        cut = config.Split.model_validate(data.validation)
        train, validation = splits.examples["train"].split(1 - cut.split, cut.seed)
        splits.examples |= {"train": train, "validation": validation}
    return splits


def sift_answers(task: Task, splits: Splits, on_bad_rows: str) -> None:
    """Takes out the rows whose answers the task does not know, or raises if bad rows are errors."""
    answered = {name: part.columns for name, part in splits.examples.items() if task.answer in part.columns}
    problems = {name: task.problems(columns) for name, columns in answered.items()}
    if on_bad_rows == "error" and any(problems.values()):
        shown = [
            f"{splits.examples[name].where(row)}: {reason}"
            for name, rows in problems.items()
            for row, reason in rows.items()
        ]
        raise DataError(
            "\n".join(
                [f"{len(shown)} rows have answers that the training data or the config do not know:", *shown[:20]]
            )
            + "\nCorrect them, name all labels in task.labels, or set data.on_bad_rows to skip."
        )
    for name, rows in problems.items():
        if not rows:
            continue
        part = splits.examples[name]
        splits.bad_rows += [(part.path, BadRow(int(part.lines[row]), reason, "")) for row, reason in rows.items()]
        splits.examples[name] = part.take(np.setdiff1d(np.arange(len(part)), list(rows)))
        if not len(splits.examples[name]):
            raise DataError(f"{part.path}: no row is left after leaving out those with unknown answers.")
