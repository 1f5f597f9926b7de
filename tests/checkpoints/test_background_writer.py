"""The background writer keeps the loop free: of waiting, of stale states, and of errors."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo.checkpoints import BackgroundWriter, CheckpointStore, disk, load, snapshot
from evo.errors import CheckpointError

DEADLINE = 10.0  # seconds; only a defect waits so long


class Gate:
    """Holds every checkpoint's writing back until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        real = disk.write

        def write(descriptor: int, buffers: Any) -> None:
            self.reached.set()
            assert self._open.wait(DEADLINE)
            real(descriptor, buffers)

        monkeypatch.setattr(disk, "write", write)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open()


def test_what_is_handed_over_is_saved_and_reported_from_the_writers_thread(tmp_path: Path) -> None:
    reports: list[Any] = []
    writer = BackgroundWriter(
        CheckpointStore(tmp_path),
        on_saved=lambda *report: reports.append((*report, threading.current_thread() is threading.main_thread())),
    )
    assert writer.last_saved is None
    writer.save(3, {"x": np.arange(5)})
    assert writer.flush(DEADLINE)
    assert writer.last_saved == 3
    [(generation, path, seconds, size, in_main_thread)] = reports
    assert (generation, path, in_main_thread) == (3, tmp_path / "gen-00000003.msgpack", False)
    assert 0 < seconds < DEADLINE
    assert size == path.stat().st_size
    assert load(path)["x"].tolist() == [0, 1, 2, 3, 4]
    assert writer.close()


def test_saving_does_not_wait_and_the_newest_replaces_the_one_that_waits(tmp_path: Path, gate: Gate) -> None:
    saved: list[int] = []
    with BackgroundWriter(
        CheckpointStore(tmp_path), on_saved=lambda generation, *_: saved.append(generation)
    ) as writer:
        writer.save(1, {})
        assert gate.reached.wait(DEADLINE)
        for generation in (2, 3, 4):
            writer.save(generation, {})
        assert writer.last_saved is None
        assert not writer.flush(0.01)
        gate.open()
        assert writer.flush(DEADLINE)
        assert saved == [1, 4]
        assert writer.last_saved == 4


def test_a_state_that_is_to_last_is_never_replaced(tmp_path: Path, gate: Gate) -> None:
    store = CheckpointStore(tmp_path, keep=1, every=1)
    with BackgroundWriter(store) as writer:
        writer.save(0, {"generation": 0}, lasting=True)
        assert gate.reached.wait(DEADLINE)
        writer.save(1, {"generation": 1}, lasting=True)
        later = threading.Thread(target=writer.save, args=(2, {"generation": 2}))
        later.start()
        later.join(0.2)
        assert later.is_alive(), "it waits for the one that must not be replaced"
        gate.open()
        later.join(10)
        assert not later.is_alive()
    assert store.generations() == [0, 1, 2]


def test_closing_writes_what_waits(tmp_path: Path, gate: Gate) -> None:
    writer = BackgroundWriter(CheckpointStore(tmp_path))
    writer.save(1, {})
    assert gate.reached.wait(DEADLINE)
    writer.save(2, {})
    gate.open()
    assert writer.close()
    assert writer.close()
    assert load(tmp_path).path == tmp_path / "gen-00000002.msgpack"
    with pytest.raises(CheckpointError, match="closed"):
        writer.save(3, {})


def test_an_error_is_reported_and_the_next_save_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[Exception] = []
    real = disk.write

    def full(descriptor: int, buffers: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with BackgroundWriter(CheckpointStore(tmp_path), on_error=errors.append) as writer:
        writer.save(1, {})
        assert writer.flush(DEADLINE)
        monkeypatch.setattr(disk, "write", full)
        writer.save(2, {})
        assert not writer.flush(DEADLINE)
        assert writer.last_saved == 1
        monkeypatch.setattr(disk, "write", real)
        writer.save(3, {})
        assert writer.flush(DEADLINE)
        assert writer.last_saved == 3
    [error] = errors
    assert isinstance(error, CheckpointError)
    assert "gen-00000002.msgpack cannot be saved: No space left on device" in str(error)


def test_a_folder_that_cannot_be_used_is_reported_until_it_can_be_again(tmp_path: Path) -> None:
    errors: list[Exception] = []
    folder = tmp_path / "run"
    told: list[str] = []
    with BackgroundWriter(CheckpointStore(folder, warn=told.append), on_error=errors.append) as writer:
        shutil.rmtree(folder)
        folder.write_text("in the way")
        writer.save(1, {})
        assert not writer.flush(DEADLINE)
        folder.unlink()
        writer.save(2, {})
        assert writer.flush(DEADLINE)
    assert len(errors) == 1
    assert len(told) == 1
    assert "made again" in told[0]
    assert load(folder).path == folder / "gen-00000002.msgpack"


@pytest.mark.parametrize("tree", [{"x": object()}, [1], None])
def test_a_state_that_cannot_be_saved_is_reported_like_any_error(tmp_path: Path, tree: Any) -> None:
    errors: list[Exception] = []
    with BackgroundWriter(CheckpointStore(tmp_path), on_error=errors.append) as writer:
        writer.save(1, tree)
        assert not writer.flush(DEADLINE)
        writer.save(2, {})
        assert writer.flush(DEADLINE)
    assert len(errors) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_raises_does_not_end_the_writer(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def raising(*_: Any) -> None:
        raise ZeroDivisionError

    with BackgroundWriter(CheckpointStore(tmp_path), on_saved=raising, on_error=errors.append) as writer:
        writer.save(1, {})
        assert writer.flush(DEADLINE)
        assert [type(error) for error in errors] == [ZeroDivisionError]
    with BackgroundWriter(CheckpointStore(tmp_path), on_saved=raising, on_error=raising) as writer:
        writer.save(2, {})
        assert writer.flush(DEADLINE)
        writer.save(3, {})
        assert writer.flush(DEADLINE)


def test_a_snapshot_keeps_what_is_handed_over_from_changing(tmp_path: Path, gate: Gate) -> None:
    population = np.zeros(1000)
    with BackgroundWriter(CheckpointStore(tmp_path)) as writer:
        writer.save(1, snapshot({"population": population}))
        population[:] = 1
        gate.open()
        assert writer.flush(DEADLINE)
    assert not load(tmp_path)["population"].any()
