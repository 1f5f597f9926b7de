"""Loading and saving a checkpoint by path: the front door for anybody with a loop of their own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evo.errors import CheckpointError

from . import disk
from .atomic import write_atomically
from .checkpoint import Checkpoint, read_file
from .encoding import encode
from .folder import Warn, generations, newest_good
from .format import DamagedError
from .remote import is_url, load_remote

_SUBFOLDER = "checkpoints"


def save(path: str | os.PathLike[str], tree: Mapping[str, Any]) -> Path:
    """Write a checkpoint; a crash leaves what was there before, or the whole of the new one.

    Parameters
    ----------
    path
        The file; its folder must exist.
    tree
        See `encode` for what it may hold.

    Returns
    -------
    Path
        The file, on the disk by now.

    Raises
    ------
    CheckpointError
        The tree holds something that a checkpoint cannot hold, or the file cannot be written.
    """
    path = Path(path)
    buffers = encode(expect_mapping(tree))
    try:
        write_atomically(path, buffers)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def load(path: str | os.PathLike[str], *, warn: Warn = warnings.warn) -> Checkpoint:
    """Read a checkpoint; this executes nothing that the file holds.

    Parameters
    ----------
    path
        A file; or a folder, for the newest good checkpoint in it; or a run's folder, for the newest in its
        ``checkpoints``; or the URL of any of these, with the package fsspec.
    warn
        Told of every damaged file that was passed over, in one line.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        There is none, or it cannot be used. For a file that is damaged or missing the text names the newest good one
        beside it.
    """
    if is_url(path):
        return load_remote(str(path), warn)
    path = Path(path)
    try:
        is_folder = disk.is_folder(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path}: there is no such file or folder{_hint(path)}") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character in it
        raise CheckpointError(f"{str(path)!r}: cannot be read: {error}") from error
    if is_folder:
        return newest_good(_folder_of_checkpoints(path), warn)
    try:
        return read_file(path)
    except DamagedError as error:
        raise CheckpointError(f"{error}{_hint(path)}") from error


def expect_mapping(tree: Any) -> Mapping[str, Any]:
    """Return the tree, or raise a `CheckpointError` if it is no mapping."""
    if isinstance(tree, Mapping):
        return tree
    raise CheckpointError(f"checkpoint: expected a mapping at the root, found {type(tree).__name__}")


def _folder_of_checkpoints(folder: Path) -> Path:
    try:
        inside = folder / _SUBFOLDER
        if not generations(folder) and inside.is_dir():
            return inside
    except OSError:
        pass  # whoever reads the folder will say why it cannot be read
    return folder


def _hint(path: Path) -> str:
    """Name the newest good checkpoint beside a file that cannot be used, where there is one."""
    try:
        good = newest_good(path.parent, lambda message: None)
    except CheckpointError:
        return ""
    return f"; the newest good one beside it is {good.path}"
