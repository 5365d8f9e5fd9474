"""The `README.md` of an export in Hugging Face's format: what the model is, how to use it, how it was made."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.family import ARCHITECTURES
from tftransfer.export.hub_layout import Dense, Layout

__all__ = ["model_card"]

_TRANSFORMERS = """\
```python
import torch
from transformers import {model}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("DIRECTORY")
model = {model}.from_pretrained("DIRECTORY")
inputs = tokenizer(["I would buy it again."], padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    outputs = model(**inputs)
```
"""
_SENTENCE_TRANSFORMERS = """\
```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("DIRECTORY")
logits = model.encode(["I would buy it again."])
labels = [model[0].auto_model.config.id2label[n] for n in logits.argmax(axis=-1).tolist()]
```

The head is in `{modules}`: linear layers of PyTorch behind the pooling of `1_Pooling`, which end in logits. A softmax
makes them probabilities{divided}.
"""
_VECTORS = """\
```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("DIRECTORY")
vectors = model.encode(["I would buy it again.", "I am glad that I bought it."])
similarity = vectors[0] @ vectors[1]
```

The vectors have the length 1.
"""
_TFTRANSFER = """\
```python
import tftransfer

model = tftransfer.build("DIRECTORY", tftransfer.tasks.{task}())
```
"""
_BACKBONE = """\
```python
import tftransfer

backbone = tftransfer.Backbone.from_pretrained("DIRECTORY")  # the encoder alone, as a keras.Model
```
"""


def model_card(model: Any, layout: Layout, run: Mapping[str, Any] | None = None) -> str:
    """Returns the content of `README.md`, with YAML front matter.

    Args:
        model: TransferModel.
        layout: Layout.
        run: dict. Of a run: `config` as resolved, `data` (its files with fingerprints) and `metrics` by split. Defaults
            to None: the model does not come from a run directory.
    """
    kind = "similarity" if layout.gives_vectors else _words(model.task.head_kind)
    base, labels = _hub_name(model.checkpoint), model.task.head_labels
    origin = f"[{base}](https://huggingface.co/{base})" if base else "A pretrained model"
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(model, layout, run or {}), sort_keys=False, allow_unicode=True)}---",
        f"# {(base or model.checkpoint.family.architecture).rpartition('/')[2]} for {kind or 'features'}",
        f"{origin}, fine-tuned with tftransfer on TensorFlow and Keras. The weights are float32.",
        *([f"Labels: {', '.join(f'`{label}`' for label in labels)}."] if labels else []),
        f"Texts were cut after {model.max_length} tokens. {_typed(model)}",
        "## How to use it\n\nDIRECTORY is this directory, or its name on the Hub.\n",
        *_snippets(model, layout),
        *_training(run or {}),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _typed(model: Any) -> str:
    if model.task.head_kind == "masked_lm":
        return "A special token typed in a text is the special token; in training it was ordinary text."
    return "A special token typed in a text is ordinary text, as in training (`split_special_tokens`)."


def _snippets(model: Any, layout: Layout) -> list[str]:
    linear = [f"{n}_Dense" for n, module in enumerate(layout.modules, start=2) if isinstance(module, Dense)]
    if layout.pooling and not layout.gives_vectors:
        temperature = getattr(model.task, "temperature", 1.0)
        divided = "" if temperature in (1.0, "tuned") else f" once they are divided by {temperature:g}"
        return [_SENTENCE_TRANSFORMERS.format(modules="`, `".join(linear), divided=divided), _BACKBONE]
    # Of modules tftransfer reads the pooling alone.
    again = layout.kind or (layout.gives_vectors and not linear)
    own = _TFTRANSFER.format(task=type(model.task).__name__) if again else _BACKBONE
    if layout.gives_vectors:
        return [_VECTORS, own]
    ending = ARCHITECTURES[layout.kind].removeprefix("Model")
    return [_TRANSFORMERS.format(model=f"AutoModel{ending}"), own]


def _words(kind: str) -> str:
    return kind.replace("_lm", "_words").replace("_", " ")


# === Front matter ===


def _front_matter(model: Any, layout: Layout, run: Mapping[str, Any]) -> dict[str, Any]:
    card, kind = _card_of(model.checkpoint), model.task.head_kind
    pipelines = {"sequence_classification": "text-classification", "masked_lm": "fill-mask"}
    pipeline = "sentence-similarity" if layout.gives_vectors else pipelines.get(kind, kind.replace("_", "-"))
    content = {
        "library_name": "sentence-transformers" if layout.pooling else "transformers",
        # The Hub runs a pipeline on what a class of transformers holds, and on vectors.
        "pipeline_tag": pipeline if layout.kind or layout.gives_vectors else None,
        "base_model": _hub_name(model.checkpoint),
        "license": card.get("license") or _known_licence(model.checkpoint),
        "language": card.get("language"),
        "tags": ["tftransfer", *([pipeline] if pipeline else [])],
        "model-index": _model_index(model, pipeline, run),
    }
    return {key: value for key, value in content.items() if value}


def _hub_name(checkpoint: Checkpoint) -> str:
    """Returns the checkpoint's name on the Hub, "" for a local directory."""
    is_name = re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", checkpoint.name) and not Path(checkpoint.name).exists()
    return checkpoint.name if is_name else ""


def _card_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Returns the front matter of the checkpoint's own card; {} if it has none that can be read."""
    path = checkpoint.directory / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    try:
        content = yaml.safe_load(match.group(1)) if match else {}
    except yaml.YAMLError:  # a card is prose; it is no reason not to export
        return {}
    return content if isinstance(content, dict) else {}


def _known_licence(checkpoint: Checkpoint) -> str:
    licences = {known.name: known.licence.lower() for known in checkpoint.family.checkpoints}
    return licences.get(checkpoint.name, "").replace("not stated", "")


def _model_index(model: Any, pipeline: str, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    results = [
        {
            "task": {"type": pipeline or "feature-extraction"},
            # The data is the user's: it is named by its fingerprint, not by a place on the Hub.
            "dataset": {"name": Path(file["path"]).name, "type": file["fingerprint"], "split": split},
            "metrics": [{"type": name, "value": value} for name, value in _figures(metrics).items()],
        }
        for split, file, metrics in _judged(run)
    ]
    return [{"name": f"{model.checkpoint.family.architecture} by tftransfer", "results": results}] if results else []


# === Training ===


def _judged(run: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Returns (split, its entry in data.json, its metrics) of every split that was judged."""
    data, metrics = run.get("data", {}), run.get("metrics", {})
    return [
        (split, data[split], metrics[split]) for split in ("validation", "test") if {split} <= set(data) & set(metrics)
    ]


def _figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def _training(run: Mapping[str, Any]) -> list[str]:
    """Returns the sections about a run; none if there is no run."""
    if not run:
        return []
    config = run["config"]
    files = [(name, file) for name, file in run["data"].items() if isinstance(file, Mapping)]
    rows = [[n, Path(f["path"]).name, f"{f['examples']:,}", f"`{f['fingerprint']}`"] for n, f in files]
    numbers = {"strategy": config["strategy"], **config["training"], "best epoch": run["metrics"].get("best_epoch")}
    results = [
        [split, name, f"{value:.4f}"] for split, _, found in _judged(run) for name, value in _figures(found).items()
    ]
    return [
        "## Training",
        _table(["", ""], [[name, f"`{value}`"] for name, value in numbers.items() if value is not None]),
        _table(["data", "file", "examples", "fingerprint"], rows),
        *(["## Results", _table(["data", "metric", "value"], results)] if results else []),
    ]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
