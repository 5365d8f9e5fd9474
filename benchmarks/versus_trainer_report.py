"""Makes the table of `versus_trainer.py`'s results: medians, and ratios within one run.

python benchmarks/versus_trainer_report.py > benchmarks/results/versus_trainer.md
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

DEFAULTS = "trainer"
OURS = ("ours", "ours grouped", "ours padded")


def medians(records: list[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, float]]:
    """Returns the medians of (what, model, load, precision, side)."""
    groups = defaultdict(list)
    for record in records:
        speeds = {"examples": record["examples"] / record["seconds"], "peak_megabytes": record["peak_megabytes"]}
        groups[tuple(record[key] for key in ("what", "model", "load", "precision", "side"))].append(speeds)
    return {
        key: {name: statistics.median(g[name] for g in group) for name in group[0]} | {"runs": len(group)}
        for key, group in groups.items()
    }


def lines(found: dict[tuple[str, ...], dict[str, float]]) -> list[str]:
    """Returns the rows of the table."""
    rows = [
        "| what | model | data | precision | side | examples/s | x Trainer's defaults | x its best | peak MB | runs |",
        "|---|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for key in sorted(found):
        what, model, load, precision, side = key
        peers = {k[4]: v["examples"] for k, v in found.items() if k[:4] == key[:4] and k[4] not in OURS}
        # The defaults are float32, whatever the precision that is compared.
        base = found.get((what, model, load, "float32", DEFAULTS), {}).get("examples")
        speed = found[key]["examples"]
        ratios = [f"{speed / other:.2f}" if other else "" for other in (base, max(peers.values(), default=None))]
        cells = [what, model, load, precision, side, f"{speed:.1f}", *ratios]
        rows.append("| " + " | ".join([*cells, f"{found[key]['peak_megabytes']:.0f}", str(found[key]["runs"])]) + " |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/versus_trainer.jsonl"))
    records = [json.loads(line) for line in parser.parse_args().results.read_text().splitlines()]
    machines = sorted({record["machine"] for record in records})
    print(f"Machine: {'; '.join(machines)}. Medians; each run is a process of its own, and the sides take turns.\n")
    print("\n".join(lines(medians(records))))


if __name__ == "__main__":
    main()
