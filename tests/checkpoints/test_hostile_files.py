"""Files made to do harm: refused by name, and without allocating what they promise."""

from __future__ import annotations

import random
import struct
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pytest
from checkpoint_trees import array_name, forged, identical
from test_damaged_files import WHOLE, mutated, with_checksum

from evo.checkpoints import decode, encode
from evo.checkpoints.format import Header
from evo.errors import CheckpointError

HUGE = struct.pack(">I", 2**32 - 1)
BYTES = b"\xff" * 64  # what stands where the arrays should be, in every file

# What it is: the tree's bytes, how many values and keys it says it has, and what it is refused for.
HOSTILE: dict[str, tuple[bytes, int, str]] = {
    "lists nested a thousand deep": (b"\x91" * 1000, 1000, "nested deeper than 64"),
    "mappings nested a thousand deep": (b"\x81\xa1a" * 400 + b"\xc0", 801, "nested deeper than 64"),
    "a list of four billion": (b"\xdd" + HUGE, 2, "goes on beyond"),
    "a mapping of four billion": (b"\xdf" + HUGE, 2, "goes on beyond"),
    "lists of four billion in one another": ((b"\xdd" + HUGE) * 60, 61, "goes on beyond"),
    "a list of a million in each of a million": (b"\xdd\x00\x0f\x42\x40" * 60, 61, "goes on beyond"),
    "a thousand lists that each say they are long": (
        (b"\xdc\x0b\xb8" * 60).ljust(3060, b"\x90"),
        9999,
        "goes on beyond",
    ),
    "a text of four billion": (b"\xdb" + HUGE + b"x", 1, "no msgpack"),
    "bytes of four billion": (b"\xc6" + HUGE + b"x", 1, "no msgpack"),
    "an extension of four billion": (b"\xc9" + HUGE + b"\x01x", 1, "no msgpack"),
    "a text that is cut off": (b"\xa5abc", 1, "no msgpack"),
    "a text that is no UTF-8": (b"\xa2\xff\xfe", 1, "no msgpack"),
    "a key that is a number": (b"\x81\x01\x02", 3, "key is no text"),
    "a key that is a list of four billion": (b"\x81\xdd" + HUGE, 3, "key is no text"),
    "a key that is bytes": (b"\x81\xc4\x01a\x01", 3, "key is no text"),
    "the same key twice": (b"\x82\xa1a\x01\xa1a\x02", 5, "the key 'a' occurs twice"),
    "a byte that msgpack never uses": (b"\xc1", 1, "no msgpack"),
    "an unknown extension": (bytes(msgpack.packb(msgpack.ExtType(77, b"cos\nsystem"))), 1, "unknown type 77"),
    "a timestamp": (bytes(msgpack.packb(msgpack.Timestamp(5, 6))), 1, "timestamp"),
    "a timestamp of a wrong length": (b"\xd4\xff\x00", 1, "no msgpack"),
    "nothing": (b"", 1, "goes on beyond"),
    "two trees": (b"\x01\x02", 2, "ends before"),
    "fewer values than it says": (b"\x91\x01", 3, "ends before"),
    "more values than it says": (b"\xdd\x00\x01\x86\xa0" + b"\x80" * 100_000, 9, "more than the stated 9"),
    "more keys than it says": (b"\x81\xa1a\x01", 1, "more than the stated 1"),
    "an array without a name": (bytes(msgpack.packb(msgpack.ExtType(1, b""))), 1, "name of 0 bytes"),
    "an array of objects": (array_name(b"|O8", (8,)), 1, "unknown element type"),
    "an array of objects in short": (array_name(b"O\0\0", (8,)), 1, "unknown element type"),
    "an array of texts": (array_name(b"<U4", (4,)), 1, "unknown element type"),
    "an array of dates": (array_name(b"<M8", (8,)), 1, "unknown element type"),
    "an array of big-endian numbers": (array_name(b">f8", (8,)), 1, "unknown element type"),
    "an array of no type": (array_name(b"\xff\xff\xff", (8,)), 1, "unknown element type"),
    "an array of a negative length": (array_name(b"<f8", (2**64 - 1,)), 1, "does not fit"),
    "an array whose size overflows to zero": (array_name(b"<f8", (2**32, 2**32)), 1, "does not fit"),
    "an array whose size overflows to 64": (array_name(b"|u1", (2**63 + 32, 2)), 1, "does not fit"),
    "an array of a huge shape without elements": (array_name(b"<f8", (0, 2**63, 2**63)), 1, "array of shape"),
    "an array larger than the file": (array_name(b"|u1", (65,)), 1, "does not fit"),
    "an array that starts behind the file": (array_name(b"|u1", (64,), 64), 1, "at offset 0, found 64"),
    "an array that starts nowhere": (
        array_name(b"|u1", (64,), 2**64 - 64),
        1,
        "at offset 0, found 18446744073709551552",
    ),
    "an array that starts askew": (array_name(b"|u1", (63,), 1), 1, "at offset 0, found 1"),
    "an array smaller than what is there": (array_name(b"|u1", (63,)), 1, "expected arrays up to byte"),
    "no array where there are bytes": (b"\x01", 1, "expected arrays up to byte"),
    "two arrays in one place": (b"\x92" + array_name(b"|u1", (64,)) * 2, 3, "at offset 64, found 0"),
    "two arrays in reverse": (
        b"\x92" + array_name(b"|u1", (32,), 32) + array_name(b"|u1", (32,), 0),
        3,
        "at offset 0, found 32",
    ),
    "an array of 65 dimensions": (array_name(b"|u1", (1,) * 64 + (64,)), 1, "array of 65 dimensions"),
    "an array with fewer lengths than dimensions": (
        array_name(b"|u1", (64,), dimensions=2),
        1,
        "array of 2 dimensions",
    ),
    "an array with more lengths than dimensions": (
        array_name(b"|u1", (64, 1), dimensions=1),
        1,
        "array of 1 dimensions",
    ),
    "an array of bools that are none": (array_name(b"|b1", (64,)), 1, "something else"),
}


