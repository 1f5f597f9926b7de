"""Compressed arrays come back bit for bit, and no file of them makes its reader allocate much."""

from __future__ import annotations

import random
import struct
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from checkpoint_trees import forged, identical, with_checksum
from make_fixture import tree_of_version_2

from evo.checkpoints import CheckpointStore, decode, encode, load
from evo.checkpoints.format import MAX_EXPANSION, Header
from evo.errors import CheckpointError, SettingsError


@pytest.fixture
def zstandard() -> Any:
    return pytest.importorskip("zstandard")


def whole(tree: Any, **options: bool) -> bytes:
    return b"".join(encode(tree, **options))


@pytest.mark.usefixtures("zstandard")
def test_what_is_compressed_comes_back_bit_for_bit_and_is_smaller(tmp_path: Path) -> None:
    tree = tree_of_version_2()
    store = CheckpointStore(tmp_path, compress=True)
    path = store.save(3, tree)
    assert identical(dict(load(path)), tree)
    assert path.stat().st_size < len(whole(tree)) / 2
    assert Header.unpack(path.read_bytes()[:64]).version == 2


@pytest.mark.usefixtures("zstandard")
def test_a_file_that_gains_nothing_is_one_of_version_1() -> None:
    noise = {"noise": np.random.default_rng(1).random(10_000), "small": np.zeros(100)}
    assert whole(noise, compress=True) == whole(noise)


@pytest.mark.usefixtures("zstandard")
def test_an_array_that_shrinks_to_nothing_still_takes_its_sixteenth() -> None:
    data = whole({"zeros": np.zeros(10**6)}, compress=True)
    assert 8 * 10**6 / MAX_EXPANSION <= len(data) <= 8 * 10**6 / MAX_EXPANSION + 1000
    assert not decode(data)["zeros"].any()


@pytest.mark.usefixtures("zstandard")
def test_whatever_changes_a_compressed_file_it_is_refused_or_the_same() -> None:
    dice, original = random.Random(3), whole(tree_of_version_2(), compress=True)
    expected = decode(original)
    refused = 0
    tracemalloc.start()
    for _ in range(1500):
        damaged = bytearray(original)
        for _ in range(dice.choice((1, 2, 8))):
            damaged[dice.randrange(64, len(damaged))] = dice.randrange(256)
        data = with_checksum(bytes(damaged))  # the checksum is right: only the content is left to tell
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        try:
            found = decode(data)
        except CheckpointError:
            refused += 1
        else:
            assert found.keys() is not None
        assert tracemalloc.get_traced_memory()[1] - before < (MAX_EXPANSION + 4) * len(data) + 10_000_000
    tracemalloc.stop()
    assert refused > 100
    assert identical(decode(original), expected)


def name_of(shape: tuple[int, ...], stored: int, dtype: bytes = b"<f8") -> bytes:
    name = struct.pack("<3sBQ", dtype, len(shape), 0) + struct.pack(f"<{len(shape)}Q", *shape)
    return bytes(msgpack.packb(msgpack.ExtType(3, name + struct.pack("<Q", stored))))


def test_hostile_files_are_refused_for_what_they_are(zstandard: Any) -> None:
    frame = zstandard.ZstdCompressor().compress(bytes(8 * 4096)).ljust(2048, b"\0")
    bomb = zstandard.ZstdCompressor().compress(bytes(10**8)).ljust(20_000, b"\0")
    cases = {
        "compressed to": forged(name_of((2**40,), 2048), frame, version=2),
        "compressed to 0": forged(name_of((4096,), 0), frame, version=2),
        "not of the length": forged(name_of((4095,), 2048), frame, version=2),
        "not of the length that": forged(name_of((4097,), 4096), frame.ljust(4096, b"\0"), version=2),
        "not of the length that its": forged(name_of((40_000,), 20_000), bomb, version=2),
        "a compressed array:": forged(name_of((4096,), 2048), b"x" * 2048, version=2),
        "does not fit the file": forged(name_of((4096,), 2048 + 64), frame, version=2),
        "name of 0 bytes": forged(bytes(msgpack.packb(msgpack.ExtType(3, b""))), version=2),
        "unknown type 3": forged(name_of((4096,), 2048), frame, version=1),
    }
    assert not decode(forged(name_of((4096,), 2048), frame, version=2)).any()
    for why, data in cases.items():
        with pytest.raises(CheckpointError, match=why):
            decode(data)


@pytest.mark.usefixtures("zstandard")
def test_a_frame_that_asks_for_a_huge_window_is_refused() -> None:
    # Magic, a descriptor without content size, a window of 2**31 bytes, then a raw block.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00"
    with pytest.raises(CheckpointError, match="a compressed array"):
        decode(forged(name_of((4096,), 2048), frame.ljust(2048, b"\0"), version=2))


def test_without_zstandard_both_sides_say_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = Path(__file__).parent / "fixtures" / "v2.msgpack"
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CheckpointError, match=r"v2\.msgpack: it is compressed, which needs the package zstandard"):
        load(fixture)
    with pytest.raises(SettingsError, match=r"pip install 'evo-engine\[zstd\]'"):
        CheckpointStore(tmp_path, compress=True)
