"""A strategy's table of rates, applied to a model's variables."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tftransfer.errors import ConfigError
from tftransfer.evaluation.tables import table

__all__ = ["RateRow", "apply_rates", "rate_of", "rate_table"]


@dataclasses.dataclass(frozen=True)
class RateRow:
    """One row of an applied table.

    Args:
        pattern: str. Regular expression over variable paths.
        rate: float. Multiplier of the learning rate and the weight decay.
        variables: int. How many variables it claimed.
        parameters: int. How many numbers are in them.
    """

    pattern: str
    rate: float
    variables: int
    parameters: int


def rate_of(path: str, table: Sequence[tuple[str, float]]) -> float | None:
    """Returns the rate of the first pattern found in `path`, None if there is none."""
    return next((rate for pattern, rate in table if re.search(pattern, path)), None)


def apply_rates(variables: Iterable[Any], table: Sequence[tuple[str, float]]) -> list[RateRow]:
    """Freezes variables at rate 0, frees the others, and returns what each row of the table claimed.

    Args:
        variables: Keras variables: a model's weights.
        table: list of (pattern, rate).

    Raises:
        ConfigError: if a pattern is not a regular expression, a rate is negative, or variables are left unclaimed.
    """
    for pattern, rate in table:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"Rate table: '{pattern}' is not a regular expression: {error}.") from None
        if not rate >= 0 or rate == float("inf"):
            raise ConfigError(f"Rate table: expected a rate >= 0 for '{pattern}'; received {rate}.")
    claimed: list[list[Any]] = [[] for _ in table]
    unclaimed = []
    for variable in variables:
        row = next((n for n, (pattern, _) in enumerate(table) if re.search(pattern, variable.path)), None)
        if row is None:
            unclaimed.append(variable.path)
        else:
            claimed[row].append(variable)
    if unclaimed:
        raise ConfigError(
            f"The rate table claims no rate for {len(unclaimed)} variables: {', '.join(unclaimed[:10])}. "
            'End it with ["", 1.0] or ["", 0.0].'
        )
    for (_, rate), members in zip(table, claimed, strict=True):
        for variable in members:
            variable.trainable = rate > 0
    return [
        RateRow(pattern, rate, len(members), sum(int(np.prod(v.shape)) for v in members))
        for (pattern, rate), members in zip(table, claimed, strict=True)
    ]


def rate_table(rates: Sequence[RateRow]) -> str:
    """Returns what a person sees of an applied table."""
    rows = [
        [row.pattern or "(the rest)", f"{row.rate:g}", f"{row.variables:,}", f"{row.parameters:,}"] for row in rates
    ]
    moving = sum(row.parameters for row in rates if row.rate > 0)
    total = sum(row.parameters for row in rates)
    shares = f"{moving:,} of {total:,} parameters are trained ({moving / max(total, 1):.1%})"
    return table(["variables", "rate", "count", "parameters"], rows) + "\n" + shares
