"""The first claim: a result depends on problem, settings and seed alone: equal digests under workers and kills."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import evo
from evo.problems.cvrp.generator import generate
from evo.problems.cvrp.problem import CVRP

sys.path.insert(0, str(Path(__file__).parent))
from pure_problems import Noisy, Products

GENERATIONS = 12
PROBLEMS: dict[str, Callable[[], evo.Problem]] = {
    "cvrp": lambda: CVRP(generate(60, seed=3)),
    "noisy": Noisy,
    "products": Products,
    "routes in parts": lambda: CVRP(generate(120, seed=3)),
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    # The horizon is the whole run's: what is cut short and resumed would plan for less.
    "routes in parts": {"type": "trajectories", "population": 1, "parts": 3, "iterations": 150, "horizon": GENERATIONS},
}


def workers_of_this_process() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::RayWorker"):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def shared_ray() -> Iterator[None]:
    """Ray started once; the runs of this module find it in use and leave it alone."""
    import ray

    ray.init(address="local", num_cpus=3, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module", params=list(PROBLEMS))
def kind(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture(scope="module")
def problem(kind: str) -> evo.Problem:
    return PROBLEMS[kind]()


@pytest.fixture(scope="module")
def optimizer(kind: str) -> dict[str, Any] | None:
    """None: the problem's default."""
    return OPTIMIZERS.get(kind)


@pytest.fixture(scope="module")
def undisturbed(problem: evo.Problem, optimizer: dict[str, Any] | None) -> evo.Result:
    result = evo.minimize(problem, optimizer=optimizer, stop=evo.Stop(generations=GENERATIONS), seed=11)
    half = evo.minimize(problem, optimizer=optimizer, stop=evo.Stop(generations=GENERATIONS // 2), seed=11)
    assert half.digest != result.digest, "a state that does not move proves nothing"
    return result


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.usefixtures("shared_ray")
def test_the_digest_does_not_depend_on_the_number_of_workers(
    problem: evo.Problem, optimizer: dict[str, Any] | None, undisturbed: evo.Result, workers: int
) -> None:
    result = evo.minimize(
        problem,
        optimizer=optimizer,
        stop=evo.Stop(generations=GENERATIONS),
        seed=11,
        workers=workers,
        wait_for_workers=True,
    )
    assert result.evaluations_by == {"ray": result.evaluations}
    assert result.digest == undisturbed.digest
    assert result.objective == undisturbed.objective


@pytest.mark.usefixtures("shared_ray")
def test_the_digest_does_not_depend_on_workers_being_killed(
    problem: evo.Problem, optimizer: dict[str, Any] | None, undisturbed: evo.Result
) -> None:
    dice = random.Random(5)
    killed = []

    def kill_one(engine: Any) -> None:
        if engine.progress.generation in (2, 4, 7):
            victims = workers_of_this_process()
            if victims:
                victim = dice.choice(victims)
                victim.send_signal(signal.SIGKILL)
                killed.append(victim.pid)

    result = evo.minimize(
        problem,
        optimizer=optimizer,
        stop=evo.Stop(generations=GENERATIONS),
        seed=11,
        workers=2,
        wait_for_workers=True,
        callback=kill_one,
    )
    assert len(killed) == 3
    assert result.quarantined == 0
    assert result.digest == undisturbed.digest


@pytest.mark.parametrize("at", [1, 5, GENERATIONS - 1])
def test_a_run_stopped_and_resumed_ends_with_the_same_digest(
    problem: evo.Problem, optimizer: dict[str, Any] | None, undisturbed: evo.Result, at: int, tmp_path: Path
) -> None:
    stop = evo.Stop(generations=at)
    part = evo.minimize(problem, optimizer=optimizer, stop=stop, seed=11, output=tmp_path / "run")
    assert part.digest != undisturbed.digest
    whole = evo.resume(tmp_path / "run", problem=problem, stop=evo.Stop(generations=GENERATIONS))
    assert whole.digest == undisturbed.digest


# Through the command line, where the whole process can be killed ------------------------------------------------------


FILES = {
    "cvrp": (
        "problem: {type: cvrp, instance: town.vrp}\noptimizer: {type: hgs, batch: 32}\n"
        "stop: {generations: 250}\nworkers: 0\ncheckpoint: {interval: 1}\n"
    ),
    "noisy": (
        "problem: {type: 'pure_problems:Noisy', seconds: 0.001}\noptimizer: {type: ga, population: 20}\n"
        "stop: {generations: 80}\nworkers: 0\ncheckpoint: {interval: 1}\n"
    ),
    "products": (
        "problem: {type: 'pure_problems:Products', seconds: 0.01}\noptimizer: {type: ga, population: 32}\n"
        "stop: {generations: 80}\nworkers: 0\ncheckpoint: {interval: 1}\n"
    ),
}


def write_problem(kind: str, folder: Path) -> Path:
    from evo.problems.cvrp.vrplib_file import write_vrp

    folder.mkdir()
    (folder / "problem.yaml").write_text(FILES[kind])
    if kind == "cvrp":
        write_vrp(folder / "town.vrp", generate(100, seed=3))
    else:
        shutil.copy(Path(__file__).parent / "pure_problems.py", folder)
    return folder / "problem.yaml"


def command(*words: str | Path, cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "evo", *map(str, words), "--quiet"],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ""},
    )


