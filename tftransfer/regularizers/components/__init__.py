"""What regularizers compute with, made of Keras and TensorFlow; loaded when a training begins."""
