"""Questions on texts with their answers: the JSON of SQuAD."""

import contextlib
import dataclasses
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from tftransfer import registry
from tftransfer.data.files import is_pipe
from tftransfer.data.json_objects import decode, encode, integer, kind_of, string
from tftransfer.data.json_stream import json_items
from tftransfer.data.source import BadRow, Row, Source, checked
from tftransfer.data.textfile import read_lines
from tftransfer.errors import DataError

__all__ = ["Squad", "answer_of"]

_WHOLE = 2**31 - 1  # bytes: the files of SQuAD are one line
_NEAR = 20  # characters that an answer is moved at most
_SHOWN = 60  # characters of a text in messages


@registry.sources.register("squad")
@dataclasses.dataclass(frozen=True)
class Squad(Source):
    """The JSON of SQuAD 1.1 and 2.0 (Rajpurkar et al., 2016 and 2018), CMRC 2018 and DRCD, one row a question.

    The rows' roles are "text" (the question), "text_pair" (the text that it is on), "answers" and "id". As the whole
    file may be one line, the number of a question, counted from 1, stands for its line; messages name its id too.

    Args:
        path: str. The file; gzip if its name ends in .gz.
        repair: bool. Whether an answer that does not stand at its place is moved, if it stands exactly once within 20
            characters of it, and stripped for that. If not, it makes its question a bad row. Defaults to False.
        answers: bool. Whether answers are read. Defaults to True.
    """

    expected: ClassVar[str] = "the JSON of SQuAD: an object with a list 'data' of texts with questions"

    repair: bool = False
    answers: bool = True

    def roles(self) -> list[str]:
        """Returns "text", "text_pair", "id" and, if they are read, "answers"."""
        return ["text", "text_pair", "id", *(["answers"] if self.answers else [])]

    def without_answers(self) -> Self:
        """Returns the source whose questions need no answers."""
        return dataclasses.replace(self, answers=False)

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a question; its line is its number."""
        for number, (context, question) in enumerate(self._questions(), 1):
            try:
                row = checked(number, self._values(context, question), "")
            except ValueError as error:
                row = BadRow(number, str(error), "")
            if isinstance(row, BadRow):
                name = f"question {question['id']}: " if isinstance(question, dict) and question.get("id") else ""
                row = BadRow(number, name + row.reason, encode(question))
            yield row

    def _questions(self) -> Iterator[tuple[Any, Any]]:
        """Yields (text, question), as they stand in the file."""
        for i, article in enumerate(self._articles()):
            for j, paragraph in enumerate(self._listed(article, "paragraphs", f"data[{i}]")):
                for question in self._listed(paragraph, "qas", f"data[{i}].paragraphs[{j}]"):
                    yield paragraph.get("context"), question

    def _articles(self) -> Iterator[Any]:
        count = 0
        if not is_pipe(self.path):
            # Whatever it is that goes wrong, of a whole file it can be said better.
            with contextlib.suppress(ValueError, RecursionError, EOFError, zlib.error, DataError):
                for article in json_items(self.path, "data"):
                    yield article
                    count += 1
                return
        yield from itertools.islice(self._listed(self._document(), "data", "the file"), count, None)

    def _document(self) -> Any:
        lines = list(read_lines(self.path, self.expected, _WHOLE))
        for line in lines:
            if line.problem is not None:
                raise DataError(f"{self.path}:{line.number}: {line.problem}. Expected {self.expected}.")
        try:
            return decode("".join(line.text for line in lines))
        except json.JSONDecodeError as error:
            place = f"{self.path}:{error.lineno}: not JSON: {error.msg} at character {error.colno}"
            hint = " For one object a line, set format: jsonl." if error.msg == "Extra data" else ""
            raise DataError(f"{place}. Expected {self.expected}.{hint}") from error
        except ValueError as error:
            raise DataError(f"{self.path}: {error}. Expected {self.expected}.") from error

    def _listed(self, found: Any, key: str, place: str) -> list[Any]:
        if not isinstance(found, dict):
            raise DataError(f"{self.path}: expected an object for {place}, found {kind_of(found)}.")
        if not isinstance(found.get(key), list):
            keys = ", ".join(map(repr, found)) or "none"
            raise DataError(f"{self.path}: expected a list '{key}' in {place}, whose keys are {keys}.")
        return found[key]

    def _values(self, context: Any, question: Any) -> dict[str, Any]:
        if not isinstance(question, dict):
            raise ValueError(f"expected an object for a question, found {kind_of(question)}")
        values: dict[str, Any] = {
            "text": string(question.get("question"), "'question'"),
            "text_pair": string(context, "'context'"),
            "id": string(question.get("id"), "'id'", number=True),
        }
        if self.answers:
            values["answers"] = self._answers(question, values["text_pair"])
        return values

    def _answers(self, question: dict[str, Any], context: str) -> list[tuple[str, int]]:
        impossible = question.get("is_impossible")
        listed = question.get("answers", [] if impossible is True else None)
        if not isinstance(listed, list):
            raise ValueError(f"expected a list for 'answers', found {kind_of(listed)}")
        if isinstance(impossible, bool) and impossible == bool(listed):
            raise ValueError(f"'is_impossible' is {json.dumps(impossible)}, and there are {len(listed)} answers")
        return [answer_of(answer, context, repair=self.repair) for answer in listed]


def answer_of(found: Any, context: str, *, repair: bool) -> tuple[str, int]:
    """Returns an answer and where it stands.

    Args:
        found: dict. Its `text` and `answer_start`.
        context: str. What it stands in.
        repair: bool. Whether it is moved to its place, if that is near.

    Raises:
        ValueError: if it is not there.
    """
    if not isinstance(found, dict):
        raise ValueError(f"expected an object for an answer, found {kind_of(found)}")
    text = string(found.get("text"), "'text' of an answer")
    start = integer(found.get("answer_start"), "'answer_start'")
    if not text.strip():
        raise ValueError("an empty answer; a question that has none has an empty list 'answers'")
    if start >= 0 and context.startswith(text, start):
        return text, start
    near = _places(context, text.strip(), start)
    if repair and len(near) == 1:
        return text.strip(), near[0]
    raise ValueError(_misfit(context, text, start, near))


def _places(context: str, text: str, start: int) -> list[int]:
    """Returns where the text begins near its place."""
    first, last = max(start - _NEAR, 0), max(start + _NEAR + len(text), 0)
    return [first + match.start() for match in re.finditer(f"(?={re.escape(text)})", context[first:last])]


def _misfit(context: str, text: str, start: int, near: list[int]) -> str:
    there = context[start : start + len(text)] if start >= 0 else ""
    found = f"where {_shown(there)} stands" if there else f"which is outside its {len(context)} characters"
    reason = f"expected the answer {_shown(text)} at character {start} of the context, {found}"
    if len(near) == 1:
        return f"{reason}; it stands at {near[0]}, where repair: true takes it from"
    return f"{reason}; it stands {f'{len(near)} times' if near else 'nowhere'} within {_NEAR} characters of that"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
