"""The command as users run it: a process of its own, signals, pipes, terminals, and what it imports."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

EVO = [sys.executable, "-c", "from evo.cli import main; main()"]

MODULE = '''
import os, subprocess, sys, time
import evo

class Slow(evo.Problem):
    """Half of the work of a run of 40 generations is still to do when the first signal comes."""
    space = evo.Real(-5, 5, shape=4)
    def __init__(self, pause=0.005):
        self.pause = pause
    def evaluate(self, x):
        print("a user's own words")
        time.sleep(self.pause)
        return (x ** 2).sum(axis=1)

class Deaf(Slow):
    """Does not hear the first signal."""
    def evaluate(self, x):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open("child", "w") as file:
            file.write(str(child.pid))
        while True:
            try:
                if os.path.exists("child"):  # told from where every signal is caught
                    os.rename("child", "entered")
                time.sleep(60)
            except BaseException:
                pass
'''
SLOW = """
problem: {{type: 'own_module:{name}', pause: 0.01}}
stop: {{generations: 40}}
workers: 0
checkpoint: {{interval: 5}}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts evo in an empty folder; what still runs at the end is killed."""
    (tmp_path / "own_module.py").write_text(MODULE)
    for name in ("Slow", "Deaf"):
        (tmp_path / f"{name.lower()}.yaml").write_text(SLOW.format(name=name))
    processes = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([*EVO, *arguments], cwd=tmp_path, text=True, **options)
        processes.append(process)
        return process

    yield start
    if (tmp_path / "entered").exists():  # a child that outlived its parent would keep the pipes open
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "entered").read_text()), signal.SIGKILL)
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the state that the test waits for did not come"
        time.sleep(0.01)


def generations_done(run: Path) -> int:
    """How far a run's events say that it is."""
    try:
        lines = (run / "events.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return -1
    return max((json.loads(line)["generation"] for line in lines if '"generation", ' in line), default=-1)


def result_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "result.json").read_text())
    return content


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_ends_with_75_and_resume_ends_as_if_nothing_had_been(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    whole = start("run", "slow.yaml", "--quiet", "--output", "whole")
    process = start("run", "slow.yaml", "--output", "cut")
    wait_until(lambda: generations_done(tmp_path / "cut") >= 8)
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 75, errors
    assert f"{number.name}: saving" in errors
    command = out.splitlines()[-1].split(None, 3)[-1]
    assert command == "evo resume cut"
    cut = result_of(tmp_path / "cut")
    assert cut["stop_reason"] == "interrupted"
    assert 8 <= cut["generations"] < 40
    resumed = start(*command.split()[1:])
    assert resumed.wait(timeout=60) == 0
    assert whole.wait(timeout=60) == 0
    final, expected = result_of(tmp_path / "cut"), result_of(tmp_path / "whole")
    assert final["digest"] == expected["digest"] != cut["digest"]
    assert final["generations"] == 40


def test_a_second_signal_leaves_at_once_and_leaves_no_process_behind(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start("run", "deaf.yaml", "--output", "run")
    wait_until((tmp_path / "entered").exists)  # before that, the first signal alone would do
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "once more to leave at once" in process.stderr.readline()
    assert process.poll() is None
    # Again where need be: a signal in the instant between Python's last look and the system call of `sleep` is seen by
    # Python only when the sleep is over, or when the next signal ends it.
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
            break
    assert process.returncode == 75
    child = int((tmp_path / "entered").read_text())
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE, 5)


def test_json_lines_are_alone_on_standard_output(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("run", "slow.yaml", "--json", "--generations", "3")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0]["event"] == "started"
    assert events[-1]["event"] == "finished"
    assert events[-1]["generations"] == 3
    assert "a user's own words" in errors


@pytest.mark.parametrize("option", [[], ["--json"], ["--quiet"]])
def test_a_run_outlives_the_reader_of_its_output(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, option: list[str]
) -> None:
    reader, writer = os.pipe()
    process = start("run", "slow.yaml", "--output", "run", "--generations", "20", *option, stdout=writer)
    os.close(writer)
    wait_until(lambda: generations_done(tmp_path / "run") >= 2)
    os.close(reader)
    assert process.wait(timeout=60) == 0, process.stderr and process.stderr.read()
    assert result_of(tmp_path / "run")["generations"] == 20


def read_terminal(master: int, process: subprocess.Popen[str], until: str, seconds: float = 30.0) -> str:
    """What is written to a terminal until a text appears, or the process ends."""
    seen, deadline = "", time.monotonic() + seconds
    while until not in seen:
        assert time.monotonic() < deadline, seen
        if not select.select([master], [], [], 0.1)[0]:
            assert until in seen or process.poll() is None, seen
            continue
        try:
            seen += os.read(master, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
    return seen


def test_a_terminal_shows_the_run_live_and_is_left_as_it_was(start: Callable[..., subprocess.Popen[str]]) -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "100", "LINES": "30"}
    process = start("run", "slow.yaml", "--generations", "4000", stdout=slave, stdin=slave, env=environment)
    os.close(slave)
    seen = read_terminal(master, process, "evaluations/s")
    assert "evo: running slow.yaml" in seen
    seen += read_terminal(master, process, "generation")
    process.send_signal(signal.SIGINT)
    seen += read_terminal(master, process, "evo resume runs/slow-1")
    assert process.wait(timeout=30) == 75
    os.close(master)
    assert "of 4,000" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is shown again
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", seen)  # no colours where NO_COLOR is set


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], ["numpy", "pydantic", "rich", "numba", "ray", "yaml"]),
        (["--version"], ["numpy", "pydantic", "rich", "numba", "ray", "yaml"]),
        (["run", "--help"], ["numpy", "pydantic", "rich", "numba", "ray", "yaml"]),
        (["run", "slow.yaml", "--generations", "2"], ["ray", "numba", "matplotlib", "scipy", "rich"]),
    ],
)
def test_only_what_is_needed_is_imported(tmp_path: Path, arguments: list[str], unwanted: list[str]) -> None:
    (tmp_path / "own_module.py").write_text(MODULE)
    (tmp_path / "slow.yaml").write_text(SLOW.format(name="Slow"))
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('IMPORTED', [m for m in {unwanted!r} if m in sys.modules], file=sys.stderr))\n"
        "from evo.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "IMPORTED []"


def test_a_folder_called_evo_in_the_working_directory_is_not_mistaken_for_the_package(tmp_path: Path) -> None:
    for name in ("evo", "distributed", "problems", "checkpoints"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the wrong one')")
    (tmp_path / "p.yaml").write_text("problem: {type: sphere}\nstop: {generations: 2}\nworkers: 0\n")
    script = Path(sys.executable).with_name("evo")
    done = subprocess.run(
        [script, "run", "p.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["problems"], ["--help"], ["run", "--help"]])
def test_a_reader_that_has_left_is_met_in_silence(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*EVO, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert done.stderr == ""
