"""The data of an experiment as the checks see it: read, and tokenized as a whole."""

import dataclasses
import functools
import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tftransfer import config, registry
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.data.examples import Examples
from tftransfer.data.source import BadRow
from tftransfer.errors import ConfigError, DataError
from tftransfer.inspection.answers import Answers, answers_of
from tftransfer.scratch import checkpoint_of
from tftransfer.splits import read_splits
from tftransfer.tasks.task import Task
from tftransfer.token_rows import TokenRows
from tftransfer.tokenizers import FastTokenizer

__all__ = ["ROLES", "Corpus", "Part", "normalized", "read_corpus"]

ROLES = ("text", "text_pair", "text_negative")
_WHOLE = 2**30  # a row that no text fills
_SHOWN = 160  # characters


def normalized(text: str) -> str:
    """Returns what two texts that count as the same have in common: NFC, case folded, white space as single spaces."""
    folded = text if text.isascii() else unicodedata.normalize("NFC", text)
    folded = folded.casefold()
    return " ".join((folded if folded.isascii() else unicodedata.normalize("NFC", folded)).split())


@dataclasses.dataclass(frozen=True)
class Part:
    """A split.

    Args:
        examples: Examples. The good rows.
        answers: Answers. Theirs.
        problems: dict of row to str. What the task finds wrong with an answer.
        tokens: TokenRows. The texts whole, one row each; `per_example` of them are of one example.
        per_example: int.
        row_lengths: int array. Tokens of the rows that training would see, cut or in windows.
    """

    examples: Examples
    answers: Answers
    problems: Mapping[int, str]
    tokens: TokenRows
    per_example: int
    row_lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, whole, special tokens included."""
        return np.diff(self.tokens.offsets)

    @property
    def roles(self) -> list[str]:
        """The columns that hold texts."""
        return [role for role in ROLES if role in self.examples.columns]

    def each(self) -> Iterator[tuple[str, ...]]:
        """Yields the texts of every row."""
        return zip(*(self.examples.columns[role] for role in self.roles), strict=True)

    def texts(self, row: int) -> list[str]:
        """Returns the texts of a row."""
        return [self.examples.columns[role][row] for role in self.roles]

    def shown(self, row: int) -> str:
        """Returns the beginning of a row's text on one line, as tables show it."""
        text = " ".join(" ⏐ ".join(self.texts(row)).split())
        return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


@dataclasses.dataclass(frozen=True)
class Corpus:
    """All splits, and what they are for.

    Args:
        experiment: Experiment.
        parts: dict of "train", "validation", "test" to Part; a split that is not given is absent.
        bad_rows: list of (file, BadRow).
        checkpoint: str. Its name.
        tokenizer: FastTokenizer.
        task: Task. With what the training data say of it, such as the labels.
        max_length: int. Longest row, in tokens.
        limit: int. The longest that the checkpoint takes.
        unusable: str. Why the task can make nothing of the training data; "" if it can.
    """

    experiment: config.Experiment
    parts: Mapping[str, Part]
    bad_rows: Sequence[tuple[str, BadRow]]
    checkpoint: str
    tokenizer: FastTokenizer
    task: Task
    max_length: int
    limit: int
    unusable: str

    # --- the rows of all splits, end to end, by number ---

    @functools.cached_property
    def splits(self) -> np.ndarray:
        """The number of the split that each row is of, int64 `(rows,)`."""
        return np.repeat(np.arange(len(self.parts)), [len(part) for part in self.parts.values()])

    @functools.cached_property
    def keys(self) -> np.ndarray:
        """A hash of each row's normalized texts, uint64 `(rows,)`: the same for the same texts."""
        return np.fromiter((_digest(texts) for texts in self.texts()), np.uint64, len(self.splits))

    def texts(self) -> Iterator[list[str]]:
        """Yields the texts of every row, normalized."""
        for part in self.parts.values():
            for texts in part.each():
                yield [normalized(text) for text in texts]

    def find(self, number: int) -> tuple[Part, int]:
        """Returns the split of a row, and its number there."""
        split = int(self.splits[number])
        return list(self.parts.values())[split], number - int(np.searchsorted(self.splits, split))

    def where(self, number: int) -> str:
        """Returns "file:line" of a row."""
        part, row = self.find(number)
        return part.examples.where(row)

    def shown(self, number: int) -> str:
        """Returns the beginning of a row's text."""
        part, row = self.find(number)
        return part.shown(row)


