"""From the shell to the end of the first training step, and where the time goes; the second run of a config counts.

    python benchmarks/startup.py --data PATH/TO/CORPORA --checkpoint DIRECTORY_OR_NAME

A result is appended to the file of results: seconds, medians of `--repeats` turns of the commands.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from versus_trainer import machine

ROOT = Path(__file__).parents[1]


def seconds(command: list[str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "sst2.yaml")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/startup.jsonl"))
    options = parser.parse_args()
    tftransfer = [str(Path(sys.executable).with_name("tftransfer"))]
    overrides = [f"data.folder={options.data}", f"model.checkpoint={options.checkpoint}"]
    step = [*tftransfer, "fit", str(options.config), *overrides, "--dry-run", "--json"]
    seconds(step)  # the first run
    found: dict[str, list[float]] = {"python": [], "tensorflow": [], "imports": [], "total": [], "first_step": []}
    for _ in range(options.repeats):
        for name, code in (
            ("python", "pass"),
            ("tensorflow", "import tensorflow"),
            ("imports", "import tftransfer.experiment"),
        ):
            found[name].append(seconds([sys.executable, "-c", code])[0])
        total, output = seconds(step)
        found["total"].append(total)
        found["first_step"].append(json.loads(output)["first_step_seconds"])
    medians = {name: round(statistics.median(values), 2) for name, values in found.items()}
    medians["data_and_model"] = round(medians["total"] - medians["imports"] - medians["first_step"], 2)
    record = {"config": options.config.name, **medians, "machine": machine()}
    with options.results.open("a") as out:
        out.write(json.dumps(record) + "\n")
    print(json.dumps(record))


if __name__ == "__main__":
    main()
