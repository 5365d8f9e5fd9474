"""Texts that are hardly texts, or came to harm on their way."""

import collections
import dataclasses
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.inspection.check import Check, Finding, Record, Section, percent
from tftransfer.inspection.corpus import Corpus, Part

__all__ = ["OddRows"]

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_STRAY = "\u200b\u2060\ufeff\u00ad"  # without the joiners that emoji and some scripts are written with
# What UTF-8 looks like when it was read as Latin-1 or Windows-1252, and the other way round by GBK.
_MISREAD = re.compile("[ÃÂ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â[€\x80].|ð[Ÿ\x9f]|锟斤拷")
_LETTERS = {"latin": "A-Za-zÀ-ɏ", "greek": "Ͱ-Ͽ", "cyrillic": "Ѐ-ӿ"}
_MIXED = re.compile("|".join(f"[{a}][{b}]" for a in _LETTERS.values() for b in _LETTERS.values() if a != b))

_KINDS: dict[str, Callable[[str], object]] = {
    "nothing visible": lambda text: not text.strip(f"{_INVISIBLE} \t\r\n"),
    "no letter": lambda text: not any(map(str.isalpha, text)),
    "control characters": re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]").search,
    "replacement character": re.compile("\ufffd").search,
    "misread UTF-8": lambda text: not text.isascii() and _MISREAD.search(text),
    "invisible characters": lambda text: not text.isascii() and re.search(f"[{_STRAY}]", text),
    "scripts mixed in a word": lambda text: not text.isascii() and _MIXED.search(text),
    "HTML": re.compile(r"</?[a-zA-Z][^<>]{0,200}>|&(?:#\d+|#x[\da-fA-F]+|[a-z]{2,8});").search,
    "web address": re.compile(r"https?://|www\.\w").search,
}
_DAMAGED = {"nothing visible", "control characters", "replacement character", "misread UTF-8"}


@registry.checks.register("odd_rows")
@dataclasses.dataclass(frozen=True)
class OddRows(Check):
    """Texts without letters, with damaged characters or markup, or far longer than the others; and their scripts.

    Args:
        times: int. A text is very long with so many times the median of the tokens. Defaults to 20.
        share: float. The share of texts with markup from which on that is worth a note. Defaults to 0.01.
        listed: int. Examples that are listed of each kind. Defaults to 3.
    """

    place: ClassVar[int] = 7
    ids: ClassVar[Sequence[str]] = ("odd_rows",)

    times: int = 20
    share: float = 0.01
    listed: int = 3

    def __call__(self, corpus: Corpus) -> Section:
        found = {name: self._found(part) for name, part in corpus.parts.items()}
        kinds = [kind for kind in (*_KINDS, "very long") if any(rows[kind] for rows in found.values())]
        records: list[dict[str, Any]] = [
            {"kind": kind}
            | {name: len(rows[kind]) for name, rows in found.items()}
            | {"share": _share(corpus, [rows[kind] for rows in found.values()])}
            for kind in kinds
        ]
        examples = [
            {"kind": kind, "text": _visible(part.shown(row)), "where": part.examples.where(row)}
            for kind in kinds
            for name, part in corpus.parts.items()
            for row in found[name][kind][: self.listed]
        ]
        tables: dict[str, Sequence[Record]] = {
            "Rows with": records,
            "Such rows": examples,
            "Letters by script": _scripts(corpus),
        }
        return Section("Odd rows", tables, self._findings(records))

    def _found(self, part: Part) -> dict[str, list[int]]:
        """Returns the rows of each kind; a row is of a kind if one of its texts is."""
        found: dict[str, list[int]] = {kind: [] for kind in _KINDS}
        for row, texts in enumerate(part.each()):
            for kind, matches in _KINDS.items():
                if any(map(matches, texts)):
                    found[kind].append(row)
        long = np.flatnonzero(part.lengths > self.times * np.median(part.lengths)) // part.per_example
        return found | {"very long": np.unique(long).tolist()}

    def _findings(self, records: Sequence[Record]) -> list[Finding]:
        findings = []
        for record in records:
            text = f"{record['kind']}: {percent(record['share'])} of the rows."
            if record["kind"] in _DAMAGED:
                advice = "Read the source again in its own encoding, or take these rows out."
                findings.append(Finding("warning", self.ids, text, advice))
            elif record["share"] >= self.share:
                advice = "Clean them if your users' texts will have none."
                findings.append(Finding("note", self.ids, text, advice))
        return findings


def _share(corpus: Corpus, rows: Sequence[Sequence[int]]) -> float:
    return sum(map(len, rows)) / len(corpus.splits)


def _scripts(corpus: Corpus) -> list[Record]:
    """Returns the share of each script among the letters, by split; those of less than a thousandth are left out."""
    shares = {name: _script_shares(part) for name, part in corpus.parts.items()}
    scripts = dict.fromkeys(script for found in shares.values() for script in found)
    return [
        {"script": script} | {f"{name}_share": found.get(script, 0.0) for name, found in shares.items()}
        for script in scripts
        if max(found.get(script, 0.0) for found in shares.values()) >= 0.001
    ]


def _script_shares(part: Part) -> dict[str, float]:
    characters: collections.Counter[str] = collections.Counter()
    for role in part.roles:
        for text in part.examples.columns[role]:
            characters.update(text)
    scripts: collections.Counter[str] = collections.Counter()
    for character, count in characters.items():
        if character.isalpha():
            scripts[_script(character)] += count
    total = max(scripts.total(), 1)
    return {script: count / total for script, count in scripts.most_common()}


def _script(character: str) -> str:
    """Returns the script of a letter, which its name begins with."""
    words = unicodedata.name(character, "UNKNOWN").split()
    name = words[1] if words[0] in ("FULLWIDTH", "HALFWIDTH", "MODIFIER") and len(words) > 1 else words[0]
    return "Han" if name == "CJK" else name.capitalize()


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
