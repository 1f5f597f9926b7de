"""What checkpoints cost a run, and how soon it goes on: python benchmarks/checkpoint_cost.py [SECONDS]

The loop's share: the seconds that it spends on taking and handing over a state, over the second between two saves; for
the optimizers of CVRP, with 1000 and with 30 000 customers. Then the time from `evo resume` (a new
process) to the first generation that is new, in this process and with a warm cache.
"""

from __future__ import annotations

import json
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

CASES: tuple[tuple[str, dict[str, int], int], ...] = (
    ("hgs", {}, 1000),
    ("trajectories", {}, 1000),
    ("trajectories", {"iterations": 100}, 30_000),
)
RESUMES = 5
EXAMPLE = Path(__file__).parents[1] / "examples" / "cvrp" / "delivery.yaml"


def main(seconds: float) -> None:
    """Measure, print and write the section of RESULTS.md."""
    rows = []
    for optimizer, parameters, customers in CASES:
        rows.append(cost_to_loop(optimizer, parameters, customers, seconds))
        print(*rows[-1], sep="  ", flush=True)
    table = markdown_table(["run", "saves", "size, MB", "loop's ms a save", "share at 1 s"], rows)
    times, busy = time_to_first_generation()
    lines = [
        f"`python benchmarks/checkpoint_cost.py {seconds:g}`, {today()}, {cpu_model()}, shared with other work; evo "
        f"{evo_version()}, {versions('numpy', 'numba')}.",
        "",
        "What the loop's own thread spends on a save (the writing is another's), and its share where one is made every",
        "second; processor time, since the machine was busy with other work.",
        "",
        *table,
        "",
        f"From `evo resume` to the first new generation (200 customers, in this process, warm cache, {len(times)} "
        f"times): median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s; of the median the "
        f"process was on a processor for {statistics.median(busy):.2f} s.",
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
        evo.minimize(
            CVRP(generate(customers, seed=1)),
            optimizer={"type": optimizer, **parameters},
            stop=evo.Stop(time=seconds),
            checkpoint={"interval": 10**9, "seconds": 1.0},
            output=Path(folder) / "run",
            observers=[observe],
        )
    each = statistics.median(clock.saves)
    return [
        f"{optimizer}, {customers} customers",
        str(len(clock.saves)),
        f"{max(sizes) / 1e6:.2f}",
        f"{1000 * each:.2f}",
        f"{each:.3%}",
    ]


class Clock:
    """The processor's seconds that the loop's thread spends on each save."""

    def __init__(self) -> None:
        self.saves: list[float] = []
        self._real = Saver.hand_over

    def __enter__(self) -> None:
        def timed(saver: Saver, *arguments: Any) -> None:
            begin = time.thread_time()
            self._real(saver, *arguments)
            self.saves.append(time.thread_time() - begin)

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
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
