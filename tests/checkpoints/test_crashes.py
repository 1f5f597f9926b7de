"""A crash before, in and after every call that touches the disk leaves the old or the new state, never neither."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo.checkpoints import CheckpointStore, disk, save

CALLS = [
    "create", "lock", "is_linked", "write", "sync", "close", "rename", "sync_folder", "make_folder", "remove", "names",
    "open_for_locking", "open_for_reading", "size", "read",
]  # fmt: skip


class Stopped(BaseException):
    """The process is gone: nothing that comes after may touch the disk."""


class Faults:
    """Counts the calls that touch the disk, and stops the process at one of them."""

    def __init__(self, stop_at: int | None = None, when: str = "before") -> None:
        self.stop_at = stop_at
        self.when = when
        self.calls: list[str] = []
        self.dead = False
        self._real = {name: getattr(disk, name) for name in CALLS}
        self._open: set[int] = set()

    def __enter__(self) -> Faults:
        for name in CALLS:
            setattr(disk, name, self._wrapped(name))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self._real.items():
            setattr(disk, name, function)
        for descriptor in self._open:  # as the kernel does, and with that its locks are gone
            os.close(descriptor)

    def _wrapped(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if self.dead:
                raise Stopped
            here = len(self.calls) == self.stop_at
            self.calls.append(name)
            if here and self.when == "before":
                self._stop()
            if here and self.when == "half" and name == "write":
                whole = b"".join(arguments[1])
                self._real[name](arguments[0], [whole[: len(whole) // 2]])
                self._stop()
            result = self._real[name](*arguments)
            if name in ("create", "open_for_locking", "open_for_reading"):
                self._open.add(result)
            if name == "close":
                self._open.discard(arguments[0])
            if here:
                self._stop()
            return result

        return call

    def _stop(self) -> None:
        self.dead = True
        raise Stopped


def state(generation: int) -> dict[str, Any]:
    return {"generation": generation, "x": np.full(1000, float(generation))}


def open_after_the_crash(folder: Path) -> CheckpointStore:
    """Open the store as a new process would, and check what must hold after every crash."""
    store = CheckpointStore(folder, keep=2, warn=fail)
    assert [name for name in os.listdir(folder) if name.endswith(".tmp")] == []
    for generation in store.generations():
        assert (store.load(generation)["x"] == generation).all()
    if (folder / "latest").exists():
        assert (folder / (folder / "latest").read_text().strip()).exists()
    return store


def fail(message: str) -> None:
    raise AssertionError(message)


def every_stop(prepare: Callable[[Path], None], act: Callable[[Path], None], tmp_path: Path) -> Iterator[Path]:
    """Run `act` once for every place at which it can be stopped; yield the folder that each leaves."""
    prepare(tmp_path / "whole")
    with Faults() as faults:
        act(tmp_path / "whole")
    assert len(faults.calls) > 5
    for stop_at, when in itertools.product(range(len(faults.calls)), ("before", "half", "after")):
        folder = tmp_path / f"{stop_at}-{when}"
        prepare(folder)
        with Faults(stop_at, when), pytest.raises(Stopped):
            act(folder)
        yield folder


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_save_stopped_anywhere_leaves_the_old_or_the_new_state(tmp_path: Path, keep: int) -> None:
    def prepare(folder: Path) -> None:
        for generation in range(3):
            CheckpointStore(folder, keep, warn=fail).save(generation, state(generation))

    seen = set()
    for folder in every_stop(prepare, lambda folder: put(folder, 3, keep), tmp_path):
        store = open_after_the_crash(folder)
        seen.add(newest := store.newest(warn=fail)["generation"])
        assert newest in (2, 3)
        store.save(4, state(4))
        assert store.newest(warn=fail)["generation"] == 4
    assert seen == {2, 3}


def put(folder: Path, generation: int, keep: int = 2) -> None:
    CheckpointStore(folder, keep, warn=fail).save(generation, state(generation))


def test_the_first_save_stopped_anywhere_leaves_nothing_or_the_state(tmp_path: Path) -> None:
    seen = set()
    for folder in every_stop(lambda folder: None, lambda folder: put(folder, 0), tmp_path):
        store = open_after_the_crash(folder)
        seen.add(tuple(store.generations()))
        store.save(0, state(0))
        assert store.newest(warn=fail)["generation"] == 0
    assert seen == {(), (0,)}


def test_saving_the_same_generation_again_stopped_anywhere_leaves_one_of_the_two(tmp_path: Path) -> None:
    def again(folder: Path) -> None:
        CheckpointStore(folder, warn=fail).save(1, {**state(1), "again": True})

    seen = set()
    for folder in every_stop(lambda folder: put(folder, 1), again, tmp_path):
        seen.add("again" in open_after_the_crash(folder).newest(warn=fail))
    assert seen == {False, True}


def test_discarding_stopped_anywhere_leaves_a_state_of_the_run_and_can_be_done_again(tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        store = CheckpointStore(folder, keep=5, warn=fail)
        for generation in range(5):
            store.save(generation, state(generation))

    def discard(folder: Path) -> None:
        CheckpointStore(folder, keep=5, warn=fail).discard_after(1)

    seen = set()
    for folder in every_stop(prepare, discard, tmp_path):
        store = open_after_the_crash(folder)
        seen.add(tuple(store.generations()))
        store.discard_after(1)
        assert store.newest(warn=fail)["generation"] == 1
    assert seen == {tuple(range(length)) for length in range(2, 6)}


def test_saving_one_file_stopped_anywhere_leaves_the_old_or_the_new_one(tmp_path: Path) -> None:
    def write(folder: Path, content: int) -> None:
        folder.mkdir(exist_ok=True)
        save(folder / "gen-00000001.msgpack", {"content": content, "x": np.ones(1)})

    seen = set()
    for folder in every_stop(lambda folder: write(folder, 1), lambda folder: write(folder, 2), tmp_path):
        seen.add(CheckpointStore(folder, warn=fail).load(1)["content"])
    assert seen == {1, 2}


# Loss of power: what was written but not synced may be lost, and names that were not synced may be the old ones.


class Recorder:
    """Keeps what a save does to the disk, in order, while it does it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.operations: list[tuple[Any, ...]] = []
        self._names: dict[int, str] = {}
        self._monkeypatch = monkeypatch
        real_create, real_write, real_sync = disk.create, disk.write, disk.sync
        real_rename, real_remove, real_sync_folder = disk.rename, disk.remove, disk.sync_folder

        def create(path: Path) -> int:
            descriptor = real_create(path)
            self._names[descriptor] = path.name
            self.operations.append(("create", path.name))
            return descriptor

        def write(descriptor: int, buffers: Sequence[bytes | memoryview]) -> None:
            real_write(descriptor, buffers)
            self.operations.append(("write", self._names[descriptor], b"".join(buffers)))

        def sync(descriptor: int) -> None:
            real_sync(descriptor)
            self.operations.append(("sync", self._names[descriptor]))

        def rename(source: Path, target: Path) -> None:
            real_rename(source, target)
            self.operations.append(("rename", source.name, target.name))

        def remove(path: Path) -> None:
            real_remove(path)
            self.operations.append(("remove", path.name))

        def sync_folder(folder: Path) -> None:
            real_sync_folder(folder)
            self.operations.append(("sync_folder",))

        for function in (create, write, sync, rename, remove, sync_folder):
            monkeypatch.setattr(disk, function.__name__, function)


