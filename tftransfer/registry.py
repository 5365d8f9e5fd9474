"""Names to classes: every entry is one file in the package of its kind, found by looking.

A class registers itself under the name that configs use, and its fields are its options:

    @registry.strategies.register("bitfit")
    @dataclasses.dataclass(frozen=True)
    class BitFit(Strategy):
        head_rate: float = 1.0

The registries import nothing until a name is asked for, so this module stays at the bottom of the house and loads no
TensorFlow. Other packages add entries through entry points of the group `tftransfer.<kind>`.
"""

import dataclasses
import difflib
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import pydantic

from tftransfer.errors import ConfigError

__all__ = ["Registry", "backbones", "distributions", "reports", "sources", "strategies", "suggest", "tasks"]

Entry = TypeVar("Entry", bound=type)


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the nearest known name, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


class Registry:
    """The named classes of one kind.

    Args:
        kind: str. What an entry is called in messages, such as "strategy".
        package: str. The package whose modules hold the entries; it is searched on first use.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, type] = {}
        self._searched = False

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Returns a class decorator that files the class under `name`."""

        def decorate(cls: Entry) -> Entry:
            other = self._entries.setdefault(name, cls)
            if other.__qualname__ != cls.__qualname__ or other.__module__ != cls.__module__:
                raise ConfigError(f"Two {self.kind} classes are called '{name}': {other} and {cls}. Rename one.")
            return cls

        return decorate

    def names(self) -> list[str]:
        """Returns every registered name, sorted."""
        self._search()
        return sorted(self._entries)

    def get(self, name: str) -> Any:
        """Returns the class of that name.

        Raises:
            ConfigError: if there is none; the message names the nearest one.
        """
        self._search()
        if name not in self._entries:
            known = ", ".join(self.names())
            raise ConfigError(f"Unknown {self.kind} '{name}'.{suggest(name, self._entries)} Known: {known}.")
        return self._entries[name]

    def options(self, name: str) -> list[str]:
        """Returns the option names of an entry: the fields that its constructor takes."""
        return [field.name for field in dataclasses.fields(self.get(name)) if field.init]

    def build(self, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Returns an instance of the entry with these options, checked against its annotations.

        Raises:
            ConfigError: for an unknown name, an unknown option or a value of the wrong type; all problems in one message.
        """
        cls, known = self.get(name), self.options(name)
        given = dict(options or {})
        problems = [
            f"Unknown '{name}' option '{key}'.{suggest(key, known)} Known: {', '.join(known) or 'none'}."
            for key in given
            if key not in known
        ]
        try:
            built = pydantic.TypeAdapter(cls).validate_python({k: v for k, v in given.items() if k in known})
        except pydantic.ValidationError as error:
            problems += [f"{name}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        if problems:
            raise ConfigError("\n".join(problems))
        return built

    def _search(self) -> None:
        if self._searched:
            return
        self._searched = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        for point in importlib.metadata.entry_points(group=self.package):
            point.load()


backbones = Registry("backbone", "tftransfer.backbones")
distributions = Registry("distribution", "tftransfer.training")
reports = Registry("report", "tftransfer.evaluation")
sources = Registry("data format", "tftransfer.data")
strategies = Registry("strategy", "tftransfer.strategies")
tasks = Registry("task", "tftransfer.tasks")
