"""A run's folder belongs to one run at a time, whether it is started, resumed or replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

import evo
from evo.run_folder import LOCK, RunFolder


def sphere(x: object) -> float:
    return float((x**2).sum())  # type: ignore[operator]


def start(folder: Path, **options: object) -> evo.Result:
    return evo.minimize(sphere, evo.Real(-1, 1, shape=3), output=folder, stop=evo.Stop(generations=3), **options)


def test_no_second_run_comes_into_a_folder_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    refused = []

    def try_again(engine: object) -> None:
        for attempt in (
            lambda: start(folder),
            lambda: start(folder, overwrite=True),
            lambda: evo.resume(folder, problem=sphere),
            lambda: evo.resume(next((folder / "checkpoints").glob("gen-*")), problem=sphere),
            lambda: evo.resume(folder / "checkpoints", problem=sphere),
        ):
            with pytest.raises(evo.UsageError, match=r"process \d+ on .*, is writing into this folder"):
                attempt()
            refused.append(1)

    result = start(folder, callback=try_again)
    assert len(refused) == 15
    assert (folder / "result.json").exists()
    assert result.generations == 3
    assert not (folder / LOCK).exists()


def test_the_folder_is_free_after_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def fail(engine: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start(folder, callback=fail)
    with pytest.raises(evo.UsageError, match="holds a run already"):
        start(folder)
    with RunFolder(folder) as free:
        free.lock()
    assert evo.resume(folder, problem=sphere).generations == 3


def test_a_run_may_branch_from_a_folder_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def branch(engine: object) -> None:
        evo.resume(folder, problem=sphere, output=tmp_path / f"branch-{engine.progress.generation}")  # type: ignore[attr-defined]

    start(folder, callback=branch)
    assert (tmp_path / "branch-2" / "result.json").exists()
