"""Tables whose values have types: numbers of classes, lists, structs. From a row's Python values to roles."""

import abc
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Self

from tftransfer.data.columns import Columns
from tftransfer.data.json_objects import Number, encode, kind_of, label_of, string
from tftransfer.data.origin import RowsOf, where
from tftransfer.data.source import BadRow, Row, checked
from tftransfer.data.squad import answer_of
from tftransfer.data.tagged import SchemeVotes, joiner_of, sentence_values
from tftransfer.errors import ConfigError, DataError
from tftransfer.tags import TagError

__all__ = ["Table", "plain"]

_SHOWN = 30  # columns in a message
# What the columns of a row are read as, together, in one role.
_OF_WORDS = ("words", "tags")


class _Tagging(NamedTuple):
    """How words become a text, and tags spans."""

    joiner: str
    scheme: str


@dataclasses.dataclass(frozen=True)
class Table(Columns):
    """A table whose columns have names and types.

    A text may be a string, UTF-8 bytes or a number, a label one of these or a list of them. Numbers of classes become
    the names of the classes, where the data say them.

    Args:
        path: str. The file, in formats that are one.
        text: str, default "text". The column that holds the text.
        text_pair: str or None, default None. The column of a second text, in tasks on pairs and of the context of
            questions.
        text_negative: str or None, default None. The column of a text unlike the first two, in tasks on triplets.
        label: str or None, default "label". The column of the label; it is not read if there are `tags` or `answers`.
        words: str or None, default None. The column of lists of words, which make the text in the place of `text`.
        tags: str or None, default None. The column of lists of tags, one a word, that say spans.
        scheme: str, default "auto": the scheme that all rows follow, or one of `tftransfer.tags.SCHEMES`.
        joiner: str. What stands between words in the text. Defaults to "auto": nothing if most words are single Chinese
            or Japanese characters, a space if not.
        answers: str or None, default None. The column of answers with `text` and `answer_start`, in `text_pair`.
        id: str or None. The column of the names of questions. Defaults to None: "id" if there are `answers`.
        repair: bool. Whether an answer is moved to its place, as in the format "squad". Defaults to False.
    """

    words: str | None = None
    tags: str | None = None
    scheme: Literal["auto", "IO", "IOB1", "BIO", "BMES", "BIOES", "IOBES"] = "auto"
    joiner: str = "auto"
    answers: str | None = None
    id: str | None = None
    repair: bool = False

    def __post_init__(self) -> None:
        if self.tags is not None and self.words is None:
            raise ConfigError("tags: expected 'words' beside it, the column of the words that the tags belong to.")
        if self.answers is not None and self.text_pair is None:
            raise ConfigError("answers: expected 'text_pair' beside it, the column of the texts that they stand in.")
        object.__setattr__(self, "path", RowsOf(self.path))

    @abc.abstractmethod
    def classes(self) -> Mapping[str, list[str] | None]:
        """Returns every column -> the names of its classes, or None if it does not hold numbers of classes."""

    @abc.abstractmethod
    def records(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yields the rows with these columns, as Python or NumPy values."""

    def columns(self) -> dict[str, str]:
        """Returns the column of each role that is read; "words" and "tags" are read together."""
        named = super().columns()
        if self.words is not None:
            del named["text"]
        if self.tags is not None or self.answers is not None:
            named.pop("label", None)
        name = self.id or ("id" if self.answers is not None else None)
        others = {"words": self.words, "tags": self.tags, "answers": self.answers, "id": name}
        return named | {role: column for role, column in others.items() if column is not None}

    def roles(self) -> list[str]:
        """Returns the roles of the columns; of words, "text", "words" and, if there are tags, "spans"."""
        roles = [role for role in self.columns() if role not in _OF_WORDS]
        if self.words is None:
            return roles
        return ["text", *roles, "words", *(["spans"] if self.tags is not None else [])]

    def without_answers(self) -> Self:
        """Returns the source without label, tags and answers."""
        return dataclasses.replace(self, label=None, tags=None, answers=None, id=self.columns().get("id"))

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields the rows; their lines are their numbers, counted from 1."""
        columns = self.columns()
        self._check_columns()
        tagging = self._tagging()
        for number, record in enumerate(self.records(list(dict.fromkeys(columns.values()))), 1):
            try:
                row = checked(number, self._values(self._named(record, columns), tagging), "")
            except (ValueError, TagError) as error:
                row = BadRow(number, str(error), "")
            yield row if isinstance(row, Row) else row._replace(raw=encode(plain(record, "backslashreplace")))

    @functools.cached_property
    def _classes(self) -> Mapping[str, list[str] | None]:
        return self.classes()

    def _check_columns(self) -> None:
        names = list(self._classes)
        missing = self.missing(names)
        if missing:
            found = ", ".join(map(repr, names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN))
            raise DataError("\n".join([f"{self.path}: a column is missing.", *missing, f"Columns found: {found}."]))

    def _named(self, record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
        """Returns role -> plain value, numbers of classes by their names."""
        return {role: _by_name(plain(record[x]), self._classes[x], role) for role, x in columns.items()}

    def _values(self, found: dict[str, Any], tagging: _Tagging) -> dict[str, Any]:
        """Returns the values of a row's roles."""
        values: dict[str, Any] = {}
        if "words" in found:
            words, tagged = _words(found.pop("words")), _tags(found.pop("tags", None))
            if tagged is not None and len(tagged) != len(words):
                raise ValueError(f"expected a tag for each of the {len(words)} words, found {len(tagged)}")
            values = sentence_values(words, tagged, tagging.joiner, tagging.scheme)
        listed = found.pop("answers", None)
        for role, value in found.items():
            values[role] = label_of(value) if role == "label" else string(value, role, number=True)
        if self.answers is not None:
            values["answers"] = [answer_of(x, values["text_pair"], repair=self.repair) for x in _answers(listed)]
        return values

    def _tagging(self) -> _Tagging:
        """Returns the joiner and the scheme; what the data are to tell takes a pass of its own over them."""
        joiner, scheme = self.joiner, "" if self.tags is None else self.scheme
        if self.words is None or "auto" not in (joiner, scheme):
            return _Tagging(joiner, scheme)
        votes = SchemeVotes()
        guessed = joiner_of(self._surveyed(votes))
        return _Tagging(
            guessed if joiner == "auto" else joiner, votes.scheme(self.path) if scheme == "auto" else scheme
        )

    def _surveyed(self, votes: SchemeVotes) -> Iterator[str]:
        """Yields all words, and lets the tags of each row vote."""
        columns = {role: column for role, column in self.columns().items() if role in _OF_WORDS}
        for number, record in enumerate(self.records(list(dict.fromkeys(columns.values()))), 1):
            try:
                found = self._named(record, columns)
                words, tagged = _words(found["words"]), _tags(found.get("tags"))
            except ValueError:  # a bad row, which says so when it is read
                continue
            yield from words
            if tagged is not None and len(tagged) == len(words):
                votes.add(tagged, functools.partial(self._placed, number))

    def _placed(self, number: int, error: TagError) -> str:
        return f"{where(self.path, number)}: {error}"


def plain(value: Any, errors: str = "strict") -> Any:
    """Returns a value as JSON's would be decoded: bytes as text, numbers as `Number`, anything of many parts as a list.

    Raises:
        ValueError: for bytes that are not UTF-8, under "strict".
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode(errors=errors)
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 (byte 0x{value[error.start]:02x} at byte {error.start + 1})") from None
    if isinstance(value, Mapping):
        return {str(key): plain(member, errors) for key, member in value.items()}
    if isinstance(value, Iterable) and getattr(value, "ndim", None) != 0:  # NumPy's numbers have no dimension
        return [plain(member, errors) for member in value]
    return Number(str(value).lower() if isinstance(value, bool) else value)


def _by_name(value: Any, names: list[str] | None, role: str) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_by_name(one, names, role) for one in value]
    if not isinstance(value, Number) or not 0 <= int(value) < len(names):
        reason = ", which stands for none" if value == "-1" else ""
        raise ValueError(f"expected the number of one of {len(names)} classes for {role}, found {value}{reason}")
    return names[int(value)]


def _words(value: Any) -> list[str]:
    words = _strings(value, "words")
    if "" in words:
        raise ValueError(f"word {words.index('') + 1} of {len(words)} is empty")
    return words


def _tags(value: Any) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, list) and any(isinstance(one, Number) for one in value):
        raise ValueError(f"expected tags such as 'B-PER', found {value[0]}; the data do not say what such numbers mean")
    return _strings(value, "tags")


def _strings(value: Any, role: str) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list for {role}, found {kind_of(value)}")
    return [string(one, f"each of the {role}", number=True) for one in value]


def _answers(value: Any) -> list[Any]:
    """Returns the answers as a list of objects; data sets also have them as an object of lists."""
    if isinstance(value, dict):
        columns = {key: value[key] for key in ("text", "answer_start") if isinstance(value.get(key), list)}
        if len(columns) == 2 and len(columns["text"]) == len(columns["answer_start"]):
            return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        raise ValueError("expected lists 'text' and 'answer_start' of one length in the answers")
    if isinstance(value, list):
        return value
    raise ValueError(f"expected a list of answers, found {kind_of(value)}")
