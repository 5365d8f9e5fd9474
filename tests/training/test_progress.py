"""What a person sees of rows that take long."""

import io
import sys

import pytest

from tftransfer.training import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_every_few_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.counting("tokenizing train") as count:
        for seconds, done in ((1, 100), (3, 400), (3, 500), (14, 900), (16, 2100), (1, 9000)):
            clock[0] += seconds
            count(done, 9000)
    assert capsys.readouterr().err.splitlines() == [
        "tokenizing train  row 400/9,000  100 rows/s",
        "tokenizing train  row 900/9,000  43 rows/s",
        "tokenizing train  row 2,100/9,000  57 rows/s",
        "tokenizing train  row 9,000/9,000  237 rows/s",
    ]


def test_nothing_of_what_is_quick(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.counting("tokenizing train") as count:
        count(100, 100)
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal_that_ends_however_it_ends(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(KeyError), progress.counting("tokenizing train") as count:
        for done in (100, 200):
            clock[0] += 5
            count(done, 400)
        raise KeyError
    shown = terminal.getvalue()
    assert "200/400" in shown
    assert "20 rows/s" in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") >= 0  # the cursor is back
