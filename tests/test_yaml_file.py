"""YAML 1.2 scalars, strictness, places; and text that reads back as what was written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftransfer import yaml_file
from tftransfer.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-5", 2e-5),
        ("5.0e-5", 5e-5),
        ("1", 1),
        ("012", 12),
        ("1:30", "1:30"),
        ("no", "no"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("10%", "10%"),
        ("2001-01-01", "2001-01-01"),
        (".5", 0.5),
        ("[a, 1, no]", ["a", 1, "no"]),
        ("{no: 1, 2: b}", {"no": 1, "2": "b"}),
        ("", None),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    read, _ = yaml_file.parse(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "c.yaml:3:1: the key 'a' stands twice"),
        ("a: &x 1\nb: *x", r"c.yaml:2:4: aliases \(\*x\) are not supported"),
        ("a: !!python/object:os.system 1", "c.yaml:1:4: tags .* are not supported"),
        ("a: [1", "c.yaml:1:6: not YAML"),
        ("a: 1\n---\nb: 2", "expected one YAML document"),
        ("a: \x01", "not YAML"),
        ("[" * 40 + "]" * 40, "nested deeper than"),
        ("? [a]\n: 1", "expected a plain key"),
        ("a" * 1_000_001, "at most 1,000,000 characters"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        yaml_file.parse(text, "c.yaml")


def test_places_are_those_of_the_keys() -> None:
    _, places = yaml_file.parse("a:\n  b: 1\n  c: [x, y]\n")
    assert places[("a",)] == (1, 1)
    assert places[("a", "c")] == (3, 3)
    assert places[("a", "c", 1)] == (3, 10)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(["no", "2e-5", "1", "~"])


@given(st.recursive(_LEAVES | _TEXT, lambda v: st.lists(v) | st.dictionaries(_TEXT, v), max_leaves=8))
def test_what_is_written_reads_back(value: Any) -> None:
    assert yaml_file.parse(yaml_file.dump(value))[0] == value
