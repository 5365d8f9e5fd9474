"""Tokens in columns, with a tag each: the format of the CoNLL shared tasks."""

import collections
import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Literal

from tftransfer import registry, tags
from tftransfer.data.files import is_pipe
from tftransfer.data.source import BadRow, Row, Source, checked
from tftransfer.data.tagged import SchemeVotes, joiner_of, sentence_values
from tftransfer.data.textfile import Line, read_lines, without_end
from tftransfer.errors import ConfigError, DataError

__all__ = ["Conll"]

_BLANK = " \t\r\n"  # a space of another script, such as U+3000, may be a token
_PASSED_OVER = re.compile(r"-DOCSTART-(\s|$)|# ?[^\s=]+ = ")  # the latter as in "# sent_id = 1" of CoNLL-U


@dataclasses.dataclass
class _Sentence:
    """Lines without a blank one between them, in columns."""

    lines: list[Line]
    columns: list[list[str]]

    def bad(self, row: int, reason: str) -> BadRow:
        """Returns the sentence as a bad row, for what is wrong in one of its lines."""
        return BadRow(self.lines[row].number, reason, "".join(line.text for line in self.lines))


@registry.sources.register("conll")
@dataclasses.dataclass(frozen=True)
class Conll(Source):
    """A token and its tag a line, and a blank line between sentences.

    Columns stand apart by tabs, or in a line without tabs by spaces. `-DOCSTART-` lines are passed over, and comments:
    lines such as `# sent_id = 1`, or that begin with `#` and do not have as many columns as the others. The rows' roles
    are "text", "words" and "spans".

    Args:
        path: str. The file; gzip if its name ends in .gz.
        token_column: int. The column of the token, from 0; -1 is the last. Defaults to 0.
        tag_column: int or None. The column of the tag; None for rows without spans. Defaults to -1.
        scheme: str. How tags say spans: "IO", "IOB1", "BIO", "BMES" or "BIOES" ("IOBES"). A tag that does not follow it
            makes its sentence a bad row. Defaults to "auto": the scheme that the whole file follows.
        joiner: str. What stands between tokens in the text. Defaults to "auto": nothing if most tokens of the file are
            single Chinese or Japanese characters, a space if not.
    """

    expected: ClassVar[str] = "a token and its tag a line, and a blank line between sentences"

    token_column: int = 0
    tag_column: int | None = -1
    scheme: Literal["auto", "IO", "IOB1", "BIO", "BMES", "BIOES", "IOBES"] = "auto"
    joiner: str = "auto"

    def __post_init__(self) -> None:
        if self.token_column == self.tag_column:
            raise ConfigError(f"tag_column: expected another column than that of the token, {self.token_column}.")

    def roles(self) -> list[str]:
        """Returns "text", "words" and, if there are tags, "spans"."""
        return ["text", "words", *(["spans"] if self.tag_column is not None else [])]

    def without_answers(self) -> "Conll":
        """Returns the source without its tags."""
        return dataclasses.replace(self, tag_column=None)

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a sentence, where it starts; a bad one where its first bad line is."""
        # What the columns, the scheme and the joiner are shows in the whole file together, which is read for each.
        lines = self._lines()
        width = _width(_sentences(lines()))
        self._check_columns(_sentences(lines()), width)
        sentences = functools.partial(_kept, lines, width)
        joiner, scheme = self._told(sentences)
        for sentence in sentences():
            yield sentence if isinstance(sentence, BadRow) else self._row(sentence, joiner, scheme)

    def _lines(self) -> Callable[[], Iterable[Line]]:
        """Returns what reads the file; a pipe can be read once and is held."""
        read = functools.partial(read_lines, self.path, self.expected)
        if is_pipe(self.path):
            held = list(read())
            return lambda: held
        return read

    def _check_columns(self, sentences: Iterable[_Sentence], width: int) -> None:
        rows = ((line, columns) for s in sentences for line, columns in zip(s.lines, s.columns, strict=True))
        line = next((line for line, columns in rows if len(columns) == width), None)
        if line is None:
            return
        found = f"{self.path}:{line.number}: columns found: {width}"
        chosen = {"token_column": self.token_column, "tag_column": self.tag_column}
        for option, column in chosen.items():
            if column is not None and not -width <= column < width:
                raise DataError(f"{found}; none has the number {column}. Set '{option}', counted from 0.")
        if self.tag_column is not None and self.token_column % width == self.tag_column % width:
            raise DataError(f"{found}; token and tag are taken from the same. Set 'tag_column', or null for none.")

    def _told(self, sentences: Callable[[], Iterator[_Sentence | BadRow]]) -> tuple[str, str]:
        """Returns the joiner and the scheme, "" for none; the file tells what is "auto"."""
        scheme = "" if self.tag_column is None else self.scheme
        if "auto" not in (self.joiner, scheme):
            return self.joiner, scheme
        votes = SchemeVotes()
        joiner = joiner_of(self._surveyed(sentences(), votes if scheme == "auto" else None))
        return joiner if self.joiner == "auto" else self.joiner, votes.scheme(self.path) if scheme == "auto" else scheme

    def _surveyed(self, sentences: Iterable[_Sentence | BadRow], votes: SchemeVotes | None) -> Iterator[str]:
        """Yields all tokens, and lets the tags of each sentence vote."""
        for sentence in sentences:
            if isinstance(sentence, BadRow):
                continue
            yield from (columns[self.token_column] for columns in sentence.columns)
            if votes is not None and self.tag_column is not None:
                tagged = [columns[self.tag_column] for columns in sentence.columns]
                votes.add(tagged, functools.partial(self._placed, sentence))

    def _placed(self, sentence: _Sentence, error: tags.TagError) -> str:
        row = _violation(sentence, error)
        return f"{self.path}:{row.line}: {row.reason}"

    def _row(self, sentence: _Sentence, joiner: str, scheme: str) -> Row | BadRow:
        tokens = [columns[self.token_column] for columns in sentence.columns]
        tagged = None if self.tag_column is None else [columns[self.tag_column] for columns in sentence.columns]
        try:
            values = sentence_values(tokens, tagged, joiner, scheme)
        except tags.TagError as error:
            return _violation(sentence, error)
        return checked(sentence.lines[0].number, values, "".join(line.text for line in sentence.lines))


def _sentences(lines: Iterable[Line]) -> Iterator[_Sentence]:
    for is_blank, group in itertools.groupby(lines, lambda line: not line.text.strip(_BLANK)):
        kept = [] if is_blank else [line for line in group if not _PASSED_OVER.match(line.text)]
        if kept:
            yield _Sentence(kept, [_split(line.text) for line in kept])


def _split(text: str) -> list[str]:
    text = without_end(text)
    return text.split("\t") if "\t" in text else [column for column in text.split(" ") if column]


def _kept(lines: Callable[[], Iterable[Line]], width: int) -> Iterator[_Sentence | BadRow]:
    """Yields the sentences without comments."""
    for sentence in _sentences(lines()):
        found = _without_comments(sentence, width)
        if isinstance(found, BadRow) or found.lines:
            yield found


def _width(sentences: Iterable[_Sentence]) -> int:
    """Returns how many columns most lines have, comments apart."""
    counts: collections.Counter[int] = collections.Counter()
    comments: collections.Counter[int] = collections.Counter()
    for sentence in sentences:
        for columns in sentence.columns:
            (comments if columns[0].startswith("#") else counts)[len(columns)] += 1
    return next((width for width, _ in (counts or comments).most_common(1)), 0)


def _without_comments(sentence: _Sentence, width: int) -> _Sentence | BadRow:
    """Returns the sentence, or a bad row if it holds a line that cannot be used."""
    rows = [
        (line, columns)
        for line, columns in zip(sentence.lines, sentence.columns, strict=True)
        if len(columns) == width or not columns[0].startswith("#")
    ]
    sentence = _Sentence([line for line, _ in rows], [columns for _, columns in rows])
    for row, (line, columns) in enumerate(rows):
        if line.problem is not None:
            return sentence.bad(row, line.problem)
        if len(columns) != width:
            return sentence.bad(row, f"expected {width} columns, as most lines have, found {len(columns)}")
        if not all(columns):
            return sentence.bad(row, f"column {columns.index('')} is empty")
    return sentence


def _violation(sentence: _Sentence, error: tags.TagError) -> BadRow:
    row = min(error.position, len(sentence.lines) - 1)
    return sentence.bad(row, f"{error} (the sentence begins on line {sentence.lines[0].number})")
