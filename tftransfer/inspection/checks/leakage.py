"""Signs that a text gives its label away."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.inspection import giveaways
from tftransfer.inspection.check import Check, Finding, Record, Section
from tftransfer.inspection.corpus import Corpus, normalized
from tftransfer.inspection.giveaways import Labelled, Told

__all__ = ["Leakage"]

_ADVICE = "If your users' texts have it as well it is no leak; else take it out."

Pairs = Mapping[tuple[int, int], Told]
Features = tuple[np.ndarray, np.ndarray]


@registry.checks.register("leakage")
@dataclasses.dataclass(frozen=True)
class Leakage(Check):
    """The label's own name in the text, and single tokens, first and last tokens and lengths that tell the label.

    What tells a label in the training data has to do so in every other split that has the label, or it is chance.
    Rows that are in several splits are leakage too; `exact_duplicates` finds them.

    Args:
        purity: float. The share of rows with a word that have the label, from which on the word tells it. Defaults to
            0.98.
        coverage: float. The share of a label's rows that have a word, from which on that is suspicious. Defaults to
            0.8.
        named: float. The same for the label's own name. Defaults to 0.2.
        solved: float. The share of the commonest label's mistakes that a rule such as "the first token" avoids, from
            which on it is suspicious. Defaults to 0.8.
        support: int. A word of fewer rows says nothing. Defaults to 10.
        shared: float. The share of the single texts of pairs that are in the training data too, from which on that is
            worth a warning. Defaults to 0.5.
        rows: int. Of more rows of a split than so many, those drawn at random. Defaults to 50000.
        listed: int. Words that are listed. Defaults to 20.
    """

    place: ClassVar[int] = 6
    ids: ClassVar[Sequence[str]] = ("leakage",)

    purity: float = 0.98
    coverage: float = 0.8
    named: float = 0.2
    solved: float = 0.8
    support: int = 10
    shared: float = 0.5
    rows: int = 50_000
    listed: int = 20

    def __call__(self, corpus: Corpus) -> Section:
        findings: list[Finding] = []
        tables: dict[str, Sequence[Record]] = {}
        splits = self._labelled(corpus)
        if splits:
            special = corpus.tokenizer.special_ids
            names = [giveaways.label_names(split) for split in splits.values()]
            tokens = [giveaways.single_tokens(split, special) for split in splits.values()]
            tables["Label names in the texts"] = self._names(splits, names, findings)
            tables["Single tokens"] = self._tokens(corpus, splits, tokens, findings)
            tables["Rules of one feature"] = self._rules(corpus, splits, findings)
        tables["Single texts that are in other splits"] = self._shared(corpus, findings)
        cut = [name for name, split in splits.items() if len(split.rows) < len(split.part)]
        notes = [f"Of {name} {self.rows:,} rows were drawn at random (leakage.rows)." for name in cut]
        return Section("Leakage", tables, findings, notes)

    def _labelled(self, corpus: Corpus) -> dict[str, Labelled]:
        """Returns the splits that have labels, the training data first; none if there are fewer than two labels."""
        parts = {name: part for name, part in corpus.parts.items() if part.answers.kind in ("label", "labels")}
        first = next(iter(parts.values()), None)
        names = sorted({x for row in range(len(first)) for x in first.answers.labels(row)}) if first else []
        return {name: giveaways.labelled(part, names, self.rows) for name, part in parts.items()} if names[1:] else {}

    def _suspicious(self, splits: Sequence[Labelled], tables: Sequence[Pairs], coverage: float) -> Pairs:
        """Returns what tells a label in all splits that have the label."""

        def tells(pair: tuple[int, int], split: Labelled, table: Pairs) -> bool:
            size = split.sizes[pair[1]]
            prior = size / max(len(split.rows), 1)
            found = table.get(pair)
            # Of a label that nearly all rows have, nearly every word is pure.
            limit = max(self.purity, 1 - (1 - prior) / 4)
            return not size or (found is not None and found.purity >= limit and found.coverage >= coverage)

        pairs = {pair: entry for pair, entry in tables[0].items() if entry.rows >= self.support}
        others = list(zip(splits, tables, strict=True))
        return {pair: entry for pair, entry in pairs.items() if all(tells(pair, *other) for other in others)}

    def _names(
        self, splits: Mapping[str, Labelled], pairs: Sequence[Features], findings: list[Finding]
    ) -> list[Record]:
        parts = list(splits.values())
        tables = [giveaways.told(split, *pair) for split, pair in zip(parts, pairs, strict=True)]
        own = [{pair: entry for pair, entry in table.items() if pair[0] == pair[1]} for table in tables]
        labels = parts[0].names
        for (label, _), entry in self._suspicious(parts, own, self.named).items():
            text = f"{_figures(entry, labels[label])} have the label's own name in their text."
            findings.append(Finding("warning", self.ids, text, _ADVICE))
        ranked = sorted(own[0].items(), key=lambda item: -item[1].coverage)[: self.listed]
        return [{"label": labels[label], **_record(entry)} for (label, _), entry in ranked]

    def _tokens(
        self, corpus: Corpus, splits: Mapping[str, Labelled], pairs: Sequence[Features], findings: list[Finding]
    ) -> list[Record]:
        parts = list(splits.values())
        tables = [giveaways.told(split, *pair) for split, pair in zip(parts, pairs, strict=True)]
        labels = parts[0].names
        for (token, label), entry in self._suspicious(parts, tables, self.coverage).items():
            text = f"{_figures(entry, labels[label])} have the token {corpus.tokenizer.decode_token(token)!r}."
            findings.append(Finding("warning", self.ids, text, _ADVICE))
        # Many rows, few others, and more of them than chance would give.
        enough = [item for item in tables[0].items() if item[1].rows >= self.support and item[1].lift > 1]
        ranked = sorted(enough, key=lambda item: -_weight(item[1]))[: self.listed]
        return [
            {"token": corpus.tokenizer.decode_token(token), "label": labels[label], **_record(entry)}
            for (token, label), entry in ranked
        ]

    def _rules(self, corpus: Corpus, splits: Mapping[str, Labelled], findings: list[Finding]) -> list[Record]:
        """Returns how far a label follows from one feature alone, where each row has one label."""
        if next(iter(splits.values())).part.answers.kind != "label":
            return []
        features = {name: _features(split, corpus) for name, split in splits.items()}
        train, *others = splits
        records: list[Record] = []
        for name in others or [train]:
            split = splits[name]
            base = float(np.mean(split.labels == splits[train].sizes.argmax())) if len(split.labels) else 0.0
            for rule in features[name]:
                values = {"train": features[train][rule], "other": features[name][rule]}
                right = giveaways.accuracy(splits[train], split, values, self.support)
                solved = (right - base) / (1 - base) if base < 1 else 0.0
                records.append({"rule": rule, "split": name, "right_share": right, "commonest_label_share": base})
                if solved >= self.solved:
                    text = f"The {rule} alone tells the label of {right:.1%} of {name}."
                    findings.append(Finding("warning", self.ids, text, _ADVICE))
        return records

    def _shared(self, corpus: Corpus, findings: list[Finding]) -> list[Record]:
        """Returns, for pairs, how many of the single texts of other splits are in the training data."""
        train, *others = corpus.parts.items()
        records: list[Record] = []
        for role in train[1].roles if len(train[1].roles) > 1 else []:
            known = set(map(normalized, train[1].examples.columns[role]))
            for name, part in others:
                if role not in part.roles:
                    continue
                texts = set(map(normalized, part.examples.columns[role]))
                share = len(texts & known) / len(texts)
                records.append({"split": name, "texts_of": role, "different": len(texts), "share_in_train": share})
                if share >= self.shared:
                    text = f"{share:.1%} of the different texts in {role} of {name} are in {train[0]} too."
                    advice = "Scores say little of new texts: split by text, not by pair."
                    findings.append(Finding("warning", self.ids, text, advice))
        return records


def _features(split: Labelled, corpus: Corpus) -> dict[str, np.ndarray]:
    """Returns what rules are made of: a number a row."""
    part = split.part
    first, last = giveaways.edge_tokens(split, corpus.tokenizer.special_ids)
    lengths = part.lengths.reshape(-1, part.per_example).sum(axis=1)[split.rows]
    return {"first token": first, "last token": last, "number of tokens": lengths}


def _weight(entry: Told) -> float:
    return entry.purity * entry.coverage * (1 - 1 / entry.lift)


def _figures(entry: Told, label: str) -> str:
    return f"{entry.coverage:.0%} of the rows with the label {label!r}, and few others (purity {entry.purity:.0%}),"


def _record(entry: Told) -> Record:
    return {"rows": entry.rows, "share_of_label": entry.coverage, "purity_share": entry.purity, "lift": entry.lift}