def peak_of_decoding(data: bytes) -> int:
    """Bytes allocated at the most while a file is read, well or not."""
    tracemalloc.start()
    try:
        decode(data)
    except CheckpointError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tree_is_refused_without_allocating_what_it_promises(name: str) -> None:
    packed, nodes, reason = HOSTILE[name]
    data = forged(packed, BYTES, nodes=nodes)
    with pytest.raises(CheckpointError, match=f"^damaged: .*{reason}") as caught:
        decode(data)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    assert peak_of_decoding(data) < 4 * len(data) + 100_000


def test_the_forger_makes_good_files_of_good_trees() -> None:
    """Otherwise the hostile ones might be refused for the forger's mistakes."""
    packed = b"\x92" + array_name(b"|u1", (64,)) + b"\xa1x"
    array, text = decode(forged(packed, BYTES, nodes=3))
    assert (array == 255).all()
    assert text == "x"


@pytest.mark.parametrize(
    "fields",
    [
        {"tree_length": 2**64 - 1},
        {"tree_length": 2**31},
        {"tree_length": 0},
        {"tree_length": 2},
        {"nodes": 2**64 - 1},
        {"nodes": 2**61},
        {"nodes": 0},
        {"nodes": 2},
        {"file_length": 0},
        {"file_length": 2**64 - 1},
        {"checksum_name": b"md5\0\0\0\0\0"},
        {"checksum_name": b"\xff" * 8},
        {"version": 0},
        {"version": 2**32 - 1},
    ],
)
def test_a_hostile_header_is_refused_without_allocating_what_it_promises(fields: dict[str, Any]) -> None:
    whole = forged(b"\x01", nodes=1)
    assert decode(whole) == 1
    tampered = with_checksum(Header.unpack(whole[:64])._replace(**fields).pack() + whole[64:])
    with pytest.raises(CheckpointError):
        decode(tampered)
    assert peak_of_decoding(tampered) < 200_000


@pytest.mark.parametrize("position", range(20, 24))
def test_reserved_bytes_that_are_not_zero_are_refused(position: int) -> None:
    data = bytearray(forged(b"\x01", nodes=1))
    data[position] = 1
    with pytest.raises(CheckpointError, match="reserved bytes"):
        decode(with_checksum(bytes(data)))


@pytest.mark.parametrize(
    "tree",
    [
        [[] for _ in range(30_000)],
        [{} for _ in range(30_000)],
        [[None] for _ in range(30_000)],
        [{"k": None} for _ in range(30_000)],
        ["ab" for _ in range(30_000)],
        "\N{GRINNING FACE}" + "x" * 500_000,
        [np.zeros(0) for _ in range(10_000)],
        [np.zeros(1, np.int8) for _ in range(10_000)],
        {"x": np.zeros(300_000)},
        10**100_000,
    ],
    ids=lambda tree: f"{type(tree).__name__} of {type(tree[0]).__name__ if isinstance(tree, list) else ''}",
)
def test_no_file_makes_its_reader_allocate_more_than_a_small_multiple_of_its_size(tree: Any) -> None:
    data = b"".join(encode(tree))
    assert identical(decode(data), tree)
    assert peak_of_decoding(data) < 20 * len(data) + 500_000


def test_mutated_files_with_a_right_checksum_allocate_little() -> None:
    rng = random.Random(3)
    for _ in range(1_000):
        data = bytearray(mutated(rng))
        data[:24] = WHOLE[:24]
        data[24:32] = len(data).to_bytes(8, "little")
        assert peak_of_decoding(with_checksum(bytes(data))) < 20 * len(data) + 500_000
