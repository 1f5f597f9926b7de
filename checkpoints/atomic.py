"""Replacing a file so that at every moment, through every crash, either the old or the new one is whole.

The temporary file lies in the same folder (a rename across file systems copies) and is locked while it is written:
one that can be locked by somebody else is a dead writer's, whatever machine that ran on.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from . import disk

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")


def write_atomically(path: Path, buffers: Sequence[bytes | memoryview]) -> None:
    """Write a file; when this returns it is on the disk, name and content.

    Raises
    ------
    OSError
        What had the name before is still there, unless it was the last step that failed, the syncing of the folder:
        then the new file is there, but a loss of power may bring back the old one.
    """
    temporary, descriptor = _create_beside(path)
    try:
        try:
            disk.write(descriptor, buffers)
            disk.sync(descriptor)
            disk.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to tell; leftovers are cleaned later
                disk.remove(temporary)
            raise
    finally:
        disk.close(descriptor)
    disk.sync_folder(path.parent)


def remove_leftovers(folder: Path, is_ours: re.Pattern[str]) -> None:
    """Remove the temporary files that dead writers left of files whose whole name matches the pattern."""
    for name in disk.names(folder):
        match = _TEMPORARY.fullmatch(name)
        if match and is_ours.fullmatch(match[1]):
            # Gone already, or a file system without locks: then nobody can tell whether its writer is alive.
            with contextlib.suppress(FileNotFoundError):
                _remove_if_dead(folder / name)


def _remove_if_dead(path: Path) -> None:
    descriptor = disk.open_for_locking(path)
    try:
        with contextlib.suppress(OSError):
            if disk.lock(descriptor):
                disk.remove(path)
    finally:
        disk.close(descriptor)


def _create_beside(path: Path) -> tuple[Path, int]:
    """Create and lock a temporary file; return its path and descriptor."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        descriptor = disk.create(temporary)
        try:
            locked = disk.lock(descriptor)
        except OSError:  # a file system without locks: nobody else can lock it either, so it is safe from cleaning
            return temporary, descriptor
        if locked and disk.is_linked(descriptor):
            return temporary, descriptor
        # Somebody cleaned the folder between the two calls, and took the file for a dead writer's.
        disk.close(descriptor)
