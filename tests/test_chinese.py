"""Chinese checkpoints as their authors publish them: BERT's or ERNIE's type, a `vocab.txt`, and no `tokenizer.json`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import transformers
from tiny import write_checkpoint

import tftransfer
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.twin import has_twin

DATA = Path(os.environ.get("TFTRANSFER_DATA", Path(__file__).parents[2] / "shared" / "data"))
VOCABULARY = DATA / "tokenizers" / "bert-base-chinese" / "vocab.txt"
TEXTS = ["酒店位置很好，早餐也不错。", "屏幕太差, 3天就坏了!", "iPhone12 性价比高吗？", "𠮷野家 café", ""]
# What the config.json of each kind says beside the sizes; RoBERTa-wwm and MacBERT are BERTs by type.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert-base-chinese": ("bert", {"architectures": ["BertForMaskedLM"], "directionality": "bidi"}),
    "RoBERTa-wwm-ext and MacBERT": (
        "bert",
        {"architectures": ["BertForMaskedLM"], "pooler_type": "first_token_transform"},
    ),
    "ERNIE 3": ("ernie", {"use_task_id": True, "task_type_vocab_size": 3, "type_vocab_size": 4, "hidden_act": "relu"}),
}


@pytest.mark.skipif(not VOCABULARY.is_file(), reason="the vocabulary is not beside the repository")
@pytest.mark.parametrize(("kind", "keys"), KINDS.values(), ids=KINDS)
def test_it_reads_and_answers_chinese(kind: str, keys: dict[str, Any], tmp_path: Path) -> None:
    words = VOCABULARY.read_text(encoding="utf-8")
    write_checkpoint(tmp_path, kind, {"vocab_size": len(words.splitlines()), "pad_token_id": 0}, **keys)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text(words, encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}), encoding="utf-8")

    tokenizer = FastTokenizer.from_directory(tmp_path)
    encoded = tokenizer.encode(TEXTS, max_length=32)
    theirs = transformers.BertTokenizer(str(VOCABULARY), do_lower_case=True)
    rows = [encoded.input_ids[a:b].tolist() for a, b in zip(encoded.offsets, encoded.offsets[1:], strict=False)]
    assert rows == [theirs(text)["input_ids"] for text in TEXTS]
    assert has_twin(tokenizer) is None

    model = tftransfer.build(str(tmp_path), tftransfer.tasks.SequenceClassification(labels=["差评", "好评"]))
    answers = model.predict_text(TEXTS)
    assert len({answer["scores"]["好评"] for answer in answers}) == len(TEXTS)  # every text is another one to it
