"""What all tests share: a quiet TensorFlow on the CPU, and tiny checkpoints to read."""

import json
import os
import string
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Before TensorFlow or PyTorch loads, which read these once.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
for _threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_threads, "2")

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import safetensors.numpy  # noqa: E402

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("default")

_SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_WORDS = """
a about account after again all am an and any are arrived as at back bad be because been before bill blue book box
broken but buy by bye call can cancel card change charged chair city code color come could cup damaged day days delay
delivered delivery did do does door down email error even ever every film first five for four found friend from get
give go good great had hand has have he hello help her here his hot hour how i if in is it its item just key know lamp
large last late like little long look lost love made make many may me message missing money month more most much must
my name need never new no not nothing now of off old on one only open or order other our out over pack paid parcel
password pay phone please price product question quite rather really red refund return right said same say second see
send sent she ship shipping should size small so some still stop store such table take tell than thank that the their
them then there they thing think this three time to today too two under until up us very wait want was watch way we
week well were what when where which while white who why will wish with work would wrong year yes yet you your
""".split()  # noqa: SIM905 - a list of 250 strings is no easier to read
_ENDINGS = ["##able", "##ed", "##en", "##er", "##es", "##est", "##ful", "##ing", "##ion", "##less", "##ly", "##ment"]


def _vocabulary() -> list[str]:
    singles = string.ascii_lowercase + string.digits
    pieces = [*_SPECIAL_TOKENS, *singles, *string.punctuation, *(f"##{c}" for c in singles), *_WORDS, *_ENDINGS]
    return list(dict.fromkeys(pieces))


CONFIG: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": len(_vocabulary()),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "pad_token_id": 0,
}


def _shapes(config: Mapping[str, Any], pooler: bool) -> dict[str, tuple[int, ...]]:
    """Returns the tensors of a `BertModel`, as transformers names and stores them: linear weights are `[out, in]`."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
    }
    norms, linears = ["embeddings.LayerNorm"], {}
    for n in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{n}"
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            linears[f"{layer}.{name}"] = (hidden, hidden)
        linears[f"{layer}.intermediate.dense"] = (inner, hidden)
        linears[f"{layer}.output.dense"] = (hidden, inner)
    if pooler:
        linears["pooler.dense"] = (hidden, hidden)
    for name, shape in {**dict.fromkeys(norms, (hidden,)), **linears}.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _tensors(config: Mapping[str, Any], pooler: bool, seed: int) -> dict[str, np.ndarray]:
    """Returns random float32 weights large enough that hidden states have a standard deviation of about 1."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in _shapes(config, pooler).items():
        values = rng.normal(size=shape)
        if name.endswith("LayerNorm.weight"):
            values = 1 + 0.1 * values
        elif len(shape) == 1:
            values *= 0.1
        elif not name.startswith("embeddings."):
            values *= shape[1] ** -0.5
        tensors[name] = values.astype("float32")
    return tensors


def write_checkpoint(
    directory: Path,
    config: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray | None] | None = None,
    *,
    prefix: str = "",
    pooler: bool = True,
    seed: int = 0,
) -> None:
    """Writes a BERT checkpoint without PyTorch.

    Args:
        directory: Path. Made.
        config: dict. Keys of `config.json` to set, before the weights are made. Defaults to None.
        tensors: dict. Tensors to add or replace by their names in the file; None takes one out. Defaults to None.
        prefix: str. Put before the names of the encoder's tensors, as task classes do. Defaults to "".
        pooler: bool. Whether there is a pooler. Defaults to True.
        seed: int. Of the weights. Defaults to 0.
    """
    full = {**CONFIG, **(config or {})}
    named = {f"{prefix}{name}": array for name, array in _tensors(full, pooler, seed).items()} | dict(tensors or {})
    kept = {name: array for name, array in named.items() if array is not None}
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(full, indent=2), encoding="utf-8")
    safetensors.numpy.save_file(kept, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "vocab.txt").write_text("\n".join(_vocabulary()) + "\n", encoding="utf-8")
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 64}
    names = {"pad_token": 0, "unk_token": 1, "cls_token": 2, "sep_token": 3, "mask_token": 4}
    tokenizer |= {name: _SPECIAL_TOKENS[i] for name, i in names.items()}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2), encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Has everything that the tests read and tokenize kept in a folder of theirs, and never in the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TFTRANSFER_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a BERT checkpoint in a new directory; the arguments are those of `write_checkpoint`."""

    def make(*args: Any, **options: Any) -> Path:
        directory = tmp_path_factory.mktemp("checkpoints") / "bert"
        write_checkpoint(directory, *args, **options)
        return directory

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """A BERT of 2 layers, 32 wide, with a pooler and a small English vocabulary; do not write into it."""
    return make_checkpoint()
