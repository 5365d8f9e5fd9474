"""Windowed and global attention: against plain loops over tokens, against PyTorch's Longformer, and its cost."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tftransfer.backbones.layers.blocks import Blocks
from tftransfer.backbones.layers.global_tokens import GlobalTokens
from tftransfer.backbones.layers.local_attention import global_attention, local_attention

HEADS, HEAD_SIZE = 2, 4


def states(rows: int, length: int, seed: int = 0) -> list[np.ndarray]:
    """Returns query, key and value, float32 `(rows, heads, length, head_size)`."""
    shape = (3, rows, HEADS, length, HEAD_SIZE)
    return list(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def masks(length: int, seed: int = 0) -> np.ndarray:
    """Returns rows that are full, padded right, padded left, packed, packed with gaps, and nothing but padding."""
    third = np.arange(length) * 3 // max(length, 1)
    full = np.ones(length, int)
    cuts = np.sort(np.random.default_rng(seed).integers(0, length + 1, 4))
    packed = 1 + np.searchsorted(cuts, np.arange(length), side="right")
    rows = [full, third < 2, third > 0, packed, np.where(third == 1, 0, packed), 0 * full]
    return np.stack(rows).astype("int32")


def spread_globals(mask: np.ndarray) -> np.ndarray:
    """Returns a mask of global tokens: the first of each sequence, and a few at random; some rows with none."""
    chosen = np.random.default_rng(3).random(mask.shape) < 0.1
    chosen[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    chosen[:, 0] = True
    chosen[0] = False
    return chosen


def attend(query: np.ndarray, key: np.ndarray, value: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Attends row by row in float64: `query` is `(length, size)`, `keep` bool `(queries, keys)`; nothing seen is 0."""
    result = np.zeros(query.shape)
    for i in np.flatnonzero(keep.any(axis=1)):
        weights = np.exp(key[keep[i]].astype("float64") @ query[i].astype("float64"))
        result[i] = weights / weights.sum() @ value[keep[i]]
    return result


def naive(
    local: list[np.ndarray],
    mask: np.ndarray,
    window: int,
    is_global: np.ndarray | None = None,
    far: list[np.ndarray] | None = None,
) -> np.ndarray:
    """Returns the attention of whole rows; `far` are the global projections, of which global tokens make use."""
    result = np.zeros(local[0].shape)
    for row, numbers in enumerate(mask):
        same = (numbers[:, None] == numbers) & (numbers > 0)
        keep = same & (np.abs(np.subtract.outer(np.arange(len(numbers)), np.arange(len(numbers)))) <= window)
        if is_global is not None:
            keep |= same & is_global[row]
        for head in range(HEADS):
            result[row, head] = attend(*(x[row, head] for x in local), keep)
            if is_global is not None and far is not None:
                everything = attend(*(x[row, head] for x in far), same)
                result[row, head, is_global[row]] = everything[is_global[row]]
    return result


def with_globals(
    local: list[Any], far: list[Any], mask: Any, window: int, is_global: Any, most: int | None = None
) -> Any:
    """Runs the two functions as a Longformer layer does."""
    tokens = GlobalTokens.find(is_global, mask, most)
    near = local_attention(*local, mask, window, global_tokens=tokens)
    return tokens.put(near, global_attention(tokens.pick(far[0], axis=2), *far[1:], mask, tokens))


def assert_same(found: Any, expected: np.ndarray, mask: np.ndarray, tolerance: float = 2e-6) -> None:
    """Compares the real tokens; padding only has to be finite."""
    found = np.asarray(found, "float32")
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    real = np.broadcast_to(mask[:, None, :, None] > 0, found.shape)
    np.testing.assert_allclose(found[real], expected[real], rtol=0, atol=tolerance)


# --- The window ---

# Windows of 1 and more; rows of one token, shorter than the window, of three windows and around it, and long ones.
SIZES = [
    (window, length)
    for window in (1, 2, 5, 8)
    for length in sorted({1, 2, window, 3 * window - 1, 3 * window, 3 * window + 1, 5 * window, 7 * window + 3})
]


@pytest.mark.parametrize(("window", "length"), SIZES)
def test_window(window: int, length: int) -> None:
    mask = masks(length)
    found = local_attention(*map(tf.constant, states(6, length)), tf.constant(mask), window)
    assert_same(found, naive(states(6, length), mask, window), mask)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_window_of_unknown_length(jit_compile: bool) -> None:
    spec = tf.TensorSpec((None, HEADS, None, HEAD_SIZE))
    signature = [spec, spec, spec, tf.TensorSpec((None, None), "int32")]
    run = tf.function(lambda *x: local_attention(*x, 4), input_signature=signature, jit_compile=jit_compile)
    for length in (1, 3, 4, 11, 12, 13, 16, 31, 40):
        mask = masks(length)
        assert_same(run(*states(6, length), mask), naive(states(6, length), mask, 4), mask)


