"""The command line, run in the test's own process."""

import sys
from collections.abc import Callable

import pytest

from tftransfer.cli import main as cli

Outcome = tuple[int, str, str]


@pytest.fixture
def tftransfer(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["tftransfer", *map(str, arguments)])
        try:
            cli.run()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return run
