"""What every kind of task of the PyTorch peer has."""

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from tasks import Task


class Rows(torch.utils.data.Dataset):
    """Encoded rows, and beside them what the scores need.

    Args:
        items: list of dict. The model's inputs and the labels, a row each.
        gold: list. Of the same rows or, if texts were cut into windows, of the rows of the file.
    """

    def __init__(self, items: list[dict[str, Any]], gold: list[Any]) -> None:
        self.items = items
        self.gold = gold

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items[index]


class Kind(abc.ABC):
    """A kind of task.

    Args:
        task: `tasks.Task`.
        tokenizer: transformers' fast tokenizer.
        train: Path. The training file, which has all labels.
    """

    model_class: ClassVar[Any]
    head: Mapping[str, Any] = {}

    def __init__(self, task: Task, tokenizer: Any, train: Path) -> None:
        self.task = task
        self.tokenizer = tokenizer

    def model(self, checkpoint: str) -> Any:
        """Returns transformers' model with a new head."""
        return self.model_class.from_pretrained(checkpoint, **self.head)

    @abc.abstractmethod
    def rows(self, path: Path) -> Rows:
        """Reads and encodes a file."""

    @abc.abstractmethod
    def collator(self) -> Any:
        """Returns what makes a padded batch of items."""

    @abc.abstractmethod
    def scores(self, rows: Rows, outputs: Any) -> dict[str, float]:
        """Returns the metrics of the model's outputs, which are padded with -100."""
