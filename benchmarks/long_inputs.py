"""Measures a training step of a small encoder on long rows: attention of long-text families against full attention.

One step is forward, backward and AdamW, with dropout, in a `tf.function` of static shapes. Each measurement is a
process of its own: the median of three steps after the first, by the clock and in processor time, which other work on
the machine disturbs less; and the peak memory above what the process holds before the step is traced: activations,
gradients and the optimizer's moments. One line of JSON a measurement is appended to the results file; what already
stands there is not measured again, so the script can be stopped and started again.

    python benchmarks/long_inputs.py
    python benchmarks/long_inputs.py --layers 12 --width 768 --heads 12 --kinds longformer --lengths 4096
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
# Kind of attention -> what its family's config has beside the sizes.
KINDS: dict[str, dict[str, Any]] = {
    "longformer": {"attention_window": None},
    "modernbert": {"local_attention": None},
    "big_bird": {},
    "full": {"attention_type": "original_full"},  # BigBird's other kind, which is BERT's
}
KEY = ("kind", "length", "layers", "width", "heads", "window", "batch_size")


def model_of(kind: str, length: int, options: argparse.Namespace) -> Any:
    """Returns a classifier over the first token of an encoder with that kind of attention."""
    import keras

    from tftransfer import registry
    from tftransfer.backbones.backbone import Backbone

    sizes = {
        "vocab_size": 1000,
        "hidden_size": options.width,
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.heads,
        "intermediate_size": 4 * options.width,
        "max_position_embeddings": length + 2,
    }
    windows = {key: 2 * options.window for key in KINDS[kind] if KINDS[kind][key] is None}
    dropouts = {"mlp_dropout": 0.1, "attention_dropout": 0.1} if kind == "modernbert" else {}
    family = registry.backbones.get("big_bird" if kind == "full" else kind)()
    config = family.config({**sizes, **KINDS[kind], **windows, **dropouts})
    backbone = Backbone.assemble(config, pooler=False, global_tokens="first")
    return keras.Model(backbone.input, keras.layers.Dense(2)(backbone.output["last_hidden_state"][:, 0]))


def training_step(model: Any) -> Callable[..., Any]:
    """Returns a function of the inputs that trains the model by a step and returns the loss."""
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.AdamW(1e-5)
    optimizer.build(model.trainable_variables)

    def step(inputs: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(inputs, training=True) ** 2)
        pairs = zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        optimizer.apply_gradients([(gradient, variable) for gradient, variable in pairs])
        return loss

    return tf.function(step)


def peak_megabytes() -> float:
    """Returns the most memory this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def measure(kind: str, length: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measures in this process; the first call, which traces, is not timed."""
    import tensorflow as tf

    shape = (options.batch_size, length)
    inputs = {name: tf.ones(shape, "int32") for name in ("attention_mask", "token_type_ids")}
    inputs["input_ids"] = tf.random.stateless_uniform(shape, (0, 0), 5, 1000, "int32")
    model, seconds, cpu_seconds = model_of(kind, length, options), list[float](), list[float]()
    before = peak_megabytes()
    step = training_step(model)
    step(inputs)
    for _ in range(3):
        start, cpu_start = time.perf_counter(), time.process_time()
        step(inputs).numpy()  # waits for the result
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return {
        **{name: getattr(options, name) for name in KEY if hasattr(options, name)},
        "kind": kind,
        "length": length,
        "seconds": round(statistics.median(seconds), 4),
        "cpu_seconds": round(statistics.median(cpu_seconds), 4),
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
    """Returns a table with a row for each length, and time and memory of each kind of attention."""
    found = {(record["kind"], record["length"]): record for record in records}
    kinds = [kind for kind in KINDS if any(kind == found_kind for found_kind, _ in found)]
    rows = []
    for length in sorted({length for _, length in found}):
        cells = [str(length)]
        for name, form in (("seconds", "{:.2f}"), ("cpu_seconds", "{:.2f}"), ("megabytes", "{:,.0f}")):
            measured = [found.get((kind, length)) for kind in kinds]
            cells += [form.format(record[name]) if record else "-" for record in measured]
        rows.append(cells)
    return table(["tokens", *(f"{kind} {unit}" for unit in ("s", "CPU s", "MB") for kind in kinds)], rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS], default=[*KINDS])
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--window", type=int, default=256, help="tokens seen on either side; BigBird has its blocks")
    parser.add_argument("--batch-size", type=int, default=1)
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
        for kind in options.kinds:
            key = (kind, length, *(getattr(options, name) for name in KEY[2:]))
            if key not in done:
                done[key] = measure_apart(kind, length, options)
                with options.results.open("a") as out:
                    out.write(json.dumps(done[key]) + "\n")
                print(json.dumps(done[key]), file=sys.stderr, flush=True)
            records.append(done[key])
    print(json.dumps(records) if options.json else show(records))


if __name__ == "__main__":
    main()
