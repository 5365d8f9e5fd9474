"""Every shipped config validates and builds; the quickstart reaches the score that its header tells."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tftransfer import config, experiment, registry

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
CORPORA = ROOT.parent / "shared" / "data"
INSTALLED = ["sentence-transformers/all-MiniLM-L6-v2"]  # from a package, with the tests


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def paths(path: Path) -> list[str]:
    """Returns the overrides with which a config finds its data; skips where there is none."""
    data = config.load(path).data
    named = [block["path"] for block in (data.train, data.validation, data.test) if block and "path" in block]
    if all(Path(name).exists() for name in named):
        return []
    if not all((CORPORA / name).exists() for name in named):
        pytest.skip("the corpora are not here")
    return [f"data.folder={CORPORA}"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_validates_and_its_header_tells_command_and_score(path: Path) -> None:
    trains = registry.tasks.get(config.load(path).task["name"]).trains
    header = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert header[0].startswith(f"# tftransfer fit configs/{path.name}")
    seeds = r" \((mean of \d seeds; 0\.\d+ to 0\.\d+|seed 0)\)" if trains else ""  # else nothing is random
    assert re.search(rf"test \w+: 0\.\d+{seeds}|not measured yet", "\n".join(header))


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_builds_and_takes_a_step(path: Path, tmp_path: Path) -> None:
    loaded = config.load(path, paths(path))
    if loaded.model.checkpoint not in (None, *INSTALLED):  # a network from scratch has none
        pytest.skip("its checkpoint is on the Hub")
    summary = experiment.fit(loaded, tmp_path / "run", dry_run=True)
    assert summary["steps"] == 0 or np.isfinite(summary["loss"])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_quickstart_reaches_its_score(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from tftransfer.cli.main import run; run()", "fit", "configs/quickstart.yaml"]
    out = subprocess.run(
        [*command, "--run", str(tmp_path / "run"), "--json"], check=True, stdout=subprocess.PIPE
    ).stdout
    summary = json.loads(out)
    # The gate is the header's mean less the noise of one seed on 400 messages (a standard error of 0.015).
    assert summary["metrics"]["test"]["accuracy"] >= 0.88
    assert (Path(summary["export"]) / "saved_model.pb").is_file()
