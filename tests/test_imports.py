"""The house: who may import whom, what is public, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tftransfer

PACKAGE = Path(tftransfer.__file__).parent
# From the ground up; a module imports only from lower floors and from its own room. Rooms of one floor are strangers.
FLOORS = [
    {"errors", "registry", "config", "yaml_file", "atomic"}
    # For rooms that are strangers.
    | {
        "activations",
        "additions",
        "answers",
        "arrow_store",
        "calibration",
        "column",
        "objective",
        "row_options",
        "tags",
        "thresholds",
        "token_rows",
    },
    {"tokenizers", "data", "backbones", "tasks", "strategies", "regularizers", "evaluation"},
    {"gradients", "merging", "pretrained_head", "scratch", "token_cache"},
    {"model", "pretrained_model", "training", "export", "weights", "run_directory", "splits"},
    {"encoding", "inspection"},
    {"experiment"},
    {"cli"},
]
COMMAND = "from tftransfer.cli.main import main; main({!r}, standalone_mode=False)"
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(n for n, rooms in enumerate(FLOORS) if name in rooms)


def imported_rooms(path: Path) -> set[str]:
    """Returns the rooms of tftransfer that a file imports, at any depth of its code."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "tftransfer":
            rooms |= {alias.name for alias in node.names if alias.name != "__version__"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tftransfer."):
            rooms.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("tftransfer.")}
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    own = room(path.relative_to(PACKAGE).parts)
    if own == "__init__":
        return
    for other in imported_rooms(path) - {own}:
        ground = floor(own) == floor(other) == 0
        if other == "data" and own == "config":  # the one upward look: a file's name tells its format
            continue
        assert ground or floor(other) < floor(own), f"{own} imports {other}, which is not below it"


def test_every_room_has_its_floor() -> None:
    rooms = {room(path.relative_to(PACKAGE).parts) for path in MODULES} - {"__init__"}
    assert rooms == set().union(*FLOORS)


def test_public_names_are_sorted_and_there() -> None:
    assert list(tftransfer.__all__) == sorted(tftransfer.__all__)
    for name in tftransfer.__all__:
        assert getattr(tftransfer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'bild'"):
        _ = tftransfer.bild


@pytest.mark.parametrize(
    "code",
    [
        "import tftransfer",
        COMMAND.format(["--help"]),
        COMMAND.format(["fit", "--help"]),
        COMMAND.format(["list"]),
        COMMAND.format(["list", "backbones"]),
        COMMAND.format(["show", "configs/quickstart.yaml"]),
        COMMAND.format(["inspect", "configs/quickstart.yaml"]),
        COMMAND.format(["show", "sentence-transformers/all-MiniLM-L6-v2"]),
    ],
)
def test_light_things_load_no_tensorflow(code: str) -> None:
    check = "\nimport sys; assert not {'tensorflow', 'keras', 'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code + check], check=True, cwd=PACKAGE.parent, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_sizes_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, "a file of more than 400 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is longer than 60 lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
