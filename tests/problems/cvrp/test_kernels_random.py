"""Random numbers in kernels: SplitMix64 as published, and streams that depend on every part of their key."""

import numba
import numpy as np

from evo.problems.cvrp.kernels_random import random_below, seed_random, shuffle

MASK = 2**64 - 1


@numba.njit
def draw(seed, generation, row, bound, count):  # type: ignore[no-untyped-def]
    state = np.zeros(1, np.uint64)
    seed_random(state, seed, generation, row)
    start = state[0]
    return start, [random_below(state, bound) for _ in range(count)]


@numba.njit
def shuffled(seed, items):  # type: ignore[no-untyped-def]
    state = np.zeros(1, np.uint64)
    seed_random(state, seed, 0, 0)
    shuffle(state, items)


def split_mix(state):
    """The published algorithm in Python's whole numbers: the next state, and the number it gives."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def test_the_published_first_numbers():
    # Seed 1234567 in the reference implementation by Vigna.
    state, numbers = 1234567, []
    for _ in range(3):
        state, number = split_mix(state)
        numbers.append(number)
    assert numbers == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_numbers_are_the_upper_half_scaled_to_the_bound():
    start, numbers = draw(np.uint64(2**63 - 1), 7, 3, 1000, 50)
    state = int(start)
    for number in numbers:
        state, whole = split_mix(state)
        assert number == ((whole >> 32) * 1000) >> 32


def test_every_part_of_the_key_makes_another_stream():
    keys = [(s, g, r) for s in (0, 1, 2**62) for g in (0, 1, 2) for r in (0, 1, 2)]
    streams = {tuple(draw(np.uint64(s), g, r, 2**31, 4)[1]) for s, g, r in keys}
    assert len(streams) == len(keys)


def test_numbers_are_spread_evenly():
    counts = np.bincount(draw(np.uint64(5), 0, 0, 10, 20_000)[1], minlength=10)
    assert abs(counts - 2000).max() < 200  # 4.7 standard deviations


def test_a_shuffle_is_an_order_of_the_same_items_and_every_order_occurs():
    seen = set()
    for seed in range(200):
        items = np.arange(4, dtype=np.int32)
        shuffled(np.uint64(seed), items)
        assert sorted(items) == [0, 1, 2, 3]
        seen.add(tuple(items))
    assert len(seen) == 24
