"""Real corpora: what is in two of their splits is found, and nothing else is called leakage."""

import gzip
import os
from pathlib import Path

import pytest
from inspected import table

from tftransfer import config, inspection

DATA = Path(os.environ.get("TFTRANSFER_DATA", Path(__file__).parents[3] / "shared" / "data"))


def texts(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    header, *lines = content.decode("utf-8").splitlines()
    column = header.split("\t").index("text")
    return [" ".join(line.split("\t")[column].casefold().split()) for line in lines]


@pytest.mark.parametrize(("corpus", "train", "leaks"), [("trec", "train.tsv", True), ("sst2", "train.tsv.gz", False)])
def test_leakage_is_what_two_splits_share(tiny_checkpoint: Path, corpus: str, train: str, leaks: bool) -> None:
    folder = DATA / corpus
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    raw = {
        "model": {"checkpoint": str(tiny_checkpoint), "max_length": 64},
        "task": {"name": "sequence_classification"},
        "data": {"train": {"path": str(folder / train)}, "test": {"path": str(folder / "test.tsv")}},
    }
    chosen = {
        name: check for name, check in inspection.build_checks().items() if name in ("exact_duplicates", "leakage")
    }
    found = inspection.inspect(config.validate(raw), chosen)
    known = texts(folder / train)
    known_once = set(known)
    shared = sum(text in known_once for text in texts(folder / "test.tsv"))
    (across,) = table(found, "exact_duplicates", "Across")
    assert across["rows"] == shared > 0
    within = table(found, "exact_duplicates", "Within")[0]
    assert within["repeated"] == len(known) - len(known_once)
    assert bool(found.failing(["leakage"])) == leaks
    assert not found.sections["leakage"].findings
