"""Random streams: named by position, never by history."""

from __future__ import annotations

import itertools

import numpy as np

from evo.rng import Purpose, stream


def test_a_stream_is_the_same_whoever_asks_and_whenever() -> None:
    first = stream(7, 3, Purpose.MUTATION).random(100)
    stream(7, 3, Purpose.CROSSOVER).random(1000)
    assert np.array_equal(first, stream(7, 3, Purpose.MUTATION).random(100))


def test_streams_differ_in_every_part_of_their_name() -> None:
    names = itertools.product((0, 1), (0, 1), (Purpose.SELECTION, Purpose.MUTATION), (-1, 0, 1))
    draws = {tuple(stream(*name).integers(0, 2**63, 4)) for name in names}
    assert len(draws) == 24


def test_the_streams_of_neighbouring_rows_and_generations_do_not_overlap() -> None:
    long = stream(1, 0, Purpose.EVALUATION, 0).bit_generator.random_raw(10_000)
    for name in ((1, 0, Purpose.EVALUATION, 1), (1, 1, Purpose.EVALUATION, 0)):
        assert not set(long) & set(stream(*name).bit_generator.random_raw(100))


def test_streams_keep_their_numbers_from_version_to_version() -> None:
    assert stream(1, 2, Purpose.SAMPLING, 3).integers(0, 1000, 5).tolist() == [500, 321, 911, 618, 281]
