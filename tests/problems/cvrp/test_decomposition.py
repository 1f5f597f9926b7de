"""Parts of a solution: every route in one, about equal, and no more routes than there are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evo.problems.cvrp.decomposition import barycentres, bisected, limits


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_route_is_in_one_part_and_no_part_is_empty(routes, parts, seed):
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 30, routes)
    groups = bisected(random.random((routes, 2)), sizes, parts, random)
    assert len(groups) == min(parts, routes)
    assert sorted(np.concatenate(groups)) == list(range(routes))
    assert all(len(group) > 0 for group in groups)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_parts_have_about_as_many_customers_each(parts, seed):
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 10, 300)
    groups = bisected(random.random((300, 2)), sizes, parts, random)
    customers = [sizes[group].sum() for group in groups]
    assert max(customers) - min(customers) <= 10 * (1 + np.log2(parts))


def test_routes_that_lie_apart_are_cut_apart():
    centres = np.array([[0.0, 0.0], [100.0, 1.0], [1.0, 2.0], [101.0, 0.0]])
    for seed in range(20):
        groups = bisected(centres, np.full(4, 5), 2, np.random.default_rng(seed))
        # Only a cut nearly along the line between the two pairs can part one of them.
        if sorted(map(tuple, groups)) == [(0, 2), (1, 3)]:
            break
    else:
        raise AssertionError("never cut between the two pairs")


def test_barycentres_are_the_means_of_the_routes_customers():
    coordinates = np.array([[0, 0], [1, 1], [3, 5], [10, 0]], float)
    np.testing.assert_array_equal(
        barycentres(coordinates, np.array([1, 2, 3], np.int32), np.array([0, 2, 3])), [[2, 3], [10, 0]]
    )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 30), st.integers(0, 100))
def test_all_free_routes_are_given_out_evenly(used, free, turn):
    given = limits(sum(used) + free, np.array(used), turn)
    assert given.sum() == sum(used) + free
    extra = given - used
    assert extra.max() - extra.min() <= 1
