"""An inspection as one HTML page that needs nothing beside it."""

import base64
import html
from collections.abc import Sequence

from tftransfer.evaluation.tables import words
from tftransfer.inspection.check import Finding, Record, Section
from tftransfer.inspection.inspection import Inspection
from tftransfer.inspection.text import shown

__all__ = ["page"]

_ROWS = 200

_STYLE = """
:root { color-scheme: light dark; --line: #d8dce2; --soft: #f4f6f8;
  --error: #c62828; --warning: #b26a00; --note: #4a6785; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4048; --soft: #23272d; --error: #ff8a80; --warning: #ffb74d; --note: #9fc0e0; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); } h3 { font-size: 1rem; }
nav a { margin-right: 1rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.87rem; }
th, td { text-align: left; padding: 0.25rem 0.75rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { background: var(--soft); white-space: nowrap; } td { overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.finding { border-left: 4px solid; padding: 0.3rem 0.9rem; margin: 0.5rem 0; background: var(--soft); }
.finding b { text-transform: uppercase; font-size: 0.75rem; letter-spacing: 0.05em; }
.error { border-color: var(--error); } .error b { color: var(--error); }
.warning { border-color: var(--warning); } .warning b { color: var(--warning); }
.note { border-color: var(--note); } .note b { color: var(--note); }
figure { margin: 1rem 0; } img { max-width: 100%; background: white; border-radius: 6px; }
small, figcaption { opacity: 0.75; }
"""


def page(inspection: Inspection, title: str) -> str:
    """Returns the page; every text in it is escaped, and nothing is loaded from elsewhere.

    Args:
        inspection: Inspection.
        title: str. Its first line.
    """
    facts = " · ".join(f"{_safe(words(name))} {_safe(shown(name, value))}" for name, value in inspection.facts.items())
    links = "".join(f'<a href="#{name}">{_safe(part.title)}</a>' for name, part in inspection.sections.items())
    findings = "".join(map(_finding, inspection.findings)) or "<p>None.</p>"
    sections = "".join(_section(name, part) for name, part in inspection.sections.items())
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_safe(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{_safe(title)}</h1><p>{facts}</p><nav>{links}</nav>\n"
        f"<h2>Findings</h2>{findings}{sections}</body></html>\n"
    )


def _section(name: str, section: Section) -> str:
    tables = "".join(_table(caption, records) for caption, records in section.tables.items() if records)
    notes = "".join(f"<p><small>{_safe(note)}</small></p>" for note in section.notes)
    pictures = "".join(_picture(caption, draw()) for caption, draw in section.pictures.items())
    nothing = "" if tables or notes or pictures else "<p>Nothing.</p>"
    return f'<h2 id="{_safe(name)}">{_safe(section.title)}</h2>{tables}{pictures}{notes}{nothing}\n'


def _table(caption: str, records: Sequence[Record]) -> str:
    numeric = {n for n in records[0] if all(isinstance(r[n], int | float) for r in records)}
    marks = {name: ' class="number"' if name in numeric else "" for name in records[0]}
    head = "".join(f"<th{mark}>{_safe(words(name))}</th>" for name, mark in marks.items())
    rows = "".join(
        "<tr>"
        + "".join(f"<td{marks[name]}>{_safe(shown(name, value))}</td>" for name, value in record.items())
        + "</tr>"
        for record in records[:_ROWS]
    )
    more = f"<p><small>and {len(records) - _ROWS:,} more</small></p>" if len(records) > _ROWS else ""
    body = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return f"<h3>{_safe(caption)}</h3>{body}{more}"


def _picture(caption: str, png: bytes) -> str:
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<figure><img alt="{_safe(caption)}" src="{source}"><figcaption>{_safe(caption)}</figcaption></figure>'


def _finding(finding: Finding) -> str:
    ids = f"<small>[{_safe(', '.join(finding.ids))}]</small>"
    return (
        f'<div class="finding {finding.severity}"><b>{finding.severity}</b> {_safe(finding.text)}'
        f"<br>{_safe(finding.advice)} {ids}</div>"
    )


def _safe(text: str) -> str:
    # What no font shows, such as a control character, is no valid HTML either.
    clean = "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text)
    return html.escape(clean)
