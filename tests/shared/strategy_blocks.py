"""A config block for every strategy of the registry: its name, and the options that it cannot do without."""

from collections.abc import Callable
from typing import Any

from tftransfer import registry

_NEEDED: dict[str, dict[str, Any]] = {
    "distillation": {"teacher": "a run", "hidden": 0.1},
    "rates": {"table": [["^head/", 1.0], ["/query/", 0.5], ["", 0.0]]},
}
# With that many epochs every variable has had its turn.
EPOCHS = {"adapters": 2, "gradual_unfreezing": 3}


def strategy_block(name: str) -> dict[str, Any]:
    """Returns the config block of a strategy."""
    return {"name": name, **_NEEDED.get(name, {})}


def build_strategy(block: dict[str, Any], load: Callable[[str], Any] = str) -> Any:
    """Returns the strategy of a config block, with the models that `load` makes of the runs in it."""
    strategy = registry.strategies.build(block["name"], {key: value for key, value in block.items() if key != "name"})
    return strategy.resolve(load)