def test_window_under_xla() -> None:
    for length in (7, 12, 33):
        mask = masks(length)
        run = tf.function(lambda *x: local_attention(*x, 4), jit_compile=True)
        found = run(*map(tf.constant, states(6, length)), tf.constant(mask))
        assert_same(found, naive(states(6, length), mask, 4), mask)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(dtype: str) -> None:
    mask = masks(37)
    local, far = ([tf.cast(x, dtype) for x in states(6, 37, seed)] for seed in (0, 1))
    found = with_globals(local, far, mask, 4, spread_globals(mask))
    assert found.dtype == dtype
    exact_local, exact_far = ([np.asarray(x, "float32") for x in some] for some in (local, far))
    assert_same(found, naive(exact_local, mask, 4, spread_globals(mask), exact_far), mask, 0.04)


def test_window_must_reach_somewhere() -> None:
    with pytest.raises(ValueError, match="at least 1 token. Received: window=0"):
        local_attention(*states(1, 8), np.ones((1, 8), "int32"), 0)


def test_dropout_is_on_probabilities() -> None:
    mask = tf.ones((1, 30), "int32")
    seen = []

    def drop(probabilities: Any) -> Any:
        seen.append(np.sum(probabilities, axis=-1).ravel())
        return probabilities * 2

    tensors = [tf.constant(x) for x in states(1, 30)]
    tokens = GlobalTokens.find(np.eye(1, 30), mask)
    for options in ({}, {"global_tokens": tokens}):
        plain, dropped = (local_attention(*tensors, mask, 3, dropout=d, **options) for d in (None, drop))
        np.testing.assert_allclose(dropped, 2 * plain, rtol=1e-6)
    far = [tokens.pick(tensors[0], axis=2), *tensors[1:]]
    plain, dropped = (global_attention(*far, mask, tokens, dropout=d) for d in (None, drop))
    np.testing.assert_allclose(dropped, 2 * plain, rtol=1e-6)
    np.testing.assert_allclose(np.concatenate(seen), 1, atol=1e-6)


# --- Global tokens ---


