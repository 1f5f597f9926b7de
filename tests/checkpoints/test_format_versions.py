"""Files of every released version are read; files of versions to come are refused by name."""

from __future__ import annotations

import pytest
from checkpoint_trees import forged, identical
from make_fixture import FIXTURES, tree_of_version_1, tree_of_version_2

from evo.checkpoints import FORMAT_VERSION, decode, digest, encode, load
from evo.errors import CheckpointError

TREES = {1: tree_of_version_1, 2: tree_of_version_2}
NEEDS = {2: "zstandard"}


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_the_fixture_of_every_version_is_read(version: int) -> None:
    if version in NEEDS:
        pytest.importorskip(NEEDS[version])
    assert identical(dict(load(FIXTURES / f"v{version}.msgpack")), TREES[version]())


def test_version_1_is_written_as_it_was_released() -> None:
    """Bytes that differ mean that the format has changed: that needs a new version."""
    assert b"".join(encode(tree_of_version_1())) == (FIXTURES / "v1.msgpack").read_bytes()


def test_the_digest_of_the_fixture_is_what_it_was() -> None:
    assert digest(tree_of_version_1()) == "da9da6b43ce43f626addd3f6c2cde7c6"


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 77])
def test_a_file_from_the_future_is_refused_with_the_version_found_and_the_newest_known(version: int) -> None:
    with pytest.raises(
        CheckpointError, match=rf"format version {version} .* newest that this evo reads is {FORMAT_VERSION}"
    ):
        decode(forged(b"\x80", version=version))


def test_a_file_from_the_future_with_another_checksum_is_refused_as_such() -> None:
    data = bytearray(forged(b"\x80", version=FORMAT_VERSION + 1))
    data[12:20] = b"sha9-999"
    with pytest.raises(CheckpointError, match=f"format version {FORMAT_VERSION + 1}"):
        decode(data)