def after_loss_of_power(before: dict[str, bytes], operations: Sequence[tuple[Any, ...]]) -> Iterator[dict[str, bytes]]:
    """Every content that a folder may have after some operations and a loss of power.

    Names not synced may each be the old or the new one, in any combination; content not synced may be missing, cut in
    half, or there.
    """
    contents: dict[int, bytes] = dict(enumerate(before.values()))  # by inode
    unsynced: set[int] = set()
    durable = dict(zip(before, contents, strict=True))
    pending: list[tuple[str, int | None]] = []  # a name, and what it now stands for
    current = dict(durable)

    def name(text: str, inode: int | None) -> None:
        pending.append((text, inode))
        if inode is None:
            del current[text]
        else:
            current[text] = inode

    for operation in operations:
        match operation:
            case ("create", text):
                inode = len(contents)
                contents[inode] = b""
                name(text, inode)
            case ("write", text, data):
                contents[current[text]] = data
                unsynced.add(current[text])
            case ("sync", text):
                unsynced.discard(current[text])
            case ("rename", source, target):
                name(target, current[source])
                name(source, None)
            case ("remove", text):
                name(text, None)
            case ("sync_folder",):
                durable = dict(current)
                pending.clear()
    for happened in itertools.product((False, True), repeat=len(pending)):
        names = dict(durable)
        for (text, inode), did in zip(pending, happened, strict=True):
            if did and inode is not None:
                names[text] = inode
            elif did:
                names.pop(text, None)
        for share in (0.0, 0.5, 1.0) if unsynced & set(names.values()) else (1.0,):
            yield {
                text: contents[inode][: int(len(contents[inode]) * (share if inode in unsynced else 1.0))]
                for text, inode in names.items()
            }


