"""Every call of this room that touches the disk: the one place where tests put faults.

Callers use them as ``disk.write(…)``, never by a name of their own, so that a replaced function is seen by all.
All raise `OSError`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from pathlib import Path

# POSIX lets a system take as few as 16 buffers in a call; Linux and macOS take 1024.
_BUFFERS_PER_WRITE = min(1024, os.sysconf("SC_IOV_MAX"))


def create(path: Path) -> int:
    """Create a file that must not exist yet; return its descriptor, open for writing."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed or its process ends; return False where somebody else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_linked(descriptor: int) -> bool:
    """Tell whether an open file still has a name."""
    return os.fstat(descriptor).st_nlink > 0


def is_named(descriptor: int, path: Path) -> bool:
    """Tell whether a path is the name of this open file."""
    try:
        named = os.stat(path)
    except OSError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))


def open_lock_file(path: Path) -> int:
    """Open a file for reading and writing, made where it is missing; return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


def open_for_appending(path: Path) -> int:
    """Open a file, made where it is missing; what is written goes to its end. Return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


def truncate(descriptor: int, length: int) -> None:
    """Cut a file off."""
    os.ftruncate(descriptor, length)


def text_of(descriptor: int, most: int) -> bytes:
    """Return an open file's first bytes."""
    return os.pread(descriptor, most, 0)


def replace_content(descriptor: int, content: bytes) -> None:
    """Replace what a small open file holds; not synced."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def write(descriptor: int, buffers: Sequence[bytes | memoryview]) -> None:
    """Write all of the buffers, one after the other."""
    waiting = [memoryview(buffer) for buffer in reversed(buffers) if len(buffer)]
    while waiting:
        written = os.writev(descriptor, waiting[: -_BUFFERS_PER_WRITE - 1 : -1])
        while waiting and written >= len(waiting[-1]):
            written -= len(waiting.pop())
        if written:
            waiting[-1] = waiting[-1][written:]


def sync(descriptor: int) -> None:
    """Wait until a file's content is on the disk."""
    os.fsync(descriptor)


def close(descriptor: int) -> None:
    """Close a file; its lock is gone with it."""
    os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give a file another name in one step, taking the place of what had that name."""
    os.replace(source, target)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no such call, and need none
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> bool:
    """Make a folder with its parents; return False where it is there already."""
    if folder.is_dir():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    return True


def remove(path: Path) -> None:
    """Remove a file."""
    os.unlink(path)


def names(folder: Path) -> list[str]:
    """Return the names of what is in a folder."""
    return os.listdir(folder)


def is_folder(path: Path) -> bool:
    """Tell a folder from a file; raises `FileNotFoundError` where there is neither."""
    return stat.S_ISDIR(os.stat(path).st_mode)


def open_for_reading(path: Path) -> int:
    """Open a regular file; return its descriptor."""
    # Without O_NONBLOCK opening a pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def open_for_locking(path: Path) -> int:
    """Open a file in order to `lock` it (network file systems want it open for writing); return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def size(descriptor: int) -> int:
    """Return an open file's length, bytes."""
    return os.fstat(descriptor).st_size


def read(descriptor: int, view: memoryview, offset: int) -> int:
    """Read from an offset into a view; return how many bytes were there (0 at the end of the file)."""
    return os.preadv(descriptor, [view], offset)
