"""Crossovers of permutations beside OX: PMX, CX and edge recombination, for all pairs of a batch at once."""

from __future__ import annotations

import numpy as np


def partially_mapped(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Partially mapped crossover (PMX): a segment of one parent, elsewhere the other's genes, conflicts mapped away.

    Source: Goldberg and Lingle (1985), "Alleles, loci, and the traveling salesman problem", ICGA 1, 154-159.
    """
    pairs, size = first.shape
    cuts = np.sort(rng.integers(0, size, size=(pairs, 2)), axis=1)
    at = np.arange(size)
    segment = (at >= cuts[:, :1]) & (at <= cuts[:, 1:])
    return _mapped_child(first, second, segment), _mapped_child(second, first, segment)


def _mapped_child(keep: np.ndarray, fill: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """`keep` within `segment`; outside, `fill`'s gene, replaced through keep -> fill until it is not in the segment."""
    where = inverse(keep)
    taken = np.take_along_axis(segment, where, axis=1)  # by gene: whether the segment holds it
    genes = np.broadcast_to(np.arange(keep.shape[1]), keep.shape)
    following = np.where(taken, np.take_along_axis(fill, where, axis=1), genes)
    # Chains are as long as a segment at most; following them in doubled steps takes log2 of that.
    for _ in range(int(keep.shape[1]).bit_length()):
        following = np.take_along_axis(following, following, axis=1)
    return np.where(segment, keep, np.take_along_axis(following, fill, axis=1))


def cycle(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cycle crossover (CX): every gene keeps the place that it has in one parent; cycles come from the two in turn.

    Source: Oliver, Smith, Holland (1987), "A study of permutation crossover operators on the TSP", ICGA 2, 224-230.
    `rng` is not used: the parents fix the children.
    """
    size = first.shape[1]
    following = np.take_along_axis(inverse(first), second, axis=1)  # the next place of each place's cycle
    at = np.broadcast_to(np.arange(size), first.shape)
    leader = at
    for _ in range(int(size).bit_length()):  # the smallest place of each cycle, in doubled steps
        leader = np.minimum(leader, np.take_along_axis(leader, following, axis=1))
        following = np.take_along_axis(following, following, axis=1)
    number = np.take_along_axis(np.cumsum(leader == at, axis=1), leader, axis=1)
    swap = number % 2 == 0
    return np.where(swap, second, first), np.where(swap, first, second)


def edge_recombination(
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Edge recombination (ERX): tours made of the parents' edges as far as that is possible.

    From the last gene go to the neighbour in either parent that has the fewest unvisited neighbours itself, an edge of
    both parents first, ties at random; where none is left, to a random unvisited gene. All children grow together, one
    gene a step.

    Source: Whitley, Starkweather, Fuquay (1989), "Scheduling problems and traveling salesmen: the genetic edge
    recombination operator", ICGA 3, 133-140.
    """
    one = np.concatenate((first, second))
    two = np.concatenate((second, first))
    children = _edge_children(one, two, rng)
    return children[: len(first)], children[len(first) :]


def _edge_children(one: np.ndarray, two: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count, size = one.shape
    rows = np.arange(count)
    near = np.concatenate([_neighbours(one), _neighbours(two)], axis=2)  # (count, gene, 4), an edge of both twice
    unique = np.ones(near.shape, dtype=np.bool_)
    for k in range(1, 4):
        unique[:, :, k] = (near[:, :, k : k + 1] != near[:, :, :k]).all(axis=2)
    both = np.zeros(near.shape, dtype=np.bool_)
    for k in (0, 1):
        both[:, :, k] = (near[:, :, k : k + 1] == near[:, :, 2:]).any(axis=2)
    left = unique.sum(axis=2)  # unvisited neighbours of each gene
    visited = np.zeros((count, size), dtype=np.bool_)
    dice = rng.random((size, count, 4))
    fallback = rng.permuted(np.tile(np.arange(size), (count, 1)), axis=1)
    cursor = np.zeros(count, dtype=np.int64)
    child = np.empty_like(one)
    current = one[:, 0]
    for step in range(size):
        child[:, step] = current
        visited[rows, current] = True
        if step == size - 1:
            break
        options = near[rows, current]
        known = unique[rows, current]
        for k in range(4):
            left[rows, options[:, k]] -= known[:, k]
        open_ = known & ~visited[rows[:, None], options]
        score = left[rows[:, None], options] - 10 * both[rows, current] + dice[step]
        choice = np.where(open_, score, np.inf).argmin(axis=1)
        # The first unvisited gene of a random order, for those whose neighbours are all visited.
        stuck = ~open_.any(axis=1)
        if stuck.any():
            lost = rows[stuck]
            while (seen := visited[lost, fallback[lost, cursor[lost]]]).any():
                cursor[lost[seen]] += 1
        current = np.where(stuck, fallback[rows, cursor], options[rows, choice])
    return child


def inverse(genomes: np.ndarray) -> np.ndarray:
    """The place of every gene, (count, size)."""
    places = np.empty_like(genomes)
    np.put_along_axis(places, genomes, np.broadcast_to(np.arange(genomes.shape[1]), genomes.shape), axis=1)
    return places


def _neighbours(tours: np.ndarray) -> np.ndarray:
    """The genes before and behind every gene in a cyclic tour, (count, gene, 2)."""
    near = np.empty((*tours.shape, 2), dtype=tours.dtype)
    np.put_along_axis(near[:, :, 0], tours, np.roll(tours, 1, axis=1), axis=1)
    np.put_along_axis(near[:, :, 1], tours, np.roll(tours, -1, axis=1), axis=1)
    return near
