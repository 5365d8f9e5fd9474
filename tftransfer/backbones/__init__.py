"""Pretrained Transformers: reading checkpoints, shared layers, one file a family."""
