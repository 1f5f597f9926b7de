"""NSGA-II of evo beside other libraries': python benchmarks/multi_objective.py --peers PYTHON [--report]

PYTHON is an interpreter that has pymoo, pygmo and moocore; what it lacks is left out. Libraries take turns, each in a
process of its own on one thread. Speed: medians of CPU seconds, and their ratio to evo's. Quality: hypervolume after
25 000 evaluations on ZDT1-6 and DTLZ1-7, seed by seed against pymoo, with Wilcoxon's signed-rank test.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

WORKER = Path(__file__).with_name("multi_objective_works.py")
PROBLEMS = [*(f"zdt{i}" for i in range(1, 7)), *(f"dtlz{i}" for i in range(1, 8))]
SPEEDS = ("100x250", "1000x100")
LIBRARIES = ("evo", "pymoo", "pygmo")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NOTES = (
    "evo's defaults differ from pymoo's in two ways. evo cuts a front by crowding distances that are measured anew "
    "after each individual left out (`crowding: updated`), pymoo by those measured once. pymoo makes new offspring "
    "until none is a copy, evo mutates a copy at most three times.",
)
Runs = list[dict[str, Any]]


def main() -> None:
    """Measure and print; with --report also write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="the interpreter that has the other libraries")
    parser.add_argument("--seeds", type=int, default=11)
    parser.add_argument("--problems", nargs="*", default=PROBLEMS, choices=PROBLEMS)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    speed = [row for work in SPEEDS for row in speed_rows(options.peers, work, min(options.seeds, 5))]
    quality = [quality_row(options.peers, problem, options.seeds) for problem in options.problems]
    if options.report:
        lines = [
            "`python benchmarks/multi_objective.py --peers PYTHON --report`",
            "",
            f"Measured {today()}. Machine: {cpu_model()}, one thread. evo {evo_version()}, "
            f"{versions('numpy', 'numba', 'moocore')}; {peer_versions(options.peers)}.",
            "",
            "The whole optimisation of ZDT1 with 30 variables, without imports and compilation; every library gets a "
            "whole population at once. CPU seconds and hypervolume (reference 1.1, 1.1) are medians.",
            "",
            *markdown_table(["population x generations: library", "runs", "CPU s", "x evo's", "hypervolume"], speed),
            "",
            f"Hypervolume after 25 000 evaluations (population 100), {options.seeds} seeds in pairs; larger is better. "
            "Both have their defaults; on ZDT5 both cross at two points. p: Wilcoxon's signed-rank test, two-sided.",
            "",
            *markdown_table(["problem", "evo, median", "pymoo, median", "evo better / worse", "p"], quality),
            "",
            *NOTES,
        ]
        update_section("multi-objective", "Several objectives: NSGA-II beside other libraries'", lines)


def measure(peers: str, work: str, who: str, seeds: list[int]) -> Runs:
    """One library's runs; empty where it is not there or fails, which is told. A failure of evo's own ends it all."""
    done = subprocess.run(
        [sys.executable if who == "evo" else peers, str(WORKER), work, who, ",".join(map(str, seeds))],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, **ONE_THREAD},
    )
    if done.returncode and who == "evo":
        raise SystemExit(f"{work}: {who}: {done.stderr}")
    if done.returncode:
        print(f"{work}: {who}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return []
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def speed_rows(peers: str, work: str, repeats: int) -> list[list[str]]:
    """A row for each library."""
    runs: dict[str, Runs] = {who: [] for who in LIBRARIES}
    for seed in range(1, repeats + 1):
        for who in LIBRARIES:
            runs[who] += measure(peers, f"speed:{work}", who, [seed])
    own = statistics.median(run["seconds"] for run in runs["evo"])
    rows = []
    for who, found in runs.items():
        if found:
            seconds = statistics.median(run["seconds"] for run in found)
            volume = statistics.median(run["hypervolume"] for run in found)
            rows.append([f"{work}: {who}", str(len(found)), f"{seconds:.3f}", f"{seconds / own:.1f}", f"{volume:.5f}"])
            print("  ".join(rows[-1]), flush=True)
    return rows


def quality_row(peers: str, problem: str, seeds: int) -> list[str]:
    """The hypervolumes of evo and pymoo in pairs."""
    numbers = list(range(1, seeds + 1))
    own, other = (measure(peers, f"quality:{problem}", who, numbers) for who in ("evo", "pymoo"))
    one = np.array([run["hypervolume"] for run in own])
    if len(other) != len(own):
        return [problem, f"{np.median(one):.6g}", "-", "-", "-"]
    two = np.array([run["hypervolume"] for run in other])
    assert all(run["evaluations"] == 25_000 for run in (*own, *other))
    row = [problem, f"{np.median(one):.6g}", f"{np.median(two):.6g}"]
    row += [f"{(one > two).sum()} / {(one < two).sum()}", f"{signed_rank(one - two):.3g}"]
    print("  ".join(row), flush=True)
    return row


def signed_rank(differences: np.ndarray) -> float:
    """Wilcoxon's signed-rank test, two-sided and exact, for at most some 16 pairs; zeros are left out."""
    found = differences[differences != 0.0]
    if not len(found):
        return 1.0
    size = np.abs(found)
    rank = (size[:, None] > size).sum(axis=1) + 0.5 * ((size[:, None] == size).sum(axis=1) + 1.0)
    signs = np.array(np.meshgrid(*[[0.0, 1.0]] * len(found))).reshape(len(found), -1)
    sums, middle = rank @ signs, rank.sum() / 2.0
    return float((np.abs(sums - middle) >= abs(rank[found > 0].sum() - middle) - 1e-9).mean())


def peer_versions(python: str) -> str:
    """The libraries that the other interpreter has."""
    code = (
        "import importlib.metadata as m\n"
        "for n in ('pymoo', 'pygmo', 'numpy', 'moocore'):\n"
        "    try: print(n, m.version(n))\n"
        "    except m.PackageNotFoundError: pass"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return f"beside it {', '.join(done.stdout.split(chr(10))[:-1])}"


if __name__ == "__main__":
    main()
