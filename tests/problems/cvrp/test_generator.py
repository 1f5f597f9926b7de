"""Generated instances: the same for the same seed, and of the shape that their arguments ask for."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from evo.errors import UsageError
from evo.problems.cvrp.generator import Demand, Depot, Positioning, generate
from evo.problems.cvrp.vrplib_file import read, write_vrp

EXAMPLES = Path(__file__).parents[3] / "examples" / "cvrp"


def digest(instance: Any) -> str:
    data = instance.coordinates.tobytes() + instance.demands.tobytes() + str(instance.capacity).encode()
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def test_a_seed_makes_the_instance_that_it_always_made() -> None:
    instance = generate(
        100, depot="random", customers_positioning="random-clustered", demand="many-small-few-large", seed=7
    )
    assert digest(instance) == "f4f8d2a25204a2c4"
    assert instance.name == "generated-n101-s7"


def test_another_seed_makes_another_instance() -> None:
    assert digest(generate(50, seed=1)) == digest(generate(50, seed=1))
    assert digest(generate(50, seed=1)) != digest(generate(50, seed=2))


@pytest.mark.parametrize("positioning", get_args(Positioning))
@pytest.mark.parametrize("depot", get_args(Depot))
@pytest.mark.parametrize("customers", [1, 2, 3, 200])
def test_points_are_whole_on_the_grid_and_no_two_share_one(positioning: Any, depot: Any, customers: int) -> None:
    instance = generate(customers, depot=depot, customers_positioning=positioning, seed=3)
    assert instance.customers == customers
    points = instance.coordinates
    assert points is not None
    assert (points == np.floor(points)).all()
    assert points.min() >= 0
    assert points.max() <= 1000
    assert len(np.unique(points, axis=0)) == customers + 1
    if depot != "random":
        assert points[0].tolist() == ([500, 500] if depot == "center" else [0, 0])


def test_clustered_customers_are_nearer_to_each_other_than_uniform_ones() -> None:
    def nearest(positioning: Any) -> float:
        matrix = generate(600, customers_positioning=positioning, seed=5).distance_matrix()[1:, 1:].astype(float)
        np.fill_diagonal(matrix, np.inf)
        return float(matrix.min(axis=1).mean())

    clustered, mixed, uniform = (nearest(p) for p in ("clustered", "random-clustered", "random"))
    assert clustered < 0.7 * uniform
    assert clustered < mixed < uniform


def test_clusters_thin_out_with_the_papers_exponential() -> None:
    # One seed would give a mean distance of 2 * 40 (the density of r is r exp(-r / 40)); several add up, and the
    # distance to the nearest of them is at most that.
    instance = generate(3000, customers_positioning="clustered", seed=2)
    points = instance.coordinates
    assert points is not None
    for count in range(3, 9):  # the seeds come first; the number that was drawn explains the distances best
        distance = np.sqrt(((points[count + 1 :, None] - points[1 : count + 1]) ** 2).sum(axis=2)).min(axis=1)
        if 50 < distance.mean() < 90:
            break
    else:
        pytest.fail("no number of seeds explains where the customers are")


@pytest.mark.parametrize(
    ("demand", "low", "high"),
    [("unitary", 1, 1), ("1-10", 1, 10), ("5-10", 5, 10), ("1-100", 1, 100), ("50-100", 50, 100), ("quadrant", 1, 100)],
)
def test_demands_fill_their_range(demand: Any, low: int, high: int) -> None:
    demands = generate(2000, demand=demand, seed=4).demands
    assert demands[0] == 0
    assert (demands[1:].min(), demands[1:].max()) == (low, high)


def test_demands_by_quadrant_are_small_on_one_diagonal_and_large_on_the_other() -> None:
    instance = generate(500, demand="quadrant", customers_positioning="random", seed=4)
    points = instance.coordinates
    assert points is not None
    same_side = (points[1:, 0] < 500) == (points[1:, 1] < 500)
    assert instance.demands[1:][~same_side].max() <= 50
    assert instance.demands[1:][same_side].min() > 50
    assert 0 < same_side.sum() < 500


@pytest.mark.parametrize("seed", range(5))
def test_many_demands_are_small_and_few_are_large(seed: int) -> None:
    demands = generate(1000, demand="many-small-few-large", seed=seed).demands[1:]
    small = demands <= 10
    assert 0.695 <= small.mean() <= 0.955
    assert demands[~small].min() >= 50


@pytest.mark.parametrize("demand", get_args(Demand))
@pytest.mark.parametrize("length", [1, 9.5, 25])
def test_the_capacity_makes_room_for_the_mean_route_length(demand: Any, length: float) -> None:
    instance = generate(100, demand=demand, route_length=length, seed=6)
    assert instance.capacity == max(math.ceil(length * instance.demands.sum() / 100), instance.demands.max())


def test_the_route_length_is_drawn_from_3_to_25_where_it_is_not_given() -> None:
    lengths = [i.capacity * 50 / i.demands.sum() for i in (generate(50, demand="5-10", seed=s) for s in range(200))]
    assert 3 <= min(lengths) < 5
    assert 18 < max(lengths) <= 25.2
    assert 10 < np.mean(lengths) < 13  # a triangular distribution's mean: (3 + 6 + 25) / 3 = 11.3


@pytest.mark.parametrize("name", ["generated-n31", "generated-n201"])
def test_the_examples_are_what_their_comment_says(name: str, tmp_path: Path) -> None:
    instance = read(EXAMPLES / f"{name}.vrp")
    call = instance.comment.split("generate", 1)[1].rsplit(", after", 1)[0]
    again = eval("generate" + call, {"generate": generate})  # the comment of our own file
    assert digest(again) == digest(instance)
    write_vrp(tmp_path / "again.vrp", instance)
    assert (tmp_path / "again.vrp").read_bytes() == (EXAMPLES / f"{name}.vrp").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"customers": 0}, "customers: expected 1 to 100000, found 0"),
        ({"customers": 100001}, "customers: expected 1 to 100000, found 100001"),
        ({"depot": "middle"}, "depot: expected one of random, center, corner, found 'middle'"),
        ({"customers_positioning": "x"}, "customers_positioning: expected one of"),
        ({"demand": "2-3"}, "demand: expected one of unitary"),
        ({"route_length": 0.5}, "route_length: .* found 0.5"),
        ({"route_length": math.nan}, "route_length: .* found nan"),
        ({"route_length": math.inf}, "route_length: .* found inf"),
        ({"seed": -1}, "seed: expected an integer >= 0, found -1"),
    ],
)
def test_an_argument_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate(**({"customers": 10, "seed": 1} | changes))
