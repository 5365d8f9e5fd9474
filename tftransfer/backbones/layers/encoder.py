"""Transformer layers and the stack of them."""

from typing import Any

import keras

from tftransfer.activations import find_activation
from tftransfer.additions import Additions
from tftransfer.backbones.layers.attention import SelfAttention, attention_bias
from tftransfer.backbones.layers.block_sparse import BlockSparseSelfAttention
from tftransfer.backbones.layers.convolution import SequenceConvolution
from tftransfer.backbones.layers.disentangled import DisentangledSelfAttention, RelativePositions
from tftransfer.backbones.layers.dropout import Dropout
from tftransfer.backbones.layers.frozen import dropout_is_active
from tftransfer.backbones.layers.gelu import gelu
from tftransfer.backbones.layers.global_tokens import GlobalTokens
from tftransfer.backbones.layers.local import LocalSelfAttention, LongformerSelfAttention
from tftransfer.backbones.layers.parts import added, additions_config, additions_of, norm, projection
from tftransfer.backbones.layers.positions import RelativeBias, default_position_ids, rotations
from tftransfer.backbones.layers.prompt import behind_prompt, check_single, prompted, prompted_shape
from tftransfer.backbones.layers.recompute import recomputed
from tftransfer.backbones.transformer import TransformerConfig

__all__ = ["EncoderPart", "TransformerEncoder", "TransformerLayer"]


def _attention_class(config: TransformerConfig, layer: int) -> type[SelfAttention]:
    """Returns the kind of attention of a layer."""
    if config.disentangled:
        return DisentangledSelfAttention
    if config.global_attention:
        return LongformerSelfAttention
    if config.block_sparse:
        return BlockSparseSelfAttention
    return LocalSelfAttention if config.window(layer) else SelfAttention


@keras.saving.register_keras_serializable("tftransfer")
class TransformerLayer(keras.layers.Layer):
    """Self-attention and a feed-forward block, each with dropout, a residual sum and a normalisation.

    "post" normalises after each sum (Vaswani et al., 2017; BERT), "pre" before each block (Xiong et al., 2020).

    Args:
        config: TransformerConfig, or the dict of one.
        layer: int. Which layer of the encoder it is. Defaults to 0.
        additions: Additions, or the config of them. Defaults to None: nothing is added.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`.
        scope: dict. See `TransformerEncoder.scope`.
        training: bool. Whether dropout is active; a layer with nothing to train never drops.

    Returns:
        A float tensor `(batch, length, hidden)`.
    """

    def __init__(
        self,
        config: TransformerConfig | dict[str, Any],
        layer: int = 0,
        additions: Additions | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # what is in the scope is float32 on purpose
        self.config = TransformerConfig.of(config)
        self.layer = layer
        self.additions = additions_of(additions)
        self.activation_function = find_activation(self.config.activation)
        # A pre-norm encoder's first layer would normalise embeddings that have just been normalised (ModernBERT).
        self.normalizes_input = self.config.norm == "post" or layer > 0

    def build(self, hidden_shape: tuple[Any, ...]) -> None:
        config, policy, bias = self.config, self.dtype_policy, self.config.feed_forward_bias
        inner_shape = (*hidden_shape[:-1], config.intermediate_size)
        self.attention = _attention_class(config, self.layer)(
            config, self.layer, self.additions, dtype=policy, name="attention"
        )
        self.attention.build(hidden_shape)
        if self.normalizes_input:
            self.attention_norm = norm(config, "attention_norm", policy)
            self.attention_norm.build(hidden_shape)
        if config.gated:
            self.gate = projection(self, "gate", config.intermediate_size, bias, hidden_shape)
        self.intermediate = projection(self, "intermediate", config.intermediate_size, bias, hidden_shape)
        self.output_dense = projection(self, "output", config.hidden_size, bias, inner_shape)
        self.after_attention = added(self, "attention", hidden_shape)
        self.after_feed_forward = added(self, "feed_forward", hidden_shape)
        self.output_norm = norm(config, "output_norm", policy)
        self.output_norm.build(hidden_shape)
        self.dropout = Dropout(config.hidden_dropout, dtype=policy, name="dropout")

    def call(self, hidden: Any, scope: dict[str, Any], training: bool | None = None) -> Any:
        training = dropout_is_active(self, training)
        if self.config.norm == "post":
            hidden = self.attention_norm(hidden + self._attend(hidden, scope, training))
            return self.output_norm(hidden + self._feed_forward(hidden, training))
        hidden = hidden + self._attend(self.attention_norm(hidden) if self.layer else hidden, scope, training)
        return hidden + self._feed_forward(self.output_norm(hidden), training)

    def _attend(self, hidden: Any, scope: dict[str, Any], training: bool) -> Any:
        attended = self.dropout(self.attention(hidden, scope, training=training), training=training)
        return attended if self.after_attention is None else self.after_attention(attended)

    def _feed_forward(self, hidden: Any, training: bool) -> Any:
        inner = self.intermediate(hidden)

        def activate(x: Any) -> Any:
            return gelu(x, training) if self.config.activation == "gelu" else self.activation_function(x)

        inner = activate(self.gate(hidden)) * inner if self.config.gated else activate(inner)
        passed = self.dropout(self.output_dense(inner), training=training)
        return passed if self.after_feed_forward is None else self.after_feed_forward(passed)

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[int | None, ...]:
        return hidden_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "config": self.config.to_dict(), "layer": self.layer} | additions_config(
            self.additions
        )


