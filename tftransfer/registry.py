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
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import pydantic

from tftransfer.errors import ConfigError

__all__ = [
    "Registry",
    "backbones",
    "checks",
    "describe",
    "networks",
    "regularizers",
    "reports",
    "sources",
    "strategies",
    "suggest",
    "tasks",
]

Entry = TypeVar("Entry", bound=type)


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the nearest known name, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def describe(error: Mapping[str, Any]) -> tuple[tuple[str | int, ...], str]:
    """Returns (path, message) of one of pydantic's errors."""
    path = tuple(part for part in error["loc"] if not (isinstance(part, str) and re.search(r"[\[(]", part)))
    if error["type"].startswith("missing"):
        return path, "required, but missing."
    return path, f"{error['msg']}; received {error['input']!r}."


class _Problems(Exception):  # noqa: N818 - it carries findings, and never leaves this module
    """Carries every problem of a config block at once."""

    def __init__(self, found: list[tuple[tuple[str | int, ...], str]]) -> None:
        self.found = found


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

    def problems(self, name: str, options: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
        """Returns what is wrong with a config block: (path of the option, message) for each problem."""
        try:
            self._validated(name, options)
        except _Problems as problems:
            return problems.found
        return []

    def build(self, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Returns an instance of the entry with these options, checked against its annotations.

        Raises:
            ConfigError: for an unknown name, an unknown option or a value of the wrong type; all problems in one
                message.
        """
        try:
            return self._validated(name, options or {})
        except _Problems as problems:
            lines = [": ".join([*(["/".join(map(str, path))] if path else []), text]) for path, text in problems.found]
            raise ConfigError("\n".join(lines)) from None

    def _validated(self, name: str, options: Mapping[str, Any]) -> Any:
        try:
            cls, known = self.get(name), self.options(name)
        except ConfigError as error:
            raise _Problems([(("name",), str(error))]) from None
        found: list[tuple[tuple[str | int, ...], str]] = [
            ((key,), f"unknown option of '{name}'.{suggest(key, known)} Known: {', '.join(known) or 'none'}.")
            for key in options
            if key not in known
        ]
        try:
            built = pydantic.TypeAdapter(cls).validate_python({k: v for k, v in options.items() if k in known})
        except pydantic.ValidationError as error:
            found += [describe(e) for e in error.errors()]
        except ConfigError as error:  # from the class's own checks; their messages begin with the option's name
            option, _, text = str(error).partition(": ")
            found.append(((option,), text) if option in known else ((), str(error)))
        if found:
            raise _Problems(found)
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


backbones = Registry("backbone", "tftransfer.backbones.families")
checks = Registry("check", "tftransfer.inspection.checks")
networks = Registry("backbone from scratch", "tftransfer.backbones.networks")
regularizers = Registry("regularizer", "tftransfer.regularizers")
reports = Registry("report", "tftransfer.evaluation")
sources = Registry("data format", "tftransfer.data")
strategies = Registry("strategy", "tftransfer.strategies")
tasks = Registry("task", "tftransfer.tasks")
