"""What keeps a fine-tuning from forgetting or overfitting, whatever its strategy: one file a regularizer."""

from tftransfer.regularizers.regularizer import Regularizer

__all__ = ["Regularizer"]