@keras.saving.register_keras_serializable("tftransfer")
class TransformerEncoder(keras.layers.Layer):
    """A stack of `TransformerLayer`s; the n-th one is called `layer_n`.

    Args:
        config: TransformerConfig, or the dict of one.
        additions: Additions, or the config of them. Defaults to None: nothing is added.

    Call arguments:
        hidden: float tensor `(batch, length, hidden)`, the embeddings; longer by a prompt if one is added.
        attention_mask: int tensor `(batch, length)`. 0 is padding, n is the n-th sequence of the row.
        position_ids: int tensor `(batch, length)`, from 0 in every sequence. Defaults to None: counted.
        global_attention_mask: int tensor `(batch, length)`. 1 for global tokens, where there is global attention.
            Defaults to None: no token is global.
        training: bool. Whether dropout is active.

    Returns:
        A tuple of `num_layers` float tensors `(batch, length, hidden)`: the output of every layer, the last one last.

    Attributes:
        gradient_checkpointing: bool. Whether training computes each layer twice instead of keeping what is in it. It is
            not saved. Defaults to False.
    """

    def __init__(
        self,
        config: TransformerConfig | dict[str, Any],
        additions: Additions | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.config = config = TransformerConfig.of(config)
        self.additions = additions_of(additions)
        policy = self.dtype_policy
        self.gradient_checkpointing = False  # of a training, not of the network
        self.supports_jit = not config.global_attention  # XLA would have to know how many tokens are global
        self.layers = [
            TransformerLayer(config, n, self.additions, dtype=policy, name=f"layer_{n}")
            for n in range(config.num_groups or config.num_layers)
        ]
        if config.norm == "pre":
            self.final_norm = norm(config, "final_norm", policy)
        if config.relative_bias:
            bias, options = config.relative_bias, {"initializer_range": config.initializer_range}
            self.relative_bias = RelativeBias(
                config.num_heads, bias.buckets, bias.max_distance, **options, name="relative_bias"
            )
        if config.disentangled:
            self.relative_positions = RelativePositions(config, dtype=policy, name="relative_positions")
        if config.convolution:
            self.convolution = SequenceConvolution(config, dtype=policy, name="convolution")

    def build(self, hidden_shape: tuple[int | None, ...], *other_shapes: Any, **named_shapes: Any) -> None:
        for layer in self.layers:
            layer.build(hidden_shape)
        if self.config.norm == "pre":
            self.final_norm.build(hidden_shape)
        if self.config.relative_bias:
            self.relative_bias.build()
        if self.config.disentangled:
            self.relative_positions.build()
        if self.config.convolution:
            self.convolution.build(hidden_shape)

    def call(
        self,
        hidden: Any,
        attention_mask: Any,
        position_ids: Any = None,
        global_attention_mask: Any = None,
        training: bool | None = None,
    ) -> tuple[Any, ...]:
        prompt = self.additions.prompt_length
        if prompt:
            check_single(attention_mask)
            attention_mask, position_ids = behind_prompt(attention_mask, position_ids, prompt)
            if global_attention_mask is not None:
                global_attention_mask = prompted(global_attention_mask, prompt, 1)
        scope = self.scope(attention_mask, position_ids, global_attention_mask)
        outputs = self.outputs(hidden, scope, 0, self.config.num_layers, training)
        return tuple(states[:, prompt:] for states in outputs) if prompt else outputs

    def outputs(
        self, hidden: Any, scope: dict[str, Any], first: int, end: int, training: bool | None
    ) -> tuple[Any, ...]:
        """Returns what each layer from `first` until before `end` makes of what the one before `first` made."""
        embedded, outputs = hidden, list[Any]()
        for position in range(first, end):
            hidden = self._layer_output(self.layers[self.config.layer_order[position]], hidden, scope, training)
            if self.config.convolution and position == 0:
                hidden = self.convolution(embedded, hidden, scope["attention_mask"], training=training)
            outputs.append(hidden)
        if self.config.norm == "pre" and end == self.config.num_layers:
            outputs[-1] = self.final_norm(hidden)
        return tuple(outputs)

    def _layer_output(self, layer: TransformerLayer, hidden: Any, scope: dict[str, Any], training: bool | None) -> Any:
        if not (self.gradient_checkpointing and training):
            return layer(hidden, scope, training=training)
        learned = {name: scope[name] for name in self._learned}
        return recomputed(layer, lambda x, more: layer(x, {**scope, **more}, training=True), hidden, learned)

    @property
    def _learned(self) -> list[str]:
        """The entries of the scope that gradients go to."""
        entries = {"bias": self.config.relative_bias, "relative_positions": self.config.disentangled}
        return [name for name, learned in entries.items() if learned]

    @property
    def frozen_depth(self) -> int:
        """How many of the lowest layers, with all that they share with others, have nothing to train."""
        members = {name: getattr(self, name, None) for name in ("convolution", "relative_bias", "relative_positions")}
        if any(member.trainable_variables for member in members.values() if member is not None):
            return 0
        order = self.config.layer_order
        trained = (depth for depth, n in enumerate(order) if self.layers[n].trainable_variables)
        norm_trains = self.config.norm == "pre" and bool(self.final_norm.trainable_variables)
        return min(next(trained, len(order)), len(order) - norm_trains)

    def scope(self, attention_mask: Any, position_ids: Any = None, global_attention_mask: Any = None) -> dict[str, Any]:
        """Returns what all layers share: the attention mask, and what their attentions need beside it."""
        config = self.config
        needed = {entry for layer in self.layers for entry in layer.attention.needs}
        scope = {"attention_mask": attention_mask}
        if "bias" in needed:
            scope["bias"] = attention_bias(attention_mask)
            if config.relative_bias:
                scope["bias"] += self.relative_bias(attention_mask)
        if "global_tokens" in needed and global_attention_mask is not None:
            scope["global_tokens"] = GlobalTokens.find(global_attention_mask, attention_mask)
        if config.disentangled:
            scope["relative_positions"], scope["relative_rows"] = self.relative_positions(attention_mask)
        if config.rotary:
            positions = default_position_ids(attention_mask) if position_ids is None else position_ids
            size, theta = config.hidden_size // config.num_heads, config.rotary.theta
            scope["rotation"] = rotations(positions, size, theta)
            if config.windows:
                scope["local_rotation"] = rotations(positions, size, config.rotary.local_theta or theta)
        return scope

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[Any, ...]:
        return (prompted_shape(hidden_shape, -self.additions.prompt_length),) * self.config.num_layers

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "config": self.config.to_dict()} | additions_config(self.additions)


class EncoderPart(keras.layers.Layer):
    """Some of an encoder's layers in a row; their variables are the encoder's.

    Args:
        encoder: TransformerEncoder. Built.
        first: int. The first of its layers, from 0. For the first but 0, `hidden` is what the layer before it made.
        end: int. The layer before which it ends.

    Call arguments:
        hidden, attention_mask, global_attention_mask, training: As of `TransformerEncoder`.

    Returns:
        A float tensor `(batch, length, hidden)`: the output of the last of the layers.
    """

    def __init__(self, encoder: TransformerEncoder, first: int, end: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, dtype=encoder.dtype_policy, **kwargs)
        self.encoder = encoder
        self.first = first
        self.end = end

    def call(
        self, hidden: Any, attention_mask: Any, global_attention_mask: Any = None, training: bool | None = None
    ) -> Any:
        scope = self.encoder.scope(attention_mask, global_attention_mask=global_attention_mask)
        return self.encoder.outputs(hidden, scope, self.first, self.end, training)[-1]

    def compute_output_shape(self, hidden_shape: tuple[int | None, ...], *other: Any) -> tuple[int | None, ...]:
        return hidden_shape
