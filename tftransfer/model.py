"""Model assembly: a backbone, a task's head, a tokenizer - and the one training step."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.tensors import LoadReport
from tftransfer.data.examples import Examples
from tftransfer.data.packing import UNPACK
from tftransfer.data.pipeline import STATES, EncodedExamples
from tftransfer.errors import ConfigError, DataError
from tftransfer.gradients import rows_of, share_of_gradients
from tftransfer.objective import Objective
from tftransfer.pretrained_head import head_hints, labels_of, load_head
from tftransfer.strategies.full import Full
from tftransfer.strategies.strategy import Strategy
from tftransfer.tasks.components.heads import Logits
from tftransfer.tasks.task import Task
from tftransfer.token_cache import tokenize
from tftransfer.tokenizers.fast import FastTokenizer

__all__ = ["TransferModel", "build"]


@keras.saving.register_keras_serializable("tftransfer")
class TransferModel(keras.Model):
    """A functional `keras.Model` from token ids to logits, that also knows its task and its tokenizer.

    `compile`, `fit`, `summary`, callbacks and `save` are Keras's own. Its training step is Keras's too on one device;
    on several replicas it computes what Keras does not: the mean over the *global* batch, whatever share of it a
    replica holds, and the clipping of the *global* gradient.

    Attributes:
        task: Task. Head, loss, and how answers are decoded; the labels are known.
        tokenizer: FastTokenizer. The checkpoint's own.
        checkpoint: Checkpoint. Where the pretrained weights came from.
        load_report: LoadReport or None. What became of the checkpoint's tensors, the head's among them.
        max_length: int. Longest row in tokens, special tokens included; the task says what becomes of longer texts.
        strategy: Strategy. What was added to the backbone, for whom. Defaults to `Full()`: nothing was.
        objective: callable. What a step of training makes smaller, see `tftransfer.objective`. Defaults to
            `plain_objective`.
        clip_norm: float or None. Greatest global norm of a step's gradient. Defaults to None: no clipping.
        gradient_accumulation_steps: int. Parts of a batch whose gradients are computed one after the other, see
            `tftransfer.gradients`. Defaults to 1.
        fixed_paths: frozenset of str. Variables that no strategy moves, such as the moving means of a user's head.
        custom_head: bool. Whether the head is layers of the user's own. Defaults to False: it is the task's.
        upper: callable or None. What is above the layers whose states were computed before; `call` is this for a batch
            with `STATES`. Defaults to None: every batch begins with its tokens.
        packed: callable or None. What makes logits of a batch of packed rows; `call` is this for a batch with `UNPACK`.
            Defaults to None: rows hold one sequence each.
    """

    task: Task
    tokenizer: FastTokenizer
    checkpoint: Checkpoint
    load_report: LoadReport | None = None
    max_length: int
    strategy: Strategy = Full()
    objective: Objective
    clip_norm: float | None = None
    gradient_accumulation_steps: int = 1
    fixed_paths: frozenset[str] = frozenset()
    custom_head: bool = False
    upper: Callable[..., Any] | None = None
    packed: Callable[..., Any] | None = None

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        """Returns the logits of a batch `(batch, ...)`, float32."""
        if self.upper is not None and STATES in inputs:
            return self.upper(inputs, training=training)
        if self.packed is not None and UNPACK in inputs:
            return self.packed(inputs, training=training)
        return super().call(inputs, training=training, mask=mask, **kwargs)

    def encode(self, examples: Examples, *, training: bool = False, **options: Any) -> EncodedExamples:
        """Returns examples as numbers.

        Args:
            examples: Examples. With a "text" column, optionally "text_pair", and the task's answers if targets are
                wanted.
            training: bool. Whether the task's example weights apply. Defaults to False.
            **options: `cache` and `progress`; see `tftransfer.token_cache.tokenize`.

        Raises:
            DataError: if an answer is not one that the task knows; each is named by file and line.
        """
        task, columns = self.task, examples.columns
        texts = task.texts(columns)
        rows = tokenize(self.tokenizer, texts, self.max_length, task.row_options, **options)
        answered = task.is_answered(columns)
        targets = weights = None
        if answered and task.answer is not None:
            problems = task.problems(columns)
            if problems:
                shown = [f"{examples.where(row)}: {reason}" for row, reason in list(problems.items())[:20]]
                raise DataError("\n".join([f"{len(problems)} examples do not fit the task:", *shown]))
            targets = task.targets(columns, rows)
            weights = task.example_weights(targets, rows) if training else None
        return EncodedExamples(
            rows,
            self.tokenizer.pad_token_id,
            self.max_length,
            targets,
            weights,
            per_token=task.per_token,
            unit=texts.per_example,
            rewrite=task.rewriter(rows),
        )

    def predict_logits(self, examples: Examples | EncodedExamples, batch_size: int = 32) -> Any:
        """Returns what the network says of every example, in their order, as the task's `gather` has it."""
        encoded = self.encode(examples) if isinstance(examples, Examples) else examples
        logits = _of_rows(self, encoded, batch_size)
        if self.task.logits_per_token:
            lengths = np.diff(encoded.tokens.offsets)
            logits = [found[:length] for found, length in zip(logits, lengths, strict=True)]
        return self.task.gather(logits, encoded.tokens)

    def predict_scores(self, examples: Examples | EncodedExamples, batch_size: int = 32) -> Any:
        """Returns the task's scores of every example, in their order; for classification `(examples, labels)`."""
        return self.task.scores(self.predict_logits(examples, batch_size))

    def layer_output(self, name: str, texts: Sequence[str], batch_size: int = 32) -> np.ndarray:
        """Returns what a layer makes of texts, one row each; of a longer text than `max_length`, of its beginning.

        Args:
            name: str. The layer, such as "sentence_vector". Its output is one row a text.
            texts: list of str.
            batch_size: int. Texts at a time. Defaults to 32.
        """
        network = keras.Model(self.input, self.get_layer(name).output)
        rows = self.tokenizer.encode(texts, max_length=self.max_length)
        encoded = EncodedExamples(rows, self.tokenizer.pad_token_id, self.max_length)
        return np.stack(_of_rows(network, encoded, batch_size))

    def measure(self, encoded: EncodedExamples, batch_size: int = 32) -> dict[str, float]:
        """Returns the task's loss and metrics over encoded examples that have answers."""
        if not self.compiled:
            self.compile(loss=self.task.loss(), metrics=self.task.metrics())
        return self.evaluate(encoded.evaluation_dataset(batch_size), verbose=0, return_dict=True)

    def predict_text(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, batch_size: int = 32
    ) -> list[dict[str, Any]]:
        """Returns one answer a text, in the words of the task.

        Args:
            texts: list of str.
            text_pairs: list of str. The second texts, for a task over pairs. Defaults to None.
            batch_size: int. Texts at a time. Defaults to 32.

        Returns:
            A list of dicts; for classification: `label`, `score`, and `scores` by label.
        """
        if isinstance(texts, str):
            raise ConfigError(f"Expected a list of texts; received one string, {texts[:40]!r}. Put it into a list.")
        if not texts:
            return []
        columns = {"text": list(texts), **({} if text_pairs is None else {"text_pair": list(text_pairs)})}
        examples = Examples(columns, "<texts>", np.arange(1, len(texts) + 1))
        return self.task.decode(self.predict_scores(examples, batch_size), columns)

    def with_task(self, task: Task) -> "TransferModel":
        """Returns a model for another task, nothing open in it, on the same layers; its head is freshly made."""
        names = {"last_hidden_state": "padding_mask", "pooler_output": "pooler"}
        there = {layer.name for layer in self.layers}
        features = {key: self.get_layer(name).output for key, name in names.items() if name in there}
        features["attention_mask"] = self.input["attention_mask"]
        features["word_embeddings"] = self.get_layer("embeddings").output[1]
        inputs = {name: value for name, value in self.input.items() if name not in self.task.inputs()}
        with self.distribute_strategy.scope():
            other = _with_head(inputs, features, task.with_tokenizer(self.tokenizer), self.checkpoint)
        other.tokenizer, other.max_length, other.strategy = self.tokenizer, self.max_length, self.strategy
        return other

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training; a step whose loss or gradient is not finite reports a NaN loss and changes nothing."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        (rows,) = _sum_over_replicas([rows_of(y)])
        share = share_of_gradients(
            self.objective,
            variables,
            (x, y, sample_weight),
            rows,
            self.compute_metrics,
            self.gradient_accumulation_steps,
            static=bool(self.jit_compile),
        )
        loss, *gradients = _sum_over_replicas(share)
        norm = tf.linalg.global_norm(gradients)
        # As torch.nn.utils.clip_grad_norm_, so that runs compare.
        scale = 1.0 if self.clip_norm is None else tf.minimum(1.0, self.clip_norm / (norm + 1e-6))
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        # NaN tells our optimizer to leave this step out. Its own reduction adds up equal parts to the whole again.
        scale = tf.where(finite, scale, np.nan) / tf.distribute.get_strategy().num_replicas_in_sync
        self.optimizer.apply_gradients([(g * scale, v) for g, v in zip(gradients, variables, strict=True)])
        return self._logs(tf.where(finite, loss, np.nan), rows)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs, loss = self._outputs_and_loss(x, y, sample_weight, training=False)
        own = rows_of(y)
        (rows,) = _sum_over_replicas([own])
        (loss,) = _sum_over_replicas([loss * own / rows])
        self.compute_metrics(x, y, outputs, sample_weight)
        return self._logs(loss, rows)

    def plain_objective(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Returns the logits of a batch, and the task's mean loss over it; see `tftransfer.objective`."""
        return self._outputs_and_loss(x, y, sample_weight, training=True)

    def _outputs_and_loss(self, x: Any, y: Any, sample_weight: Any, training: bool) -> tuple[Any, Any]:
        outputs = self(x, training=training)
        # Keras divides by the number of replicas, which would be right only for equal parts of a batch.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return outputs, replicas * self.compute_loss(x, y, outputs, sample_weight, training=training)

    def _logs(self, loss: Any, rows: Any) -> dict[str, Any]:
        self.mean_loss.update_state(loss, sample_weight=rows)
        return {**self.get_metrics_result(), "loss": self.mean_loss.result()}

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configures training; the arguments are those of `keras.Model.compile`."""
        super().compile(*args, **kwargs)
        self.objective = self.plain_objective
        # Keras's own "loss" averages over the replicas' batches, however many examples each of them holds.
        self.mean_loss = keras.metrics.Mean(name="loss")

    def get_compile_config(self) -> dict[str, Any] | None:
        """Returns what a saved model needs to train on as before: Keras leaves out what is frozen."""
        config = super().get_compile_config()
        frozen = [variable.path for variable in self.weights if not variable.trainable]
        return config and {**config, "clip_norm": self.clip_norm, "frozen": frozen}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as it was saved; Keras does not, for a model with a `compile` of its own."""
        arguments = keras.saving.deserialize_keras_object(config)
        self.clip_norm, frozen = arguments.pop("clip_norm"), arguments.pop("frozen")
        for variable in self.weights:
            variable.trainable = variable.path not in frozen
        self.compile(**arguments)
        self.optimizer.build(self.trainable_variables)


def _of_rows(network: keras.Model, encoded: EncodedExamples, batch_size: int) -> list[Any]:
    """Returns what a network says of every row, in their order."""
    answers: list[Any] = [None] * (len(encoded.tokens.offsets) - 1)
    for rows, inputs in encoded.inputs_by_length(batch_size):
        for row, found in zip(rows, network.predict(inputs, verbose=0), strict=True):
            answers[row] = found
    return answers


def _sum_over_replicas(values: list[Any]) -> list[Any]:
    context = tf.distribute.get_replica_context()
    return values if context.num_replicas_in_sync == 1 else list(context.all_reduce("SUM", values))


def build(
    checkpoint: str | Checkpoint,
    task: Task,
    *,
    strategy: Strategy | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    head: Callable[[Mapping[str, Any]], Any] | None = None,
    keep_layers: int | Sequence[int] | None = None,
    precision: str = "float32",
    weights: bool = True,
) -> TransferModel:
    """Returns a backbone, pretrained or to be trained from scratch, with a head for a task.

    A checkpoint's own head is loaded where it is one for the task, with the same labels; otherwise the head is newly
    initialised. `TransferModel.load_report` says which, and why.

    Args:
        checkpoint: str or Checkpoint. A directory, a name on the Hugging Face Hub, or what
            `tftransfer.from_scratch` returns.
        task: Task. What the model is for. If its labels are not known, they are those of the checkpoint's own head.
        strategy: Strategy. One that adds to the backbone, such as `strategies.LoRA()`, has to be named here; it is then
            the one that `fine_tune` follows. Defaults to None: nothing is added.
        revision: str. Commit, tag or branch on the Hub. Defaults to None: see `Backbone.from_pretrained`.
        max_length: int. Longest text in tokens, special tokens included. Defaults to None: 128, or the checkpoint's
            own limit if that is less.
        head: callable. From a dict of symbolic features (`last_hidden_state` `(batch, length, hidden)`,
            `attention_mask` `(batch, length)`, `pooler_output` `(batch, hidden)` if there is one) to symbolic logits:
            any Keras layers. Defaults to None: the task's own head.
        keep_layers: int or sequence of int. So many of the lowest layers, or numbers of layers. Defaults to None: all.
        precision: str. "float32" or "mixed_bfloat16". Defaults to "float32".
        weights: bool. Whether to read the pretrained weights, if there are any. Defaults to True.

    Returns:
        A `TransferModel`, a functional `keras.Model` that is not compiled yet.

    Raises:
        CheckpointError: if the checkpoint cannot be used.
        ConfigError: if `max_length` or `precision` is out of range, or the task's labels are not known.

    Example:

        >>> task = tftransfer.tasks.SequenceClassification(labels=train.labels)
        >>> model = tftransfer.build("sentence-transformers/all-MiniLM-L6-v2", task)
    """
    if precision not in ("float32", "mixed_bfloat16"):  # float16 would need its loss scaled
        raise ConfigError(f"precision: expected float32 or mixed_bfloat16; received '{precision}'.")
    checkpoint = _opened(checkpoint, revision, task).keeping(keep_layers)
    task = task if task.is_resolved else task.adopt(labels_of(checkpoint, task.head_kind))
    strategy, tokenizer = strategy or Full(), FastTokenizer.from_directory(checkpoint.directory)
    task, length = task.with_tokenizer(tokenizer), _length(checkpoint, strategy, max_length)
    backbone = Backbone.from_checkpoint(
        checkpoint, global_tokens=task.global_tokens, dtype=precision, weights=weights, additions=strategy.additions()
    )
    model = _with_head(backbone.input, backbone.features, task, checkpoint, head)
    model.tokenizer, model.max_length, model.strategy = tokenizer, length, strategy
    if weights:
        model.load_report = _report(model, backbone.load_report)
        task.initialize(model)
    return model


def _opened(checkpoint: str | Checkpoint, revision: str | None, task: Task) -> Checkpoint:
    """Returns the checkpoint, one that the task can do with."""
    if isinstance(checkpoint, str):
        checkpoint = Checkpoint.find(checkpoint, revision)
    if task.wants_pretrained and not checkpoint.is_pretrained:
        raise ConfigError(
            f"{task.name}: expected a pretrained checkpoint, for it makes no sense on random weights; received the "
            f"network '{checkpoint.name}', which is trained from scratch."
        )
    return checkpoint


def _with_head(
    inputs: Mapping[str, Any],
    features: Mapping[str, Any],
    task: Task,
    checkpoint: Checkpoint,
    head: Callable[[Mapping[str, Any]], Any] | None = None,
) -> TransferModel:
    """Returns a backbone's features with a head on them; the arguments are as in `build`."""
    own = task.inputs()
    features = {**features, **own}
    logits = task.head(features, head_hints(checkpoint, task.head_kind)) if head is None else head(features)
    model = TransferModel({**inputs, **own}, Logits(dtype="float32", name="logits")(logits))
    model.fixed_paths = frozenset(variable.path for variable in model.non_trainable_weights)
    model.task, model.checkpoint, model.custom_head = task, checkpoint, head is not None
    return model


def _length(checkpoint: Checkpoint, strategy: Strategy, wanted: int | None) -> int:
    prompt, positions = strategy.additions().prompt_length, checkpoint.config.max_length
    limit, but = positions - prompt, f" but for the {prompt} of the prompt" if prompt else ""
    if limit < 3:
        raise ConfigError(
            f"length: expected a prompt of at most {positions - 3}, for this checkpoint has {positions} "
            f"positions; received {prompt}."
        )
    if wanted is not None and not 3 <= wanted <= limit:
        raise ConfigError(
            f"max_length: expected 3 to {limit}, the positions of this checkpoint{but}; received {wanted}."
        )
    return min(128, limit) if wanted is None else wanted


def _report(model: TransferModel, backbone: LoadReport | None) -> LoadReport | None:
    """Fills the head where the checkpoint has one that fits; returns what became of everything."""
    known = set(backbone.loaded) if backbone else set()
    variables = [variable for variable in model.weights if variable.path not in known]
    if model.custom_head or backbone is None:
        paths = tuple(variable.path for variable in variables)
        return backbone and dataclasses.replace(backbone, fresh=paths, head="the head is newly initialised: your own")
    pattern = model.strategy.additions().pattern
    # What no training moves, the task fills itself; what a strategy adds, no checkpoint does.
    more = tuple(variable.path for variable in variables if re.search(pattern, variable.path))
    trained = [variable for variable in variables if variable.path not in {*more, *model.fixed_paths}]
    head = load_head(trained, model.checkpoint, model.task)
    used = {model.checkpoint.family.place(path, model.task.head_kind).name for path in head.loaded}
    left_out = tuple(name for name in backbone.left_out if name not in used)
    return LoadReport((*backbone.loaded, *head.loaded), left_out, (*more, *head.fresh), head.head)
