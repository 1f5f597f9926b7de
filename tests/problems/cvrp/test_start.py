"""A solution to begin with: from a file, through a checkpoint, and what is refused."""

import re

import numpy as np
import pytest

import evo
from evo.errors import ProblemError
from evo.problems import cvrp

INSTANCE = cvrp.generate(40, seed=3)


def good_start():
    return evo.minimize(cvrp.CVRP(INSTANCE), optimizer="hgs", stop=evo.Stop(generations=20), seed=1).solution


@pytest.mark.parametrize("optimizer", [{"type": "hgs", "batch": 8}, {"type": "trajectories", "iterations": 1}])
def test_a_run_that_begins_with_a_solution_is_never_worse(optimizer):
    start = good_start()
    problem = cvrp.CVRP(INSTANCE, start.routes)
    result = evo.minimize(problem, optimizer=optimizer, stop=evo.Stop(generations=1), seed=2)
    assert result.objective <= start.cost
    cvrp.check(INSTANCE, result.solution)
    without = evo.minimize(cvrp.CVRP(INSTANCE), optimizer=optimizer, stop=evo.Stop(generations=1), seed=2)
    assert without.objective > start.cost


def test_a_file_names_the_solution_and_a_checkpoint_alone_holds_it(tmp_path):
    start = good_start()
    cvrp.write_vrp(tmp_path / "town.vrp", INSTANCE)
    cvrp.write_sol(tmp_path / "town.sol", start)
    problem = cvrp.CVRP.from_settings({"instance": "town.vrp", "start": "town.sol"}, tmp_path)
    assert problem.start == start.routes
    again = cvrp.CVRP.from_spec(problem.to_spec())
    assert again.start == start.routes
    settings = {"type": "trajectories", "iterations": 20, "horizon": 6}
    whole = evo.minimize(problem, optimizer=settings, stop=evo.Stop(generations=6), seed=1)
    evo.minimize(problem, optimizer=settings, stop=evo.Stop(generations=2), seed=1, output=tmp_path / "run")
    (tmp_path / "town.sol").unlink()
    assert evo.resume(tmp_path / "run", stop=evo.Stop(generations=6)).digest == whole.digest
    assert cvrp.read(tmp_path / "town.vrp").start is None


def test_more_routes_than_the_search_would_use_are_kept():
    problem = cvrp.CVRP(INSTANCE, [[customer] for customer in range(1, 41)])
    result = evo.minimize(problem, optimizer={"type": "trajectories"}, stop=evo.Stop(generations=4), seed=1)
    cvrp.check(INSTANCE, result.solution)
    assert len(result.solution.routes) < 20


def test_what_is_no_solution_is_refused_with_the_reason(tmp_path):
    with pytest.raises(ProblemError, match=r"start: expected a solution of the instance: .*customer 40 is not visited"):
        cvrp.CVRP(INSTANCE, [[customer] for customer in range(1, 40)])
    cvrp.write_vrp(tmp_path / "town.vrp", INSTANCE)
    (tmp_path / "town.sol").write_text("Route #1: 1 2 3\nCost 100\n")
    with pytest.raises(ProblemError, match=re.escape(str(tmp_path / "town.sol"))):
        cvrp.CVRP.from_settings({"instance": "town.vrp", "start": "town.sol"}, tmp_path)
    with pytest.raises(ProblemError, match=r"problem\.start: expected the path of a \.sol file, found 3"):
        cvrp.CVRP.from_settings({"instance": "town.vrp", "start": 3}, tmp_path)


def test_the_default_is_the_better_one_of_its_size():
    assert cvrp.CVRP(INSTANCE).default_optimizer == "hgs"
    assert cvrp.CVRP(cvrp.generate(300, seed=1)).default_optimizer == "trajectories"
    run = evo.minimize(cvrp.CVRP(cvrp.generate(240, seed=1)), stop=evo.Stop(generations=1), seed=1)
    assert np.isfinite(run.objective)
