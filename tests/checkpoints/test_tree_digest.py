"""The digest tells apart exactly what a checkpoint tells apart."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from checkpoint_trees import TREES, identical
from hypothesis import given, settings

from evo.checkpoints import decode, digest, encode
from evo.errors import CheckpointError


def shuffled(tree: Any) -> Any:
    """The same tree, its dicts filled in reverse."""
    if isinstance(tree, dict):
        return {key: shuffled(tree[key]) for key in reversed(tree)}
    return [shuffled(item) for item in tree] if isinstance(tree, list) else tree


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_a_tree_that_was_saved_has_the_same_digest(tree: Any) -> None:
    assert digest(decode(b"".join(encode(tree)))) == digest(tree)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_the_order_of_dicts_does_not_matter(tree: Any) -> None:
    assert digest(shuffled(tree)) == digest(tree)


@settings(max_examples=300, deadline=None)
@given(TREES, TREES)
def test_different_trees_have_different_digests(left: Any, right: Any) -> None:
    assert (digest(left) == digest(right)) == identical(sorted_tree(left), sorted_tree(right))


def sorted_tree(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: sorted_tree(tree[key]) for key in sorted(tree)}
    return [sorted_tree(item) for item in tree] if isinstance(tree, list) else tree


DIFFERENT = [
    None, False, True, 0, 1, -1, 2**64, 0.0, -0.0, 1.0, float("nan"), "", "1", "a", b"", b"1", b"a",
    [], {}, [[]], [[], []], [None], [0], [1], ["a"], {"a": 1}, {"a": [1]}, {"a": {}}, ["a", 1], ["a1"], ["a", "1"],
    [1, [2]], [[1], 2], [1, 2], [12], np.zeros(0), np.zeros((0, 1)), np.zeros((1, 0)), np.zeros(0, np.float32),
    np.array(0), np.array(0.0), np.array([0]), np.array([0.0]), np.array([-0.0]), np.array([False]),
    np.array([0], np.int32), np.array([0], np.uint64), np.array([[0]]), np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(6),
]  # fmt: skip


def test_values_that_look_alike_have_different_digests() -> None:
    for left, right in itertools.combinations(DIFFERENT, 2):
        assert digest(left) != digest(right), (left, right)
        assert digest({"x": left}) != digest({"x": right}), (left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.int8(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        ((1, (2,)), [1, [2]]),
        (np.arange(6).reshape(2, 3).T, np.ascontiguousarray(np.arange(6).reshape(2, 3).T)),
        (np.arange(4, dtype=">i4"), np.arange(4, dtype="<i4")),
    ],
)
def test_values_that_a_checkpoint_does_not_tell_apart_have_the_same_digest(left: Any, right: Any) -> None:
    assert digest({"x": left}) == digest({"x": right})


def test_the_digest_stays_what_it_is_from_version_to_version() -> None:
    tree = {"b": [1, 2.5, None], "a": np.arange(3, dtype=np.int32), "c": {"d": "é", "e": b"\x00"}}
    assert digest(tree) == "a3d71dba89be3f75a9c5e7d1e55aa4a6"


def test_what_a_checkpoint_cannot_hold_has_no_digest() -> None:
    with pytest.raises(CheckpointError, match=r"'a\.b'"):
        digest({"a": {"b": object()}})
