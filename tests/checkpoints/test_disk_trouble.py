"""Whatever happens to the disk while a run goes on: it goes on, says so, tries again, and ends as it would have."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo import checkpoints, saving
from evo.checkpoints import disk
from evo.run_folder import LOCK, RunFolder

STOP = evo.Stop(generations=12)
ERRNOS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO]


class Square(evo.Problem):
    space = evo.Real(-1, 1, shape=3)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray((x**2).sum(axis=1))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every generation is saved, and the last tries do not wait."""
    monkeypatch.setattr(saving, "MIN_SPACING", 0.0)
    monkeypatch.setattr(saving, "LAST_TRIES", (0.0, 0.0))


@pytest.fixture(scope="module")
def digest() -> str:
    return evo.minimize(Square(), stop=STOP).digest


class Run:
    """A run that is saved after every generation; `at` is done before the save of each generation."""

    def __init__(self, folder: Path, at: dict[int, Callable[[], Any]]) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._at = at

    def start(self) -> evo.Result:
        return evo.minimize(
            Square(),
            stop=STOP,
            output=self.folder,
            checkpoint={"every": 1, "keep": 100},
            callback=self._callback,
            observers=[self.events.append],
        )

    def _callback(self, engine: Any) -> None:
        engine.checkpoint._writer.flush(10)  # so that what is done falls between two saves
        self._at.get(engine.progress.generation, lambda: None)()

    def saved(self) -> list[int]:
        return [event["generation"] for event in self.events if event["event"] == "checkpoint"]

    def alerts(self) -> list[str]:
        return [event["message"] for event in self.events if event["event"] == "alert"]


class Fault:
    """Functions of the disk that fail while it is on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str, number: int) -> None:
        self._on = False
        for name in names:
            monkeypatch.setattr(disk, name, self._failing(getattr(disk, name), number))

    def _failing(self, real: Callable[..., Any], number: int) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if self._on:
                raise OSError(number, os.strerror(number))
            return real(*arguments)

        return call

    def on(self) -> None:
        self._on = True

    def off(self) -> None:
        self._on = False


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("names", [("create",), ("write",), ("sync",), ("rename",), ("sync_folder",), ("names",)])
def test_a_disk_that_fails_for_a_while_costs_the_checkpoints_of_that_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: str, number: int, names: tuple[str, ...]
) -> None:
    fault = Fault(monkeypatch, *names, number=number)
    run = Run(tmp_path / "run", {3: fault.on, 7: fault.off})
    result = run.start()
    assert result.digest == digest
    assert run.saved() == [0, 1, 2, 3, 8, 9, 10, 11, 12, 12]
    told = [message for message in run.alerts() if "the run goes on" in message]
    assert len(told) == 4
    assert os.strerror(number) in told[0]
    assert "the last checkpoint saved is" in told[0]
    assert "gen-00000003.msgpack" in told[0]
    assert evo.resume(tmp_path / "run", problem=Square()).digest == digest


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_a_disk_that_fails_to_the_end_loses_the_result_on_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: str, number: int
) -> None:
    fault = Fault(monkeypatch, "write", number=number)
    run = Run(tmp_path / "run", {5: fault.on})
    result = run.start()  # its own files are written elsewhere: the result is there
    assert result.digest == digest
    assert json.loads((tmp_path / "run" / "result.json").read_text())["digest"] == digest
    assert "the last checkpoint saved is" in run.alerts()[-1]
    assert "gen-00000005" in run.alerts()[-1]
    fault.off()
    assert checkpoints.load(tmp_path / "run")["run"]["generation"] == 5
    assert evo.resume(tmp_path / "run", problem=Square()).digest == digest


def test_a_result_that_cannot_be_written_ends_in_an_error_that_says_what_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: str
) -> None:
    def full(self: RunFolder, content: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RunFolder, "write_result", full)
    run = Run(tmp_path / "run", {})
    with pytest.raises(evo.RunFailedError, match=r"No space left.*the last checkpoint saved is .*gen-00000012"):
        run.start()
    assert run.events[-1]["event"] == "finished"
    assert run.events[-1]["digest"] == digest, "whoever listens has the result all the same"


def test_a_first_checkpoint_that_cannot_be_saved_ends_the_run_before_it_costs_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fault(monkeypatch, "write", number=errno.ENOSPC).on()
    run = Run(tmp_path / "run", {})
    with pytest.raises(evo.RunFailedError, match=r"nothing was evaluated yet: .*No space left on device"):
        run.start()
    assert run.events[-1]["evaluations"] == 0


@pytest.mark.parametrize("what", ["run", "run/checkpoints"])
def test_a_folder_that_is_deleted_under_the_run_is_made_again_with_all_that_belongs_there(
    tmp_path: Path, digest: str, what: str
) -> None:
    run = Run(tmp_path / "run", {4: lambda: shutil.rmtree(tmp_path / what)})
    result = run.start()
    assert result.digest == digest
    folder = tmp_path / "run"
    assert any("made again" in message for message in run.alerts())
    generations = checkpoints.CheckpointStore(folder / "checkpoints").generations()
    assert generations == [5, 6, 7, 8, 9, 10, 11, 12]
    assert json.loads((folder / "result.json").read_text())["digest"] == digest
    kinds = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert kinds[-1] == "finished"
    assert "checkpoint" in kinds
    assert not (folder / LOCK).exists()
    assert evo.resume(folder, problem=Square()).digest == digest


def test_a_folder_that_another_run_has_taken_meanwhile_is_left_to_it(tmp_path: Path, digest: str) -> None:
    """This one goes on without saving, says so, and its result is for observers alone."""
    folder = tmp_path / "run"
    other: list[RunFolder] = []

    def take() -> None:
        shutil.rmtree(folder)
        other.append(RunFolder.create(folder))

    run = Run(folder, {4: take})
    with pytest.raises(evo.RunFailedError, match=r"the result cannot be written: .* is writing into this folder"):
        run.start()
    assert run.events[-1]["digest"] == digest
    assert run.saved() == [0, 1, 2, 3, 4]
    assert any("is writing into this folder" in message for message in run.alerts())
    assert sorted(path.name for path in folder.rglob("*")) == ["checkpoints", LOCK]
    other[0].release()


def test_a_file_in_the_folders_place_is_told_and_the_run_goes_on(tmp_path: Path, digest: str) -> None:
    folder = tmp_path / "run"

    def replace() -> None:
        shutil.rmtree(folder)
        folder.write_text("in the way")

    run = Run(folder, {4: replace})
    with pytest.raises(evo.RunFailedError, match="the result cannot be written"):
        run.start()
    assert run.events[-1]["digest"] == digest
    assert run.saved() == [0, 1, 2, 3, 4]


def test_events_that_cannot_be_written_are_told_once_and_stop_nothing(tmp_path: Path, digest: str) -> None:
    """Every write to /dev/full finds the disk full."""
    folder = tmp_path / "run"

    def fill() -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}") == str(folder / "events.jsonl"):
                    os.dup2(full, int(name))
        os.close(full)

    run = Run(folder, {4: fill})
    result = run.start()
    assert result.digest == digest
    assert sum("events can no longer be written" in message for message in run.alerts()) == 1
    assert run.saved()[-1] == 12
