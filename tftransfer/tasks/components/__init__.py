"""Keras objects that tasks are made of; apart from the tasks, which load without TensorFlow."""
