"""Damage of every kind is noticed, and ends in a CheckpointError."""

from __future__ import annotations

import random

import pytest
from checkpoint_trees import small_tree, with_checksum

from evo.checkpoints import decode, encode
from evo.checkpoints.format import HEADER_LENGTH
from evo.errors import CheckpointError

WHOLE = b"".join(encode(small_tree()))


def test_every_truncation_is_noticed() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(CheckpointError):
            decode(WHOLE[:length])


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(len(WHOLE)):
        for bit in range(8):
            damaged = bytearray(WHOLE)
            damaged[position] ^= 1 << bit
            with pytest.raises(CheckpointError):
                decode(damaged)


def test_a_flipped_bit_in_the_version_is_called_damage_and_not_a_newer_version() -> None:
    damaged = bytearray(WHOLE)
    damaged[8] ^= 2
    with pytest.raises(CheckpointError, match="checksum"):
        decode(damaged)


@pytest.mark.parametrize("appended", [b"\0", b"x", bytes(64), WHOLE])
def test_bytes_appended_are_noticed(appended: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"expected .* bytes, found"):
        decode(WHOLE + appended)


@pytest.mark.parametrize("data", [b"", b"\0" * 1000, b"%PDF-1.7" * 50, b"\x80", b"\x89PNG\r\n\x1a\n" + bytes(200)])
def test_a_file_that_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        decode(data)


def mutated(rng: random.Random) -> bytes:
    """The file with a few bytes changed, moved, doubled or lost."""
    data = bytearray(WHOLE)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        start = rng.randrange(len(data))
        end = min(len(data), start + rng.choice((1, 1, 2, 8, 40)))
        match rng.randrange(5):
            case 0:
                data[start] ^= 1 << rng.randrange(8)
            case 1:
                data[start:end] = rng.randbytes(end - start)
            case 2:
                data[start:end] = rng.choice((b"\0", b"\xff", b"\x91", b"\x81", b"\xdd", b"\xc7")) * (end - start)
            case 3:
                data[start:start] = data[start:end]
            case 4 if len(data) > 2 * HEADER_LENGTH:
                del data[start:end]
    return bytes(data)


def test_of_10000_mutated_files_each_is_refused_by_a_checkpoint_error() -> None:
    rng = random.Random(1)
    refused = 0
    for _ in range(10_000):
        data = mutated(rng)
        if data == WHOLE:
            continue
        with pytest.raises(CheckpointError):
            decode(data)
        refused += 1
    assert refused > 9_900


def test_of_10000_mutated_files_with_a_right_checksum_none_escapes_with_another_error() -> None:
    """The checksum keeps accidents out, not people: the tree's reader must stand on its own."""
    rng = random.Random(2)
    refused = accepted = 0
    for _ in range(10_000):
        data = bytearray(mutated(rng))
        data[:24] = WHOLE[:24]
        data[24:32] = len(data).to_bytes(8, "little")
        try:
            decode(with_checksum(bytes(data)))
        except CheckpointError:
            refused += 1
        else:
            accepted += 1
    assert refused > 3_000  # many did reach the tree and broke it …
    assert accepted > 500  # … and many changed only a value
