"""Backbones that are trained from scratch, the baselines of transfer: one file a network."""
