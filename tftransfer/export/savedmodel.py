"""A SavedModel that TF Serving answers raw strings with; it appears only once it is proven to answer like the model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tftransfer.errors import ConfigError
from tftransfer.export.lint import LintReport, lint
from tftransfer.export.served import Served, save
from tftransfer.export.verification import check_answers, check_tokens, tolerance_of
from tftransfer.export.version import write_version
from tftransfer.export.warmup import write_warmup
from tftransfer.tokenizers.in_graph import in_graph

__all__ = ["REPORT_FILE", "export"]

REPORT_FILE = "assets.extra/export_report.json"

_TEXTS = [
    "Thank you, it works.",
    "I have been waiting for two weeks; where is my parcel?",
    "Ça va être difficile à Zürich \u2013 déjà vu.",
    "\u4e16\u754c, \u043c\u0438\u0440, \u0639\u0627\u0644\u0645 \U0001f44d",
    "one\ntwo\tthree",
    "The parcel came late, and the box was damaged, but what was inside was as good as new. " * 20,
]


def export(
    model: Any,
    directory: str | Path,
    *,
    texts: Sequence[str] = (),
    text_pairs: Sequence[str] | None = None,
    pair: bool = False,
) -> Path:
    """Writes a SavedModel whose signature takes strings, as the next version in a directory that a server watches.

    The version appears under its name only after all checks: the tokenizer in the graph makes the tokens that the
    model was trained with; the graph holds nothing that a stock TF Serving 2.12 or later lacks; and a fresh process
    answers with the model's scores, within 1e-5 (5e-2 for a model in mixed bfloat16). What they found is in
    `assets.extra/export_report.json`.

    Args:
        model: TransferModel.
        directory: str or Path. Gets the folder `<n>`, where n is one more than the highest number there, or 1.
        texts: sequence of str. Texts of yours to compare both on. Defaults to (): a few that come with this library.
        text_pairs: sequence of str. Their second texts, for a model over pairs. Defaults to None.
        pair: bool. Whether the signature takes `text_pair` beside `text`, where the task can do with or without it.
            Defaults to False.

    Returns:
        The new version's folder.

    Raises:
        ConfigError: if `texts`, `text_pairs` and `pair` do not fit together.
        ExportError: if the model cannot be exported, or a check failed; then nothing is left behind.

    Example:

        >>> tftransfer.export(model, "saved_models/reviews", texts=["I would buy it again."])
        PosixPath('saved_models/reviews/1')
    """
    columns = _columns(texts, text_pairs, model.task.is_pair({"text": [], **({"text_pair": []} if pair else {})}))
    return write_version(directory, lambda partial: _build(model, partial, model.task.requests(columns)))


def _columns(texts: Sequence[str], pairs: Sequence[str] | None, pair: bool) -> dict[str, list[str]]:
    """Returns what to compare on: column -> texts, an empty one among them."""
    if isinstance(texts, str) or isinstance(pairs, str):
        raise ConfigError("texts and text_pairs: expected lists of strings; received one string. Put it into a list.")
    if (pairs is not None or bool(texts)) and (pairs is not None) != pair:
        raise ConfigError(
            f"Expected text_pairs if, and only if, pair=True; received pair={pair} "
            f"{'with' if pairs is not None else 'without'} text_pairs. Change one of the two."
        )
    if pairs is not None and len(pairs) != len(texts):
        raise ConfigError(f"Expected as many text_pairs as texts, {len(texts)}; received {len(pairs)}.")
    first = [*(texts or _TEXTS), ""]
    second = [*(pairs or reversed(_TEXTS)), ""]
    return {"text": first, "text_pair": second} if pair else {"text": first}


def _build(model: Any, directory: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """Writes the version and checks it."""
    keys = model.task.input_keys[: len(columns)]
    in_rows = model.task.texts(columns)
    tokenizer = in_graph(model.tokenizer, model.max_length, in_rows.second is not None, options=model.task.row_options)
    compared = check_tokens(model, tokenizer, in_rows)
    outputs = save(Served(model, tokenizer, keys), directory, model.task.labels)
    write_warmup(directory, keys)
    linted = lint(directory, inputs=keys, outputs=outputs)
    tolerance = tolerance_of(model)
    difference = check_answers(model, directory, columns, tolerance)
    figures = {
        "max_score_difference": difference,
        "score_tolerance": tolerance,
        "scores_compared_on": len(columns["text"]),
        "tokens_compared_on": compared,
        "token_differences": 0,
        "max_length": model.max_length,
    }
    _write_report(directory, linted, figures)


def _write_report(directory: Path, linted: LintReport, figures: Mapping[str, Any]) -> None:
    report = {
        "minimum_server": linted.minimum_server,
        "tensorflow_version": linted.tensorflow_version,
        "signature": linted.signatures["serving_default"],
        **figures,
        "ops": linted.ops,
    }
    (directory / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
