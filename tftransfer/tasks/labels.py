"""What tasks ask of labels, in messages that name what is wrong."""

import collections
from collections.abc import Iterable, Sequence

from tftransfer.errors import ConfigError
from tftransfer.registry import suggest

__all__ = ["check_labels", "check_weights", "known", "unknown"]


def check_labels(labels: Sequence[str], least: int = 2) -> None:
    """Raises ConfigError unless labels are distinct and there are at least so many."""
    repeated = [label for label, n in collections.Counter(labels).items() if n > 1]
    if repeated:
        raise ConfigError(f"labels: expected distinct labels; received {', '.join(repeated)} more than once.")
    if len(labels) < least:
        number = {1: "one label", 2: "two labels"}[least]
        raise ConfigError(f"labels: expected at least {number}; received {list(labels)}.")


def check_weights(weights: object, labels: Sequence[str]) -> None:
    """Raises ConfigError unless weights, if they are given by label, are of known labels and not negative."""
    if not isinstance(weights, dict):
        return
    for label, weight in weights.items():
        if label not in labels:
            raise ConfigError(f"class_weights: unknown label '{label}'.{suggest(label, labels)}")
        if not 0 <= weight < float("inf"):
            raise ConfigError(f"class_weights: expected a weight >= 0 for '{label}'; received {weight}.")


def known(labels: Sequence[str] | None) -> Sequence[str]:
    """Returns labels that are known; ConfigError otherwise."""
    if labels is None:
        raise ConfigError("The labels are not known yet: give labels=[...], or use task.resolve(train.columns).")
    return labels


def unknown(found: Iterable[str], labels: Sequence[str]) -> dict[str, str]:
    """Returns what to say of each found label that is not among the known ones."""
    # Once a label, not once a row: a suggestion compares it with every known one.
    return {
        label: f"unknown label '{label}'.{suggest(label, labels)} Known: {', '.join(labels[:20])}"
        for label in set(found) - set(labels)
    }
