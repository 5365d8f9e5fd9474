"""What a model is for: one file a task, found by the registry."""

from tftransfer.tasks.masked_lm import MaskedLM
from tftransfer.tasks.multi_label_classification import MultiLabelClassification
from tftransfer.tasks.question_answering import QuestionAnswering
from tftransfer.tasks.regression import Regression
from tftransfer.tasks.sentence_embeddings import SentenceEmbeddings
from tftransfer.tasks.sequence_classification import SequenceClassification
from tftransfer.tasks.task import Task
from tftransfer.tasks.token_classification import TokenClassification
from tftransfer.tasks.zero_shot_by_embedding import ZeroShotByEmbedding
from tftransfer.tasks.zero_shot_by_entailment import ZeroShotByEntailment

__all__ = [
    "MaskedLM",
    "MultiLabelClassification",
    "QuestionAnswering",
    "Regression",
    "SentenceEmbeddings",
    "SequenceClassification",
    "Task",
    "TokenClassification",
    "ZeroShotByEmbedding",
    "ZeroShotByEntailment",
]
