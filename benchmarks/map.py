"""What `evo.distributed.map` gains: python benchmarks/map.py [--report]

Items of CPU work, in this process and in 1, 2, … workers, in turn; the speed-up is against this process in the same
round, by the wall. Ray's start is measured apart. On a machine that does other things too, cores are shared and the
wall says little; so each item's own time is taken as well, and the share of the workers' time that went into items: it
says what the machinery costs, and is no measurement of the speed-up itself, which needs idle cores. `--report` puts the
table into RESULTS.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

from evo import distributed
from evo.distributed import available_cores
from evo.distributed.ray_start import RayCluster


def work(iterations: int) -> float:
    """Count, in Python: nothing but CPU time. How long it took, in seconds."""
    begin, total = time.perf_counter(), 0
    for number in range(iterations):
        total += number & 7
    return time.perf_counter() - begin


def main() -> None:
    """Measure, print, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.02, help="of work in an item")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="numbers of workers")
    parser.add_argument("--report", action="store_true", help="put the table into RESULTS.md")
    options = parser.parse_args()
    iterations = calibrated(options.seconds)
    items = [iterations] * options.items

    begin = time.perf_counter()
    cluster = RayCluster(None, available_cores())
    cluster.start()
    if not cluster.started(180):
        raise SystemExit("Ray has not started")
    start = time.perf_counter() - begin
    print(f"Ray started in {start:.1f} s", flush=True)
    rounds: dict[int, list[tuple[float, ...]]] = {count: [] for count in options.workers}
    try:
        for _ in range(options.rounds):
            alone, _, _ = timed(items, 0)
            for count in options.workers:
                seconds, whole, in_items = timed(items, count)
                busy = in_items / (count * seconds)
                rounds[count].append((alone / seconds, busy, free_cores(count), alone, seconds, whole))
                print(f"{count} workers: {alone / seconds:.2f} times this process, busy {busy:.1%}", flush=True)
    finally:
        cluster.close()

    rows = []
    for count, times in rounds.items():
        gain, busy, free, alone, seconds, whole = map(statistics.median, zip(*times, strict=True))
        figures = [f"{value:.2f}" for value in (gain, free, alone, seconds, whole, whole + start)]
        rows.append([str(count), f"{busy:.3f}", *figures])
    header = [
        "workers", "share in items", "speed-up", "cores to be had", "this process s", "map s",
        "with the workers' start s", "with Ray's start s",
    ]  # fmt: skip
    table = markdown_table(header, rows)
    print("\n".join(table))
    if options.report:
        lines = [
            f"`python benchmarks/map.py --items {options.items} --seconds {options.seconds} --report`",
            "",
            f"Measured {today()}. Machine: {cpu_model()}. evo {evo_version()}, {versions('ray', 'numpy')}. "
            f"{options.items} items of {1000 * options.seconds:g} ms of Python; medians of {options.rounds} rounds. "
            "“Share in items”: of the workers' time from their being ready to the last result, what went into items. "
            "“Cores to be had”: how many cores' time so many processes that only count got together just after: "
            "where they are fewer than the workers, others used the machine too, and the speed-up says little.",
            "",
            *table,
        ]
        update_section("map", "`evo.distributed.map`", lines)


def calibrated(seconds: float) -> int:
    """Iterations of `work` that take so long."""
    iterations = 100_000
    return round(iterations * seconds / min(work(iterations) for _ in range(9)))


def timed(items: list[int], workers: int) -> tuple[float, float, float]:
    """Wall seconds of a map from the workers being ready; of the whole call; and of all its items together."""
    begin = time.perf_counter()
    result = distributed.map(work, items, workers=workers)
    return result.seconds, time.perf_counter() - begin, sum(result)


def free_cores(count: int) -> float:
    """CPU time over wall time of `count` processes that only count, for a second."""
    code = (
        "import time; b, w = time.process_time(), time.perf_counter()\n"
        "while time.perf_counter() - w < 1.0: pass\n"
        "print((time.process_time() - b) / (time.perf_counter() - w))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(count)]
    return sum(float(process.communicate()[0]) for process in processes)


if __name__ == "__main__":
    main()
