"""Will a stock server load the artefact, and answer it safely? Read from the file, before any server does."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tftransfer.errors import ExportError
from tftransfer.export.server_ops import OLDEST_SERVER, minimum_server, refusal, version_key
from tftransfer.export.wire import message_class

__all__ = ["LintReport", "lint"]

# The names that Keras and TensorFlow make up; they change from one process to the next, and break clients.
_MADE_UP = re.compile(r"(keras_tensor|output|input|inputs|args|unnamed)(_\d+)*")


@dataclasses.dataclass(frozen=True)
class LintReport:
    """What a SavedModel asks of its server.

    Args:
        ops: tuple of str. Names of all ops in the graph and its functions, sorted.
        minimum_server: str. The oldest TF Serving that has them, such as "2.12".
        tensorflow_version: str. The TensorFlow that wrote the artefact.
        signatures: dict. Signature -> "inputs" and "outputs" -> key -> dtype and shape, such as "string [None]".
    """

    ops: tuple[str, ...]
    minimum_server: str
    tensorflow_version: str
    signatures: dict[str, dict[str, dict[str, str]]]


def lint(
    directory: str | Path,
    *,
    server: str = OLDEST_SERVER,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> LintReport:
    """Checks the graph of a SavedModel against what a stock server has and survives.

    Args:
        directory: str or Path. Holds `saved_model.pb`.
        server: str. Version of TF Serving to check for. Defaults to "2.12".
        inputs: sequence of str. The input keys that `serving_default` must have. Defaults to None: any but made-up
            ones.
        outputs: sequence of str. The same for its output keys. Defaults to None.

    Returns:
        A `LintReport`.

    Raises:
        ExportError: with all the violations, if there are any.
    """
    graph = _read(Path(directory) / "saved_model.pb")
    functions = {function.signature.name for function in graph.graph_def.library.function}
    answering, every = _ops_of_answers(graph), {node.op for node in _all_nodes(graph)} - functions
    problems = [
        f"op {op}: {reason}" for op in sorted(every) if (reason := refusal(op, server, restoring=op not in answering))
    ]
    problems += _compiled(graph)
    signatures = {n: s for n, s in sorted(graph.signature_def.items()) if not n.startswith("__saved_model")}
    for name, signature in signatures.items():
        problems += [f"signature {name}: {problem}" for problem in _signature_problems(signature)]
    problems += _wrong_keys(signatures.get("serving_default"), inputs, outputs)
    if problems:
        raise ExportError(
            f"{directory}: expected a SavedModel that TF Serving {server} can load and answer, found:\n  "
            + "\n  ".join(problems)
        )
    return LintReport(
        ops=tuple(sorted(every)),
        minimum_server=max(map(minimum_server, every), key=version_key, default=OLDEST_SERVER),
        tensorflow_version=graph.meta_info_def.tensorflow_version,
        signatures={name: _described(signature) for name, signature in signatures.items()},
    )


def _read(path: Path) -> Any:
    """Returns the `MetaGraphDef` tagged for serving."""
    if not path.is_file():
        raise ExportError(f"{path}: expected a SavedModel, found no such file. Give the folder that holds it.")
    # SavedModel itself is not in TensorFlow's public API; its parts are.
    saved = message_class("SavedModel", {"SavedModel": {"meta_graphs": (2, "repeated bytes")}}).FromString(
        path.read_bytes()
    )
    for content in saved.meta_graphs:
        graph = tf.compat.v1.MetaGraphDef.FromString(content)
        if tf.saved_model.SERVING in graph.meta_info_def.tags:
            return graph
    raise ExportError(f"{path}: expected a graph tagged '{tf.saved_model.SERVING}', found none.")


def _all_nodes(graph: Any) -> Iterator[Any]:
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def _ops_of_answers(graph: Any) -> set[str]:
    """Returns the ops that a request, or the loading of tables, can reach; what is left restores variables."""
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {function.signature.name: function.node_def for function in graph.graph_def.library.function}
    waiting = [tensor.name for signature in graph.signature_def.values() for tensor in signature.outputs.values()]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop().lstrip("^").split(":")[0]
        if name in nodes and name not in reached:
            reached.add(name)
            waiting += nodes[name].input
    found = [nodes[name] for name in reached]
    called: set[str] = set()
    for node in found:  # which grows meanwhile
        for name in set(_called(node)) & functions.keys() - called:
            called.add(name)
            found += functions[name]
    return {node.op for node in found}


def _called(node: Any) -> Iterator[str]:
    yield node.op  # a function may be called by its name
    for value in node.attr.values():
        yield value.func.name
        yield from (function.name for function in value.list.func)


def _compiled(graph: Any) -> list[str]:
    holders = [*((f.signature.name, f.attr) for f in graph.graph_def.library.function)]
    holders += [(node.name, node.attr) for node in _all_nodes(graph)]
    names = sorted({name for name, attr in holders if "_XlaMustCompile" in attr and attr["_XlaMustCompile"].b})
    reason = "must be compiled by XLA, which a server switches off; write it without jit_compile=True"
    return [f"function {name}: {reason}" for name in names]


def _signature_problems(signature: Any) -> Iterator[str]:
    for side, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for key, info in sorted(tensors.items()):
            if _MADE_UP.fullmatch(key):
                yield f"{side} '{key}' is a made-up name; name it"
            sizes = [dim.size for dim in info.tensor_shape.dim]
            if not info.tensor_shape.unknown_rank and sizes[:1] != [-1]:
                yield f"{side} '{key}': expected a first dimension of unknown size, the batch; found shape {sizes}"
            elif side == "input" and info.tensor_shape.unknown_rank:
                yield f"input '{key}': expected a known rank; a server does not check it, and the graph's ops may crash"


def _wrong_keys(signature: Any, inputs: Iterable[str] | None, outputs: Iterable[str] | None) -> Iterator[str]:
    if signature is None:
        yield "no signature 'serving_default', which is what a server answers with"
        return
    for side, wanted, found in (("input", inputs, signature.inputs), ("output", outputs, signature.outputs)):
        if wanted is not None and set(wanted) != set(found):
            yield f"signature serving_default: expected the {side} keys {sorted(wanted)}, found {sorted(found)}"


def _described(signature: Any) -> dict[str, dict[str, str]]:
    return {
        side: {
            key: f"{tf.as_dtype(info.dtype).name} {_shape(info.tensor_shape)}" for key, info in sorted(tensors.items())
        }
        for side, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs))
    }


def _shape(shape: Any) -> str:
    return "of any rank" if shape.unknown_rank else str([None if d.size < 0 else d.size for d in shape.dim])
