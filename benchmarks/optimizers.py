"""evo's optimizers beside other libraries': python benchmarks/optimizers.py --peers PYTHON [--repeats 3] [--report]

PYTHON is an interpreter that has the other libraries (pymoo, deap, pygmo, scipy, cma, cmaes); what it lacks is left
out. Every run is a process of its own on one thread; libraries take turns within a repeat, so that a slow moment of the
machine meets all alike. It prints medians, and their ratio to evo's.
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

from optimizer_works import WORKS
from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

WORKER = Path(__file__).with_name("optimizer_works.py")
TITLES = {
    "onemax": "GA, OneMax 100 bits, population 300 x 200 generations (most ones)",
    "rastrigin": "DE, 30-D Rastrigin, 100 000 evaluations",
    "rosenbrock": "CMA-ES, 40-D Rosenbrock to 1e-8",
    "tour": "Permutation GA, 100 cities, 50 000 evaluations",
}
HEADER = ["work: library", "runs", "CPU s", "x evo's", "evaluations", "lowest", "median", "highest objective"]
NOTES = (
    "How to read it. A row whose highest objective misses the work's target did not reach it in every run: its seconds "
    "are then no time to the target. pygmo's CMA-ES stops by no target: it ran 4200 generations, which is what evo "
    "needed. Of the four only evo restarts here.",
    "",
    "What was chosen on these works. L-SHADE's default population (its power of the budget) was chosen on seven 30-D "
    "functions at 30 000 and 100 000 evaluations, this Rastrigin among them; 0.7 and 1.5 were tried before 0.6. The "
    "permutation GA's settings are one of nine that were tried on these very cities with seeds 1 and 2; DEAP has the "
    "same population, and was not tuned. The other rows have defaults. nevergrad was not run.",
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    """Measure and print; with --report also write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="the interpreter that has the other libraries")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--works", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    rows = []
    for work in options.works:
        runs: dict[str, list[dict[str, Any]]] = {}
        for seed in range(1, options.repeats + 1):
            for who in WORKS[work]:
                found = measure(options.peers, work, who, seed)
                if found is not None:
                    runs.setdefault(who, []).append(found)
        own = statistics.median(run["seconds"] for run in next(iter(runs.values())))
        for who, found_runs in runs.items():
            seconds = statistics.median(run["seconds"] for run in found_runs)
            evaluations = statistics.median(run["evaluations"] for run in found_runs)
            objectives = sorted(run["objective"] for run in found_runs)
            row = [f"{TITLES[work]}: {who}", str(len(found_runs)), f"{seconds:.2f}", f"{seconds / own:.1f}"]
            row += [
                f"{evaluations:,.0f}",
                *(f"{o:.3g}" for o in (objectives[0], statistics.median(objectives), objectives[-1])),
            ]
            rows.append(row)
            print("  ".join(row), flush=True)
    if options.report:
        lines = [
            "`python benchmarks/optimizers.py --peers PYTHON --report`",
            "",
            f"Measured {today()}. Machine: {cpu_model()}, one thread. evo {evo_version()}, {versions('numpy')}; "
            f"{peer_versions(options.peers)}. CPU seconds (of the optimisation alone) and evaluations are medians.",
            "",
            *markdown_table(HEADER, rows),
            "",
            *NOTES,
        ]
        update_section("optimizers", "Optimizers beside other libraries'", lines)


def measure(peers: str, work: str, who: str, seed: int) -> dict[str, Any] | None:
    """One run; None where another library is not there or fails, which is told. A failure of evo's own ends it all."""
    python = sys.executable if who.startswith("evo ") else peers
    done = subprocess.run(
        [python, str(WORKER), work, who, str(seed)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **ONE_THREAD},
    )
    if done.returncode and who.startswith("evo "):
        raise SystemExit(f"{work}: {who}, seed {seed}: {done.stderr}")
    if done.returncode:
        print(f"{work}: {who}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    content = json.loads(done.stdout.strip().splitlines()[-1])
    assert isinstance(content, dict)
    return content


def peer_versions(python: str) -> str:
    """The libraries that the other interpreter has."""
    code = (
        "import importlib.metadata as m\n"
        "for n in ('pymoo', 'deap', 'pygmo', 'scipy', 'cma', 'cmaes'):\n"
        "    try: print(n, m.version(n))\n"
        "    except m.PackageNotFoundError: pass"
    )
    return ", ".join(
        subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
    )


if __name__ == "__main__":
    main()
