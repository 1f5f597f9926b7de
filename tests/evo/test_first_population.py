"""The first population: how it is drawn, and points that a run is given to start from."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import evo
from evo.checkpoints import digest
from evo.optimizers import BUILTIN
from evo.optimizers.first_population import given_points
from evo.registry import build_optimizer
from evo.sampling import unit_points
from evo.settings import settings_from_mapping
from evo.spaces import Space

POPULATIONS = ("ga", "de", "es", "l-shade", "pso")
needs_scipy = pytest.mark.skipif(
    importlib.util.find_spec("scipy") is None, reason='needs pip install "evo-engine[sobol]"'
)
METHODS = ["latin-hypercube", pytest.param("sobol", marks=needs_scipy)]


def sphere(x: np.ndarray) -> Any:
    return (x**2).sum(axis=1)


def first_genomes(name: str, problem: evo.Problem, **parameters: Any) -> np.ndarray:
    return build_optimizer(name, parameters, problem, 4).ask(None).rows["genome"]


class Sphere(evo.Problem):
    def __init__(self, space: Space) -> None:
        self.space = space

    def evaluate(self, x: np.ndarray) -> Any:
        return sphere(x)


BOX = Sphere(evo.Real([-3, 10, 0], [5, 30, 1]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["ga", "de", "l-shade", "pso"])  # es bends its points near the bounds
def test_each_of_64_equal_intervals_gets_one_of_64_points(name: str, method: str) -> None:
    genomes = first_genomes(name, BOX, sampling=method, population=64)
    lower, upper = BOX.space.lower, BOX.space.upper  # type: ignore[attr-defined]  # of a Real
    places = np.floor((genomes - lower) / (upper - lower) * 64)
    assert np.array_equal(np.sort(places, axis=0), np.tile(np.arange(64.0)[:, None], (1, 3)))


@pytest.mark.parametrize("method", METHODS)
def test_the_points_depend_on_the_seed_alone(method: str) -> None:
    def drawn(seed: int) -> np.ndarray:
        return unit_points(method, 20, 5, np.random.default_rng(seed))

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
    assert drawn(3).shape == (20, 5)
    assert ((drawn(3) >= 0) & (drawn(3) < 1)).all()


@pytest.mark.parametrize(
    "space",
    [
        evo.Integer([0, -5, -(2**62)], [0, 9, 2**62]),
        evo.Binary(4),
        evo.Permutation(6),
        evo.Categorical(["a", "b", "c"], shape=2),
        evo.Mixed(rate=evo.Real(0.01, 1, log=True), order=evo.Permutation(3), way=evo.Categorical(["in", "out"])),
    ],
)
def test_every_space_can_be_sampled_evenly(space: Space) -> None:
    genomes = space.from_unit(unit_points("latin-hypercube", 300, space.size, np.random.default_rng(1)))
    assert genomes.dtype == space.dtype
    assert space.contains(genomes).all()
    assert len(np.unique(genomes, axis=0)) > 1


def test_whole_numbers_are_all_alike() -> None:
    genomes = evo.Integer(-2, 7).from_unit(unit_points("latin-hypercube", 1000, 1, np.random.default_rng(1)))
    assert np.array_equal(np.unique(genomes, return_counts=True)[1], np.full(10, 100))


@pytest.mark.parametrize("name", POPULATIONS)
def test_given_points_are_the_first_of_the_first_population(name: str) -> None:
    start = np.array([[0.5, 11.0, 0.25], [-2.0, 20.0, 0.75]])
    genomes = first_genomes(name, BOX, start=start.tolist())
    assert genomes[:2] == pytest.approx(start)
    assert not np.array_equal(genomes[2], genomes[3])


@pytest.mark.parametrize("name", [name for name in BUILTIN if name != "nsga2"])
def test_a_run_begins_where_another_one_ended(name: str) -> None:
    near = np.array([0.01, 10.01, 0.02])
    result = evo.minimize(BOX, optimizer=name, start=near, stop=evo.Stop(generations=3), seed=1)
    assert result.objective <= sphere(near[None])[0] + 1e-9 or name.endswith("cma-es") or name == "auto"
    again = evo.minimize(BOX, optimizer={"type": name, "start": [result.x]}, stop=evo.Stop(generations=3), seed=1)
    assert again.objective <= result.objective or name.endswith("cma-es") or name == "auto"


def test_a_front_is_a_start() -> None:
    def both(x: np.ndarray) -> Any:
        return x[0] ** 2, (x[0] - 2) ** 2

    options: Any = {"objectives": 2, "reference": (5, 5)}
    first = evo.minimize(both, evo.Real(-10, 10), stop=evo.Stop(generations=20), **options)
    assert first.front is not None
    second = evo.minimize(both, evo.Real(-10, 10), stop=evo.Stop(generations=1), start=first.front.x, **options)
    assert second.hypervolume is not None
    assert first.hypervolume is not None
    assert second.hypervolume >= first.hypervolume


def test_a_named_point_and_a_permutation_are_starts() -> None:
    space = evo.Mixed(rate=evo.Real(0.01, 1, log=True), count=evo.Integer(1, 5), way=evo.Categorical(["in", "out"]))
    point = {"rate": 0.5, "count": 4, "way": "out"}
    genomes, plain = given_points(space, [point, {**point, "count": 2}])
    assert space.point(genomes[1]) == {"rate": pytest.approx(0.5), "count": 2, "way": "out"}
    assert plain is not None
    assert plain[0] == point
    assert np.array_equal(given_points(evo.Permutation(4), (3, 1, 0, 2))[0], [[3, 1, 0, 2]])


def test_several_starts_let_auto_choose_an_optimizer_with_a_population() -> None:
    result = evo.minimize(BOX, optimizer="auto", start=[[0, 10, 0], [1, 11, 0.5]], stop=evo.Stop(generations=1))
    assert result.objective == 100.0


def test_a_resumed_run_needs_its_start_no_more(tmp_path: Any) -> None:
    options: Any = {"start": [[0, 10.5, 0]], "optimizer": {"type": "de", "sampling": "latin-hypercube"}, "seed": 3}
    whole = evo.minimize(BOX, stop=evo.Stop(generations=8), **options)
    evo.minimize(BOX, stop=evo.Stop(generations=4), output=tmp_path / "run", **options)
    resumed = evo.resume(tmp_path / "run", problem=BOX, stop=evo.Stop(generations=8))
    assert resumed.digest == whole.digest
    assert digest(whole.x) == digest(resumed.x)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([], "expected one point of the space, or a list of some"),
        ([[1, 2]], "number 0: expected an array of shape"),
        ([[0, 10, 0], [0, 9, 0]], "number 1 is outside"),
        ([[0, 10, float("nan")]], "number 0 is outside"),
        ("here", "expected one point of the space"),
        ([["a", "b", "c"]], "number 0: "),
    ],
)
def test_a_wrong_start_is_refused(start: Any, message: str) -> None:
    with pytest.raises(evo.SettingsError, match=rf"optimizer\.start: .*{message}"):
        build_optimizer("ga", {"start": start}, BOX, 1)


def test_half_a_number_is_no_whole_one() -> None:
    with pytest.raises(evo.SettingsError, match="number 0 is outside"):
        build_optimizer("ga", {"start": [[1.5, 2]]}, Sphere(evo.Integer(0, 5, shape=2)), 1)


@pytest.mark.parametrize("name", POPULATIONS)
def test_more_starts_than_individuals_are_refused(name: str) -> None:
    with pytest.raises(evo.SettingsError, match=r"optimizer\.start: expected at most \d+ points"):
        first_genomes(name, BOX, start=np.tile([0.0, 10.0, 0.0], (5000, 1)))


def test_an_optimizer_without_a_start_says_so() -> None:
    from evo.problems.cvrp.generator import generate
    from evo.problems.cvrp.problem import CVRP

    with pytest.raises(evo.SettingsError, match=r"optimizer\.start: unknown key"):
        evo.minimize(CVRP(generate(10, seed=1)), start=[1], stop=evo.Stop(generations=1))


def test_a_file_may_name_both() -> None:
    settings = settings_from_mapping(
        {"problem": "sphere", "optimizer": {"type": "ga", "sampling": "sobol", "start": [[0.5, 1]]}}
    )
    assert settings.optimizer.parameters == {"sampling": "sobol", "start": [[0.5, 1]]}


def test_without_scipy_sobol_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(evo.SettingsError, match=r'sobol needs SciPy: pip install "evo-engine\[sobol\]"'):
        build_optimizer("ga", {"sampling": "sobol"}, BOX, 1)


def test_sobols_sequence_has_not_any_number_of_dimensions() -> None:
    with pytest.raises(evo.SettingsError, match="sobol: expected at most 21201 genes, found 30000"):
        build_optimizer("ga", {"sampling": "sobol"}, Sphere(evo.Real(0, 1, shape=30_000)), 1)