@pytest.mark.parametrize("keep", [1, 2])
def test_a_loss_of_power_at_any_moment_leaves_the_old_or_the_new_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    folder = tmp_path / "run"
    store = CheckpointStore(folder, keep, warn=fail)
    for generation in range(2):
        store.save(generation, state(generation))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        recorder = Recorder(patch)
        store.save(2, state(2))
    operations = recorder.operations
    assert [operation[0] for operation in operations].count("sync") == 2
    seen: dict[int, set[int]] = {}
    for count in range(len(operations) + 1):
        for number, files in enumerate(after_loss_of_power(before, operations[:count])):
            lost = tmp_path / f"{count}-{number}"
            lost.mkdir()
            for name, content in files.items():
                (lost / name).write_bytes(content)
            newest = open_after_the_crash(lost).newest(warn=fail)["generation"]
            seen.setdefault(count, set()).add(newest)
    assert all(generations <= {1, 2} for generations in seen.values())
    assert seen[0] == {1}
    assert seen[len(operations)] == {2}  # once a save has returned it cannot be lost


def test_what_was_discarded_does_not_come_back_with_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    store = CheckpointStore(folder, keep=5, warn=fail)
    for generation in range(4):
        store.save(generation, state(generation))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        recorder = Recorder(patch)
        store.discard_after(1)
    for files in after_loss_of_power(before, recorder.operations):
        assert sorted(files) == ["gen-00000000.msgpack", "gen-00000001.msgpack", "latest"]
        assert files["latest"] == b"gen-00000001.msgpack\n"


WRITER = """
import itertools, sys
import numpy as np
from evo.checkpoints import CheckpointStore
store = CheckpointStore(sys.argv[1], keep=2)
for generation in itertools.count(store.generations()[-1] + 1 if store.generations() else 0):
    store.save(generation, {"generation": generation, "x": np.full(20_000, float(generation))})
    print(generation, flush=True)
"""


def test_a_process_that_is_killed_while_it_saves_loses_nothing_that_was_reported_as_saved(tmp_path: Path) -> None:
    newest = -1
    for wait in (0.0, 0.0007, 0.0021):
        process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(20):
            line = process.stdout.readline()
        time.sleep(wait)  # not for a state: to be killed at different moments of a save
        process.send_signal(signal.SIGKILL)
        reported = int((line + process.stdout.read()).split()[-1])
        process.wait(10)
        store = open_after_the_crash(tmp_path)
        assert reported <= store.newest(warn=fail)["generation"] <= reported + 1
        assert reported > newest
        newest = reported
