"""Distillation: a model learns from what a larger one says."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.objective import Objective, mean_over_rows
from tftransfer.strategies.full import Full
from tftransfer.strategies.strategy import LABELLED, Stage

__all__ = ["Distillation"]


@registry.strategies.register("distillation")
@dataclasses.dataclass(frozen=True)
class Distillation(Full):
    """Trains every variable of a student to say what a teacher says, beside what the labels say.

    The loss is `(1 - alpha) * task + alpha * soft + hidden * states`. `soft` is the task's divergence of the student's
    logits from the teacher's, both divided by the temperature, times its square. `states` is the mean squared
    difference between the outputs of their layers: the n-th of S student layers learns from the teacher's layer
    `n * T / S` of T, rounded down; it costs a second pass of the student.

    Texts without labels come first, if there are any: a training of their own with the soft loss alone, for as many
    epochs as that on the labelled examples. That is for tasks with one or several labels a text.

    The teacher has the same task, labels and vocabulary. It is no part of the student: it neither moves nor is it saved
    or exported. A good student begins as some of the teacher's layers (`keep_layers` of `tftransfer.build`).

    References: Hinton et al., "Distilling the knowledge in a neural network", 2015; Sanh et al., "DistilBERT", 2019;
    Jiao et al., "TinyBERT", 2020.

    Args:
        teacher: TransferModel, or str in a config: the directory of its run.
        temperature: float > 0. Greater ones show more of what the teacher thinks of wrong answers. Defaults to 2.0.
        alpha: float in [0, 1]. Weight of the soft loss; the labels count for nothing at 1. Defaults to 0.5.
        hidden: float >= 0. Weight of the loss of hidden states; takes layers of the teacher's width. Defaults to 0.0.
        unlabelled: sequence of str, or str. Texts, or a file with a text a line. Defaults to (): none.

    Example:

        >>> teacher = tftransfer.load("saved_models/large")
        >>> student = tftransfer.build(teacher.checkpoint, teacher.task, keep_layers=3)
        >>> tftransfer.fine_tune(student, train, strategy=tftransfer.strategies.Distillation(teacher))
    """

    reads_inputs: ClassVar[bool] = True

    teacher: Any
    temperature: float = 2.0
    alpha: float = 0.5
    hidden: float = 0.0
    unlabelled: Sequence[str] | str = ()

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(f"temperature: expected a number > 0; received {self.temperature}.")
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"alpha: expected a number from 0 to 1; received {self.alpha}.")
        if not 0 <= self.hidden < float("inf"):
            raise ConfigError(f"hidden: expected a number >= 0; received {self.hidden}.")

    def resolve(self, load: Callable[[str], Any]) -> "Distillation":
        return dataclasses.replace(self, teacher=load(self.teacher)) if isinstance(self.teacher, str) else self

    def stages(self, model: Any, columns: Mapping[str, Sequence[Any]], seed: int) -> Sequence[Stage]:
        if not self.unlabelled:
            return ()
        if model.task.problem_type not in LABELLED or "text_pair" in columns:
            raise ConfigError(
                "unlabelled: expected a task with labels of single texts, sequence_classification or "
                f"multi_label_classification; received {model.task.name}. Leave the option out."
            )
        _check(model, self.teacher)
        texts = _texts(self.unlabelled)
        # The task wants labels, which count for nothing where alpha is 1; metrics compare with the teacher.
        labels = [answer.get("labels", answer.get("label")) for answer in self.teacher.predict_text(texts)]
        alone = dataclasses.replace(self, alpha=1.0, unlabelled=())
        return [Stage("", {}, {"text": texts, "label": labels}, alone, {})]

    def objective(self, model: Any, objective: Objective) -> Objective:
        from keras import ops

        from tftransfer.strategies.components.states import StatesLoss

        teacher, states = self.teacher, None
        _check(model, teacher)
        if self.hidden:
            states = StatesLoss(model, teacher)

        def distilled(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            logits, loss = objective(x, y, sample_weight)
            reference = teacher({name: x[name] for name in teacher.input}, training=False)
            soft = model.task.divergence(logits, ops.stop_gradient(reference), self.temperature)
            loss = (1 - self.alpha) * loss + self.alpha * mean_over_rows(soft, sample_weight)
            return logits, loss if states is None else loss + self.hidden * mean_over_rows(states(x))

        return distilled


def _texts(unlabelled: Sequence[str] | str) -> list[str]:
    """Returns texts without labels, those of a file if it is named."""
    if not isinstance(unlabelled, str):
        return list(unlabelled)
    try:
        lines = Path(unlabelled).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{unlabelled}: expected a file of UTF-8 with a text a line; {error}.") from None
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise DataError(f"{unlabelled}: expected a text a line; the file is empty.")
    return texts


def _check(model: Any, teacher: Any) -> None:
    """Raises ConfigError unless a teacher can say something of whatever the model is asked."""
    if isinstance(teacher, str):
        raise ConfigError(f"teacher: expected a TransferModel; received '{teacher}'. Load it: tftransfer.load(path).")
    for what, ours, theirs in (
        ("task", model.task.name, teacher.task.name),
        ("labels", _listed(model.task.head_labels), _listed(teacher.task.head_labels)),
        ("mean and scale", _units(model.task), _units(teacher.task)),  # of regression
    ):
        if ours != theirs:
            raise ConfigError(f"teacher: expected one with the student's {what}, {ours}; received {theirs}.")
    if model.tokenizer.rust.get_vocab() != teacher.tokenizer.rust.get_vocab():
        raise ConfigError(
            f"teacher: expected one with the student's tokenizer, that of '{model.checkpoint.name}'; received "
            f"'{teacher.checkpoint.name}', whose ids are of other tokens. Choose checkpoints of one vocabulary."
        )
    longest = teacher.checkpoint.config.max_length
    if model.max_length > longest:
        raise ConfigError(
            f"teacher: expected one for rows of {model.max_length} tokens, the student's max_length; its checkpoint "
            f"has {longest} positions. Build the student with max_length={longest}."
        )


def _listed(labels: Any) -> str:
    return "none" if labels is None else ", ".join(map(str, labels))


def _units(task: Any) -> tuple[Any, ...]:
    return tuple(getattr(task, name, None) for name in ("mean", "scale"))
