"""JSON lines of texts with spans, as annotation tools and CLUENER write them."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from tftransfer import registry
from tftransfer.data.json_objects import integer, json_rows, kind_of, member, string
from tftransfer.data.source import BadRow, Row, Source

__all__ = ["Spans"]

_LISTS = ("spans", "entities", "labels", "label")  # prodigy; spaCy and doccano; doccano; doccano and CLUENER
_STARTS = ("start", "start_offset")
_ENDS = ("end", "end_offset")
_LABELS = ("label", "type", "entity")
_MENTIONS = ("text", "mention")


@dataclasses.dataclass(frozen=True)
class _Found:
    """A span as it stands in the file, and the text that it should be if the file says that."""

    start: int
    end: int
    label: str
    mention: str | None = None


@registry.sources.register("spans")
@dataclasses.dataclass(frozen=True)
class Spans(Source):
    """One JSON object a line, with a text and its spans in characters (code points) from 0.

    Spans are a list of objects `{"start": 3, "end": 8, "label": "PER"}` or of lists `[3, 8, "PER"]`, or an object
    `{"PER": {"Smith": [[3, 7]]}}` as in CLUENER2020 (Xu et al., 2020). The rows' roles are "text" and "spans". Spans
    that are empty, outside the text or upon one another, or that are not the mention that the file gives with them,
    make a row bad.

    Args:
        path: str. The file; gzip if its name ends in .gz.
        text: str. The key of the text. Defaults to "text".
        spans: str or None. The key of the spans; None for rows without them. Defaults to "auto": the first of "spans",
            "entities", "labels" and "label" that a row has.
        end: "exclusive" if the end is behind a span's last character, "inclusive" if it is that character. Defaults to
            "auto": inclusive in the form of CLUENER, exclusive in lists.
    """

    expected: ClassVar[str] = "one JSON object a line, with a text and its spans"

    text: str = "text"
    spans: str | None = "auto"
    end: Literal["auto", "exclusive", "inclusive"] = "auto"

    def roles(self) -> list[str]:
        """Returns "text" and, if they are read, "spans"."""
        return ["text", *(["spans"] if self.spans is not None else [])]

    def without_answers(self) -> Self:
        """Returns the source without its spans."""
        return dataclasses.replace(self, spans=None)

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a line."""
        return json_rows(self.path, self.expected, self._values)

    def _values(self, found: dict[str, Any]) -> dict[str, Any]:
        text = string(member(found, "text", self.text), "text")
        return {"text": text} if self.spans is None else {"text": text, "spans": self._spans(found, text)}

    def _spans(self, found: dict[str, Any], text: str) -> list[tuple[int, int, str]]:
        key = self.spans or ""
        if key == "auto":
            key = next((key for key in _LISTS if key in found), "")
            if not key:
                raise ValueError(f"{_missing(_LISTS, found)}. Set the option 'spans' to the key of the spans")
        listed = member(found, "spans", key)
        if isinstance(listed, dict):
            read, shift = _by_label(listed), self.end != "exclusive"
        elif isinstance(listed, list):
            read, shift = map(_one, listed), self.end == "inclusive"
        else:
            raise ValueError(f"expected a list or an object of spans for {key!r}, found {kind_of(listed)}")
        spans = sorted(_checked(span, text, int(shift)) for span in read)
        for one, other in itertools.pairwise(spans):
            if other[0] < one[1]:
                kind = "it lies within" if other[1] <= one[1] else "it overlaps"
                raise ValueError(f"{_shown(other, text)}: {kind} {_shown(one, text)}")
        return spans


def _one(found: Any) -> _Found:
    if isinstance(found, list) and len(found) == 3:
        return _found(*found)
    if isinstance(found, dict):
        mention = next((found[key] for key in _MENTIONS if key in found), None)
        return _found(_first(found, _STARTS), _first(found, _ENDS), _first(found, _LABELS), mention)
    number = f" of {len(found)}" if isinstance(found, list) else ""
    raise ValueError(f"expected an object or a list of start, end and label for a span, found {kind_of(found)}{number}")


def _by_label(listed: dict[str, Any]) -> Iterator[_Found]:
    """Yields the spans of label -> mention -> list of [start, end]."""
    for label, mentions in listed.items():
        if not isinstance(mentions, dict):
            raise ValueError(f"expected an object of mentions for the label {label!r}, found {kind_of(mentions)}")
        for mention, places in mentions.items():
            if not isinstance(places, list) or not all(isinstance(x, list) and len(x) == 2 for x in places):
                raise ValueError(f"expected a list of lists of start and end for the mention {mention!r}")
            for start, end in places:
                yield _found(start, end, label, mention)


def _first(found: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if key in found:
            return found[key]
    raise ValueError(f"a span has {_missing(keys, found)}")


def _missing(keys: tuple[str, ...], found: dict[str, Any]) -> str:
    return f"no key {' or '.join(map(repr, keys))}; keys found: {', '.join(map(repr, found)) or 'none'}"


def _found(start: Any, end: Any, label: Any, mention: Any = None) -> _Found:
    name = string(label, "the label of a span", number=True).strip()
    if not name:
        raise ValueError("a span with an empty label")
    text = None if mention is None else string(mention, "the text of a span")
    return _Found(integer(start, "the start of a span"), integer(end, "the end of a span"), name, text)


def _checked(found: _Found, text: str, shift: int) -> tuple[int, int, str]:
    """Returns the span with its end behind its last character, `shift` beyond the end that the file says."""
    span = (found.start, found.end + shift, found.label)
    if not 0 <= span[0] < span[1] <= len(text):
        kind = (
            f"outside the text of {len(text)} characters" if span[0] < 0 or span[1] > len(text) else "empty or reversed"
        )
        ends = "inclusive" if shift else "exclusive"
        raise ValueError(f"the span {found.label} from {found.start} to {found.end}, {ends}, is {kind}")
    if found.mention is not None and text[span[0] : span[1]] != found.mention:
        other = "exclusive" if shift else "inclusive"
        hint = f"; set end: {other}" if text[span[0] : span[1] + (-1 if shift else 1)] == found.mention else ""
        raise ValueError(f"{_shown(span, text)}: expected {found.mention!r}, as the file says{hint}")
    return span


def _shown(span: tuple[int, int, str], text: str) -> str:
    start, end, label = span
    return f"the span {text[start:end]!r} ({label}, characters {start} to {end - 1})"
