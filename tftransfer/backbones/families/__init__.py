"""One file a family of checkpoints: how its `config.json` and tensor names map onto the shared layers."""
