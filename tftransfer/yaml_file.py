"""YAML 1.2 scalars, read strictly, with the place of every key.

PyYAML's own loaders follow YAML 1.1, in which `no` is False, `2e-5` is a string, `012` is ten and `1:30` is ninety, and
they let the last of two equal keys win. This module uses PyYAML's parser and builds the values itself: tags and aliases
are refused, as are repeated keys and files beyond plausible size and depth.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tftransfer.errors import ConfigError

__all__ = ["Places", "dump", "parse", "read"]

# Path of keys and indices -> (line, column), both from 1.
Places = dict[tuple[str | int, ...], tuple[int, int]]

_MAX_CHARACTERS = 1_000_000
_MAX_DEPTH = 20
_NULL = re.compile(r"(?:null|Null|NULL|~|)")
_TRUE = re.compile(r"(?:true|True|TRUE)")
_FALSE = re.compile(r"(?:false|False|FALSE)")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def read(path: str | Path) -> tuple[Any, Places]:
    """Returns the content of a YAML file and where each key stands.

    Raises:
        ConfigError: if the file cannot be read or is not YAML as described above; the message names file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a config file; there is none of that name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable UTF-8 file; {error}.") from None
    return parse(text, str(path))


def parse(text: str, source: str = "<text>") -> tuple[Any, Places]:
    """Returns the content of YAML text and where each key stands.

    Args:
        text: str. One YAML document.
        source: str. What messages call it.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ConfigError(f"{source}: expected at most {_MAX_CHARACTERS:,} characters; received {len(text):,}.")
    places: Places = {}
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        next(events)  # start of stream
        if isinstance(next(events), yaml.StreamEndEvent):
            return None, places
        value = _value(events, next(events), (), places, source)
        next(events)  # end of document
        if not isinstance(next(events), yaml.StreamEndEvent):
            raise ConfigError(f"{source}: expected one YAML document; received several, divided by ---.")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{source}{where}: not YAML: {error.problem or error}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {error}.") from None
    return value, places


def dump(value: Any) -> str:
    """Returns YAML text that `parse` reads back as `value`: dicts, lists, strings, numbers, booleans and None."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _value(events: Iterator[Any], event: Any, path: tuple[str | int, ...], places: Places, source: str) -> Any:
    line, column = _place(event)
    where = f"{source}:{line}:{column}"
    if isinstance(event, yaml.AliasEvent):
        raise ConfigError(f"{where}: aliases (*{event.anchor}) are not supported; write the value out.")
    if event.tag is not None:
        raise ConfigError(f"{where}: tags ({event.tag}) are not supported; write plain values.")
    if len(path) > _MAX_DEPTH:
        raise ConfigError(f"{where}: nested deeper than {_MAX_DEPTH} levels.")
    places.setdefault(path, (line, column))
    if isinstance(event, yaml.ScalarEvent):
        return event.value if event.style in ("'", '"', "|", ">") else _scalar(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(events, event, (*path, len(items)), places, source))
        return items
    mapping: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        line, column = _place(event)
        where = f"{source}:{line}:{column}"
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise ConfigError(f"{where}: expected a plain key.")
        if event.value in mapping:
            raise ConfigError(f"{where}: the key '{event.value}' stands twice in the same block.")
        places[(*path, event.value)] = (line, column)
        mapping[event.value] = _value(events, next(events), (*path, event.value), places, source)
    return mapping


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _scalar(text: str) -> Any:
    """Returns a plain scalar as YAML 1.2's core schema reads it; keys are always strings, as written."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Dumper(yaml.SafeDumper):
    """Quotes every string that `parse` would read as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if isinstance(_scalar(text), str) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
