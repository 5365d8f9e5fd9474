"""What a model's answers are worth: metrics, reports and plots. Plain values in, plain values out, no TensorFlow."""

from tftransfer.evaluation.classification import ClassificationReport
from tftransfer.evaluation.masked_lm import MaskedLMReport
from tftransfer.evaluation.multi_label import MultiLabelReport
from tftransfer.evaluation.question_answering import QuestionAnsweringReport
from tftransfer.evaluation.regression import RegressionReport
from tftransfer.evaluation.report import Report
from tftransfer.evaluation.sentence_embeddings import SentenceEmbeddingsReport
from tftransfer.evaluation.tables import table
from tftransfer.evaluation.token_classification import TokenClassificationReport

__all__ = [
    "ClassificationReport",
    "MaskedLMReport",
    "MultiLabelReport",
    "QuestionAnsweringReport",
    "RegressionReport",
    "Report",
    "SentenceEmbeddingsReport",
    "TokenClassificationReport",
    "table",
]
