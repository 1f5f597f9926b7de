"""What an instance takes, what it refuses, and the distances that it computes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.errors import InstanceError
from evo.problems.cvrp import instance as module
from evo.problems.cvrp.instance import Instance

SQUARE = [[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]


def make(**changes: Any) -> Instance:
    fields: dict[str, Any] = {"name": "small", "demands": [0, 2, 3], "capacity": 4, "coordinates": SQUARE}
    return Instance(**(fields | changes))


def matrix() -> np.ndarray:
    return np.array([[0, 2, 3], [2, 0, 4], [3, 4, 0]])


@pytest.mark.parametrize(
    ("changes", "field", "found"),
    [
        ({"demands": [0]}, "demands", "found 1 nodes"),
        ({"demands": []}, "demands", "found 0 nodes"),
        ({"demands": [0, 2, -3]}, "demands", "found -3 at customer 2"),
        ({"demands": [0, 5, 3]}, "demands", "found 5 at customer 1"),
        ({"demands": [1, 2, 3]}, "demands", "found 1"),
        ({"demands": [0, 2.5, 3]}, "demands", "found float64"),
        ({"demands": [[0, 2, 3]]}, "demands", r"found \(1, 3\)|found 1 nodes"),
        ({"demands": [0, 2**53, 1], "capacity": 2**53}, "demands", f"found {2**53 + 1}"),
        ({"capacity": 0}, "capacity", "found 0"),
        ({"capacity": 4.5}, "capacity", "found 4.5"),
        ({"capacity": True}, "capacity", "found True"),
        ({"coordinates": None}, "coordinates", "found neither"),
        ({"coordinates": SQUARE[:2]}, "coordinates", r"found \(2, 2\)"),
        ({"coordinates": [[0, 0], [1, 1], [2]]}, "coordinates", "ragged"),
        ({"coordinates": [["a", "b"]] * 3}, "coordinates", "found <U1"),
        ({"coordinates": [[0, 0], [1, math.nan], [2, 2]]}, "coordinates", "found nan at node 1"),
        ({"coordinates": [[0, 0], [1, 1], [math.inf, 2]]}, "coordinates", "found inf at node 2"),
        ({"coordinates": [[0, 0], [0, 0], [2e9, 2e9]]}, "coordinates", "scale"),
        ({"coordinates": [[0, 0], [0, 0], [1e200, 0]], "rounding": "none"}, "coordinates", "scale"),
        ({"rounding": "down"}, "rounding", "found 'down'"),
        ({"distances": matrix()[:2]}, "distances", r"found \(2, 3\)"),
        ({"distances": matrix() + np.eye(3, dtype=int)}, "distances", "diagonal, found 1 at node 0"),
        ({"distances": np.triu(matrix())}, "distances", "asymmetric"),
        ({"distances": -matrix()}, "distances", "found -2 between nodes 0 and 1"),
        ({"distances": matrix() * 2**30}, "distances", f"found {2**31} between nodes 0 and 1"),
        ({"distances": matrix() * math.nan}, "distances", "found nan"),
        ({"max_vehicles": 1}, "max_vehicles", "at least 2 .* found 1: 1 units short"),
        ({"max_vehicles": 0}, "max_vehicles", "found 0"),
        ({"max_duration": 0.0}, "max_duration", "found 0.0"),
        ({"max_duration": math.nan}, "max_duration", "found nan"),
        ({"service_times": [0, -1, 0]}, "service_times", "found -1.0 at node 1"),
        ({"service_times": [1, 1, 1]}, "service_times", "found 1.0"),
        ({"service_times": [0, 1]}, "service_times", r"found \(2,\)"),
        ({"best_known": -1.0}, "best_known", "found -1.0"),
        ({"best_known": math.inf}, "best_known", "found inf"),
    ],
)
def test_a_wrong_field_is_refused_in_one_line_that_names_it(changes: dict[str, Any], field: str, found: str) -> None:
    with pytest.raises(InstanceError, match=rf"^instance 'small': {field}: .*({found})") as error:
        make(**changes)
    assert "\n" not in str(error.value)


def test_a_sum_of_demands_that_just_fits_the_fleet_is_taken() -> None:
    assert make(demands=[0, 4, 4], max_vehicles=2).max_vehicles == 2


@pytest.mark.parametrize(("rounding", "expected"), [("nearest", [1, 2, 3]), ("ceil", [2, 3, 3]), ("none", None)])
def test_distances_follow_the_rounding(rounding: Any, expected: list[int] | None) -> None:
    instance = make(demands=[0, 1, 1, 1], coordinates=[[0, 0], [1.49, 0], [2.1, 0], [0, 2.5]], rounding=rounding)
    distances = instance.distance_matrix()
    assert distances.dtype == (np.float64 if expected is None else np.int32)
    assert instance.integral == (expected is not None)
    assert distances[0, 1:].tolist() == (expected or [1.49, 2.1, 2.5])


@given(
    st.integers(2, 12).flatmap(lambda n: st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 2), min_size=n, max_size=n)),
    st.sampled_from(["nearest", "ceil", "none"]),
    st.integers(1, 40),
)
def test_a_matrix_built_in_blocks_equals_one_built_entry_by_entry(
    points: list[tuple[float, float]], rounding: Any, block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_ENTRIES", block)
        distances = make(demands=[0] * len(points), coordinates=points, rounding=rounding).distance_matrix()
    rounded = {"nearest": lambda d: math.floor(d + 0.5), "ceil": math.ceil, "none": float}[rounding]
    # Products, not powers: `**` may differ in the last bit.
    expected = [[rounded(math.sqrt((x - u) * (x - u) + (y - v) * (y - v))) for u, v in points] for x, y in points]
    assert distances.tolist() == expected
    assert distances.flags.c_contiguous


def test_an_explicit_matrix_is_used_as_it_is() -> None:
    whole = make(coordinates=None, distances=matrix())
    real = make(coordinates=None, distances=matrix() / 3)
    assert whole.integral
    assert whole.distance_matrix().dtype == np.int32
    np.testing.assert_array_equal(whole.distance_matrix(), matrix())
    assert not real.integral
    np.testing.assert_array_equal(real.distance_matrix(), matrix() / 3)


def test_the_instance_keeps_copies_of_its_arrays() -> None:
    demands = np.array([0, 2, 3])
    instance = make(demands=demands, coordinates=None, distances=matrix())
    demands[1] = 4
    instance.distance_matrix()[0, 1] = 99
    assert instance.demands.tolist() == [0, 2, 3]
    assert instance.distance_matrix()[0, 1] == 2


def test_an_instance_is_rebuilt_from_its_description() -> None:
    instance = make(
        distances=matrix(), max_vehicles=3, max_duration=9.5, service_times=[0, 1, 2], best_known=10, comment="c"
    )
    spec = instance.to_spec()
    again = Instance.from_spec(spec).to_spec()
    assert spec.keys() == again.keys()
    for name, value in spec.items():
        np.testing.assert_array_equal(again[name], value, strict=isinstance(value, np.ndarray), err_msg=name)


def test_a_description_with_a_field_missing_or_too_many_is_refused() -> None:
    spec = make().to_spec()
    with pytest.raises(InstanceError, match="fields: colour"):
        Instance.from_spec(spec | {"colour": 1})
    del spec["capacity"]
    with pytest.raises(InstanceError, match="fields: capacity"):
        Instance.from_spec(spec)
