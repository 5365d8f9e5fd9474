"""What tests of inspections ask of them."""

import json
from typing import Any

from tftransfer.inspection import Inspection


def table(found: Inspection, check: str, caption: str) -> list[dict[str, Any]]:
    """Returns the records of the table whose caption begins so, as JSON has them."""
    tables = json.loads(json.dumps(found.to_dict()))["sections"][check]["tables"]
    (records,) = [records for name, records in tables.items() if name.startswith(caption)]
    return records


def grave(found: Inspection, check: str) -> list[str]:
    """Returns the errors and warnings of a check."""
    return [finding.text for finding in found.sections[check].findings if finding.severity != "note"]
