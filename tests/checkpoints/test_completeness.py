"""For every registered optimizer: a run resumed from any generation, or from the middle of one, ends the same."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo import checkpoints, registry
from evo.problems.cvrp.generator import generate
from evo.problems.cvrp.problem import CVRP
from evo.saving import Saver

GENERATIONS = 6


class Whole(evo.Problem):
    """Whole numbers, a constraint, noise."""

    space, noisy = evo.Integer(-9, 9, shape=4), True

    def evaluate(self, x: np.ndarray, rng: np.random.Generator) -> evo.Evaluation:  # type: ignore[override]  # noisy
        noise = rng.normal(0.0, 0.1, len(x))
        return evo.Evaluation(objectives=(x**2).sum(axis=1) + noise, violations=1.0 - x[:, :1])


class Fields(evo.Problem):
    """Fields of every kind, two objectives."""

    space = evo.Mixed(
        rate=evo.Real(0.01, 1, log=True),
        count=evo.Integer(0, 9),
        way=evo.Categorical(["in", "out", "through"]),
        order=evo.Permutation(4),
    )
    directions = ("min", "max")

    def evaluate(self, x: Any) -> np.ndarray:
        far = (x["way"] == "out") + x["order"][:, 0]
        return np.column_stack([x["rate"] + x["count"] + far, x["count"] - far / x["rate"]])


class Choices(evo.Problem):
    """Choices without an order."""

    space = evo.Categorical([0, 1, 4, 9], shape=6)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray((x * np.arange(1, 7)).sum(axis=1))


BUILDERS: dict[str, Callable[[], evo.Problem]] = {
    "cvrp": lambda: CVRP(generate(20, seed=3)),
    "sphere": lambda: registry.build_problem("sphere", {"dimensions": 5}, Path()),
    "rosenbrock": lambda: registry.build_problem("rosenbrock", {"dimensions": 5}, Path()),
    "rastrigin": lambda: registry.build_problem("rastrigin", {"dimensions": 5}, Path()),
    "onemax": lambda: registry.build_problem("onemax", {"bits": 40}, Path()),
    "tsp": lambda: registry.build_problem("tsp", {"cities": 12, "two_opt": True}, Path()),
    "pressure-vessel": lambda: registry.build_problem("pressure-vessel", {}, Path()),
    "zdt1": lambda: registry.build_problem("zdt1", {"dimensions": 5}, Path()),
    "zdt5": lambda: registry.build_problem("zdt5", {"words": 3}, Path()),
    "dtlz2": lambda: registry.build_problem("dtlz2", {"dimensions": 5}, Path()),
}
OWN: dict[str, Callable[[], evo.Problem]] = {"whole": Whole, "fields": Fields, "choices": Choices}
"""A user's problems, on the spaces that no registered problem has."""
PARAMETERS: dict[str, dict[str, Any]] = {
    "hgs": {"population": 8, "batch": 8},
    "trajectories": {"iterations": 50},
}
"""Where the defaults would take long."""
ALIKE = {
    "ellipsoid",
    "ackley",
    "griewank",
    "levy",
    "knapsack",
    "welded-beam",
    "spring",
    "zdt2",
    "zdt3",
    "zdt4",
    "zdt6",
    "dtlz1",
    "dtlz3",
    "dtlz4",
    "dtlz5",
    "dtlz6",
    "dtlz7",
}
"""Other formulas on the spaces and objectives of those above."""


def pairs() -> list[tuple[str, str]]:
    """Every optimizer on every problem whose space it knows."""
    found = []
    for name, build in {**BUILDERS, **OWN}.items():
        problem = build()
        for optimizer in {**registry.OPTIMIZERS, **problem.optimizers}:
            with contextlib.suppress(evo.SettingsError):  # CMA-ES on permutations
                registry.build_optimizer(optimizer, PARAMETERS.get(optimizer, {}), problem, 1)
                found.append((name, optimizer))
    return found


def start(problem: str, optimizer: str, folder: Path | None, generations: int = GENERATIONS) -> evo.Result:
    return evo.minimize(
        {**BUILDERS, **OWN}[problem](),
        optimizer={"type": optimizer, **PARAMETERS.get(optimizer, {})},
        stop=evo.Stop(generations=generations),
        seed=5,
        output=folder,
        checkpoint={"every": 1} if folder is not None else None,
    )


def start_and_take_in_the_middle(
    problem: str, optimizer: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[evo.Result, list[bytes]]:
    """A run, and the states that a save in the middle of its generations would have written."""
    taken: dict[int, bytes] = {}

    def poll(self: Saver) -> None:
        generation, tree = self._take(None)
        taken[generation] = b"".join(checkpoints.encode(tree))

    with monkeypatch.context() as patch:
        patch.setattr(Saver, "poll", poll)
        return start(problem, optimizer, folder), list(taken.values())


def test_every_registered_problem_and_optimizer_is_tested() -> None:
    assert set(BUILDERS) == {*registry.PROBLEMS} - ALIKE
    own = {name for build in BUILDERS.values() for name in build().optimizers}
    assert {optimizer for _, optimizer in pairs()} == {*registry.OPTIMIZERS, *own}


@pytest.mark.parametrize(("problem", "optimizer"), pairs())
def test_resumed_from_any_generation_it_ends_the_same(
    problem: str, optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, taken = start_and_take_in_the_middle(problem, optimizer, tmp_path / "run", monkeypatch)
    store = checkpoints.CheckpointStore(tmp_path / "run" / "checkpoints")
    assert store.generations() == list(range(GENERATIONS + 1))
    digests = {checkpoints.digest(store.load(g)["optimizer"]["state"]) for g in store.generations()}
    assert len(digests) == GENERATIONS + 1, "a state that does not move proves nothing"
    whole = [(tmp_path / "run" / "checkpoints" / f"gen-{g:08d}.msgpack").read_bytes() for g in range(GENERATIONS)]
    assert len(taken) == GENERATIONS
    for number, data in enumerate([*whole, *taken]):
        lone = tmp_path / f"lone-{number}.msgpack"
        lone.write_bytes(data)
        again = evo.resume(lone, problem=OWN[problem]() if problem in OWN else None)
        assert again.digest == result.digest, f"from state {number}"
        assert np.array_equal(again.objective, result.objective)
        assert again.evaluations == result.evaluations


RESUME_EACH = "import sys, evo\nfor path in sys.argv[1:]: print(evo.resume(path).digest)"


@pytest.mark.parametrize(
    ("optimizer", "problem"), {optimizer: problem for problem, optimizer in pairs() if problem not in OWN}.items()
)
def test_resumed_in_another_process_it_ends_the_same(problem: str, optimizer: str, tmp_path: Path) -> None:
    """Nothing of what a state needs has stayed behind in the process that saved it."""
    result = start(problem, optimizer, tmp_path / "run")
    lone = shutil.copytree(tmp_path / "run" / "checkpoints", tmp_path / "lone")
    paths = sorted(lone.glob("gen-*.msgpack"))
    command = [sys.executable, "-c", RESUME_EACH, *map(str, paths)]
    done = subprocess.run(command, check=True, timeout=120, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == [result.digest] * (GENERATIONS + 1)
