"""What checkpoints cost a run, and how soon it goes on: python benchmarks/checkpoint_cost.py

The loop's share: the seconds that it spends on taking and handing over states, one every second, over all its seconds;
for the optimizers of CVRP, with 1000 and with 30 000 customers. Then the time from `evo resume` (a new process) to the
first generation that is new, in this process and with a warm cache.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

import evo
from evo.problems.cvrp.generator import generate
from evo.problems.cvrp.problem import CVRP
from evo.saving import Saver

CASES: tuple[tuple[str, dict[str, int], int, float], ...] = (
    ("hgs", {}, 1000, 20.0),
    ("trajectories", {}, 1000, 20.0),
    ("trajectories", {"iterations": 100}, 30_000, 60.0),
)
"""Optimizer, its parameters, customers, seconds."""
RESUMES = 10
EXAMPLE = Path(__file__).parents[1] / "examples" / "cvrp" / "delivery.yaml"


def main() -> None:
    """Measure, print and write the section of RESULTS.md."""
    rows = []
    for case in CASES:
        rows.append(cost_to_loop(*case))
        print(*rows[-1], sep="  ", flush=True)
    table = markdown_table(
        ["run", "seconds", "saves", "size, MB", "a save, ms", "of them on a processor", "share of the loop"], rows
    )
    times, busy = time_to_first_generation()
    lines = [
        f"`python benchmarks/checkpoint_cost.py`, {today()}, {cpu_model()}, shared with other work; evo "
        f"{evo_version()}, {versions('numpy', 'numba')}.",
        "",
        "What the loop's own thread spends on a save (the writing is another's; means), one made every second: by the",
        "clock and on a processor; and all of them, by the clock, over the loop's seconds.",
        "",
        *table,
        "",
        f"From `evo resume` to the first new generation (200 customers, in this process, warm cache, {len(times)} "
        f"times, load {os.getloadavg()[0]:.1f}): median {statistics.median(times):.2f} s, {min(times):.2f} to "
        f"{max(times):.2f} s; on a processor for {statistics.median(busy):.2f} s (median).",
    ]
    print("\n".join(lines))
    update_section("checkpoints: cost", "Checkpoints: cost to the loop, time to go on", lines)


def cost_to_loop(optimizer: str, parameters: dict[str, int], customers: int, seconds: float) -> list[str]:
    """One run, as a row of the table."""
    sizes: list[int] = []
    clock = Clock()

    def observe(event: dict[str, Any]) -> None:
        if event["event"] == "checkpoint":
            sizes.append(event["bytes"])

    with tempfile.TemporaryDirectory() as folder, clock:
        result = evo.minimize(
            CVRP(generate(customers, seed=1)),
            optimizer={"type": optimizer, **parameters},
            stop=evo.Stop(time=seconds),
            checkpoint={"interval": 10**9, "seconds": 1.0},
            output=Path(folder) / "run",
            observers=[observe],
        )
    return [
        f"{optimizer}, {customers} customers",
        f"{result.seconds:.1f}",
        str(clock.saves),
        f"{max(sizes) / 1e6:.2f}",
        f"{1000 * clock.seconds / clock.saves:.2f}",
        f"{1000 * clock.busy / clock.saves:.2f}",
        f"{clock.seconds / result.seconds:.3%}",
    ]


class Clock:
    """The seconds that the loop's thread spends on saves, and those of them on a processor."""

    def __init__(self) -> None:
        self.saves = 0
        self.seconds = self.busy = 0.0
        self._real = Saver.hand_over

    def __enter__(self) -> None:
        def timed(saver: Saver, *arguments: Any) -> None:
            begin, begin_busy = time.perf_counter(), time.thread_time()
            self._real(saver, *arguments)
            self.seconds += time.perf_counter() - begin
            self.busy += time.thread_time() - begin_busy
            self.saves += 1

        Saver.hand_over = timed  # type: ignore[method-assign]  # a stopwatch around it

    def __exit__(self, *reason: object) -> None:
        Saver.hand_over = self._real  # type: ignore[method-assign]


def time_to_first_generation() -> tuple[list[float], list[float]]:
    """Seconds from the start of the command to its first new generation, and those of them on a processor."""
    evo_command = [sys.executable, "-c", "from evo.cli import main; main()"]
    times, busy = [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        start = [
            *evo_command,
            "run",
            str(EXAMPLE),
            "--generations",
            "20",
            "--workers",
            "0",
            "--output",
            "run",
            "--quiet",
        ]
        subprocess.run(start, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for number in range(RESUMES + 1):
            command = [*evo_command, "resume", "run", "--generations", str(30 + 10 * number), "--json"]
            begin = time.perf_counter()
            with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    if json.loads(line)["event"] == "generation":
                        times.append(time.perf_counter() - begin)
                        used = psutil.Process(process.pid).cpu_times()
                        busy.append(used.user + used.system)
                        break
                process.stdout.read()
    return times[1:], busy[1:]


if __name__ == "__main__":
    main()
