"""Tagging schemes, against tags written out by hand and against each other."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftransfer.errors import DataError
from tftransfer.tags import SCHEMES, Span, TagError, closest, convert, guess, spans_of, tags_of, violations

# PER of two tokens, O, LOC of one that touches LOC of three.
SPANS = [(0, 2, "PER"), (3, 4, "LOC"), (4, 7, "LOC")]
WRITTEN = {
    "BIO": "B-PER I-PER O B-LOC B-LOC I-LOC I-LOC O",
    "IOB1": "I-PER I-PER O I-LOC B-LOC I-LOC I-LOC O",
    "BMES": "B-PER E-PER O S-LOC B-LOC M-LOC E-LOC O",
    "BIOES": "B-PER E-PER O S-LOC B-LOC I-LOC E-LOC O",
    "IOBES": "B-PER E-PER O S-LOC B-LOC I-LOC E-LOC O",
}
LABELS = ["PER", "creative-work", "地址"]


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Draws spans that do not overlap, many of which touch, and the number of tokens."""
    spans, position = [], 0
    for gap, size, label in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(LABELS)), max_size=6)
    ):
        spans.append((position + gap, position + gap + size, label))
        position += gap + size
    return spans, position + draw(st.integers(0, 2))


def touch(spans: list[Span]) -> bool:
    return any(a[1:] == (b[0], b[2]) for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize("scheme", WRITTEN)
def test_tags_written_by_hand(scheme: str) -> None:
    assert spans_of(WRITTEN[scheme].split(), scheme) == SPANS
    assert tags_of(reversed(SPANS), 8, scheme) == WRITTEN[scheme].split()


def test_io_knows_no_borders_within_a_label() -> None:
    tags = ["I-PER", "I-PER", "I-LOC", "I-LOC", "O", "I-LOC"]
    assert spans_of(tags, "IO") == [(0, 2, "PER"), (2, 4, "LOC"), (5, 6, "LOC")]
    assert tags_of(spans_of(tags, "IO"), 6, "IO") == tags
    with pytest.raises(DataError, match=r"IO cannot tell \(3, 4, 'LOC'\) and \(4, 7, 'LOC'\) apart. Use another"):
        tags_of(SPANS, 8, "IO")


@pytest.mark.parametrize("scheme", SCHEMES)
@given(sentences())
def test_spans_come_back_from_every_scheme(scheme: str, sentence: tuple[list[Span], int]) -> None:
    spans, length = sentence
    if scheme == "IO" and touch(spans):
        with pytest.raises(DataError, match="apart"):
            tags_of(spans, length, scheme)
        return
    tags = tags_of(spans, length, scheme)
    assert len(tags) == length
    assert spans_of(tags, scheme) == spans
    for target in set(SCHEMES) - {"IO"}:
        assert spans_of(convert(tags, scheme, target), target) == spans
        assert convert(convert(tags, scheme, target), target, scheme) == tags


@given(st.lists(sentences(), max_size=4), st.sampled_from(sorted(SCHEMES)))
def test_a_guessed_scheme_says_the_same_spans(drawn: list[tuple[list[Span], int]], scheme: str) -> None:
    if scheme == "IO" and any(touch(spans) for spans, _ in drawn):
        return
    tags = [tags_of(spans, length, scheme) for spans, length in drawn]
    guessed = guess(tags)
    assert [spans_of(sequence, guessed) for sequence in tags] == [spans for spans, _ in drawn]


@given(st.lists(st.sampled_from([f"{a}-{b}" for a in "BIMES" for b in "XY"] + ["O"]), max_size=7))
def test_a_scheme_takes_nothing_that_it_would_write_otherwise(tags: list[str]) -> None:
    for scheme in SCHEMES:
        if not violations([tags], scheme):
            assert tags_of(spans_of(tags, scheme), len(tags), scheme) == tags


@pytest.mark.parametrize(
    ("scheme", "tags", "position", "message"),
    [
        ("BIO", "O I-PER", 1, "expected O or B-* after O, found 'I-PER'"),
        ("BIO", "I-PER", 0, "expected O or B-* at the beginning, found 'I-PER'"),
        ("BIO", "B-LOC I-PER", 1, "expected O or B-* or I-LOC after B-LOC, found 'I-PER'"),
        ("BIO", "B-LOC E-LOC", 1, "expected O or B-* or I-LOC after B-LOC, found 'E-LOC'"),
        ("BIO", "O per", 1, "expected O or B-* after O, found 'per'"),
        ("BIO", "O B", 1, "expected O or B-* after O, found 'B'"),
        ("BIO", "O B-", 1, "expected O or B-* after O, found 'B-'"),
        ("BIO", "O O-PER", 1, "expected O or B-* after O, found 'O-PER'"),
        ("BIO", "O O-", 1, "expected O or B-* after O, found 'O-'"),
        ("BIO", "O -PER", 1, "expected O or B-* after O, found '-PER'"),
        ("BMES", "O M-X", 1, "expected O or B-* or S-* after O, found 'M-X'"),
        ("BMES", "B-X O", 1, "expected M-X or E-X after B-X, found 'O'"),
        ("BMES", "S-X B-X M-X", 3, "expected M-X or E-X after M-X, found the end"),
        ("BIOES", "B-X I-Y", 1, "expected I-X or E-X after B-X, found 'I-Y'"),
        ("BIOES", "S-X E-X", 1, "expected O or B-* or S-* after S-X, found 'E-X'"),
        ("IOB1", "I-X B-Y", 1, "expected O or I-* or B-X after I-X, found 'B-Y'"),
        ("IOB1", "O B-X", 1, "expected O or I-* after O, found 'B-X'"),
        ("IO", "I-X B-X", 1, "expected O or I-* after I-X, found 'B-X'"),
    ],
)
def test_violations(scheme: str, tags: str, position: int, message: str) -> None:
    with pytest.raises(TagError) as caught:
        spans_of(tags.split(), scheme)
    assert (caught.value.position, str(caught.value)) == (position, message)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 2, "X"), (1, 3, "Y")], r"do not overlap, found \(0, 2, 'X'\) and \(1, 3, 'Y'\)"),
        ([(0, 3, "X"), (1, 2, "Y")], "overlap"),
        ([(0, 1, "X"), (0, 1, "X")], "overlap"),
        ([(1, 1, "X")], "at least one of the 3 tokens"),
        ([(2, 1, "X")], "at least one of the 3 tokens"),
        ([(2, 4, "X")], "at least one of the 3 tokens"),
        ([(-1, 2, "X")], "at least one of the 3 tokens"),
        ([(0, 1, "")], "with a label"),
    ],
)
def test_spans_that_no_tags_say(spans: list[Span], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tags_of(spans, 3, "BIO")


def test_no_scheme_fits() -> None:
    sequences = [tags.split() for tags in ("B-X I-X O", "O B-Y", "O I-X B-X", "B-X E-X")]
    assert closest(sequences) == "BIO"
    with pytest.raises(DataError) as caught:
        guess(sequences)
    assert str(caught.value).splitlines() == [
        "No scheme fits all 4 sequences of tags; the closest is BIO, which 2 violate:",
        "sequence 2, tag 1: expected O or B-* after O, found 'I-X'",
        "sequence 3, tag 1: expected O or B-* or I-X after B-X, found 'E-X'",
    ]
