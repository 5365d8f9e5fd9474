"""A config block for every strategy of the registry: its name, and the options that it cannot do without."""

from typing import Any

from tftransfer import registry

_NEEDED: dict[str, dict[str, Any]] = {
    "rates": {"table": [["^head/", 1.0], ["/query/", 0.5], ["", 0.0]]},
}
# With that many epochs every variable has had its turn.
EPOCHS = {"adapters": 2, "gradual_unfreezing": 3}


def strategy_block(name: str) -> dict[str, Any]:
    """Returns the config block of a strategy."""
    return {"name": name, **_NEEDED.get(name, {})}


def build_strategy(block: dict[str, Any]) -> Any:
    """Returns the strategy of a config block."""
    return registry.strategies.build(block["name"], {key: value for key, value in block.items() if key != "name"})
