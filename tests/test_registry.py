"""Names, options, suggestions."""

import dataclasses
import subprocess
import sys

import pytest

from tftransfer import registry
from tftransfer.errors import ConfigError


def test_every_kind_has_entries_with_a_docstring() -> None:
    for entries in (registry.backbones, registry.sources, registry.strategies, registry.tasks, registry.reports):
        assert entries.names()
        assert all(entries.get(name).__doc__ for name in entries.names())


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"Unknown strategy 'ful'\. Did you mean 'full'\?"):
        registry.strategies.get("ful")


def test_all_problems_of_a_block_come_at_once() -> None:
    options = {"label_smoothing": "much", "poling": "cls"}
    with pytest.raises(ConfigError) as error:
        registry.tasks.build("sequence_classification", options)
    assert "poling: unknown option of 'sequence_classification'. Did you mean 'pooling'?" in str(error.value)
    assert "label_smoothing" in str(error.value)
    assert "received 'much'" in str(error.value)


def test_the_class_checks_its_own_values_too() -> None:
    found = registry.tasks.problems("sequence_classification", {"labels": ["a", "a"]})
    assert found == [(("labels",), "expected distinct labels; received a more than once.")]


def test_two_classes_cannot_share_a_name() -> None:
    entries = registry.Registry("thing", "tftransfer.cli")

    @entries.register("one")
    @dataclasses.dataclass
    class One:
        pass

    with pytest.raises(ConfigError, match="Two thing classes are called 'one'"):

        @entries.register("one")
        @dataclasses.dataclass
        class Other:
            pass

    assert entries.get("one") is One


def test_looking_up_any_name_but_a_report_loads_no_tensorflow() -> None:
    script = (
        "import sys; from tftransfer import registry as r\n"
        "for e in (r.backbones, r.sources, r.strategies, r.tasks): e.names()\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
