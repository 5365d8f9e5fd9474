"""Answers as spans of tokens: against the user's own characters, and against every span tried one by one."""

from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tftransfer.row_options import RowOptions
from tftransfer.tasks.answer_spans import IMPOSSIBLE, best_spans, best_threshold, positions
from tftransfer.tokenizers.encoded import Encoded
from tftransfer.tokenizers.fast import FastTokenizer

QUESTION = "what was in the red box?"
# (context, answer): the answer stands in it once.
ANSWERS = [
    ("my parcel had a red book in it.", "red book"),
    ("my parcel had a red book in it.", "my"),
    ("my parcel had a red book in it.", "it."),
    ("it was 👍🏽 good, 👩‍👩‍👧 said", "👩‍👩‍👧"),
    ("de\u0301ja\u0300 vu in a caf\u00e9 again", "de\u0301ja\u0300 vu"),
    ("the bo\u200bx was\u200b \ufefflate by a day", "bo\u200bx"),
    ("北京是中国的首都。", "中国"),
    ("在2008年,北京举办了奥运会", "2008年"),
    ("one\ttwo\r\n\n three   four", "two\r\n\n three"),
    ("first,second;third", "second"),
]


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> FastTokenizer:
    return FastTokenizer.from_directory(tiny_checkpoint)


def encode(tokenizer: FastTokenizer, contexts: list[str], max_length: int = 64, stride: int = 4) -> Encoded:
    options = RowOptions("windows", stride, offsets=True, space_cjk=True)
    return tokenizer.encode([QUESTION] * len(contexts), contexts, max_length=max_length, options=options)


@pytest.mark.parametrize(("context", "answer"), ANSWERS)
def test_the_tokens_of_an_answer_are_of_its_characters(tokenizer: FastTokenizer, context: str, answer: str) -> None:
    rows, start = encode(tokenizer, [context]), context.index(answer)
    ((first, last),) = positions(rows, np.array([start]), np.array([start + len(answer)]))
    assert 0 < first <= last
    assert context[rows.starts[first] : rows.ends[last]] == answer


def test_an_answer_within_a_word_has_the_tokens_it_shares(tokenizer: FastTokenizer) -> None:
    rows = encode(tokenizer, ["the lamps are late"])
    ((first, last),) = positions(rows, np.array([4]), np.array([8]))  # "lamp", white space, tokens "lamp" and "##s"
    assert (rows.starts[first], rows.ends[last]) == (4, 8)


@pytest.mark.parametrize("stride", [0, 3, 100])
def test_a_window_has_an_answer_if_it_has_all_of_it(tokenizer: FastTokenizer, stride: int) -> None:
    words = ["one", "two", "three", "four", "film", "book", "lamp", "chair", "door", "money", "order", "today"]
    context = " ".join(words)
    rows = encode(tokenizer, [context, context], max_length=18, stride=stride)
    assert len(rows) >= 4
    for first in range(len(words)):
        for count in (1, 2, 4):
            answer = " ".join(words[first : first + count])
            start = context.index(answer)
            # The second question has no answer.
            found = positions(rows, np.array([start, -1]), np.array([start + len(answer), -1]))
            for row in range(len(rows)):
                part = slice(rows.offsets[row], rows.offsets[row + 1])
                tokens = [tokenizer.decode_token(i) for i in rows.input_ids[part]]
                window = [word if text == 1 else "" for word, text in zip(tokens, rows.texts[part], strict=True)]
                whole = rows.examples[row] == 0 and set(answer.split()) <= set(window)
                place = [window.index(answer.split()[0]), window.index(answer.split()[-1])] if whole else [0, 0]
                assert found[row].tolist() == place


def every_span(logits: list[np.ndarray], rows: Encoded, longest: int, example: int) -> list[tuple[float, int, int]]:
    """Returns (logits, first character, end) of each possible span, best first."""
    spans: dict[tuple[int, int], float] = {}
    for row in np.flatnonzero(rows.examples == example):
        part = slice(rows.offsets[row], rows.offsets[row + 1])
        texts, starts, ends = rows.texts[part], rows.starts[part], rows.ends[part]
        for i in range(len(texts)):
            for j in range(i, min(i + longest, len(texts))):
                if texts[i] == texts[j] == 1 and ends[j] > starts[i]:
                    key = (int(starts[i]), int(ends[j]))
                    spans[key] = max(spans.get(key, -np.inf), float(logits[row][i, 0] + logits[row][j, 1]))
    return sorted(((logit, *key) for key, logit in spans.items()), reverse=True)


@hypothesis.settings(max_examples=15)
@hypothesis.given(seed=st.integers(0, 2**32 - 1), longest=st.integers(1, 40), stride=st.integers(0, 8))
def test_the_best_span_is_the_best_of_all(tokenizer: FastTokenizer, seed: int, longest: int, stride: int) -> None:
    contexts = [context for context, _ in ANSWERS] + [" ".join(context for context, _ in ANSWERS), "", " \u200b "]
    rows, random = encode(tokenizer, contexts, max_length=24, stride=stride), np.random.default_rng(seed)
    logits = [random.normal(size=(n, 2)).astype("float32") for n in np.diff(rows.offsets)]
    found = best_spans(logits, rows, longest)
    assert len(found) == len(contexts)
    for n in range(len(contexts)):
        spans = every_span(logits, rows, longest, n)
        own = np.flatnonzero(rows.examples == n)
        assert found.nulls[n] == pytest.approx(min(logits[row][0].sum() for row in own), abs=1e-6)
        if not spans:
            assert (found.starts[n], found.ends[n], found.logits[n]) == (-1, -1, IMPOSSIBLE)
            assert found.probabilities[n] == 0
            continue
        assert (found.starts[n], found.ends[n]) == spans[0][1:]
        assert found.logits[n] == pytest.approx(spans[0][0], abs=1e-6)
        lead = spans[0][0] - spans[1][0] if len(spans) > 1 else np.inf
        assert found.leads[n] == pytest.approx(lead, abs=1e-5) or min(lead, found.leads[n]) > 1e8


def test_the_probability_is_that_of_start_and_end_in_their_window(tokenizer: FastTokenizer) -> None:
    rows = encode(tokenizer, ["the book and the lamp and the chair and the door " * 3], max_length=24)
    random = np.random.default_rng(0)
    logits = [random.normal(size=(n, 2)).astype("float32") for n in np.diff(rows.offsets)]
    logits[1][20] += 9
    found = best_spans(logits, rows, 30)
    shares = np.exp(logits[1]) / np.exp(logits[1]).sum(axis=0)
    assert found.probabilities[0] == pytest.approx(shares[20, 0] * shares[20, 1], rel=1e-5)


@hypothesis.given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1))
def test_no_other_threshold_is_worth_more(cases: list[tuple[int, float, bool]]) -> None:
    differences, given_, none = map(np.asarray, zip(*cases, strict=True))
    given_ = np.where(none, 0.0, given_)

    def worth(threshold: float) -> float:
        return float(np.where(differences > threshold, none, given_).sum())

    chosen = best_threshold(differences.astype(float), given_, none.astype(float))
    assert worth(chosen) == pytest.approx(max(worth(threshold) for threshold in np.arange(-4, 4.1, 0.5)))
