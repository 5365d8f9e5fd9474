"""A model's weights on disk, with a checksum that is checked: a flipped byte in an HDF5 file loads without a word."""

import json
from pathlib import Path
from typing import Any

from tftransfer import atomic
from tftransfer.errors import RunDirectoryError

__all__ = ["restore", "save"]


def save(model: Any, directory: Path, epoch: int) -> None:
    """Writes the weights and then the manifest that names them; a reader sees the old pair or the new one.

    Args:
        model: keras.Model.
        directory: Path. Made if it is missing.
        epoch: int. Which epoch they are from, counted from 0.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"epoch-{epoch + 1:04d}.weights.h5"
    model.save_weights(path)
    manifest = {"file": path.name, "sha256": atomic.sha256(path), "bytes": path.stat().st_size, "epoch": epoch + 1}
    atomic.write(directory / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    for other in directory.glob("*.weights.h5"):
        if other != path:
            other.unlink()


def restore(model: Any, directory: Path) -> None:
    """Loads the weights that the manifest names into a model of the same shape.

    Args:
        model: keras.Model.
        directory: Path. Where `save` wrote.

    Raises:
        RunDirectoryError: if a file is missing or is not the one that was written.
    """
    try:
        manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
        path = directory / Path(manifest["file"]).name
        digest = atomic.sha256(path)
    except (OSError, ValueError, KeyError) as error:
        raise RunDirectoryError(f"{directory}: expected a manifest.json and the weights it names; {error}.") from None
    if digest != manifest["sha256"]:
        raise RunDirectoryError(
            f"{path}: expected the sha256 {manifest['sha256']}, received {digest}. The file was changed or damaged "
            "after it was written; restore it from a copy, or train again."
        )
    model.load_weights(path)
