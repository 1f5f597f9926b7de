"""How a solver is run: evo as its users run it, every peer as a command; each in a process of its own, pinned."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from results_file import evo_version, versions

PATIENCE = 10.0
"""A run that takes so many times its budget, and a minute more, is ended (on a busy machine a CPU clock is slow)."""
PYTHON_PEERS = ("pyvrp", "hygese")


class RunError(Exception):
    """A solver failed, hung or wrote no solution."""


@dataclass(frozen=True)
class Run:
    """What a run left behind, unchecked."""

    solution: str
    """The `.sol` file's text."""
    curve: list[tuple[float, float]]
    seconds: float | None
    wall: float
    cpu: float
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EvoSolver:
    """`evo run` with one of its optimizers; None: the problem's default."""

    optimizer: str | None

    @property
    def version(self) -> str:
        """What was run."""
        return f"evo {evo_version()}, {versions('numba', 'numpy', 'ray')}"

    def run(self, instance: Path, seed: int, seconds: float, workers: int, cores: Sequence[int]) -> Run:
        """Run it; time counts from the first evaluation, when all workers are there."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            command = self._command(Path(scratch), instance, seed, workers, folder)
            finished = _finish([*command, "--time", str(seconds)], cores, seconds)
            result = json.loads((folder / "result.json").read_text())
            more = {"generations": result["generations"], "evaluations": result["evaluations"]}
            more |= {f"evaluations_{place}": count for place, count in result["evaluations_by"].items()}
            return Run(
                solution=(folder / "solution.sol").read_text(),
                curve=_curve_of_events(folder / "events.jsonl"),
                seconds=result["seconds"],
                wall=finished.wall,
                cpu=finished.cpu,
                more=more,
            )

    def warm_up(self, instance: Path) -> None:
        """Compile the kernels, so that no run's wall time holds it."""
        with tempfile.TemporaryDirectory() as scratch:
            command = self._command(Path(scratch), instance, 1, 0, Path(scratch) / "run")
            _finish([*command, "--generations", "1"], (), 600.0)

    def _command(self, scratch: Path, instance: Path, seed: int, workers: int, folder: Path) -> list[str]:
        settings: dict[str, object] = {"problem": {"type": "cvrp", "instance": str(instance.absolute())}}
        if self.optimizer is not None:
            settings["optimizer"] = {"type": self.optimizer}
        file = scratch / "problem.yaml"
        file.write_text(yaml.safe_dump(settings))
        evo = str(Path(sys.executable).with_name("evo"))
        options = ["--seed", str(seed), "--workers", str(workers), "--output", str(folder), "--json"]
        if workers:
            options.append("--wait-for-workers")
        return [evo, "run", str(file), *options]


@dataclass(frozen=True)
class Peer:
    """Another solver as a command that holds {instance}, {seed}, {seconds} and {output}, a `.sol` file to write.

    Of its standard output, lines ``improved SECONDS COST`` are the anytime curve, a line ``seconds SECONDS`` its own
    count of its time; everything else is passed over.
    """

    template: str
    version: str = "given as a command"

    def run(self, instance: Path, seed: int, seconds: float, workers: int, cores: Sequence[int]) -> Run:
        """Run it on the first of the cores: every peer is single-threaded."""
        with tempfile.TemporaryDirectory() as scratch:
            output = Path(scratch) / "solution.sol"
            values = {
                "instance": str(instance.absolute()),
                "seed": str(seed),
                "seconds": f"{seconds:g}",
                "output": str(output),
            }
            command = [word.format_map(values) for word in shlex.split(self.template)]
            finished = _finish(command, cores[:1], seconds)
            if not output.exists():
                raise RunError(f"no solution was written: {finished.output[-500:]}")
            told = re.findall(r"^seconds ([\d.]+)$", finished.output, re.MULTILINE)
            points = re.findall(r"^improved ([\d.eE+-]+) ([\d.eE+-]+)$", finished.output, re.MULTILINE)
            return Run(
                solution=output.read_text(),
                curve=[(float(elapsed), float(cost)) for elapsed, cost in points],
                seconds=float(told[-1]) if told else None,
                wall=finished.wall,
                cpu=finished.cpu,
            )

    def warm_up(self, instance: Path) -> None:
        """Nothing to prepare."""


Solver = EvoSolver | Peer


def find_solver(name: str, peers: dict[str, str]) -> Solver:
    """The solver that a name means: evo, evo:OPTIMIZER, pyvrp, hygese, or one given with --peer."""
    if name in peers:
        return Peer(peers[name])
    if name in PYTHON_PEERS:
        script = Path(__file__).with_name("peers.py")
        here = shlex.join([sys.executable, str(script), name])
        return Peer(f"{here} {{instance}} {{seed}} {{seconds}} {{output}}", versions(name))
    if re.fullmatch(r"evo(:[\w-]+)?", name):
        return EvoSolver(name.partition(":")[2] or None)
    known = ["evo", "evo:OPTIMIZER", *PYTHON_PEERS, *peers]
    raise SystemExit(f"--solvers: {name}: unknown; expected one of {', '.join(known)} (others: --peer NAME=COMMAND)")


def _curve_of_events(path: Path) -> list[tuple[float, float]]:
    """The feasible improvements, in seconds of optimisation: `generation` events tell both clocks."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    start = next(event["time"] - event["seconds"] for event in events if event["event"] == "generation")
    return [
        (event["time"] - start, event["objective"])
        for event in events
        if event["event"] == "improved" and event["feasible"]
    ]


@dataclass(frozen=True)
class _Finished:
    output: str
    wall: float
    cpu: float


def _finish(command: Sequence[str], cores: Sequence[int], seconds: float) -> _Finished:
    """Run a command on the cores to its end. Raises `RunError` where it fails, or takes far too long."""
    limit = PATIENCE * seconds + 60
    with tempfile.TemporaryFile("w+") as out, _pinned(cores):
        begin = time.monotonic()
        try:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            raise RunError(f"{command[0]}: {error.strerror}") from error
        try:
            while True:
                # wait4 tells the CPU time of this child alone
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(status)
                    break
                if time.monotonic() - begin > limit:
                    raise RunError(f"not finished after {limit:.0f} s")
                time.sleep(0.02)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        wall = time.monotonic() - begin
        out.seek(0)
        output = out.read()
    if process.returncode != 0:
        raise RunError(f"exit code {process.returncode}: {output[-500:]}")
    return _Finished(output, wall, usage.ru_utime + usage.ru_stime)


@contextlib.contextmanager
def _pinned(cores: Sequence[int]) -> Iterator[None]:
    """Bind this thread, and so the processes that it starts, to some cores (none: to all that it may use)."""
    if not cores or not hasattr(os, "sched_setaffinity"):  # macOS cannot
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
