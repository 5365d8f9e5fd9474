"""Extractive question answering of the PyTorch peer: windows, the best span of all windows, and SQuAD's scores."""

import json
import re
import string
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from hf_rows import Kind, Rows
from tasks import read_text

CANDIDATES = 20  # starts, and ends, that are looked at in each window
LONGEST = 30  # tokens of an answer


class QuestionAnswering(Kind):
    """The answer is a span of a text; long texts are cut into windows that overlap.

    In a window without the answer, the span to learn is the first token, [CLS].
    """

    model_class = transformers.AutoModelForQuestionAnswering

    def rows(self, path: Path) -> Rows:
        questions = list(read_questions(path))
        encoded = self.tokenizer(
            [question["question"] for question in questions],
            [question["context"] for question in questions],
            truncation="only_second",
            max_length=self.task.max_length,
            stride=self.task.overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        owners, offsets = encoded.pop("overflow_to_sample_mapping"), encoded.pop("offset_mapping")
        items = []
        for window, owner in enumerate(owners):
            question = questions[owner]
            spans = [
                span if part == 1 else None
                for span, part in zip(offsets[window], encoded.sequence_ids(window), strict=True)
            ]
            first, last = span_of(spans, question["answers"][0])
            inputs = {name: values[window] for name, values in encoded.items()}
            items.append({**inputs, "start_positions": first, "end_positions": last})
            question["windows"].append((window, spans))
        return Rows(items, questions)

    def collator(self) -> Any:
        return transformers.DataCollatorWithPadding(self.tokenizer)

    def scores(self, rows: Rows, outputs: Any) -> dict[str, float]:
        exact, f1 = [], []
        for question in rows.gold:
            given = best_answer(question, outputs)
            texts = [answer["text"] for answer in question["answers"]]
            exact.append(max(float(normalized(given) == normalized(text)) for text in texts))
            f1.append(max(shared(normalized(given).split(), normalized(text).split()) for text in texts))
        return {"exact_match": float(np.mean(exact)), "f1": float(np.mean(f1))}


def read_questions(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the questions of a file in SQuAD's format."""
    for article in json.loads(read_text(path))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield {**question, "context": paragraph["context"], "windows": []}


def span_of(spans: list[tuple[int, int] | None], answer: dict[str, Any]) -> tuple[int, int]:
    """Returns the first and the last token of the answer, or (0, 0) if the window does not have all of it."""
    begin, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
    touched = [n for n, span in enumerate(spans) if span is not None and span[0] < end and span[1] > begin]
    if not touched or spans[touched[0]][0] > begin or spans[touched[-1]][1] < end:  # type: ignore[index]
        return 0, 0
    return touched[0], touched[-1]


def best_answer(question: dict[str, Any], outputs: tuple[np.ndarray, np.ndarray]) -> str:
    """Returns the text of the span, in any of the windows, whose two logits have the greatest sum."""
    best, text = -np.inf, ""
    for window, spans in question["windows"]:
        starts, ends = (logits[window][: len(spans)] for logits in outputs)
        for start in np.argsort(-starts, kind="stable")[:CANDIDATES]:
            for end in np.argsort(-ends, kind="stable")[:CANDIDATES]:
                if spans[start] is None or spans[end] is None or not start <= end < start + LONGEST:
                    continue
                if starts[start] + ends[end] > best:
                    best = starts[start] + ends[end]
                    text = question["context"][spans[start][0] : spans[end][1]]
    return text


def normalized(answer: str) -> str:
    """Lower case, without punctuation, articles and superfluous spaces, as in SQuAD's script."""
    bare = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def shared(given: list[str], gold: list[str]) -> float:
    """Returns the F1 of the words of two answers; an empty answer is right only where the other is empty."""
    if not given or not gold:
        return float(given == gold)
    common = sum((Counter(given) & Counter(gold)).values())
    return 2 * common / (len(given) + len(gold))
