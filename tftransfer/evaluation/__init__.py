"""What a model's answers are worth: metrics, reports and plots. Plain values in, plain values out, no TensorFlow."""

from tftransfer.evaluation.classification import ClassificationReport
from tftransfer.evaluation.report import Report
from tftransfer.evaluation.tables import table

__all__ = ["ClassificationReport", "Report", "table"]
