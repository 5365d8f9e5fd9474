"""Tags and the spans they say, against seqeval, and against what files of tags mean."""

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import get_entities

from tftransfer import tags
from tftransfer.errors import ConfigError
from tftransfer.tasks.tag_set import TagSet, guess_scheme, labels_for
from tftransfer.token_rows import IGNORED

TYPES = ["LOC", "creative-work", "PER"]
SCHEMES = ["IO", "BIO", "IOBES", "BMES"]


def random_spans(rng: np.random.Generator, words: int, gap: int) -> list[tuple[int, int, str]]:
    spans, place = [], 0
    while (first := place + int(rng.integers(gap, 3))) < words:
        place = min(first + int(rng.integers(1, 5)), words)
        spans.append((first, place, str(rng.choice(TYPES))))
    return spans


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_tags_are_read_as_seqeval_reads_them(scheme: str) -> None:
    labels, rng = labels_for(["LOC", "ORG", "PER"], scheme), np.random.default_rng(0)
    tag_set = TagSet(labels, scheme)
    for length in range(40):
        ids = rng.integers(0, len(labels), length)
        names = [labels[n].replace("M-", "I-") for n in ids]  # seqeval has no M
        truth = [(first, last + 1, kind) for kind, first, last in get_entities(names)]
        assert tag_set.decode(ids) == truth, names


@pytest.mark.parametrize("scheme", SCHEMES)
def test_spans_are_written_as_files_have_them(scheme: str) -> None:
    labels, rng = labels_for(TYPES, scheme), np.random.default_rng(1)
    tag_set = TagSet(labels, scheme)
    for length in range(40):
        spans = random_spans(rng, length, gap=1 if scheme == "IO" else 0)
        ids = tag_set.encode(spans, length)
        assert [labels[n] for n in ids] == tags.tags_of(spans, length, scheme)
        assert tag_set.decode(ids) == spans


def test_io_takes_touching_spans_of_a_type_for_one() -> None:
    tag_set = TagSet(labels_for(TYPES, "IO"), "IO")
    ids = tag_set.encode([(0, 1, "PER"), (1, 3, "PER"), (3, 4, "LOC")], 5)
    assert tag_set.decode(ids) == [(0, 3, "PER"), (3, 4, "LOC")]


def test_parts_of_speech_are_words_each() -> None:
    labels = labels_for(["ADJ", "NOUN"], "POS")
    assert labels == ("ADJ", "NOUN")
    tag_set = TagSet(labels, "POS")
    ids = tag_set.encode([(0, 1, "NOUN"), (1, 2, "NOUN"), (3, 5, "ADJ")], 5)
    assert ids.tolist() == [1, 1, IGNORED, 0, 0]
    assert tag_set.decode(np.array([1, 1, 0])) == [(0, 1, "NOUN"), (1, 2, "NOUN"), (2, 3, "ADJ")]


def test_where_no_span_begins() -> None:
    tag_set = TagSet(("A", "B"), "POS")
    assert tag_set.decode(np.array([0, 0, 1]), np.array([False, True, False])) == [(0, 2, "A"), (2, 3, "B")]


def test_labels_of_types() -> None:
    assert labels_for(["A", "B"], "BIO") == ("O", "B-A", "I-A", "B-B", "I-B")
    assert labels_for(["A"], "IO") == ("O", "I-A")
    assert labels_for(["A"], "IOBES") == ("O", "B-A", "I-A", "E-A", "S-A")
    assert labels_for(["A"], "BMES") == ("O", "B-A", "M-A", "E-A", "S-A")


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (["O", "I-PER", "I-LOC"], "IO"),
        (["O", "B-PER", "I-PER"], "BIO"),
        (["B-PER", "I-PER", "O", "E-PER", "S-PER"], "IOBES"),
        (["O", "S-PER", "I-PER"], "IOBES"),
        (["B-PER", "M-PER", "E-PER", "S-PER", "O"], "BMES"),
        (["O", "PER", "LOC"], "IO"),
        (["NOUN", "VERB", "X"], "POS"),
    ],
)
def test_the_scheme_of_a_checkpoints_labels(labels: list[str], scheme: str) -> None:
    assert guess_scheme(labels) == scheme
    tag_set = TagSet(labels, scheme)
    for kind in tag_set.types:
        assert tag_set.decode(tag_set.encode([(0, 1, kind)], 1)) == [(0, 1, kind)]  # though tags may be missing


def test_labels_of_no_scheme() -> None:
    with pytest.raises(ConfigError, match=r"schemes IO, BIO, IOBES, BMES, POS; found O, X-PER"):
        guess_scheme(["O", "X-PER"])
    with pytest.raises(ConfigError, match=r"scheme BIO, such as O, B-PER, I-PER; received 'LOC'\. Leave labels out"):
        TagSet(["O", "LOC"], "BIO")
    with pytest.raises(ConfigError, match="received 'E-LOC'"):
        TagSet(["O", "E-LOC"], "BIO")
