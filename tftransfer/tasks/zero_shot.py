"""Labels that are described in words in place of being learned."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Self

from tftransfer.errors import ConfigError
from tftransfer.tasks.labels import unknown
from tftransfer.tasks.single_label import SingleLabelTask
from tftransfer.tasks.task import Columns, Label

__all__ = ["ZeroShotTask"]


@dataclasses.dataclass(frozen=True)
class ZeroShotTask(SingleLabelTask):
    """One of several labels for a text, without training: each label is described in words.

    Reference: Yin et al., "Benchmarking zero-shot text classification", 2019.

    Args:
        labels: sequence of str. The labels, in the order of the scores.
        descriptions: dict of label -> str or list of str. What a label is about; of several descriptions the mean
            counts. Defaults to None: each label is its own description.
        template: str. What is said of a text; "{}" stands for the description. Defaults to "This text is about {}.".
        **options: `temperature`; see `SingleLabelTask`. `truncate` and `stride`; see `TextLevelTask`.
    """

    input_keys: ClassVar[Sequence[str]] = ("text",)
    trains: ClassVar[bool] = False
    wants_pretrained: ClassVar[bool] = True

    labels: Sequence[Label]
    descriptions: dict[Label, str | list[str]] | None = None
    template: str = "This text is about {}."

    def __post_init__(self) -> None:
        super().__post_init__()
        for reason in unknown(self.descriptions or {}, self.labels).values():
            raise ConfigError(f"descriptions: {reason}")
        for label in self.labels:
            if not self._described(label) or not all(text.strip() for text in self._described(label)):
                raise ConfigError(f"descriptions: expected at least one text for '{label}', and no empty one.")
        if "{}" not in self.template:
            raise ConfigError(f"template: expected a text with {{}} for the description; received '{self.template}'.")

    def _described(self, label: str) -> list[str]:
        found = (self.descriptions or {}).get(label, label)
        return [found] if isinstance(found, str) else list(found)

    @property
    def statements(self) -> list[str]:
        """What is said of labels, label by label."""
        return [self.template.replace("{}", text) for label in self.labels for text in self._described(label)]

    @property
    def statement_labels(self) -> list[int]:
        """The number of the label that each statement is of."""
        return [number for number, label in enumerate(self.labels) for _ in self._described(label)]

    def resolve(self, columns: Columns) -> Self:
        return self