def test_global_tokens_in_their_slots() -> None:
    mask = np.array([[0, 1, 1, 2, 2, 2], [1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]], "int32")
    chosen = np.array([[1, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
    tokens = GlobalTokens.find(chosen, mask)
    assert np.asarray(tokens.number).tolist() == [[1, 2, 2], [1, 0, 0], [0, 0, 0]]
    assert np.asarray(tokens.index)[0].tolist() == [1, 3, 5]
    assert int(tokens.index[1, 0]) == 3
    assert np.asarray(tokens.slot).tolist() == [[-1, 0, -1, 1, -1, 2], [-1, -1, -1, 0, -1, -1], [-1] * 6]
    assert tokens.index.dtype == tokens.slot.dtype == tokens.number.dtype == tf.int32
    fewer = GlobalTokens.find(chosen, mask, max_global_tokens=2)
    assert np.asarray(fewer.number).tolist() == [[1, 2], [1, 0], [0, 0]]
    assert np.asarray(fewer.mask)[0].tolist() == [False, True, False, True, False, False]
    assert GlobalTokens.find(chosen, mask, max_global_tokens=50).number.shape == (3, 6)


@pytest.mark.parametrize("most", [None, 40])
@pytest.mark.parametrize(("window", "length"), [(1, 1), (1, 9), (4, 3), (4, 12), (4, 13), (5, 40), (8, 31)])
def test_global_tokens(window: int, length: int, most: int | None) -> None:
    mask, local, far = masks(length), states(6, length), states(6, length, seed=1)
    is_global = spread_globals(mask)
    found = with_globals(*([tf.constant(x) for x in some] for some in (local, far)), mask, window, is_global, most)
    assert_same(found, naive(local, mask, window, is_global, far), mask)


def test_tokens_without_a_slot_are_local() -> None:
    mask, local, far = masks(30), states(6, 30), states(6, 30, seed=1)
    is_global = spread_globals(mask)
    kept = is_global & (np.cumsum(is_global & (mask > 0), axis=1) <= 2)
    assert (kept != is_global)[mask > 0].any()
    found = with_globals(*([tf.constant(x) for x in some] for some in (local, far)), mask, 4, is_global, 2)
    assert_same(found, naive(local, mask, 4, kept, far), mask)


def test_no_global_token_is_plain_local_attention() -> None:
    mask, local = masks(30), [tf.constant(x) for x in states(6, 30)]
    found = with_globals(local, local, mask, 4, np.zeros(mask.shape, bool))
    assert_same(found, np.asarray(local_attention(*local, mask, 4)), mask)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_global_tokens_of_unknown_length(jit_compile: bool) -> None:
    spec = tf.TensorSpec((None, HEADS, None, HEAD_SIZE))
    mask_specs = [tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None, None), "bool")]
    most = 20 if jit_compile else None  # XLA wants to know the sizes of tensors

    @tf.function(input_signature=[[spec] * 3, [spec] * 3, *mask_specs], jit_compile=jit_compile)
    def run(local: Any, far: Any, mask: Any, is_global: Any) -> Any:
        return with_globals(local, far, mask, 4, is_global, most)

    for length in (1, 3, 12, 29, 40):
        mask, local, far = masks(length), states(6, length), states(6, length, seed=1)
        is_global = spread_globals(mask)
        assert_same(run(local, far, mask, is_global), naive(local, mask, 4, is_global, far), mask)


def test_a_packed_row_is_its_texts_alone() -> None:
    local, far = ([tf.constant(x) for x in states(1, 40, seed)] for seed in (0, 1))
    mask = np.repeat([[1, 2, 3, 0]], [13, 5, 17, 5], axis=1).astype("int32")
    is_global = np.isin(np.arange(40), [0, 13, 15, 18, 37])[None]
    packed = with_globals(local, far, mask, 3, is_global)
    for start, end in ((0, 13), (13, 18), (18, 35)):
        part = slice(start, end)
        one = [[x[:, :, part] for x in some] for some in (local, far)]
        alone = with_globals(*one, np.ones((1, end - start), "int32"), 3, is_global[:, part])
        np.testing.assert_allclose(packed[:, :, part], alone, rtol=0, atol=1e-6)


# --- Gradients ---


def dense(local: list[Any], far: list[Any], mask: np.ndarray, window: int, is_global: np.ndarray) -> Any:
    """Returns what `with_globals` should, in TensorFlow by whole score matrices."""
    index = np.arange(mask.shape[1])
    same = (mask[:, :, None] == mask[:, None]) & (mask[:, None] > 0)
    keep = same & ((abs(index[:, None] - index) <= window) | is_global[:, None])
    results = []
    for (query, key, value), allowed in ((local, keep), (far, same)):
        scores = tf.where(allowed[:, None], tf.matmul(query, key, transpose_b=True), -1e9)
        results.append(tf.nn.softmax(scores) @ value)
    return tf.where((is_global & (mask > 0))[:, None, :, None], results[1], results[0])


@pytest.mark.parametrize("mode", ["eager", "graph", "unknown", "xla"])
@pytest.mark.parametrize("length", [10, 33])
def test_gradients(mode: str, length: int) -> None:
    mask, local, far = masks(length), states(6, length), states(6, length, seed=1)
    is_global = spread_globals(mask)
    weight = np.random.default_rng(5).normal(size=local[0].shape) * (mask > 0)[:, None, :, None]

    def gradients(attention: Any, *tensors: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            result = attention(tensors[:3], tensors[3:])
            loss = tf.reduce_sum(result * tf.cast(weight, "float32"))
        return tape.gradient(loss, tensors)

    tensors = [tf.constant(x) for x in (*local, *far)]
    expected = gradients(lambda a, b: dense(a, b, mask, 4, is_global), *tensors)

    def ours(*tensors: Any) -> list[Any]:
        return gradients(lambda a, b: with_globals(a, b, mask, 4, is_global, 30), *tensors)

    spec = tf.TensorSpec((None, HEADS, None, HEAD_SIZE))
    options = {"eager": None, "graph": {}, "unknown": {"input_signature": [spec] * 6}, "xla": {"jit_compile": True}}
    run = ours if options[mode] is None else tf.function(ours, **options[mode])
    for found, truth in zip(run(*tensors), expected, strict=True):
        np.testing.assert_allclose(found, truth, rtol=0, atol=1e-5)


# --- Cost ---


@pytest.mark.parametrize("is_global", [False, True])
def test_no_tensor_has_the_length_twice(is_global: bool) -> None:
    length, window = 96, 8

    def step(query: Any, key: Any, value: Any, mask: Any) -> Any:
        local = [query, key, value]
        with tf.GradientTape() as tape:
            tape.watch(local)
            result = (
                with_globals(local, local, mask, window, mask > 1, 4)
                if is_global
                else local_attention(*local, mask, window)
            )
        return tape.gradient(result, local)

    spec = tf.TensorSpec((3, HEADS, length, HEAD_SIZE))
    traced = tf.function(step).get_concrete_function(spec, spec, spec, tf.TensorSpec((3, length), "int32"))
    seen = [(op.type, tensor.shape) for op in traced.graph.get_operations() for tensor in op.outputs]
    assert {"BatchMatMulV2", "Softmax"} <= {kind for kind, _ in seen}
    hiding = ("PartitionedCall", "If", "While")  # operations with graphs of their own
    assert not any(kind.endswith(hiding) for kind, _ in seen)
    for kind, shape in seen:
        assert shape.is_fully_defined(), kind
        assert sum(size >= length for size in shape) <= 1, (kind, shape)
    # Per head and token: the blocks of 8 with margins of 8, and 4 slots.
    most = 3 * HEADS * length * (3 * window + (4 if is_global else 0))
    assert max(shape.num_elements() for _, shape in seen) == most


@pytest.mark.parametrize("window", [1, 4, 64, 256])
def test_blocks_cost_no_more_than_whole_rows(window: int) -> None:
    for length in [*range(1, 8 * window, max(1, window // 16)), 8 * window, 32 * window, 8192]:
        blocks = Blocks.for_window(length, window)
        covered = blocks.count * blocks.size
        assert length <= covered < length + blocks.size
        columns = blocks.size + 2 * blocks.margin
        assert length * columns <= min(length**2, 4 * window * length)
        assert blocks.count == 1 or blocks.margin == window <= blocks.size


# --- PyTorch ---


def longformer(window: int) -> Any:
    """Returns transformers' Longformer attention with random weights."""
    torch = pytest.importorskip("torch")
    from transformers import LongformerConfig
    from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

    width = HEADS * HEAD_SIZE
    config = LongformerConfig(hidden_size=width, num_attention_heads=HEADS, attention_window=[2 * window])
    torch.manual_seed(0)
    module = LongformerSelfAttention(config, 0).eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def theirs(module: Any, hidden: np.ndarray, mask: np.ndarray, is_global: np.ndarray) -> np.ndarray:
    torch = pytest.importorskip("torch")
    extended = torch.tensor(np.where(mask == 0, -1e4, np.where(is_global, 1e4, 0.0)), dtype=torch.float32)
    with torch.no_grad():
        return module(
            torch.tensor(hidden),
            attention_mask=extended,
            is_index_masked=extended < 0,
            is_index_global_attn=extended > 0,
            is_global_attn=bool((extended > 0).any()),
        )[0].numpy()


def ours(module: Any, hidden: np.ndarray, mask: np.ndarray, is_global: np.ndarray, window: int) -> np.ndarray:
    """Returns the same from the weights of the PyTorch module."""

    def project(name: str) -> tf.Tensor:
        linear = getattr(module, name)
        dense = hidden @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
        dense = dense.reshape((*hidden.shape[:2], HEADS, HEAD_SIZE)).transpose(0, 2, 1, 3)
        return tf.constant(dense * HEAD_SIZE**-0.5 if name.startswith("query") else dense)

    local, far = ([project(name + end) for name in ("query", "key", "value")] for end in ("", "_global"))
    if is_global.any():
        result = with_globals(local, far, mask, window, is_global)
    else:
        result = local_attention(*local, mask, window)
    return np.asarray(keras.ops.transpose(result, (0, 2, 1, 3))).reshape(hidden.shape)


@pytest.mark.parametrize("globals_", ["none", "first", "some"])
@pytest.mark.parametrize(("window", "length"), [(2, 8), (4, 8), (4, 40), (8, 64)])
def test_longformer(window: int, length: int, globals_: str) -> None:
    module = longformer(window)
    hidden = np.random.default_rng(0).normal(size=(4, length, HEADS * HEAD_SIZE)).astype("float32")
    mask = (np.arange(length) < np.array([[length], [length - 3], [length // 2], [1]])).astype("int32")
    some = np.random.default_rng(1).random(mask.shape) < 0.15
    is_global = {"none": some & False, "first": np.arange(length) == 0 * mask, "some": some}[globals_] & (mask > 0)
    expected = theirs(module, hidden, mask, is_global)
    found = ours(module, hidden, mask, is_global, window)
    np.testing.assert_allclose(found[mask > 0], expected[mask > 0], rtol=0, atol=1e-5)
