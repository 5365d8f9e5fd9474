"""Networks that are trained from scratch, the baselines that transfer is measured against."""

import dataclasses
import itertools
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from tftransfer import config, registry
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.data.examples import Examples
from tftransfer.tokenizers.word_level import word_level

__all__ = ["checkpoint_of", "from_scratch"]

_TEXTS = ("text", "text_pair", "text_negative")


def from_scratch(name: str, train: Examples, **options: Any) -> Checkpoint:
    """Returns what `tftransfer.build` makes an untrained network of, with a vocabulary of the training data's words.

    It is a checkpoint without weights: a `config.json` and a tokenizer, written to a temporary directory that is there
    as long as the checkpoint is. Everything else is as with a pretrained one, but that weights begin with random
    numbers, and that Hugging Face has no class for it.

    Args:
        name: "text_cnn" or "bilstm"; `tftransfer list networks` has them all.
        train: Examples. The training data. Words are cut and lower-cased as those of an uncased BERT.
        **options: Those of the network; see `tftransfer.backbones.networks`.

    Returns:
        A `Checkpoint`.

    Raises:
        ConfigError: for an unknown name or option or a wrong value, or if no word is left for the vocabulary.

    Example:

        >>> checkpoint = tftransfer.from_scratch("text_cnn", train, min_count=2)
        >>> model = tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification(labels=train.labels))
        >>> tftransfer.fine_tune(model, train, validation, learning_rate=1e-3, epochs=10)
    """
    network = registry.networks.build(name, options)
    texts = itertools.chain.from_iterable(train.columns.get(role, ()) for role in _TEXTS)
    tokenizer = word_level(texts, vocab_size=network.vocab_size, min_count=network.min_count)
    directory = Path(tempfile.mkdtemp(prefix="tftransfer-"))
    tokenizer.save(directory)
    checkpoint = Checkpoint.of_network(dataclasses.replace(network, vocab_size=tokenizer.vocab_size), directory)
    weakref.finalize(checkpoint, shutil.rmtree, directory, ignore_errors=True)
    return checkpoint


def checkpoint_of(experiment: config.Experiment, train: Examples | None) -> Checkpoint:
    """Returns what an experiment starts from: a pretrained checkpoint, or a network with its training data's words."""
    if experiment.backbone is None or train is None:
        return Checkpoint.find(experiment.model.checkpoint or "", experiment.model.revision)
    options = dict(experiment.backbone)
    return from_scratch(options.pop("name"), train, **options)
