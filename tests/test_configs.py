"""Every shipped config validates and builds; the quickstart reaches the score that its header tells."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tftransfer import config, experiment, registry

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
CORPORA = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def paths(path: Path) -> list[str]:
    """Returns the overrides that put the corpora's paths into a config."""
    data = config.load(path).data
    blocks = {"train": data.train, "validation": data.validation, "test": data.test}
    return [
        f"data.{name}.path={CORPORA / block['path']}"
        for name, block in blocks.items()
        if block and "path" in block and not Path(block["path"]).exists()
    ]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_validates_and_its_header_tells_command_and_score(path: Path) -> None:
    trains = registry.tasks.get(config.load(path).task["name"]).trains
    header = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert header[0].startswith(f"# tftransfer fit configs/{path.name}")
    seeds = r" \(mean of 3 seeds; 0\.\d+ to 0\.\d+\)" if trains else ""  # without training nothing is random
    assert re.search(r"test accuracy: 0\.\d+" + seeds, "\n".join(header))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_builds_and_takes_a_step(path: Path, tmp_path: Path) -> None:
    overrides = paths(path)
    if any(not Path(override.split("=")[1]).exists() for override in overrides):
        pytest.skip("the corpora are not here")
    summary = experiment.fit(config.load(path, overrides), tmp_path / "run", dry_run=True)
    assert summary["steps"] == 0 or 0 < summary["loss"] < 5
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
