"""What checkpoints cost a run, and how soon it goes on: python benchmarks/checkpoint_cost.py [SECONDS]

The loop's share: the seconds that it spends on taking and handing over states, over its own seconds, with a save every
second; for the two optimizers of CVRP, with 1000 and with 30 000 customers. Then the time from `evo resume` (a new
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

from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

import evo
from evo.problems.cvrp.generator import generate
from evo.problems.cvrp.problem import CVRP

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
    table = markdown_table(["run", "generations", "saves", "size, MB", "loop, s", "saving, ms", "share"], rows)
    times = time_to_first_generation()
    lines = [
        f"`python benchmarks/checkpoint_cost.py {seconds:g}`, {today()}, {cpu_model()}, shared with other work; evo "
        f"{evo_version()}, {versions('numpy', 'numba')}.",
        "",
        "A save every second; the share is what the loop itself spends on it (the writing is another thread's).",
        "",
        *table,
        "",
        f"From `evo resume` to the first new generation (200 customers, in this process, warm cache, {len(times)} "
        f"times): median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s.",
    ]
    print("\n".join(lines))
    update_section("checkpoints: cost", "Checkpoints: cost to the loop, time to go on", lines)


def cost_to_loop(optimizer: str, parameters: dict[str, int], customers: int, seconds: float) -> list[str]:
    """One run, as a row of the table."""
    seen: dict[str, Any] = {}
    sizes: list[int] = []

    def remember(engine: Any) -> None:
        seen["spent"] = engine.checkpoint.spent

    def observe(event: dict[str, Any]) -> None:
        if event["event"] == "checkpoint":
            sizes.append(event["bytes"])

    with tempfile.TemporaryDirectory() as folder:
        result = evo.minimize(
            CVRP(generate(customers, seed=1)),
            optimizer={"type": optimizer, **parameters},
            stop=evo.Stop(time=seconds),
            checkpoint={"interval": 10**9, "seconds": 1.0},
            output=Path(folder) / "run",
            callback=remember,
            observers=[observe],
        )
    # The first save comes before the loop's clock starts.
    spent = seen["spent"]
    return [
        f"{optimizer}, {customers} customers",
        str(result.generations),
        str(len(sizes)),
        f"{max(sizes) / 1e6:.2f}",
        f"{result.seconds:.1f}",
        f"{1000 * spent:.1f}",
        f"{spent / result.seconds:.3%}",
    ]


def time_to_first_generation() -> list[float]:
    """Seconds from the start of the command to its first new generation."""
    evo_command = [sys.executable, "-c", "from evo.cli import main; main()"]
    times = []
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
                        break
                process.stdout.read()
    return times[1:]


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
