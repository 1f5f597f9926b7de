"""COCO's bbob: how many evaluations evo, pycma and cmaes take, and what they reach.

    python benchmarks/bbob.py run FILE --solver SOLVER [--budget 2000] [--dimensions 5 10]
    python benchmarks/bbob.py report FILE

It needs `coco-experiment`, `cma` and `cmaes`. `run` appends a line for every problem: after how many evaluations each
of 51 targets, 10^2 to 10^-8 above the optimum, was hit. All 24 functions, instances 1 to 3, each with its number as the
seed. All CMA-ES run BIPOP restarts. pycma's and cmaes' first steps are 2, their first means uniform in [-4, 4]^n;
evo's, which knows the box [-5, 5]^n, has its own defaults: steps of 3, means in the whole box.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

TARGETS = 10.0 ** np.linspace(2, -8, 51)
INSTANCES = (1, 2, 3)
GROUPS = ("separable", "moderate", "ill-conditioned", "multi-modal", "weak structure")
FIRST = (1, 6, 10, 15, 20, 25)
"""The first function of each group, and what comes behind the last."""


class Budget(Exception):
    """All targets are hit, or all evaluations are spent."""


class Counted:
    """A problem that notes when it hit which target, and ends the run."""

    def __init__(self, problem: Any, optimum: float, budget: int) -> None:
        self.problem, self.optimum, self.budget = problem, optimum, budget
        self.size = int(problem.dimension)
        self.evaluations = 0
        self.hits: list[int] = []

    def __call__(self, x: np.ndarray) -> float:
        """The objective at one point."""
        if self.evaluations >= self.budget or len(self.hits) == len(TARGETS):
            raise Budget
        value = float(self.problem(x))
        self.evaluations += 1
        while len(self.hits) < len(TARGETS) and value - self.optimum <= TARGETS[len(self.hits)]:
            self.hits.append(self.evaluations)
        return value


def evo_solver(name: str) -> Callable[[Counted, int], None]:
    """One of evo's optimizers, asked and told."""

    def solve(function: Counted, seed: int) -> None:
        import evo

        loop = evo.AskTell(evo.Real(-5, 5, shape=function.size), optimizer=name, seed=seed)
        while True:
            left = function.budget - function.evaluations
            if not left:
                raise Budget
            loop.tell([function(x) for x in loop.ask(left)])

    return solve


def pycma(function: Counted, seed: int) -> None:
    """pycma with its own BIPOP."""
    import cma

    rng = np.random.default_rng(seed)
    options = {"seed": seed, "verbose": -9, "maxfevals": function.budget}
    while True:  # it gives up after 9 restarts
        cma.fmin2(function, lambda: rng.uniform(-4, 4, function.size), 2.0, options, restarts=9, bipop=True)
        options["seed"] = int(rng.integers(1, 2**31))


def cmaes(function: Counted, seed: int) -> None:
    """cmaes with BIPOP around it, as its authors' example has it (Hansen 2009, DOI 10.1145/1570256.1570333)."""
    from cmaes import CMA

    rng, size = np.random.default_rng(seed), function.size
    usual = CMA(mean=np.zeros(size), sigma=2.0).population_size
    spent = {"small": 0, "large": 0}
    doublings, kind, population, sigma = 0, "small", usual, 2.0
    first = True
    while True:
        start = rng.uniform(-4, 4, size)
        search = CMA(mean=start, sigma=sigma, seed=int(rng.integers(1, 2**31)), population_size=population)
        while not search.should_stop():
            points = [search.ask() for _ in range(population)]
            search.tell([(x, function(x)) for x in points])
            spent[kind] += population
        if first:  # counts for neither
            first, spent["small"] = False, 0
        kind = "small" if spent["small"] < spent["large"] else "large"
        if kind == "small":
            population = int(usual * (0.5 * 2**doublings) ** (rng.uniform() ** 2))
            sigma = 2.0 * 10 ** (-2 * rng.uniform())
        else:
            doublings += 1
            population, sigma = usual * 2**doublings, 2.0


SOLVERS: dict[str, Callable[[Counted, int], None]] = {
    "evo-cma-es": evo_solver("cma-es"),
    "evo-auto": evo_solver("auto"),
    "evo-l-shade": evo_solver("l-shade"),
    "cma": pycma,
    "cmaes": cmaes,
}


