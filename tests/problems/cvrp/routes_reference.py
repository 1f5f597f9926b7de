"""Slow and obviously right: solutions as lists of routes, moves as list operations, costs summed anew."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

Routes = list[list[int]]
Place = int  # a customer, or -1 - r for the depot at which route r starts


@dataclass(frozen=True)
class Case:
    """A small instance, a solution of it, and a penalty."""

    matrix: np.ndarray
    demand: np.ndarray
    capacity: int
    penalty: float
    routes: Routes

    @property
    def n(self) -> int:
        return len(self.demand)

    def distance(self, routes: Routes) -> float:
        return sum(self.matrix[a, b].item() for route in routes for a, b in itertools.pairwise([0, *route, 0]))

    def excess(self, routes: Routes) -> int:
        return sum(max(int(self.demand[route].sum()) - self.capacity, 0) if route else 0 for route in routes)

    def cost(self, routes: Routes) -> float:
        return self.distance(routes) + self.penalty * self.excess(routes)

    def tour_and_offsets(self, routes: Routes | None = None) -> tuple[np.ndarray, np.ndarray]:
        routes = self.routes if routes is None else routes
        tour = np.array([c for route in routes for c in route], np.int32)
        return tour, np.cumsum([0, *map(len, routes)]).astype(np.int32)


def instance_matrix(rng: np.random.Generator, n: int, dtype: Any, kind: str) -> np.ndarray:
    """A symmetric matrix: of points in the plane with many ties, or of numbers that keep no triangle inequality."""
    if kind == "plane":
        points = rng.integers(0, 12, (n, 2))
        matrix = np.hypot(*(points[:, None] - points).transpose(2, 0, 1))
        return np.rint(matrix).astype(dtype) if dtype == np.int32 else matrix
    matrix = np.triu(rng.integers(0, 30, (n, n)), 1)
    return (matrix + matrix.T).astype(dtype)


@st.composite
def cases(draw: st.DrawFn, dtype: Any, most: int = 11) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(3, most))
    routes: Routes = [[] for _ in range(draw(st.integers(2, 4)))]
    for customer in rng.permutation(n - 1) + 1:
        routes[rng.integers(len(routes))].append(int(customer))
    demand = rng.integers(0, 10, n)
    demand[0] = 0
    capacity = int(max(demand.max(), demand.sum() // draw(st.integers(1, 4)), 1))
    kind = draw(st.sampled_from(["plane", "any"]))
    penalty = draw(st.sampled_from([0.0, 0.3, 2.0, 50.0]))
    return Case(instance_matrix(rng, n, dtype, kind), demand, capacity, penalty, routes)


# -- moves ----------------------------------------------------------------------------------------------------------


def where(routes: Routes, place: Place) -> tuple[int, int]:
    """Route and index of a customer; index -1 for a starting depot."""
    if place < 0:
        return -1 - place, -1
    return next((r, route.index(place)) for r, route in enumerate(routes) if place in route)


def reference_move(name: str, routes: Routes, u: int, v: Place) -> Routes | None:
    """The routes after a move, None where the move makes no sense."""
    routes = [list(route) for route in routes]
    ru, i = where(routes, u)
    rv, j = where(routes, v)
    x = routes[ru][i + 1] if i + 1 < len(routes[ru]) else None
    y = routes[rv][j + 1] if j + 1 < len(routes[rv]) else None
    if name in ("relocate", "relocate_pair", "relocate_pair_reversed"):
        block = [u] if name == "relocate" else [u, x]
        if None in block or v in block or (ru == rv and j == i - 1):
            return None
        routes[ru] = [c for c in routes[ru] if c not in block]
        at = where(routes, v)[1] + 1
        routes[rv][at:at] = block[::-1] if name == "relocate_pair_reversed" else block
        return routes
    if name in ("swap", "swap_pair_with_one", "swap_pairs"):
        if v < 0:
            return None
        block_u = [u] if name == "swap" else [u, x]
        block_v = [v, y] if name == "swap_pairs" else [v]
        if None in block_u or None in block_v:
            return None
        if ru == rv:
            first, second = sorted([(i, len(block_u)), (j, len(block_v))])
            if first[0] + first[1] >= second[0]:  # they overlap, or touch
                return None
        result = []
        for route in routes:
            new: list[int] = []
            k = 0
            while k < len(route):
                block = block_u if route[k] == u else block_v if route[k] == v else [route[k]]
                other = block_v if block is block_u else block_u if block is block_v else block
                new += other
                k += len(block)
            result.append(new)
        return result
    if name == "two_opt":
        if ru != rv or v < 0 or j <= i + 1:
            return None
        routes[ru][i + 1 : j + 1] = routes[ru][i + 1 : j + 1][::-1]
        return routes
    if ru == rv:
        return None
    begin_u, end_u = routes[ru][: i + 1], routes[ru][i + 1 :]
    begin_v, end_v = routes[rv][: j + 1], routes[rv][j + 1 :]
    if name == "two_opt_star":
        routes[ru], routes[rv] = begin_u + end_v, begin_v + end_u
    else:
        assert name == "two_opt_star_reversed"
        routes[ru], routes[rv] = begin_u + begin_v[::-1], end_u[::-1] + end_v
    return routes


MOVES = (
    "relocate",
    "relocate_pair",
    "relocate_pair_reversed",
    "swap",
    "swap_pair_with_one",
    "swap_pairs",
    "two_opt",
    "two_opt_star",
    "two_opt_star_reversed",
)


def all_moves(routes: Routes) -> list[tuple[str, int, Place]]:
    """Every move of every customer to every customer and to the start of every route."""
    customers = [c for route in routes for c in route]
    places = [*customers, *(-1 - r for r in range(len(routes)))]
    return [(name, u, v) for name in MOVES for u in customers for v in places if u != v]


def cheapest_insertion(case: Case, route: list[int], customer: int) -> list[int]:
    """The route with the customer at its cheapest place."""
    options = [[*route[:k], customer, *route[k:]] for k in range(len(route) + 1)]
    return min(options, key=lambda option: case.distance([option]))


def best_swap_star(case: Case, routes: Routes, a: int, b: int) -> float:
    """The least cost after a SWAP* or a relocation between routes a and b, or of doing nothing."""
    best = case.cost(routes)
    for u, v in itertools.product([None, *routes[a]], [None, *routes[b]]):
        changed = [list(route) for route in routes]
        changed[a] = [c for c in routes[a] if c != u]
        changed[b] = [c for c in routes[b] if c != v]
        if u is not None:
            changed[b] = cheapest_insertion(case, changed[b], u)
        if v is not None:
            changed[a] = cheapest_insertion(case, changed[a], v)
        best = min(best, case.cost(changed))
    return best
