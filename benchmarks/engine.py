"""What the engine itself costs: python benchmarks/engine.py [--quick] [--report]

Generations a second with a trivial objective; the loop's share that checkpoints take; `import evo`; memory of a large
run; how long `evo run` takes to say something. What is timed is repeated, and the median counts. `--report` puts the
table into RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

import evo
from evo.problems import cvrp

NEVER = 10**9


class Trivial(evo.Problem):
    """The least that an objective can do."""

    space = evo.Real(-5, 5, shape=30)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """Take the first gene: ``(batch, 30) -> (batch,)``."""
        return x[:, 0]


def main() -> None:
    """Measure, print, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: to see that it works")
    parser.add_argument("--report", action="store_true", help="put the table into RESULTS.md")
    options = parser.parse_args()
    quick = options.quick
    rows: list[list[str]] = []

    def tell(what: str, value: str, aim: str) -> None:
        print(f"{what:<78}{value:>22}   aim {aim}", flush=True)
        rows.append([what, value, aim])

    wall, cpu = generations_per_second(500 if quick else 5000, 3 if quick else 7)
    what = "GA, 30 reals, population 100, trivial objective, in process: generations/s"
    tell(what, f"{wall:,.0f} ({cpu:,.0f} by CPU time)", ">= 3,000")
    for customers in (200, 1000):
        cost = checkpoint_cost(customers, 3.0 if quick else 20.0, 1 if quick else 3)
        what = f"CVRP, {customers} customers: the loop's time spent in checkpoints every 10 generations"
        tell(what, f"{cost['share']:.2%}", "< 2 %")
        what = "… the same by the time of all generations, against a run without (ratio of CPU time)"
        tell(what, f"{cost['ratio']:.3f}", "< 1.02")
        tell("… a checkpoint's size; its writing, in the background", cost["file"], "")
    tell("import evo", f"{import_seconds(3 if quick else 10):.3f} s", "< 0.3 s")
    with tempfile.TemporaryDirectory() as scratch:
        large, delivery = write_instances(Path(scratch))
        memory = peak_memory(large, 3.0 if quick else 30.0)
        tell("CVRP, 1000 customers, in this process: peak memory", f"{memory:.0f} MB", "< 300 MB")
        first, progress = time_to_progress(delivery, 3 if quick else 10)
        tell("evo run on a terminal, 200 customers: first line after", f"{first:.2f} s", "")
        tell("… first progress after", f"{progress:.2f} s", "< 2 s")
    if options.report:
        lines = [
            "`python benchmarks/engine.py --report`",
            "",
            f"Measured {today()}. Machine: {cpu_model()}. evo {evo_version()}, {versions('numpy', 'numba')}. "
            "Medians; the numba cache is warm.",
            "",
            *markdown_table(["what", "measured", "aim"], rows),
        ]
        update_section("engine", "The engine's own cost", lines)


def generations_per_second(generations: int, repeats: int) -> tuple[float, float]:
    """By wall time as the run counts it, and by CPU time of the whole call."""
    walls, cpus = [], []
    for seed in range(repeats + 1):
        begin = time.process_time()
        result = evo.minimize(Trivial(), optimizer="ga", stop=evo.Stop(generations=generations), seed=seed)
        cpus.append(time.process_time() - begin)
        walls.append(result.seconds)
    return generations / statistics.median(walls[1:]), generations / statistics.median(cpus[1:])


