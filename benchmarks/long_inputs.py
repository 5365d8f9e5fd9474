"""Measures a training step of attention on long rows: in a window against whole rows, time and memory.

One step is forward and backward through two attention layers without projections, in a `tf.function`. Each
measurement is a process of its own, whose peak memory is counted above what the process holds before the step is
traced. One line of JSON a measurement is appended to the results file; what already stands there is not measured
again, so the script can be stopped and started again.

    python benchmarks/long_inputs.py
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tftransfer.evaluation.tables import table

LENGTHS = [512, 1024, 2048, 4096, 8192]
KINDS = ["local", "full"]
KEY = ("kind", "length", "window", "batch_size", "heads", "head_size")


def training_step(kind: str, window: int, layers: int = 2) -> Callable[..., Any]:
    """Returns a function of query, key, value and attention mask that returns the gradients of the first three."""
    import tensorflow as tf

    from tftransfer.backbones.layers.attention import attention_bias
    from tftransfer.backbones.layers.local_attention import local_attention

    def full_attention(query: Any, key: Any, value: Any, mask: Any) -> Any:
        scores = tf.matmul(query, key, transpose_b=True) + attention_bias(mask)
        return tf.matmul(tf.nn.softmax(scores), value)

    def step(query: Any, key: Any, value: Any, mask: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch((query, key, value))
            hidden = query
            for _ in range(layers):
                if kind == "local":
                    hidden = local_attention(hidden, key, value, mask, window)
                else:
                    hidden = full_attention(hidden, key, value, mask)
            loss = tf.reduce_mean(hidden**2)
        return tape.gradient(loss, (query, key, value))

    return tf.function(step)


def peak_megabytes() -> float:
    """Returns the most memory this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def measure(kind: str, length: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measures in this process; the first call, which traces, is not timed."""
    import tensorflow as tf

    shape = (options.batch_size, options.heads, length, options.head_size)
    tensors = [tf.random.stateless_normal(shape, (0, seed)) * options.head_size**-0.25 for seed in range(3)]
    mask = tf.ones((options.batch_size, length), "int32")
    step, before, seconds = training_step(kind, options.window), peak_megabytes(), []
    step(*tensors, mask)
    for _ in range(3):
        start = time.perf_counter()
        for gradient in step(*tensors, mask):
            gradient.numpy()  # waits for the result
        seconds.append(time.perf_counter() - start)
    return {
        **{name: getattr(options, name) for name in KEY if hasattr(options, name)},
        "kind": kind,
        "length": length,
        "seconds": round(statistics.median(seconds), 4),
        "megabytes": round(peak_megabytes() - before),
    }


def measure_apart(kind: str, length: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measures in a fresh process: a process's peak memory never sinks."""
    numbers = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in KEY if hasattr(options, name)]
    command = [sys.executable, __file__, "--one", kind, str(length), *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:  # out of memory, mostly: -9
        tail = done.stderr.strip().splitlines()[-1:]
        raise SystemExit(f"Measuring {kind} attention of {length} tokens failed ({done.returncode}): {tail}")
    return json.loads(done.stdout)


def show(records: list[dict[str, Any]]) -> str:
    """Returns a table with a row for each length and both kinds of attention side by side."""
    found = {(record["kind"], record["length"]): record for record in records}
    rows = []
    for length in sorted({length for _, length in found}):
        pair = [found.get((kind, length)) for kind in KINDS]
        cells = [str(length)]
        for name, form in (("seconds", "{:.3f}"), ("megabytes", "{:,.0f}")):
            cells += [form.format(record[name]) if record else "-" for record in pair]
            both = pair[0] and pair[1] and pair[0][name]
            cells.append(f"{pair[1][name] / pair[0][name]:.1f}" if both else "-")
        rows.append(cells)
    return table(["tokens", "local s", "full s", "ratio", "local MB", "full MB", "ratio"], rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--window", type=int, default=256, help="tokens seen on either side")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--head-size", type=int, default=64)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/long_inputs.jsonl"))
    parser.add_argument("--json", action="store_true", help="print the records as one JSON list instead of a table")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "LENGTH"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]), options)))
        return
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = {tuple(record[k] for k in KEY): record for record in map(json.loads, lines)}
    records = []
    for length in options.lengths:
        for kind in KINDS:
            key = (kind, length, options.window, options.batch_size, options.heads, options.head_size)
            if key not in done:
                done[key] = measure_apart(kind, length, options)
                with options.results.open("a") as out:
                    out.write(json.dumps(done[key]) + "\n")
                print(json.dumps(done[key]), file=sys.stderr, flush=True)
            records.append(done[key])
    print(json.dumps(records) if options.json else show(records))


if __name__ == "__main__":
    main()
