"""The kinds of tokenizers by the names that people know. Loads no TensorFlow."""

__all__ = ["IN_GRAPH"]

# What `in_graph` builds an exact twin of. A single tokenizer can still have a part that has none.
IN_GRAPH = frozenset({"WordPiece", "Unigram", "byte-level BPE"})
