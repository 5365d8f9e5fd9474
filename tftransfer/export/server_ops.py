"""Which ops a stock TF Serving has, beside those of TensorFlow itself, and which it must not be sent.

A server links TensorFlow Text, but not the release of its own number: 2.12 to 2.19 all link 2.12.1.
"""

import re

import tensorflow as tf

__all__ = ["OLDEST_SERVER", "minimum_server", "refusal", "version_key"]

# Older servers link a TensorFlow Text without FastBertNormalize.
OLDEST_SERVER = "2.12"

_TEXT_OPS = {
    "2.12": """
        CaseFoldUTF8 ConstrainedSequence FastBertNormalize FastWordpieceTokenizeWithOffsets FindSourceOffsets
        MaxSpanningTree NormalizeUTF8 NormalizeUTF8WithOffsetsMap PhraseTokenize RegexSplitWithOffsets RougeL
        SentenceFragments SentenceFragmentsV2 SentencepieceDetokenizeOp SentencepieceIdToStringOp SentencepieceOp
        SentencepieceStringToIdOp SentencepieceTokenizeOp SentencepieceTokenizeWithOffsetsOp SentencepieceVocabSizeOp
        SplitMergeTokenizeWithOffsets TFText>BoiseTagsToOffsets TFText>ByteSplitByOffsets TFText>ByteSplitWithOffsets
        TFText>FastSentencepieceDetokenize TFText>FastWordpieceDetokenize TFText>NgramsStringJoin
        TFText>OffsetsToBoiseTags TFText>PhraseDetokenize TFText>WhitespaceTokenizeWithOffsetsV2 TokenizerFromLogits
        UnicodeScriptTokenizeWithOffsets WhitespaceTokenizeWithOffsets WordpieceTokenizeWithOffsets
    """,
    # FastSentencepieceTokenize is in the older servers too, but more than 32,767 tokens in a batch end their process.
    "2.20": """
        TFText>FastSentencepieceTokenize TFText>RoundRobinGenerateMasks TFText>RoundRobinTrim TFText>Utf8Binarize
    """,
}
# TensorFlow's own ops that 2.12 lacks and 2.21 has; those in between were not looked at, so the safe version is given.
_CORE_OPS = {
    "2.21": """
        Conv DecodeWebP FFTND GlobalIterId IFFTND IRFFTND RFFTND RaggedFillEmptyRows RaggedFillEmptyRowsGrad
        SegmentMaxV2 SegmentMinV2 StochasticCastToInt XlaLaunchV2
    """
}
_SINCE = {op: version for table in (_TEXT_OPS, _CORE_OPS) for version, ops in table.items() for op in ops.split()}

_REFUSED = (
    (r"PyFunc.*|EagerPyFunc", "runs Python, which a server does not have; write it with TensorFlow ops"),
    (
        # Not InitializeTableFromTextFile: TensorFlow copies such a file into the artefact's assets.
        r"(Read|Write)File|MatchingFiles|\w+Reader(V2)?|(TextLine|TFRecord|FixedLengthRecord)Dataset(V2)?|DumpTensor",
        "reads or writes files outside the artefact; hold the data in a variable or a constant",
    ),
    (
        r"(Anonymous)?Mutable(Dense)?HashTable\w*",
        "a table that requests can change, and which grows without limit; use a constant table",
    ),
    (r"Cudnn\w+", "runs on a GPU only; build the layer with use_cudnn=False"),
)
# Every SavedModel holds these, in the functions that restore its variables.
_RESTORING = {"MergeV2Checkpoints", "Restore", "RestoreSlice", "RestoreV2", "Save", "SaveSlices", "SaveV2"}


def version_key(version: str) -> tuple[int, ...]:
    """Returns "2.12" as (2, 12), so that versions compare as numbers."""
    return tuple(int(part) for part in version.split(".")[:2])


def minimum_server(op: str) -> str:
    """Returns the oldest TF Serving that runs an op, "2.12" at the least."""
    return _SINCE.get(op, OLDEST_SERVER)


def refusal(op: str, server: str, *, restoring: bool) -> str | None:
    """Returns why a stock server cannot, or should not, run an op; None if it can.

    Args:
        op: str. Name of the op.
        server: str. Version of TF Serving.
        restoring: bool. Whether the op serves only the restoring of variables, before the first request.
    """
    for pattern, reason in _REFUSED:
        if re.fullmatch(pattern, op):
            return reason
    if op in _RESTORING and not restoring:
        return "reads or writes files while answering; keep saving and loading out of the model"
    if op not in _SINCE and not hasattr(tf.raw_ops, op):
        return "neither TensorFlow nor TensorFlow Text has it, so a stock server does not either"
    if version_key(minimum_server(op)) > version_key(server):
        return f"needs TF Serving {minimum_server(op)}, but the target is {server}; use other ops or a newer server"
    return None
