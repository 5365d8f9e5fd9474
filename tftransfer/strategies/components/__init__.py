"""Keras's pieces that strategies are made of."""
