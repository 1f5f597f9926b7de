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
from evo.checkpoints import decode, encode
from evo.checkpoints.format import Header
from test_damaged_files import WHOLE, mutated, with_checksum

from evo.errors import CheckpointError

HUGE = 2**32 - 1
HOSTILE = {
    "lists nested a thousand deep": b"\x91" * 1000,
    "mappings nested a thousand deep": b"\x81\xa1a" * 400 + b"\xc0",
    "a list of four billion": b"\xdd" + struct.pack(">I", HUGE),
    "a mapping of four billion": b"\xdf" + struct.pack(">I", HUGE),
    "lists of four billion in one another": (b"\xdd" + struct.pack(">I", HUGE)) * 60,
    "a list of a million in each of a million": b"\xdd\x00\x0f\x42\x40" * 60,
    "a text of four billion": b"\xdb" + struct.pack(">I", HUGE) + b"x",
    "bytes of four billion": b"\xc6" + struct.pack(">I", HUGE) + b"x",
    "an extension of four billion": b"\xc9" + struct.pack(">I", HUGE) + b"\x01x",
    "a text that is no UTF-8": b"\xa2\xff\xfe",
    "a key that is a number": b"\x81\x01\x02",
    "a key that is a list of four billion": b"\x81\xdd" + struct.pack(">I", HUGE),
    "a key that is bytes": b"\x81\xc4\x01a\x01",
    "the same key twice": b"\x82\xa1a\x01\xa1a\x02",
    "a byte that msgpack never uses": b"\xc1",
    "an unknown extension": bytes(msgpack.packb(msgpack.ExtType(77, b"cos\nsystem"))),
    "a timestamp": bytes(msgpack.packb(msgpack.Timestamp(5, 6))),
    "a timestamp of a wrong length": b"\xd4\xff\x00",
    "nothing": b"",
    "two trees": b"\x01\x02",
    "an array without a name": bytes(msgpack.packb(msgpack.ExtType(1, b""))),
    "an array of objects": array_name(b"|O8", (1,)),
    "an array of objects in short": array_name(b"O\0\0", (1,)),
    "an array of texts": array_name(b"<U4", (1,)),
    "an array of dates": array_name(b"<M8", (1,)),
    "an array of big-endian numbers": array_name(b">f8", (1,)),
    "an array of no type": array_name(b"\xff\xff\xff", (1,)),
    "an array of a negative length": array_name(b"<f8", (2**64 - 1,)),
    "an array whose size overflows to zero": array_name(b"<f8", (2**32, 2**32)),
    "an array whose size overflows to a little": array_name(b"|u1", (2**63 + 32, 2)),
    "an array of a huge shape without elements": array_name(b"<f8", (0, 2**63, 2**63)),
    "an array larger than the file": array_name(b"|u1", (65,)),
    "an array that starts behind the file": array_name(b"|u1", (64,), 64),
    "an array that starts nowhere": array_name(b"|u1", (64,), 2**64 - 64),
    "an array that starts askew": array_name(b"|u1", (32,), 1),
    "an array smaller than what is there": array_name(b"|u1", (63,)),
    "two arrays in one place": b"\x92" + array_name(b"|u1", (64,)) * 2,
    "two arrays in reverse": b"\x92" + array_name(b"|u1", (8,), 64) + array_name(b"|u1", (64,), 0),
    "an array of 255 dimensions": array_name(b"|u1", (1,) * 255),
    "an array with fewer lengths than dimensions": array_name(b"|u1", (64,), dimensions=2),
    "an array with more lengths than dimensions": array_name(b"|u1", (64, 1), dimensions=1),
    "an array of bools that are none": array_name(b"|b1", (64,)),
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
    packed = HOSTILE[name]
    for nodes in (1, 2, 1000, 100_000):
        data = forged(packed, b"\xff" * 64, nodes=nodes)
        with pytest.raises(CheckpointError, match="damaged") as caught:
            decode(data)
        assert len(str(caught.value)) < 300
        assert peak_of_decoding(data) < 4 * len(data) + 200_000


def test_the_forger_makes_good_files_of_good_trees() -> None:
    """Otherwise the hostile ones might be refused for the forger's mistakes."""
    packed = b"\x92" + array_name(b"|u1", (64,)) + b"\xa1x"
    array, text = decode(forged(packed, b"\xff" * 64, nodes=3))
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
