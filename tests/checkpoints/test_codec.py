"""What is written comes back, bit for bit, or is refused by name."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
from checkpoint_trees import TREES, identical, small_tree
from hypothesis import given, settings

from evo.checkpoints import decode, encode, snapshot
from evo.errors import CheckpointError


def through(tree: Any) -> Any:
    return decode(b"".join(encode(tree)))


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_any_tree_comes_back_bit_for_bit(tree: Any) -> None:
    assert identical(through(tree), tree)


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_a_snapshot_is_the_same_tree_with_arrays_of_its_own(tree: Any) -> None:
    copy = snapshot({"tree": tree, "array": (array := np.arange(3))})
    assert identical(copy["tree"], tree)
    array[:] = 9
    assert copy["array"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**100, -(10**100), 0, -1])
def test_integers_of_any_size_come_back(value: int) -> None:
    assert identical(through([value]), [value])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1.7976931348623157e308])
def test_special_floats_come_back_exactly(value: float) -> None:
    assert identical(through([value]), [value])


def test_numpy_scalars_come_back_as_pythons_own() -> None:
    tree = [np.int8(-3), np.uint64(2**64 - 1), np.float32(0.1), np.float64(2.5), np.bool_(True), np.str_("a")]
    assert identical(through(tree), [-3, 2**64 - 1, float(np.float32(0.1)), 2.5, True, "a"])


def test_enumerations_come_back_as_their_values() -> None:
    class Text(str, enum.Enum):  # noqa: UP042 - StrEnum's str() is the value already; this one's is not
        A = "value"

    class Number(enum.IntEnum):
        B = 4

    assert identical(through({Text.A: [Text.A, Number.B]}), {"value": ["value", 4]})


def test_tuples_come_back_as_lists() -> None:
    assert identical(through((1, (2, ()))), [1, [2, []]])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24).reshape(2, 3, 4)[:, ::-1, ::2],
        np.arange(24).reshape(4, 6).T,
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.broadcast_to(np.int32(7), (3, 2)),
        np.arange(5, dtype=">f8"),
        np.array(2, dtype=">u2"),
    ],
)
def test_arrays_of_any_strides_and_byte_order_come_back_contiguous_and_little_endian(array: Any) -> None:
    back = through({"x": array})["x"]
    assert back.dtype.str == array.dtype.newbyteorder("<").str
    assert back.flags.c_contiguous
    assert back.shape == array.shape
    assert (back == array).all()


def test_arrays_read_are_writable_and_own_their_memory() -> None:
    for array in (tree := through(small_tree()))["x"], tree["inner"]["mask"], tree["inner"]["scalar"]:
        assert array.flags.writeable
        assert array.flags.owndata
        assert array.flags.aligned


def test_contiguous_arrays_are_not_copied_by_encoding() -> None:
    array = np.zeros(100_000)
    assert any(np.may_share_memory(np.frombuffer(buffer, np.uint8), array) for buffer in encode({"x": array}))


def test_arrays_lie_at_multiples_of_64_bytes_in_the_file() -> None:
    data = b"".join(encode({"a": np.full(3, 0x11, np.uint8), "b": np.full(70, 0x22, np.uint8)}))
    assert data.index(b"\x11\x11\x11") % 64 == 0
    assert data.index(b"\x22\x22") % 64 == 0


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1j, "complex"),
        (object(), "object"),
        ({1, 2}, "set"),
        (bytearray(b"x"), "bytearray"),
        (np.longdouble(1), "longdouble"),
        (np.timedelta64(1), "timedelta64"),
        (np.array([None]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        (np.array([1j]), "dtype complex128"),
        (np.zeros(2, dtype="M8[s]"), "dtype datetime64"),
        (np.zeros(2, dtype=[("a", "<i4")]), "dtype [('a'"),
        (np.ma.masked_array([1, 2], [True, False]), "MaskedArray"),
        ({1: 2}, "keys of type str, found 1"),
    ],
)
def test_what_a_checkpoint_cannot_hold_is_refused_with_the_fields_name(value: Any, found: str) -> None:
    for function in (encode, snapshot):
        with pytest.raises(CheckpointError) as caught:
            function({"optimizer": {"state": [0, value]}})
        assert "'optimizer.state[1]'" in str(caught.value)
        assert found in str(caught.value)
        assert "\n" not in str(caught.value)


def test_two_keys_of_the_same_text_are_refused() -> None:
    class Key(str):
        def __eq__(self, other: object) -> bool:
            return self is other

        __hash__ = object.__hash__

    with pytest.raises(CheckpointError, match="two keys are the same text, 'a'"):
        encode({Key("a"): 1, "a": 2})


def test_a_tree_that_contains_itself_is_refused() -> None:
    tree: dict[str, Any] = {}
    tree["again"] = [tree]
    for function in (encode, snapshot):
        with pytest.raises(CheckpointError, match="nested deeper than 64 levels"):
            function(tree)


def test_64_levels_come_back_and_65_are_refused() -> None:
    tree: Any = 0
    for _ in range(65):
        tree = [tree]
    assert identical(through(tree), tree)
    with pytest.raises(CheckpointError, match="nested deeper"):
        encode([tree])
