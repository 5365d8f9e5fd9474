"""All checks over an experiment's data, and what they found."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tftransfer import config, registry
from tftransfer.errors import ConfigError
from tftransfer.inspection.check import SEVERITIES, Check, Finding, Section
from tftransfer.inspection.corpus import Corpus, read_corpus

__all__ = ["Inspection", "build_checks", "check_ids", "inspect", "known_ids"]


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What there is to know of an experiment's data.

    Args:
        facts: dict of str to str or number. What was inspected: checkpoint, tokenizer, task, max_length, batch_size.
        sections: dict of check to Section, in their order.
    """

    facts: Mapping[str, Any]
    sections: Mapping[str, Section]

    @property
    def findings(self) -> list[Finding]:
        """All findings, the gravest first."""
        found = [finding for section in self.sections.values() for finding in section.findings]
        return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))

    def failing(self, ids: Collection[str]) -> list[Finding]:
        """Returns the errors and warnings of these ids."""
        grave = [finding for finding in self.findings if finding.severity != "note"]
        return [finding for finding in grave if set(finding.ids) & set(ids)]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything but the pictures as plain data for JSON."""
        sections = {
            name: {"title": section.title, "tables": section.tables, "notes": list(section.notes)}
            for name, section in self.sections.items()
        }
        findings = [{**dataclasses.asdict(finding), "ids": list(finding.ids)} for finding in self.findings]
        return {"facts": dict(self.facts), "findings": findings, "sections": sections}


def known_ids() -> list[str]:
    """Returns all ids that findings may have, sorted."""
    return sorted({id for name in registry.checks.names() for id in registry.checks.get(name).ids})


def check_ids(ids: Collection[str]) -> None:
    """Raises ConfigError unless there are findings with each of these ids."""
    known = known_ids()
    for id in ids:
        if id not in known:
            hint = registry.suggest(id, known)
            raise ConfigError(f"Expected ids of findings, received '{id}'.{hint} Known: {', '.join(known)}.")


def build_checks(options: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Check]:
    """Returns all checks by name, in their order.

    Args:
        options: dict of check to its options. Defaults to None: all as they are.

    Raises:
        ConfigError: for an unknown check or option, or a wrong value.
    """
    for name in options or {}:
        registry.checks.get(name)
    checks = {name: registry.checks.build(name, (options or {}).get(name)) for name in registry.checks.names()}
    return dict(sorted(checks.items(), key=lambda item: item[1].place))


def inspect(
    experiment: config.Experiment,
    checks: Mapping[str, Check] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Inspection:
    """Looks at an experiment's data before anything is trained: no weights are read, and TensorFlow is not loaded.

    Args:
        experiment: Experiment. See `tftransfer.config.load`.
        checks: dict of str to Check. Defaults to None: all; see `build_checks`.
        tell: callable. Is told what is being done, a line at a time. Defaults to None.

    Returns:
        An `Inspection`.

    Raises:
        DataError: if a file cannot be read or has no good row.
        CheckpointError: if there is no such checkpoint.
        ConfigError: if `max_length` is beyond what the checkpoint takes.
    """
    tell = tell or (lambda line: None)
    tell("reading and tokenizing")
    corpus, sections = read_corpus(experiment), {}
    for name, check in (build_checks() if checks is None else checks).items():
        tell(name.replace("_", " "))
        sections[name] = check(corpus)
    return Inspection(_facts(corpus), sections)


def _facts(corpus: Corpus) -> dict[str, Any]:
    return {
        "checkpoint": corpus.checkpoint,
        "tokenizer": f"{corpus.tokenizer.kind}, {corpus.tokenizer.vocab_size:,} tokens",
        "task": corpus.task.name,
        "max_length": corpus.max_length,
        "batch_size": corpus.experiment.training.batch_size,
    }
