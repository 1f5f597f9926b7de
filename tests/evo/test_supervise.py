"""`--supervise`: a run that is killed goes on; one that always dies is given up; codes and signals pass through."""

from __future__ import annotations

import json
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

EVO = [sys.executable, "-c", "from evo.cli import main; main()"]
MODULE = '''
import os, signal, time
import evo

class Slow(evo.Problem):
    space = evo.Real(-5, 5, shape=4)
    block = 1000  # a generation is one call

    def __init__(self, pause=0.0):
        self.pause, self.calls = pause, 0
    def evaluate(self, x):
        time.sleep(self.pause)
        self.calls += 1
        self.called()
        return (x ** 2).sum(axis=1)
    def called(self):
        pass

class DiesForGood(Slow):
    """From its twelfth generation on."""
    def called(self):
        if self.calls == 12:
            open("mark", "w").close()
        if os.path.exists("mark"):
            os._exit(1)  # as Ray does; not evo's own 1

class DiesOnceDescribed(Slow):
    """When the folder has been made, and nothing is saved yet."""
    def describe(self):
        if not os.path.exists("mark"):
            open("mark", "w").close()
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().describe()

class Deaf(Slow):
    """Ends at once where a signal comes."""
    def evaluate(self, x):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        open("entered", "w").close()
        time.sleep(60)
'''
PROBLEM = """
problem: {{type: 'own_module:{name}', pause: {pause}}}
stop: {{generations: 100}}
workers: 0
checkpoint: {{interval: 5}}
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts evo in a folder with problems; whatever still runs at the end is killed."""
    (tmp_path / "own_module.py").write_text(MODULE)
    for name, pause in (("Slow", 0.02), ("DiesForGood", 0.1), ("DiesOnceDescribed", 0.0), ("Deaf", 0.0)):
        (tmp_path / f"{name.lower()}.yaml").write_text(PROBLEM.format(name=name, pause=pause))
    processes = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*EVO, *arguments], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        for each in [*psutil.Process(process.pid).children(recursive=True), process] if process.poll() is None else []:
            each.kill()
        process.communicate()


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the state that the test waits for did not come"
        time.sleep(0.01)


def events(run: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    except (FileNotFoundError, json.JSONDecodeError):  # a line half written
        return []


def newest_checkpoint(run: Path) -> int:
    return max((int(file.stem[4:]) for file in (run / "checkpoints").glob("gen-*.msgpack")), default=-1)


def result_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "result.json").read_text())
    return content


def child_of(process: subprocess.Popen[str]) -> psutil.Process:
    wait_until(lambda: psutil.Process(process.pid).children())
    return psutil.Process(process.pid).children()[0]


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_been(start: Start, tmp_path: Path) -> None:
    many = ("--generations", "250")  # four kills take much less time
    whole = start("run", "slow.yaml", "--quiet", "--output", "whole", *many)
    process = start("run", "slow.yaml", "--supervise", "--json", "--output", "cut", *many)
    killed: list[int] = []
    for _ in range(4):
        before = newest_checkpoint(tmp_path / "cut")
        wait_until(lambda before=before: newest_checkpoint(tmp_path / "cut") > max(before, 0))
        child = child_of(process)
        assert child.pid not in killed
        killed.append(child.pid)
        child.kill()
        wait_until(lambda child=child: not child.is_running())
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors.count("the run died (SIGKILL); resuming from generation ") == 4
    assert errors.count("(restart 1 of at most 3 without a newer checkpoint)") == 4
    told = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in told].count("resumed") == 4
    assert [event["event"] for event in told].count("alert") == 4
    assert told[-1]["event"] == "finished"
    assert sum("the run died" in event.get("message", "") for event in events(tmp_path / "cut")) == 4
    assert whole.wait(timeout=60) == 0
    assert result_of(tmp_path / "cut")["digest"] == result_of(tmp_path / "whole")["digest"]
    assert result_of(tmp_path / "cut")["generations"] == 250