def read_corpus(experiment: config.Experiment) -> Corpus:
    """Reads the files of an experiment and tokenizes their texts; bad rows are left out, whatever the config says.

    Raises:
        DataError: if a file cannot be read or has no good row.
        CheckpointError: if there is no such checkpoint.
        ConfigError: if `max_length` is beyond what the checkpoint takes.
    """
    splits = read_splits(experiment.data.model_copy(update={"on_bad_rows": "skip"}))
    checkpoint = checkpoint_of(experiment, splits.examples.get("train"))
    tokenizer = FastTokenizer.from_directory(checkpoint.directory)
    options = dict(experiment.task)
    task, unusable = _resolved(registry.tasks.build(options.pop("name"), options), splits.examples)
    length, limit = _max_length(experiment, checkpoint)
    parts = splits.examples
    return Corpus(
        experiment,
        {name: _part(parts[name], task, tokenizer, length, not unusable) for name in config.SPLITS if name in parts},
        splits.bad_rows,
        checkpoint.name,
        tokenizer,
        task,
        length,
        limit,
        unusable,
    )


def _resolved(task: Task, examples: Mapping[str, Examples]) -> tuple[Task, str]:
    """Returns the task as training would have it, or as it is, with the reason why it cannot be."""
    first = next(iter(examples.values()))
    if not task.is_answered(first.columns):
        return task, f"{first.path}: expected answers in the column {task.answer!r}; there is none."
    try:
        return task.resolve(first.columns), ""
    except (ConfigError, DataError) as error:
        return task, f"{first.path}: {error}"


def _max_length(experiment: config.Experiment, checkpoint: Checkpoint) -> tuple[int, int]:
    wanted, limit = experiment.model.max_length, checkpoint.config.max_length
    if wanted is not None and wanted > limit:
        raise ConfigError(f"max_length: expected 3 to {limit}, the positions of this checkpoint; received {wanted}.")
    return min(128, limit) if wanted is None else wanted, limit


def _part(examples: Examples, task: Task, tokenizer: FastTokenizer, max_length: int, usable: bool) -> Part:
    texts, options = task.texts(examples.columns), dataclasses.replace(task.row_options, offsets=False)
    whole = dataclasses.replace(options, truncate="head")
    tokens = tokenizer.encode(texts.first, texts.second, max_length=_WHOLE, options=whole)
    lengths = np.diff(tokens.offsets)
    # What fits stays as it is; only the long ones are laid out once more as the task wants them.
    long = np.flatnonzero(lengths > max_length).tolist()
    first = [texts.first[i] for i in long]
    second = None if texts.second is None else [texts.second[i] for i in long]
    cut = tokenizer.encode(first, second, max_length=max_length, options=options)
    owners = np.concatenate([np.flatnonzero(lengths <= max_length), np.asarray(long, np.int64)[cut.examples]])
    rows = np.concatenate([lengths[lengths <= max_length], np.diff(cut.offsets)])
    answered = usable and task.answer is not None and task.is_answered(examples.columns)
    return Part(
        examples,
        answers_of(task, examples.columns),
        task.problems(examples.columns) if answered else {},
        tokens,
        texts.per_example,
        rows[np.argsort(owners, kind="stable")],
    )


def _digest(texts: Sequence[str]) -> int:
    # No text holds a NUL: such rows are bad.
    content = "\0".join(texts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
