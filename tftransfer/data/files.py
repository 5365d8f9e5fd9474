"""Files on this machine, and behind a scheme such as gs:// through fsspec: opened, listed, and named when missing."""

import contextlib
import difflib
import glob
import gzip
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from tftransfer import registry
from tftransfer.errors import DataError

__all__ = ["expand", "has_pattern", "is_pipe", "is_remote", "matches", "opened"]

_NEAREST = 3  # names in a message


def is_remote(path: str) -> bool:
    """Returns whether a path has a scheme, such as "gs://"."""
    return "://" in path


def has_pattern(path: str) -> bool:
    """Returns whether a path stands for all files that match it."""
    # "?" begins the query of an address.
    return any(sign in path for sign in ("*[" if path.startswith(("http://", "https://")) else "*?["))


def is_pipe(path: str) -> bool:
    """Returns whether a path can be read but once."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def matches(pattern: str) -> list[str]:
    """Returns the files that match a pattern, sorted; "**" stands for folders at any depth."""
    if not is_remote(pattern):
        return sorted(glob.glob(pattern, recursive=True))
    system, inside = _system(pattern)
    # The beginning as it was given: the labels of a folder are what follows it.
    scheme, _, rest = pattern.partition("://")
    start = f"{scheme}://{'/' if rest.startswith('/') else ''}"
    return sorted(name if is_remote(name) else start + name.lstrip("/") for name in system.glob(inside))


def expand(path: str | list[str]) -> list[str]:
    """Returns the files that a path stands for: itself, what its pattern matches, or what those of a list do.

    Raises:
        DataError: for a pattern that no file matches.
    """
    if isinstance(path, list):
        return [name for one in path for name in expand(one)]
    if not has_pattern(path) or (not is_remote(path) and os.path.exists(path)):
        return [path]
    found = matches(path)
    if not found:
        raise DataError(f"{path}: no file matches this pattern.{_near(path)}")
    return found


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Opens a file to be read in binary; it is unpacked if its name ends in .gz.

    Raises:
        DataError: if it is missing, a folder, or cannot be read, or its scheme takes a package that is not there.
    """
    try:
        with _open(path) as stream:
            if path.lower().endswith(".gz"):
                # A GzipFile reads line by line in Python; the buffer on top does it in C.
                with io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream))) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield stream
    except FileNotFoundError as error:
        raise DataError(_missing(path)) from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: expected a file, found a folder. Name one of the files in it.") from error
    except OSError as error:
        reason = f"{path}: the file cannot be read ({error.strerror or error})."
        advice = "your credentials and the network" if is_remote(path) else "its permissions and the disk"
        raise DataError(f"{reason} Check {advice}.") from error


def _open(path: str) -> BinaryIO:
    if not is_remote(path):
        return open(path, "rb")
    system, inside = _system(path)
    return cast(BinaryIO, system.open(inside, "rb"))


def _system(path: str) -> tuple[Any, str]:
    """Returns fsspec's file system of a path, and what the path is called there."""
    advice = "For gs:// and s3://, install both: pip install 'tftransfer[remote]'."
    try:
        import fsspec

        return cast(tuple[Any, str], fsspec.core.url_to_fs(path))
    except ImportError as error:
        raise DataError(f"{path}: a package is missing that reads such paths ({error}). {advice}") from error
    except ValueError as error:
        scheme = path.partition("://")[0]
        hint = registry.suggest(scheme, fsspec.available_protocols())
        raise DataError(f"{path}: nothing installed reads paths that begin with {scheme}://.{hint} {advice}") from error


def _missing(path: str) -> str:
    if is_remote(path):
        return f"{path}: no such file.{_near(path)}"
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return f"{path}: no such file: the folder '{folder}' is missing or closed. Check the path."
    return f"{path}: no such file.{registry.suggest(name, names)} Check the path; it is taken from {os.getcwd()}."


def _near(path: str) -> str:
    """Returns what stands in the folder of a path that is not there, the nearest names first."""
    folder, _, name = path.rpartition("/")
    with contextlib.suppress(OSError):
        names = [one.rpartition("/")[2] for one in matches(f"{folder}/*" if folder else "*")]
        near = difflib.get_close_matches(name, names, n=_NEAREST, cutoff=0.3) or sorted(names)[:_NEAREST]
        more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
        if names:
            return f" In '{folder or '.'}' stand: {', '.join(near)}{more}."
    return f" There is nothing in '{folder or '.'}'. Check the path."
