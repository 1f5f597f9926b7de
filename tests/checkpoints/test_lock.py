"""Two runs can't write into one folder, and a dead one's lock stops nobody."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evo.checkpoints import disk
from evo.checkpoints.lock import FolderLock, Owner
from evo.errors import CheckpointError

HOLDER = """
import sys, time
from pathlib import Path
from evo.checkpoints.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.lock"


def hold_elsewhere(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_refused_and_told_who_the_first_is(path: Path) -> None:
    lock = FolderLock(path)
    assert lock.acquire() is None
    assert lock.held
    with pytest.raises(CheckpointError, match=f"process {os.getpid()} on {socket.gethostname()}, is writing"):
        FolderLock(path).acquire()
    lock.release()
    assert not lock.held


def test_a_lock_let_go_leaves_no_file_and_can_be_taken_again(path: Path) -> None:
    lock = FolderLock(path)
    lock.acquire()
    lock.release()
    lock.release()
    assert not path.exists()
    assert FolderLock(path).acquire() is None


def test_a_killed_owner_is_recognised_by_the_lock_alone(path: Path) -> None:
    process = hold_elsewhere(path)
    try:
        with pytest.raises(CheckpointError, match=f"process {process.pid} on"):
            FolderLock(path).acquire()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    lock = FolderLock(path)
    assert lock.acquire() == Owner(process.pid, socket.gethostname())
    lock.release()


def test_a_forked_child_does_not_hold_its_parents_lock(path: Path) -> None:
    lock = FolderLock(path)
    lock.acquire()
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        lock.release()
        again = FolderLock(path)
        again.acquire()
        again.release()
    finally:
        os.write(go[1], b"x")
        os.waitpid(child, 0)


def test_a_lock_whose_file_was_removed_is_no_longer_held(path: Path) -> None:
    lock = FolderLock(path)
    lock.acquire()
    path.unlink()
    assert not lock.held
    other = FolderLock(path)
    other.acquire()
    lock.release()
    assert other.held, "letting go of the old file must not remove the new one"
    other.release()


@pytest.mark.parametrize(
    ("owner", "stale"),
    [
        ({"pid": 2**22 + 1, "host": socket.gethostname()}, True),
        ({"pid": os.getpid(), "host": socket.gethostname()}, False),
        ({"pid": 2**22 + 1, "host": "another-host"}, False),
        ("not json", True),
    ],
)
def test_without_locks_in_the_file_system_the_owner_named_decides(
    path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, stale: bool
) -> None:
    def no_locks(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(disk, "lock", no_locks)
    path.write_text(json.dumps(owner))
    lock = FolderLock(path)
    if stale:
        lock.acquire()
        assert lock.held
        lock.release()
    else:
        with pytest.raises(CheckpointError, match="if that run is dead, remove"):
            lock.acquire()
