"""A folder of checkpoints: what the files are called, and which is the newest good one.

The newest is the one with the largest generation. ``latest`` is for people and scripts; nothing here reads it, since a
crash may leave it one behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from evo.errors import CheckpointError

from . import disk
from .checkpoint import Checkpoint, read_file
from .format import DamagedError

LATEST = "latest"
OURS = re.compile(r"gen-[0-9]{8,18}\.msgpack|latest")
# Exactly what `file_name` makes: eight digits, or more without a leading zero.
_FILE = re.compile(r"gen-([0-9]{8}|[1-9][0-9]{8,17})\.msgpack")

Warn = Callable[[str], object]


def file_name(generation: int) -> str:
    """Return the name of a generation's file."""
    return f"gen-{generation:08d}.msgpack"


def generations(folder: Path) -> list[int]:
    """Return the generations that have a file, good or not, in ascending order; raises `OSError`."""
    found = map(generation_of, disk.names(folder))
    return sorted(generation for generation in found if generation is not None)


def generation_of(name: str) -> int | None:
    """Return the generation of a checkpoint's file name; None for another name."""
    match = _FILE.fullmatch(name)
    return int(match[1]) if match else None


def newest_good(folder: Path, warn: Warn) -> Checkpoint:
    """Return the newest checkpoint that can be read; tell `warn` of every damaged one that was passed over.

    Raises
    ------
    CheckpointError
        There is none, or the newest is sound but cannot be used here (format version, permission, memory): that is
        for the user to mend, and no reason to go back to an older one.
    """
    try:
        found = generations(folder)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: there is no such folder") from error
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read: {error.strerror or error}") from error
    if not found:
        raise CheckpointError(f"{folder}: there are no checkpoints (gen-*.msgpack) in this folder")
    for generation in reversed(found):
        try:
            return read_file(folder / file_name(generation))
        except DamagedError as error:
            warn(f"{error}; an older checkpoint is tried")
    raise CheckpointError(f"{folder}: all checkpoints in this folder are damaged ({len(found)})")
