"""Words that were masked: pretraining on texts alone."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.row_options import RowOptions
from tftransfer.tasks.masking import Masking
from tftransfer.tasks.numbers import softmax
from tftransfer.tasks.task import Columns, HeadHints, Task
from tftransfer.token_rows import TokenRows

__all__ = ["MaskedLM"]


@registry.tasks.register("masked_lm")
@dataclasses.dataclass(frozen=True)
class MaskedLM(Task):
    """Finds the words that were masked in a text: goes on with a checkpoint's pretraining, on texts of one's own.

    Texts longer than a row are read whole, in several rows. The checkpoint's own head is trained on where it has one;
    otherwise there is a fresh hidden layer, and the word embeddings are the last one.

    References: Devlin et al., "BERT: pre-training of deep bidirectional Transformers", 2019; Gururangan et al., "Don't
    stop pretraining: adapt language models to domains and tasks", 2020.

    Args:
        mask_probability: float in (0, 1). Share of a row's tokens that are to be found, one at least. They are others
            in each epoch, and in evaluation always the same. Defaults to 0.15.
        mask_share: float. Share of them that the mask token stands for. Defaults to 0.8.
        random_share: float. Share of them that are replaced by random tokens; the rest stays as it is. Defaults to 0.1.
        whole_words: bool. Whether all tokens of a word are to be found together. Defaults to False.
        mask_text: str. What stands for a masked word in a text that is asked about, whatever the tokenizer calls it.
            Defaults to "[MASK]".
        top_k: int. How many tokens an answer names for each mask, the likeliest first. Defaults to 5.

    Example:

        >>> task = tftransfer.tasks.MaskedLM()
    """

    name: ClassVar[str] = "masked_lm"
    answer: ClassVar[str | None] = None
    input_keys: ClassVar[Sequence[str]] = ("text",)
    wants_pretrained: ClassVar[bool] = True
    head_kind: ClassVar[str] = "masked_lm"
    report: ClassVar[str] = "masked_lm"
    judged_by: ClassVar[Literal["scores", "metrics"]] = "metrics"
    monitors: ClassVar[Sequence[str]] = ("perplexity", "accuracy", "loss")
    minimised: ClassVar[frozenset[str]] = frozenset({"perplexity", "loss"})
    tokenizer: ClassVar[Any] = None  # of the instance that `with_tokenizer` makes

    labels = None
    mask_probability: float = 0.15
    mask_share: float = 0.8
    random_share: float = 0.1
    whole_words: bool = False
    mask_text: str = "[MASK]"
    top_k: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.mask_probability < 1:
            raise ConfigError(f"mask_probability: expected a number in (0, 1); received {self.mask_probability}.")
        shares = (self.mask_share, self.random_share)
        if min(shares) < 0 or sum(shares) > 1:
            raise ConfigError(f"mask_share, random_share: expected 0 or more, together 1 at most; received {shares}.")
        if not self.mask_text.strip():
            raise ConfigError(f"mask_text: expected a word such as [MASK]; received {self.mask_text!r}.")
        if self.top_k < 1:
            raise ConfigError(f"top_k: expected a number of tokens >= 1; received {self.top_k}.")

    def resolve(self, columns: Columns) -> "MaskedLM":
        if not any(map(str.strip, columns["text"])):
            raise DataError("Expected texts in the training data; every one is empty. Check the file and its column.")
        return self

    def problems(self, columns: Columns) -> dict[int, str]:
        return {}

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        raise NotImplementedError("The targets are drawn with each batch; see `rewriter`.")

    # --- from examples to the network ---

    @property
    def row_options(self) -> RowOptions:
        return RowOptions("windows", offsets=self.whole_words, mask=self.mask_text)

    def with_tokenizer(self, tokenizer: Any) -> "MaskedLM":
        if tokenizer.mask_token_id is None:
            raise ConfigError(
                "task: expected a checkpoint whose tokenizer has a mask token, such as [MASK] or <mask>; this one has "
                "none, so it was not trained to find masked words. Choose another checkpoint."
            )
        task = dataclasses.replace(self)
        object.__setattr__(task, "tokenizer", tokenizer)  # no field: it is not an option
        return task

    def rewriter(self, rows: TokenRows) -> Callable[..., Any] | None:
        special = np.array(sorted({*self._tokenizer.special_ids, self._mask_id}))
        return Masking(
            rows,
            self._mask_id,
            special,
            np.setdiff1d(np.arange(self._tokenizer.vocab_size), special),
            self.mask_probability,
            self.mask_share,
            self.random_share,
            self.whole_words,
        )

    # --- the network ---

    def inputs(self) -> dict[str, Any]:
        import keras

        # Logits of all tokens over a vocabulary would take gigabytes.
        return {"masked_positions": keras.Input((None,), dtype="int32", name="masked_positions")}

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        from tftransfer.tasks.components.heads import StatesAt, head_logits

        states = StatesAt(name="masked_states")(features["last_hidden_state"], features["masked_positions"])
        hints = dataclasses.replace(hints, dropout=0.0)  # pretraining has none behind the encoder
        return head_logits(self.head_kind, {**features, "last_hidden_state": states}, hints, 0)

    def loss(self) -> Any:
        from tftransfer.tasks.components.losses import SmoothedCrossentropy

        return SmoothedCrossentropy()

    def metrics(self) -> list[Any]:
        from tftransfer.tasks.components.token_metrics import Perplexity, TokenAccuracy, TokenCount

        return [Perplexity(), TokenAccuracy(), TokenCount()]

    # --- from the network to answers ---

    def gather(self, logits: Sequence[np.ndarray], rows: TokenRows) -> list[np.ndarray]:
        """Returns the logits of each example's masks in their order, `(masks, vocab)`."""
        is_mask = np.concatenate([[0], np.cumsum(rows.input_ids == self._mask_id)])[rows.offsets]
        found: list[list[np.ndarray]] = [[] for _ in range(int(rows.examples.max(initial=-1)) + 1)]
        for row, example, masks in zip(logits, rows.examples, np.diff(is_mask), strict=True):
            found[example].append(row[:masks])
        return [np.concatenate(parts) for parts in found]

    def scores(self, logits: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [softmax(masks) for masks in logits]

    def decode(self, scores: Sequence[np.ndarray], columns: Columns) -> list[dict[str, Any]]:
        return [{"fills": [self._fills(row) for row in masks]} for masks in scores]

    def _fills(self, scores: np.ndarray) -> list[dict[str, Any]]:
        best = np.argsort(-scores, kind="stable")[: self.top_k]
        words = self._words_of(len(scores))
        return [{"token": words[i], "score": float(scores[i])} for i in best]

    def evidence(self, scores: Mapping[str, float], columns: Columns) -> dict[str, Any]:
        loss = math.log(scores["perplexity"])  # unlike Keras's own, of all tokens alike
        return {"loss": loss, "accuracy": float(scores["accuracy"]), "tokens": round(scores["tokens"])}

    def margins(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        best = [-np.sort(-masks, axis=-1)[:, : self.top_k + 1] for masks in scores]
        return np.array([-np.diff(rows, axis=-1).max(initial=-np.inf) for rows in best])

    # --- the same in a SavedModel ---

    def requests(self, columns: Columns) -> Columns:
        """Returns the texts with the word in the middle of each masked."""
        return {"text": [_asking(text, self.mask_text) for text in columns["text"]]}

    def rows_in_graph(self, tokens: dict[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        is_mask = tokens["input_ids"] == self._mask_id
        columns = tf.broadcast_to(tf.range(tf.shape(is_mask)[1]), tf.shape(is_mask))
        masks = tf.ragged.boolean_mask(columns, is_mask)
        one = tf.pad(masks.to_tensor(), [[0, 0], [0, 1]])  # there is one column at least
        return {**tokens, "masked_positions": one, "masks": masks.row_lengths()}

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        real = tf.sequence_mask(tokens["masks"], tf.shape(logits)[1])
        size = logits.shape[-1]
        scores, ids = tf.math.top_k(tf.nn.softmax(tf.boolean_mask(logits, real)), min(self.top_k, size))
        words = tf.gather(tf.constant(self._words_of(size)), ids)
        texts = tf.repeat(tokens["examples"], tokens["masks"])  # of each mask
        count = tf.size(tokens["text"], tf.int64)

        def of_texts(values: Any, fill: Any) -> Any:
            return tf.RaggedTensor.from_value_rowids(values, tf.cast(texts, tf.int64), count).to_tensor(fill)

        return {"tokens": of_texts(words, ""), "scores": of_texts(scores, 0.0)}

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        def fills(tokens: Sequence[str], scores: Sequence[float]) -> list[dict[str, Any]]:
            return [{"token": token, "score": score} for token, score in zip(tokens, scores, strict=True)]

        return [
            {"fills": [fills(*mask) for mask in zip(*text, strict=True) if mask[1][0] > 0]}  # others fill up the batch
            for text in zip(outputs["tokens"], outputs["scores"], strict=True)
        ]

    # --- the tokenizer ---

    @property
    def _tokenizer(self) -> Any:
        if self.tokenizer is None:
            raise ConfigError("Expected the task of a built model, which knows the tokenizer: use model.task.")
        return self.tokenizer

    @property
    def _mask_id(self) -> int:
        return self._tokenizer.mask_token_id

    @functools.cached_property
    def _words(self) -> list[str]:
        """How the tokenizer writes each of its tokens."""
        return [self._tokenizer.decode_token(i) for i in range(self._tokenizer.vocab_size)]

    def _words_of(self, size: int) -> list[str]:
        """Returns what each of so many logits stands for; "" for rows of the table that no token has."""
        return (self._words + [""] * (size - len(self._words)))[:size]


def _asking(text: str, mask: str) -> str:
    words = text.split(" ")
    words[len(words) // 2] = mask
    return " ".join(words) if text else text