def test_a_run_that_always_dies_is_given_up_with_its_result_and_the_way_back(start: Start, tmp_path: Path) -> None:
    process = start("run", "diesforgood.yaml", "--supervise", "--output", "run")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    newest = newest_checkpoint(tmp_path / "run")
    assert newest >= 5
    assert errors.count(f"the run died (exit code 1); resuming from generation {newest}") == 3
    assert "restart 3 of at most 3 without a newer checkpoint" in errors
    last = errors.splitlines()[-1]
    assert last.endswith(
        f"3 restarts brought no newer checkpoint: given up; saved at generation {newest}; to go on: evo resume run"
    )
    result = result_of(tmp_path / "run")
    assert result["stop_reason"] == "failed"
    assert result["generations"] == newest
    assert result["digest"] == evo.checkpoints.digest(evo.checkpoints.load(tmp_path / "run")["optimizer"]["state"])
    assert "given up" in result["error"]
    assert events(tmp_path / "run")[-1]["event"] == "finished"


def test_a_run_that_dies_before_it_saves_is_started_again_not_resumed(start: Start, tmp_path: Path) -> None:
    process = start("run", "diesoncedescribed.yaml", "--supervise", "--generations", "2")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors.count("the run died (SIGSEGV); starting it again (restart 1 of") == 1
    assert result_of(tmp_path / "runs" / "diesoncedescribed-1")["generations"] == 2


def test_an_old_run_in_the_folder_is_neither_resumed_nor_replaced(start: Start, tmp_path: Path) -> None:
    assert start("run", "slow.yaml", "--quiet", "--generations", "5", "--output", "run").wait(timeout=60) == 0
    before = result_of(tmp_path / "run")
    process = start("run", "slow.yaml", "--supervise", "--output", "run")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "run: holds a run already" in errors
    (tmp_path / "own_module.py").write_text("import os\nos._exit(3)\n")
    process = start("run", "slow.yaml", "--supervise", "--overwrite", "--output", "run")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("the run died (exit code 3); starting it again") == 3
    assert errors.splitlines()[-1].endswith("3 restarts brought no newer checkpoint: given up")
    assert result_of(tmp_path / "run") == before


def test_a_mistake_and_a_failure_are_passed_on_and_not_tried_again(start: Start, tmp_path: Path) -> None:
    process = start("run", "slow.yaml", "--supervise", "--workers", "0", "--seed", "-4")
    assert process.wait(timeout=60) == 2
    (tmp_path / "typo.yaml").write_text("problem: {type: sphere}\nseeed: 1\n")
    process = start("run", "typo.yaml", "--supervise")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert 'did you mean "seed"?' in errors
    assert "died" not in errors
    process = start("resume", "nowhere", "--supervise")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "nowhere: there is no such file or folder" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_with_75_and_a_supervised_resume_finishes(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = start("run", "slow.yaml", "--supervise", "--output", "run")
    wait_until(lambda: newest_checkpoint(tmp_path / "run") > 0)
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 75, errors
    assert f"{number.name}: saving" in errors
    assert "go on with" in out
    assert "died" not in errors
    process = start("resume", "run", "--supervise", "--generations", "90", "--path", str(tmp_path))
    child_of(process)
    wait_until(lambda: any(event["event"] == "resumed" for event in events(tmp_path / "run")))
    child_of(process).kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors.count("the run died (SIGKILL)") == 1
    assert result_of(tmp_path / "run")["generations"] == 90


def test_a_child_that_a_signal_ends_at_once_is_not_started_again(start: Start, tmp_path: Path) -> None:
    process = start("run", "deaf.yaml", "--supervise", "--output", "run")
    wait_until((tmp_path / "entered").exists)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 75, errors  # generation 0 is saved
    assert "died" not in errors


def test_the_parent_imports_neither_ray_nor_numba(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("problem: {type: sphere}\nstop: {generations: 3}\nworkers: 0\n")
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('IMPORTED', [m for m in ('ray', 'numba', 'evo.engine') if m in sys.modules]))\n"
        "from evo.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "p.yaml", "--supervise"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "IMPORTED []"
    assert (tmp_path / "runs" / "p-1" / "result.json").exists()


def test_a_limit_of_time_for_the_job_counts_from_the_parents_start() -> None:
    from evo.settings import CheckpointSettings
    from evo.walltime import JOB_START, stop_time

    plan = CheckpointSettings(walltime=3600.0, stop_before_walltime=60.0)
    assert stop_time(plan, {JOB_START: "1000.5"}) == 1000.5 + 3600.0 - 60.0
    here = stop_time(plan, {})
    assert here is not None
    assert abs(here - (psutil.Process().create_time() + 3540.0)) < 1.0
