"""Signals and time limits: save and go on, or save and stop in time; a long generation is no obstacle to either."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evo
from evo.interrupt import Interrupt
from evo.settings import CheckpointSettings
from evo.walltime import stop_time

EVO = [sys.executable, "-c", "from evo.cli import main; main()"]
MODULE = """
import os, time
import evo

class Paced(evo.Problem):
    space = evo.Real(-5, 5, shape=4)
    block = 10
    def __init__(self, pause=0.01):
        self.pause = pause
    def evaluate(self, x):
        time.sleep(self.pause)
        return (x ** 2).sum(axis=1)

class Stuck(Paced):
    "The third generation takes for ever, in this process."
    calls = 0
    def evaluate(self, x):
        Stuck.calls += 1
        if Stuck.calls > 20 and os.path.exists("stuck"):
            open("entered", "w").close()
            time.sleep(600)
        return (x ** 2).sum(axis=1)
"""
FILE = """
problem: {{type: 'paced_module:{name}'}}
stop: {{generations: 30}}
workers: 0
checkpoint: {{interval: 1000, seconds: 1000, stop_before_walltime: {margin}}}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts evo in a folder of its own; what still runs at the end is killed."""
    (tmp_path / "paced_module.py").write_text(MODULE)
    (tmp_path / "paced.yaml").write_text(FILE.format(name="Paced", margin=60))
    (tmp_path / "stuck.yaml").write_text(FILE.format(name="Stuck", margin=2))
    processes = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*EVO, *arguments],
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | environment,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def events(run: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines(keepends=True)]
    except (FileNotFoundError, json.JSONDecodeError):
        return []


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the state that the test waits for did not come"
        time.sleep(0.01)


def saved(run: Path) -> list[int]:
    return [e["generation"] for e in events(run) if e["event"] == "checkpoint"]


def test_sigusr1_saves_and_the_run_goes_on_to_the_same_result(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    whole = start("run", "paced.yaml", "--quiet", "--output", "whole")
    process = start("run", "paced.yaml", "--output", "asked")
    wait_until(lambda: any(e["event"] == "generation" and e["generation"] >= 3 for e in events(tmp_path / "asked")))
    assert saved(tmp_path / "asked") == [0]
    process.send_signal(signal.SIGUSR1)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "SIGUSR1: saving, and going on" in errors
    zero, asked, last = saved(tmp_path / "asked")
    assert zero == 0 < 3 <= asked < last == 30
    assert whole.wait(timeout=60) == 0
    digests = {json.loads((tmp_path / name / "result.json").read_text())["digest"] for name in ("whole", "asked")}
    assert len(digests) == 1


def test_the_job_ends_in_time_even_within_an_evaluation_and_can_be_resumed(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "stuck").touch()
    end = int(time.time()) + 7
    process = start("run", "stuck.yaml", "--output", "run", SLURM_JOB_END_TIME=str(end))
    out, errors = process.communicate(timeout=60)
    assert (tmp_path / "entered").exists()
    assert process.returncode == 75, errors
    assert time.time() < end, "the batch system would have killed it"
    assert "walltime: saving what is done" in errors
    assert "evo resume run" in out
    (interrupted,) = [e for e in events(tmp_path / "run") if e["event"] == "interrupted"]
    assert interrupted["cause"] == "walltime"
    assert saved(tmp_path / "run")[-1] == interrupted["generation"] > 0
    (tmp_path / "stuck").unlink()
    assert start("resume", "run").wait(timeout=60) == 0


def test_a_walltime_given_counts_from_the_start_of_the_process(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "stuck").touch()
    began = time.time()
    process = start("run", "stuck.yaml", "--output", "run", "--walltime", "6s", SLURM_JOB_END_TIME="")
    process.communicate(timeout=60)
    assert process.returncode == 75
    assert time.time() - began < 6


def test_the_time_to_stop_is_the_earliest_known() -> None:
    now = time.time()
    assert stop_time(CheckpointSettings(), {}) is None
    assert stop_time(CheckpointSettings(), {"SLURM_JOB_END_TIME": "1000"}) == 940
    assert stop_time(CheckpointSettings(stop_before_walltime=10), {"SLURM_JOB_END_TIME": "1000"}) == 990
    assert stop_time(CheckpointSettings(), {"SLURM_JOB_END_TIME": "Unknown"}) is None
    given = stop_time(CheckpointSettings(walltime=3600), {"SLURM_JOB_END_TIME": str(int(now) + 10**6)})
    assert given is not None
    assert given <= now + 3540
    with pytest.raises(evo.SettingsError, match=r"checkpoint.walltime: expected more than .*60 s, found 30 s"):
        stop_time(CheckpointSettings(walltime=30), {})


def test_a_request_from_another_thread_wakes_the_main_one_and_never_raises_there() -> None:
    woken = threading.Event()
    interrupt = Interrupt(woken.set)
    with interrupt.at(time.time() - 1, "walltime"):
        assert woken.wait(10)
    assert interrupt.requested
    assert interrupt.cause == "walltime"


def test_a_limit_that_was_not_reached_asks_for_nothing_later() -> None:
    interrupt = Interrupt()
    with interrupt.at(time.time() + 0.3, "walltime"):
        pass
    assert threading.active_count() < 50
    time.sleep(0.5)
    assert not interrupt.requested


def test_a_save_is_due_in_the_middle_of_a_long_generation(tmp_path: Path) -> None:
    """The second generation's end is saved by time although the third is still evaluated, and nothing twice."""
    seen: list[dict[str, Any]] = []
    calls = 0

    def slow_from_the_third_generation(x: Any) -> float:
        nonlocal calls
        calls += 1
        if 20 < calls <= 30:
            time.sleep(0.1)
        return float((x**2).sum())

    evo.minimize(
        slow_from_the_third_generation,
        evo.Real(-1, 1, shape=2),
        optimizer={"type": "ga", "population": 10},
        stop=evo.Stop(generations=3),
        checkpoint={"interval": 1000, "seconds": 0.4},
        output=tmp_path / "run",
        observers=[seen.append],
    )
    found = [e["generation"] for e in seen if e["event"] == "checkpoint"]
    assert found.count(2) == 1
    assert found[-1] == 3  # and perhaps twice: when it was due, and as the end