def checkpoint_cost(customers: int, seconds: float, repeats: int) -> dict[str, Any]:
    """A run with checkpoints every 10 generations, and the same generations without, in turn."""
    problem = cvrp.CVRP(cvrp.generate(customers, depot="center", route_length=10.0, seed=1))
    shares, ratios, sizes, writes = [], [], [], []
    trial = _run_saving(problem, evo.Stop(time=seconds), interval=10)  # also warms the kernels
    generations = max(20, trial["generations"] // 10 * 10)
    for repeat in range(repeats):
        order = (10, NEVER) if repeat % 2 else (NEVER, 10)
        runs = {interval: _run_saving(problem, evo.Stop(generations=generations), interval) for interval in order}
        shares.append(runs[10]["spent"] / runs[10]["seconds"])
        ratios.append(runs[10]["cpu"] / runs[NEVER]["cpu"])
        sizes += runs[10]["sizes"]
        writes += runs[10]["writes"]
    return {
        "share": statistics.median(shares),
        "ratio": statistics.median(ratios),
        "file": f"{statistics.median(sizes) / 1000:,.0f} KB, {1000 * statistics.median(writes):.1f} ms",
    }


def _run_saving(problem: cvrp.CVRP, stop: evo.Stop, interval: int) -> dict[str, Any]:
    spent, cpu = [0.0], [time.process_time()]
    saves: list[dict[str, Any]] = []

    def watch(engine: Any) -> None:
        spent[0], cpu[1:] = engine.checkpoint.spent, [time.process_time()]

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "checkpoint":
            saves.append(event)

    with tempfile.TemporaryDirectory(dir=".") as folder:  # here: a temporary folder may lie in memory
        result = evo.minimize(
            problem,
            stop=stop,
            seed=1,
            output=Path(folder) / "run",
            checkpoint={"interval": interval, "seconds": NEVER},
            callback=watch,
            observers=[listen],
        )
    return {
        "generations": result.generations,
        "seconds": result.seconds,
        "spent": spent[0],
        "cpu": cpu[1] - cpu[0],
        "sizes": [save["bytes"] for save in saves],
        "writes": [save["seconds"] for save in saves],
    }


def import_seconds(repeats: int) -> float:
    """The median time of the import statement, each time in a new interpreter."""
    code = "import time; begin = time.perf_counter(); import evo; print(time.perf_counter() - begin)"
    return statistics.median(float(_output([sys.executable, "-c", code])) for _ in range(repeats + 1))


def write_instances(folder: Path) -> tuple[Path, Path]:
    """Files of 1000 and of 200 customers."""
    files = folder / "n1001.vrp", folder / "n201.vrp"
    for file, customers in zip(files, (1000, 200), strict=True):
        cvrp.write_vrp(file, cvrp.generate(customers, depot="center", route_length=10.0, seed=1))
    return files


def peak_memory(instance: Path, seconds: float) -> float:
    """The most memory, in MB, that `evo run` without workers ever held (Linux's VmHWM)."""
    code = f"""
import sys
from evo.cli import main
try:
    main({_arguments(instance, ["--time", str(seconds), "--quiet"])!r})
except SystemExit as end:
    assert not end.code, end.code
print(open("/proc/self/status").read())
"""

    def measure() -> float:
        found = re.search(r"VmHWM:\s*(\d+) kB", _output([sys.executable, "-c", code]))
        assert found is not None
        return int(found[1]) * 1024 / 1e6

    measure()  # whatever is not in numba's cache yet is now
    return measure()


def time_to_progress(instance: Path, repeats: int) -> tuple[float, float]:
    """Seconds from the start of `evo run` to its first output, and to its first progress, on a terminal."""
    command = [str(Path(sys.executable).with_name("evo")), *_arguments(instance, ["--time", "5"])]
    times = [_watch(command, (lambda text: bool(text.strip()), shows_progress)) for _ in range(repeats + 1)][1:]
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


def shows_progress(text: str) -> bool:
    """Whether a generation that was evaluated is on the screen."""
    return re.search(r"generation\S*\s+\S*[1-9]", text) is not None


def _watch(command: Sequence[str], signs: Sequence[Callable[[str], bool]]) -> list[float]:
    """Run a command on a terminal of its own until it has shown all signs; when each was first there."""
    driver, terminal = pty.openpty()
    begin = time.monotonic()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    seen: list[float] = []
    text = ""
    try:
        while len(seen) < len(signs):
            if time.monotonic() - begin > 120:
                raise SystemExit(f"{command[0]}: no progress after 120 s; it said {text[-500:]!r}")
            if select.select([driver], [], [], 0.01)[0]:
                text += re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", os.read(driver, 65536).decode(errors="replace"))
            while len(seen) < len(signs) and signs[len(seen)](text):
                seen.append(time.monotonic() - begin)
    finally:
        process.kill()
        process.wait()
        os.close(driver)
    return seen


def _arguments(instance: Path, more: Sequence[str]) -> list[str]:
    output = str(instance.with_suffix(".run"))
    return ["run", str(instance), "--workers", "0", "--seed", "1", "--output", output, "--overwrite", *more]


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
