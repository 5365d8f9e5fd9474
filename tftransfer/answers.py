"""How near a given answer is to the right ones, as the official scripts of SQuAD and of CMRC 2018 judge it.

References: Rajpurkar et al., "Know What You Don't Know: Unanswerable Questions for SQuAD", 2018 (the second version's
script agrees with the first one's where every question has an answer); Cui et al., "A Span-Extraction Dataset for
Chinese Machine Reading Comprehension", 2019.
"""

import collections
import difflib
import re
import string
from collections.abc import Callable, Sequence

__all__ = ["exact_and_f1", "normalized", "segments", "words"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)

_REMOVED = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
"""What CMRC 2018 removes; the ellipsis and most ASCII marks stay."""

_SEGMENT = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+(?:[.,'][^\W\u4e00-\u9fa5]+)*|[^\w\s]")
"""A Chinese character, a word or number of other scripts, or a mark."""


def exact_and_f1(prediction: str, references: Sequence[str], characters: bool = False) -> tuple[float, float]:
    """Returns the exact match, 0 or 1, and the F1, 0 to 1, of an answer with the nearest of the right ones.

    Args:
        prediction: str. The answer, "" for none.
        references: Sequence of str. The right answers; none at all for a question that the text does not answer.
        characters: bool. False for the rules of SQuAD: English words, without articles and punctuation, in any order.
            True for those of CMRC 2018: Chinese characters and the words between them, the longest run of them that
            both answers have. Default False.
    """
    pieces = segments if characters else words
    told = [reference for reference in references if pieces(reference)] or [""]
    clean = _stripped if characters else normalized
    exact = max(float(clean(prediction) == clean(reference)) for reference in told)
    common = _run if characters else _shared
    return exact, max(_f1(pieces(prediction), pieces(reference), common) for reference in told)


def normalized(text: str) -> str:
    """Returns an answer in lower case without ASCII punctuation, English articles and spare white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def words(text: str) -> list[str]:
    """Returns the words of an answer by the rules of SQuAD."""
    return normalized(text).split()


def segments(text: str) -> list[str]:
    """Returns the Chinese characters, words and numbers of an answer, in lower case and without most punctuation.

    Between Chinese characters the script of CMRC 2018 splits by NLTK's tokenizer, which this follows but for rare
    marks: of the 4,758 different answers of that corpus it splits 4,715 into the same pieces.
    """
    return _SEGMENT.findall(_stripped(text))


def _stripped(text: str) -> str:
    return text.lower().strip().translate(_REMOVED)


def _shared(given: Sequence[str], right: Sequence[str]) -> int:
    return (collections.Counter(given) & collections.Counter(right)).total()


def _run(given: Sequence[str], right: Sequence[str]) -> int:
    return difflib.SequenceMatcher(None, given, right, autojunk=False).find_longest_match().size


def _f1(given: Sequence[str], right: Sequence[str], common: Callable[[Sequence[str], Sequence[str]], int]) -> float:
    if not given or not right:
        return float(given == right)
    return 2 * common(given, right) / (len(given) + len(right))
