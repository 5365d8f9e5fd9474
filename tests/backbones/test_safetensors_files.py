"""Safetensors files: what the reference library and PyTorch wrote reads alike, and no damaged header gets further."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.safetensors_files import INDEX, open_tensors, weight_files
from tftransfer.errors import CheckpointError

ARRAYS = {
    "matrix": np.arange(12, dtype="float32").reshape(3, 4),
    "half": np.linspace(-1, 1, 6).astype("float16").reshape(2, 3),
    "brain": np.linspace(-9, 9, 5).astype(ml_dtypes.bfloat16),
    "wide": np.array([1e300, -1.0]),
    "eight": np.array([0.5, -2.0], ml_dtypes.float8_e4m3fn),
    "scalar": np.array(7, "int64"),
    "none": np.zeros((0, 5), "uint8"),
    "flags": np.array([True, False, True]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    safetensors.numpy.save_file(ARRAYS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "model.safetensors"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_tensors(path)
    return str(caught.value)


def test_reads_what_the_reference_library_wrote(path: Path) -> None:
    tensors = open_tensors(path)
    with safetensors.safe_open(path, framework="np") as reference:
        assert set(tensors.keys()) == set(reference.keys()) == set(ARRAYS)
        for name in reference.keys():  # noqa: SIM118 - not a dict
            stored, theirs = tensors.get_slice(name), reference.get_slice(name)
            assert (stored.dtype, list(stored.shape)) == (theirs.get_dtype(), theirs.get_shape())
    for name, array in ARRAYS.items():
        read = tensors.get_tensor(name)
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        assert read.tobytes() == array.tobytes()


@pytest.mark.parametrize(("start", "stop"), [(1, 3), (0, 3), (2, 3), (1, 1)])
def test_rows(start: int, stop: int, path: Path) -> None:
    rows = open_tensors(path).get_slice("matrix").rows(start, stop)
    np.testing.assert_array_equal(rows.read(), ARRAYS["matrix"][start:stop])
    np.testing.assert_array_equal(rows.rows(0, stop - start).read(), ARRAYS["matrix"][start:stop])


def test_nothing_is_read_before_it_is_asked_for(path: Path) -> None:
    tensors = open_tensors(path)
    path.write_bytes(path.read_bytes()[:-90])
    assert tensors.get_slice("matrix").shape == (3, 4)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: became shorter while it was read"):
        for name in ARRAYS:
            tensors.get_tensor(name)


# --- Damaged headers ---


def write(path: Path, header: Any, data: bytes = bytes(24), length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(start: int = 0, stop: int = 24, shape: Any = (2, 3), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


DAMAGED: dict[str, tuple[Any, str]] = {
    "not JSON": (b"{nope}", "Expecting property name"),
    "not UTF-8": (b'{"\xff": 1}', "can't decode byte"),
    "nested too deeply": (b'{"a":' + b"[" * 100_000, "recursion"),
    "a list": ([1], "the header is a list, not an object"),
    "an entry that is none": ({"a": 3}, "expected 'a' to have dtype, shape and data_offsets"),
    "no offsets": ({"a": {"dtype": "F32", "shape": [6]}}, "expected 'a' to have dtype, shape and data_offsets"),
    "unknown dtype": ({"a": entry(dtype="F33")}, "the dtype of 'a' is 'F33'; known are BOOL, U8,"),
    "dtype that is none": ({"a": entry(dtype=["F32"])}, "the dtype of 'a' is ['F32']"),
    "negative shape": ({"a": entry(shape=[-2, -3])}, "the shape of 'a' is [-2, -3]"),
    "shape of fractions": ({"a": entry(shape=[2.0, 3])}, "the shape of 'a' is [2.0, 3]"),
    "shape of truths": ({"a": entry(stop=4, shape=[True])}, "the shape of 'a' is [True]"),
    "one offset": ({"a": entry() | {"data_offsets": [0]}}, "the data_offsets of 'a' is [0]"),
    "negative offset": ({"a": entry(start=-4, stop=20)}, "the data_offsets of 'a' is [-4, 20]"),
    "shape larger than data": ({"a": entry(shape=[2, 4])}, "expected 'a' at bytes 0 to 32 of the data, not 0 to 24"),
    "shape that overflows": ({"a": entry(shape=[2**62, 2**62])}, "expected 'a' at bytes 0 to "),
    "beyond the end": ({"a": entry(stop=48, shape=[4, 3])}, "tells of 48 bytes of data, the file holds 24"),
    "overlap": (
        {"a": entry(0, 16, [4]), "b": entry(12, 24, [3])},
        "expected 'b' at bytes 16 to 28 of the data, not 12 to",
    ),
    "hole": (
        {"a": entry(0, 8, [2]), "b": entry(12, 24, [3])},
        "expected 'b' at bytes 8 to 20 of the data, not 12 to 24",
    ),
    "rest": ({"a": entry(0, 8, [2])}, "tells of 8 bytes of data, the file holds 24"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_headers(kind: str, tmp_path: Path) -> None:
    header, reason = DAMAGED[kind]
    path = write(tmp_path / "model.safetensors", header)
    with pytest.raises(safetensors.SafetensorError):
        safetensors.numpy.load_file(path)
    message = refusal(path)
    assert message.startswith(f"{path}: expected a complete safetensors file, received {path.stat().st_size:,} bytes")
    assert reason in message
    assert message.endswith("fetch the file again.")


def test_a_tensor_named_twice(tmp_path: Path) -> None:
    twin = json.dumps(entry())
    header = f'{{"a": {twin}, "a": {twin}}}'.encode()
    assert "the header names something twice" in refusal(write(tmp_path / "x.safetensors", header))


@pytest.mark.parametrize("length", [0, 1, 10_000, 2**63])
def test_header_lengths_that_do_not_fit(length: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", {"a": entry()}, length=length)
    assert f"a header of {length:,} bytes does not fit into the file" in refusal(path)


def test_a_header_longer_than_the_library_allows(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", b"", b"", length=100_000_001)
    with path.open("r+b") as file:
        file.truncate(100_000_100)  # sparse
    with pytest.raises(safetensors.SafetensorError, match="(?i)header.*large"):
        safetensors.numpy.load_file(path)
    assert "is longer than the allowed 100,000,000" in refusal(path)


def test_a_git_lfs_pointer(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:53aa\nsize 90868376\n", encoding="utf-8")
    assert "a Git LFS pointer stands in its place; `git lfs pull` fetches the content" in refusal(path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flips") / "sound.safetensors"
    safetensors.numpy.save_file({"a": ARRAYS["matrix"], "b": ARRAYS["half"]}, path)
    return path


@hypothesis.given(data=st.data())
def test_whatever_opens_after_a_flip_reads_as_the_reference_reads_it(data: st.DataObject, sound: Path) -> None:
    content = bytearray(sound.read_bytes())
    end = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.sampled_from(b'0123456789abFI{}[],:" \x00\xff'))
    path = sound.with_name("flipped.safetensors")
    path.write_bytes(content)
    try:
        tensors = open_tensors(path)
    except CheckpointError:
        return
    reference = safetensors.numpy.load_file(path)
    assert set(tensors.keys()) == set(reference)
    for name, array in reference.items():
        assert tensors.get_tensor(name).tobytes() == array.tobytes()


# --- Shards ---


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """An index of two shards."""
    names = {"model-00001-of-00002.safetensors": ["matrix", "half"], "model-00002-of-00002.safetensors": ["brain"]}
    for shard, held in names.items():
        safetensors.numpy.save_file({name: ARRAYS[name] for name in held}, tmp_path / shard)
    places = {name: shard for shard, held in names.items() for name in held}
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 70}, "weight_map": places}), encoding="utf-8")
    return tmp_path / INDEX


def edit_index(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    index = json.loads(path.read_text(encoding="utf-8"))
    change(index)
    path.write_text(json.dumps(index), encoding="utf-8")


def test_shards_are_one_mapping(shards: Path) -> None:
    tensors = open_tensors(shards)
    assert set(tensors.keys()) == {"matrix", "half", "brain"}
    for name in tensors.keys():  # noqa: SIM118 - not a dict
        assert tensors.get_tensor(name).tobytes() == ARRAYS[name].tobytes()
    assert [file.name for file in weight_files(shards)] == [
        INDEX,
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]


def test_shards_that_transformers_wrote_load_like_one_file(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from transformers import BertModel

    BertModel.from_pretrained(tiny_checkpoint).save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    assert not (tmp_path / "model.safetensors").exists()
    ours, single = (Backbone.from_pretrained(str(directory)) for directory in (tmp_path, tiny_checkpoint))
    for one, other in zip(ours.weights, single.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_single_file_wins(tiny_checkpoint: Path, make_checkpoint: Callable[..., Path]) -> None:
    directory = make_checkpoint()
    (directory / INDEX).write_text("not even JSON", encoding="utf-8")
    ours, single = (Backbone.from_pretrained(str(place)) for place in (directory, tiny_checkpoint))
    np.testing.assert_array_equal(ours.weights[0], single.weights[0])


def test_missing_shards_are_listed_together(shards: Path) -> None:
    for shard in shards.parent.glob("*.safetensors"):
        shard.unlink()
    assert refusal(shards) == (
        f"{shards.parent}: expected the 2 files that {INDEX} names; 2 are missing: model-00001-of-00002.safetensors, "
        "model-00002-of-00002.safetensors. Fetch them: hf download NAME --local-dir DIRECTORY"
    )


@pytest.mark.parametrize(
    "shard", ["../model.safetensors", "/etc/x.safetensors", "a/b.safetensors", "a\\b.safetensors", "x\0.safetensors",
              "pytorch_model-00001-of-00002.bin", "..", "", 3, None],
)  # fmt: skip
def test_shards_that_are_no_file_of_the_directory(shard: Any, shards: Path) -> None:
    edit_index(shards, lambda index: index["weight_map"].update(brain=shard))
    message = refusal(shards)
    assert f"expected the names of safetensors files in this directory; received {shard!r}" in message


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "[" * 100_000])
def test_an_index_that_is_none(content: str, shards: Path) -> None:
    shards.write_text(content, encoding="utf-8")
    assert refusal(shards).startswith(f"{shards}: expected a ")


def test_a_tensor_that_is_not_where_the_index_says(shards: Path) -> None:
    edit_index(
        shards,
        lambda index: index["weight_map"].update(brain=index["weight_map"]["half"], lost=index["weight_map"]["half"]),
    )
    assert "expected every shard to hold the tensors that the index places there; not so 'brain', 'lost'." in refusal(
        shards
    )


def test_a_tensor_in_two_shards(shards: Path) -> None:
    arrays = {name: ARRAYS[name] for name in ("brain", "half")}
    safetensors.numpy.save_file(arrays, shards.parent / "model-00002-of-00002.safetensors")
    message = refusal(shards)
    assert "received 'half' both in model-00001-of-00002.safetensors and in model-00002-of-00002.safetensors" in message


def test_a_damaged_shard_is_named(shards: Path) -> None:
    path = shards.parent / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(shards).startswith(f"{path}: expected a complete safetensors file")
