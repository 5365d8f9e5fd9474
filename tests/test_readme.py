"""Every block of README.md and CONTRIBUTING.md runs: Python as it is, commands through the parser, YAML as a config."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tftransfer import config
from tftransfer.cli.main import main

ROOT = Path(__file__).parents[1]


def blocks(name: str, language: str) -> list[str]:
    """Returns the code blocks of a Markdown file."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def reviews(path: Path) -> None:
    """Writes the file that the README's first example reads."""
    lines = [
        f"I {'love' if i % 2 else 'hate'} this {'lamp' if i % 3 else 'cup'} number {i},{1 + 4 * (i % 2)}"
        for i in range(40)
    ]
    path.write_text("review,stars\n" + "".join(f'"{a}",{b}\n' for a, b in (line.rsplit(",", 1) for line in lines)))


@pytest.mark.parametrize("number", range(len(blocks("README.md", "python"))))
def test_python_blocks_of_the_readme(number: int, tmp_path: Path) -> None:
    reviews(tmp_path / "reviews.csv")
    code = blocks("README.md", "python")[number]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    if "export(" in code:
        assert (tmp_path / "saved_models" / "reviews" / "1" / "saved_model.pb").is_file()
        assert (tmp_path / "saved_models" / "reviews-pytorch" / "1" / "2_Dense" / "model.safetensors").is_file()


CHECKS = [
    "assert registry.strategies.build('bitfit_example').rates(None)[-1] == ('', 0.0)",
    """from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.families.bert import Bert
strategy = registry.strategies.build('gains_example')
config = Bert().config({'hidden_size': 8, 'num_hidden_layers': 1, 'num_attention_heads': 2, 'intermediate_size': 8})
backbone = Backbone.assemble(config, additions=strategy.additions())
added = [v.path for v in backbone.weights if v.path.endswith('gain')]
assert added == [f'encoder/layer_0/{block}_gain/gain' for block in ('attention', 'feed_forward')]""",
    """from tftransfer.backbones.families.roberta import Roberta
example, real = registry.backbones.get('roberta_example')(), Roberta()
assert example.config({}) == real.config({})
assert example.place('head/hidden/kernel', 'sequence_classification').name == 'classifier.dense.weight'""",
]


@pytest.mark.parametrize("number", range(len(CHECKS)))
def test_python_blocks_of_the_contributing_guide(number: int) -> None:
    code = blocks("CONTRIBUTING.md", "python")
    assert len(code) == len(CHECKS)
    subprocess.run([sys.executable, "-c", f"{code[number]}\n{CHECKS[number]}"], check=True)


def test_yaml_block_is_a_config() -> None:
    (text,) = blocks("README.md", "yaml")
    path = ROOT / "README.md"
    raw, _ = config.yaml_file.parse(text)
    experiment = config.validate(raw, source=str(path))
    assert experiment.training == config.Training()  # it shows the defaults


def commands() -> list[str]:
    lines = [
        line.split("#")[0]
        for name in ("README.md", "CONTRIBUTING.md")
        for block in blocks(name, "bash")
        for line in block.splitlines()
    ]
    return [
        part.strip() for line in lines for part in re.split(r"&&|\|", line) if part.strip().startswith("tftransfer ")
    ]


@pytest.mark.parametrize("command", commands())
def test_commands_parse(command: str) -> None:
    name, *arguments = shlex.split(command)[1:]
    main.commands[name].make_context(name, arguments)


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert "pip install -e '.[dev]' && pytest" in blocks("README.md", "bash")[1]
    assert "README.md" in (ROOT / ".ci" / "run").read_text()