def finish(process: subprocess.Popen[bytes], expected: int = 0) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == expected, errors.decode()


def result_of(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "result.json").read_text())
    assert isinstance(content, dict)
    return content


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[bytes], newer_than: str = "") -> str:
    """Until the run has saved something newer; its name."""
    deadline = time.monotonic() + 60
    latest = folder / "checkpoints" / "latest"
    while time.monotonic() < deadline and process.poll() is None:
        name = latest.read_text().strip() if latest.exists() else ""
        if name > newer_than:
            return name
        time.sleep(0.005)
    return newer_than


@pytest.fixture(scope="module", params=list(FILES))
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_problem(request.param, tmp_path_factory.mktemp("purity") / "input")


@pytest.fixture(scope="module")
def whole(file: Path) -> dict[str, Any]:
    finish(command("run", file, "--output", file.parent / "whole", cwd=file.parent))
    return result_of(file.parent / "whole")


def test_a_run_killed_five_times_over_and_resumed_ends_with_the_same_digest(
    file: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    dice = random.Random(1)
    folder = tmp_path / "killed"
    process = command("run", file, "--output", folder, cwd=file.parent)
    saved, moved = "gen-00000000.msgpack", 0
    for _ in range(5):
        newer = wait_for_checkpoint(folder, process, saved)
        moved += newer > saved
        saved = newer
        time.sleep(dice.random() * 0.05)
        process.kill()
        process.communicate()
        process = command("resume", folder, cwd=file.parent)
    finish(process)
    assert moved >= 3, "killed too late to prove anything"
    assert result_of(folder)["digest"] == whole["digest"]
    assert result_of(folder)["evaluations"] == whole["evaluations"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_saves_and_resumes_to_the_same_digest(
    file: Path, whole: dict[str, Any], tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "interrupted"
    process = command("run", file, "--output", folder, cwd=file.parent)
    wait_for_checkpoint(folder, process, "gen-00000001.msgpack")
    process.send_signal(number)
    finish(process, expected=75)
    part = result_of(folder)
    assert part["stop_reason"] == "interrupted"
    assert part["digest"] != whole["digest"]
    finish(command("resume", folder, cwd=file.parent))
    assert result_of(folder)["digest"] == whole["digest"]


def test_a_copy_of_the_checkpoint_alone_resumes_after_everything_else_was_deleted(
    file: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    source = write_problem(_kind(file), tmp_path / "input")
    folder = tmp_path / "run"
    process = command("run", source, "--output", folder, cwd=tmp_path)
    wait_for_checkpoint(folder, process, "gen-00000001.msgpack")
    process.send_signal(signal.SIGINT)
    finish(process, expected=75)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    newest = (folder / "checkpoints" / "latest").read_text().strip()
    shutil.copy(folder / "checkpoints" / newest, elsewhere / "copy.msgpack")
    if (source.parent / "pure_problems.py").exists():
        shutil.copy(source.parent / "pure_problems.py", elsewhere)  # code is never in the file, but named
    shutil.rmtree(folder)
    shutil.rmtree(source.parent)
    finish(command("resume", elsewhere / "copy.msgpack", "--output", elsewhere / "run", cwd=elsewhere))
    assert result_of(elsewhere / "run")["digest"] == whole["digest"]


def _kind(file: Path) -> str:
    return next(kind for kind, text in FILES.items() if text == file.read_text())