def run(file: Path, solver: str, budget: int, dimensions: Iterable[int]) -> None:
    """Solve all problems that the file does not have yet; budget in evaluations per dimension."""
    import cocoex

    warnings.filterwarnings("ignore", module="c?ma")
    done = {(r["solver"], r["id"]) for r in records(file)} if file.exists() else set()
    wanted = ",".join(map(str, dimensions))
    options = f"instance_indices: 1-{len(INSTANCES)} dimensions: {wanted}"
    with tempfile.TemporaryDirectory() as folder:
        home = Path.cwd()
        for problem in cocoex.Suite("bbob", f"instances: {INSTANCES[0]}-{INSTANCES[-1]}", options):
            if (solver, problem.id) in done:
                continue
            os.chdir(folder)  # COCO tells where the optimum is by a file
            problem._best_parameter("print")
            optimum = float(problem(np.loadtxt("._bbob_problem_best_parameter.txt")))
            os.chdir(home)
            function = Counted(problem, optimum, budget * int(problem.dimension))
            number, instance = problem.id_function, problem.id_instance
            with contextlib.suppress(Budget):
                SOLVERS[solver](function, instance)
            record = {
                "solver": solver,
                "id": problem.id,
                "function": number,
                "dimension": int(problem.dimension),
                "instance": instance,
                "spent": function.evaluations,
                "budget": function.budget,
                "hits": function.hits,
            }
            with file.open("a") as stream:
                stream.write(json.dumps(record) + "\n")


def records(file: Path) -> list[dict[str, Any]]:
    """What `run` has written."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def running_times(runs: list[dict[str, Any]]) -> np.ndarray:
    """(51,) expected running times: evaluations of all runs, up to the target, by the number that hit it; inf: none."""
    spent, hit = np.zeros(len(TARGETS)), np.zeros(len(TARGETS))
    for each in runs:
        hits = np.array(each["hits"], dtype=np.float64)
        spent[: len(hits)] += hits
        spent[len(hits) :] += each["spent"]
        hit[: len(hits)] += 1
    return np.divide(spent, hit, out=np.full(len(TARGETS), np.inf), where=hit > 0)


def report(file: Path) -> None:
    """Print, and put the section into RESULTS.md."""
    from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

    by_solver: dict[str, dict[tuple[int, int], list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    runs_of_all = records(file)
    for each in runs_of_all:
        by_solver[each["solver"]][each["dimension"], each["function"]].append(each)
    budget = max(each["budget"] // each["dimension"] for each in runs_of_all)
    own = by_solver["evo-cma-es"]
    dimensions = sorted({dimension for dimension, _ in own})
    rows = []
    for dimension in dimensions:
        for group in (*range(len(GROUPS)), None):
            functions = range(1, 25) if group is None else range(FIRST[group], FIRST[group + 1])
            cells = [(dimension, function) for function in functions]
            for solver in SOLVERS:
                runs = by_solver.get(solver)
                if runs is None or any(cell not in runs for cell in cells):
                    continue
                hits = sum(len(each["hits"]) for cell in cells for each in runs[cell])
                solved = sum(len(each["hits"]) == len(TARGETS) for cell in cells for each in runs[cell])
                mine = np.concatenate([running_times(own[cell]) for cell in cells])
                theirs = np.concatenate([running_times(runs[cell]) for cell in cells])
                both = np.isfinite(mine) & np.isfinite(theirs)
                ratio = float(np.exp(np.log(theirs[both] / mine[both]).mean()))
                name = "all" if group is None else GROUPS[group]
                possible = len(TARGETS) * len(cells) * len(INSTANCES)
                rows.append(
                    [
                        f"{dimension}-D, {name}: {solver}",
                        f"{hits / possible:.1%}",
                        f"{solved} of {len(cells) * len(INSTANCES)}",
                        f"{ratio:.2f}",
                    ]
                )
    table = markdown_table(["problems: solver", "targets hit", "solved to 1e-8", "running time, x evo's cma-es"], rows)
    print("\n".join(table))
    lines = [
        "`python benchmarks/bbob.py run FILE --solver …` for each, then `python benchmarks/bbob.py report FILE`",
        "",
        f"Measured {today()}. Machine: {cpu_model()}. evo {evo_version()}, "
        f"{versions('numpy', 'cma', 'cmaes', 'coco-experiment')}.",
        "",
        f"24 functions, instances 1 to 3, {budget:,} evaluations per dimension; 51 targets from 100 to 1e-8 above "
        "the optimum. Running time: expected evaluations to a target, geometric mean of the ratios over all targets "
        "that both hit; above 1 evo's cma-es is quicker. Only l-shade shrinks with the budget, which it is told.",
        "",
        *table,
    ]
    update_section("bbob", "CMA-ES on COCO's bbob beside other libraries'", lines)


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--solver", choices=list(SOLVERS))
    parser.add_argument("--budget", type=int, default=2000, help="evaluations per dimension")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[5, 10])
    options = parser.parse_args()
    if options.what == "report":
        report(options.file)
    else:
        run(options.file, options.solver, options.budget, options.dimensions)


if __name__ == "__main__":
    main()
