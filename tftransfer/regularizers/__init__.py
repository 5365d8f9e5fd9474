"""What keeps a fine-tuning from forgetting or overfitting, whatever its strategy: one file a regularizer."""

from tftransfer.regularizers.adversarial import Adversarial
from tftransfer.regularizers.ema import Ema
from tftransfer.regularizers.mixout import Mixout
from tftransfer.regularizers.r_drop import RDrop
from tftransfer.regularizers.regularizer import Regularizer
from tftransfer.regularizers.reinitialize import Reinitialize

__all__ = ["Adversarial", "Ema", "Mixout", "RDrop", "Regularizer", "Reinitialize"]
