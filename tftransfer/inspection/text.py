"""An inspection as text, for terminals."""

from typing import Any

from tftransfer.evaluation.tables import cell, table, words
from tftransfer.evaluation.ticks import shortened
from tftransfer.inspection.check import Section, percent
from tftransfer.inspection.inspection import Inspection

__all__ = ["shown", "text"]

_ROWS = 30
_WIDEST = 48  # terminal cells of a text; where it stands is never shortened


def text(inspection: Inspection) -> str:
    """Returns the tables of all sections, then what was found, the gravest last, where a terminal's reader looks."""
    facts = "\n".join(f"{words(name):<12}  {shown(name, value)}" for name, value in inspection.facts.items())
    sections = [_section(section) for section in inspection.sections.values()]
    return "\n\n".join([facts, *filter(None, sections), _findings(inspection)])


def shown(name: str, value: Any) -> str:
    """Returns a value of a table: what is called a share in percent."""
    if isinstance(value, float) and "share" in name:
        return percent(value)
    return f"{value:,.2f}" if isinstance(value, float) else cell(value)


def _section(section: Section) -> str:
    parts = []
    for caption, records in section.tables.items():
        if records:
            header = [words(name) for name in records[0]]
            rows = [[_cell(name, value) for name, value in record.items()] for record in records[:_ROWS]]
            more = f"\n... and {len(records) - _ROWS} more; --json has all" if len(records) > _ROWS else ""
            parts.append(f"{caption}\n{table(header, rows)}{more}")
    parts += section.notes
    return "\n\n".join([f"== {section.title} ==", *parts]) if parts else ""


def _findings(inspection: Inspection) -> str:
    found = inspection.findings[::-1]
    lines = [f"{f.severity:<7}  {f.text}\n{'':<7}  {f.advice} [{', '.join(f.ids)}]" for f in found]
    return "\n".join(["== Findings ==", "", *(lines or ["none"])])


def _cell(name: str, value: Any) -> str:
    text = shown(name, value)
    return text if name in ("where", "file") else shortened(text, _WIDEST)
