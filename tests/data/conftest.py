"""Where the real corpora are."""

import os
from pathlib import Path

import pytest

CORPORA = Path(os.environ.get("TFTRANSFER_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Returns the folder of the real corpora; their counts below are those of its SOURCE.md files."""
    if not CORPORA.is_dir():
        pytest.skip("the corpora are not there")
    return CORPORA
