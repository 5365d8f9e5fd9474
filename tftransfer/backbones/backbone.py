"""A pretrained Transformer as a functional Keras model."""

import contextlib
import re
from typing import Any, Literal

import keras

from tftransfer.additions import Additions
from tftransfer.backbones import layers
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.initializers import zeros_instead
from tftransfer.backbones.tensors import LoadReport, fill
from tftransfer.backbones.transformer import TransformerConfig
from tftransfer.errors import ConfigError

__all__ = ["Backbone"]

GlobalChoice = Literal["none", "first", "question", "input"]


@keras.saving.register_keras_serializable("tftransfer")
class Backbone(keras.Model):
    """A Transformer encoder from token ids to hidden states; a functional `keras.Model`.

    Its inputs are int32 tensors `(batch, length)`:

    - `input_ids`: the tokens.
    - `attention_mask`: 0 is padding, n is the n-th sequence of the row. A token sees only its own number, so the usual
      0/1 mask is the case of one sequence a row, and several texts can be packed into a row.
    - `token_type_ids`: the segment of each token.
    - `position_ids`, if asked for: the position of each token in its sequence, from 0 in every family (RoBERTa's rows
      begin further down in its table; that is added). Without it, the first sequence of a row counts from the row's
      start, or in families of RoBERTa's kind from its first token, and each further one from its own first token.
    - `global_attention_mask`, if asked for: 1 for tokens that see their whole text and are seen by all of it
      (Longformer), 0 for the others.

    Its outputs are a dict: `last_hidden_state` `(batch, length, hidden)` and, if the checkpoint has a pooler,
    `pooler_output` `(batch, hidden)`. `last_hidden_state` carries a Keras mask that leaves out padding.

    Attributes:
        config: TransformerConfig. Sizes and constants.
        load_report: LoadReport or None. What became of the checkpoint's tensors.

    Example:

        >>> backbone = tftransfer.Backbone.from_pretrained("sentence-transformers/all-MiniLM-L6-v2")
        >>> x = keras.layers.Bidirectional(keras.layers.LSTM(128))(backbone.output["last_hidden_state"])
        >>> model = keras.Model(backbone.input, keras.layers.Dense(3)(x))
    """

    config: TransformerConfig
    load_report: LoadReport | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Backbone":
        """Returns the functional model of a Keras config (not of a `config.json`)."""
        parts = dict(config)
        numbers = parts.pop("transformer", None)
        backbone = super().from_config(parts, custom_objects)
        if numbers:
            backbone.config = TransformerConfig.of(numbers)
        return backbone

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if hasattr(self, "config"):  # a clone by keras.models.clone_model has none
            config["transformer"] = self.config.to_dict()
        return config

    @property
    def hidden_states(self) -> list[Any]:
        """The symbolic outputs of the embeddings and of every layer, `(batch, length, hidden)` each."""
        # Keras unpacks the output of an encoder of one layer.
        return [self.get_layer("embeddings").output[0], *keras.tree.flatten(self.get_layer("encoder").output)]

    @property
    def features(self) -> dict[str, Any]:
        """What a head can be built on: the outputs, the `attention_mask`, and the table `word_embeddings`
        `(vocab, embedding)`, float32."""
        words = self.get_layer("embeddings").output[1]
        return {**self.output, "attention_mask": self.input["attention_mask"], "word_embeddings": words}

    @classmethod
    def from_pretrained(
        cls,
        name: str,
        revision: str | None = None,
        *,
        position_ids: bool = False,
        global_attention_mask: bool = False,
        dtype: str = "float32",
    ) -> "Backbone":
        """Returns the backbone of a checkpoint with its weights.

        Args:
            name: str. A directory, or a name on the Hugging Face Hub.
            revision: str. Commit, tag or branch on the Hub. Defaults to None: the pinned commit of a well-known name,
                else the main branch.
            position_ids: bool. Whether the model takes `position_ids`. Defaults to False.
            global_attention_mask: bool. Whether the model takes `global_attention_mask`; without it no token is global.
                Defaults to False.
            dtype: str. Keras dtype policy, "float32" or "mixed_bfloat16". Defaults to "float32".

        Raises:
            ConfigError: if a `global_attention_mask` is asked of a family without global attention.
            CheckpointError: if the checkpoint cannot be found, is damaged, is refused (pickle), is of a family that is
                not supported, or has a config value that is not implemented.
        """
        checkpoint = Checkpoint.find(name, revision)
        if global_attention_mask and not checkpoint.config.global_attention:
            kind = checkpoint.raw_config["model_type"]
            raise ConfigError(
                f"global_attention_mask: expected a checkpoint with global attention, such as a Longformer; received "
                f"'{name}' of the type '{kind}', whose tokens have none. Leave the argument out."
            )
        chosen: GlobalChoice = "input" if global_attention_mask else "none"
        return cls.from_checkpoint(checkpoint, position_ids=position_ids, global_tokens=chosen, dtype=dtype)

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        *,
        position_ids: bool = False,
        global_tokens: GlobalChoice = "none",
        dtype: str = "float32",
        weights: bool = True,
        additions: Additions | None = None,
    ) -> "Backbone":
        """Returns the backbone of an opened checkpoint; with `weights=False` its variables are freshly made.

        Args:
            checkpoint: Checkpoint. See `Checkpoint.find`.
            position_ids: bool. Whether the model takes `position_ids`. Defaults to False.
            global_tokens: str. See `assemble`. Defaults to "none".
            dtype: str. Keras dtype policy. Defaults to "float32".
            weights: bool. Whether to read the weights. Defaults to True.
            additions: Additions. What a strategy adds to the layers. Defaults to None: nothing.
        """
        additions = additions or Additions()
        with zeros_instead() if weights else contextlib.nullcontext():
            backbone = cls.assemble(
                checkpoint.config,
                pooler=checkpoint.has_pooler,
                position_ids=position_ids,
                global_tokens=global_tokens,
                dtype=dtype,
                additions=additions,
            )
        if weights:
            own = [variable for variable in backbone.weights if not re.search(additions.pattern, variable.path)]
            backbone.load_report = fill(own, checkpoint.family, checkpoint.tensors)
            additions.initialize({variable.path: variable for variable in backbone.weights})
        return backbone

    @classmethod
    def assemble(
        cls,
        config: TransformerConfig,
        *,
        pooler: bool = True,
        position_ids: bool = False,
        global_tokens: GlobalChoice = "none",
        dtype: str = "float32",
        additions: Additions | None = None,
    ) -> "Backbone":
        """Returns a freshly initialised backbone of these sizes.

        Args:
            config: TransformerConfig. Sizes and constants.
            pooler: bool. Whether there is a `pooler_output`. Defaults to True.
            position_ids: bool. Whether the model takes `position_ids`. Defaults to False.
            global_tokens: "none", "first" (of every sequence), "question" (all before a sequence's first separator) or
                "input" (an input `global_attention_mask`). Which tokens are global; means nothing to an encoder
                without global attention. Defaults to "none".
            dtype: str. Keras dtype policy. Defaults to "float32".
            additions: Additions. What a strategy adds to the layers. Defaults to None: nothing.
        """
        # === Layers ===
        embeddings = layers.TransformerEmbeddings(config, dtype=dtype, name="embeddings")
        encoder = layers.TransformerEncoder(config, additions, dtype=dtype, name="encoder")
        mask = layers.PaddingMask(dtype=dtype, name="padding_mask")

        # === Functional model ===
        names = ["input_ids", "attention_mask", "token_type_ids"] + ["position_ids"] * position_ids
        names += ["global_attention_mask"] * (config.global_attention and global_tokens == "input")
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
        embedded, _ = embeddings(**{name: value for name, value in inputs.items() if name != "global_attention_mask"})
        options = {name: inputs[name] for name in names[3:]}
        if config.global_attention and global_tokens in ("first", "question"):
            separator = config.separator_token_id if global_tokens == "question" else None
            choose = layers.ChosenTokens(separator, name="global_tokens")
            options["global_attention_mask"] = choose(inputs["input_ids"], inputs["attention_mask"])
        states = encoder(embedded, inputs["attention_mask"], **options)
        outputs = {"last_hidden_state": mask([states[-1], inputs["attention_mask"]])}
        if pooler:
            pool = layers.Pooler(config.hidden_size, config.initializer_range, dtype=dtype, name="pooler")
            outputs["pooler_output"] = pool(states[-1])
        backbone = cls(inputs, outputs, name="backbone")

        # === Config ===
        backbone.config = config
        return backbone
