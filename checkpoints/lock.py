"""A lock on a folder, so that two runs never write into one: held by `flock`, with its owner's pid and host in it.

The kernel lets go of the lock when its owner ends, however it ends: a file that can be locked is a dead owner's. Only
where a file system has no locks at all does the text in the file decide.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import weakref
from pathlib import Path
from typing import NamedTuple

from evo.errors import CheckpointError

from . import disk

_MAX_TEXT = 4096


class Owner(NamedTuple):
    """Who holds a lock, or held it when it died."""

    pid: int
    host: str


class FolderLock:
    """A lock file; nobody holds it until `acquire`.

    Parameters
    ----------
    path
        The file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock, in the file that still has the name."""
        return self._descriptor is not None and disk.is_named(self._descriptor, self.path)

    def acquire(self) -> Owner | None:
        """Take the lock.

        Returns
        -------
        Owner or None
            Who held it and died without letting go; None where nobody did.

        Raises
        ------
        CheckpointError
            Somebody holds it; the text names their pid and host.
        OSError
            The file cannot be made or written.
        """
        while True:
            descriptor = disk.open_lock_file(self.path)
            try:
                if self._take(descriptor):
                    dead = _owner(disk.text_of(descriptor, _MAX_TEXT))
                    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n"
                    disk.replace_content(descriptor, text.encode())
                    self._descriptor = descriptor
                    _held.add(self)
                    return dead
            finally:
                if self._descriptor is None:
                    disk.close(descriptor)
            # Its owner let go between our two calls, and the file has lost its name: once more.

    def _take(self, descriptor: int) -> bool:
        """Lock the open file; False where it has lost its name meanwhile."""
        try:
            locked = disk.lock(descriptor)
        except OSError:  # a file system without locks
            owner = _owner(disk.text_of(descriptor, _MAX_TEXT))
            if owner is not None and _may_live(owner):
                raise self._refused(
                    owner, f"; this file system has no locks: if that run is dead, remove {self.path}"
                ) from None
            return True
        if not locked:
            raise self._refused(_owner(disk.text_of(descriptor, _MAX_TEXT)), "")
        return disk.is_named(descriptor, self.path)

    def _refused(self, owner: Owner | None, more: str) -> CheckpointError:
        who = "another run" if owner is None else f"another run, process {owner.pid} on {owner.host}"
        return CheckpointError(f"{self.path.parent}: {who}, is writing into this folder{more}")

    def release(self) -> None:
        """Let go, and remove the file. Does nothing where the lock is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        _held.discard(self)
        with contextlib.suppress(OSError):  # a folder that is gone or read-only: closing lets go all the same
            if disk.is_named(descriptor, self.path):
                disk.remove(self.path)
        disk.close(descriptor)

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            disk.close(descriptor)


def _owner(text: bytes) -> Owner | None:
    try:
        fields = json.loads(text)
        return Owner(int(fields["pid"]), str(fields["host"]))
    except (ValueError, KeyError, TypeError):
        return None


def _may_live(owner: Owner) -> bool:
    if owner.host != socket.gethostname():
        return True
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's process
    return True


_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for lock in list(_held):
        lock._forget()
    _held.clear()


# A forked child shares the lock: it would hold it when its parent is dead.
os.register_at_fork(after_in_child=_let_go_in_child)
