"""Spaces: samples lie inside, wrong bounds are refused, descriptions rebuild."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evo import checkpoints
from evo.categorical import Categorical
from evo.errors import UsageError
from evo.mixed import Mixed
from evo.rng import stream
from evo.space_specs import space_from_spec
from evo.spaces import Binary, Integer, Permutation, Real, Space

SPACES: list[Space] = [
    Real(-5, 10, shape=7),
    Real([0, 1], [1, 1]),
    Real(0, 1, shape=(2, 3)),
    Integer(-2, 3, shape=6),
    Binary(9),
    Binary((2, 2)),
    Permutation(8),
    Categorical(["red", "green", "blue"], shape=4),
    Categorical([1, 2.5, None, "x"]),
    Real(1e-6, 1e3, shape=3, log=True),
    Real(0, 1, shape=2, step=0.3),
]
MIXED = Mixed(
    rate=Real(1e-4, 1, log=True),
    layers=Integer(1, 5, shape=2),
    kind=Categorical(["relu", "tanh"]),
    on=Binary(3),
    order=Permutation(4),
)


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_samples_lie_in_the_space_and_fill_it(space: Space) -> None:
    genomes = space.sample(200, stream(1, 0, 1))
    assert genomes.shape == (200, space.size)
    assert genomes.dtype == space.dtype
    assert space.contains(genomes).all()
    assert space.shaped(genomes).shape == (200, *space.shape)


def test_integers_reach_both_bounds() -> None:
    genomes = Integer(-1, 1, shape=1).sample(200, stream(1, 0, 1))
    assert set(genomes[:, 0]) == {-1, 0, 1}


@pytest.mark.parametrize("space", [*SPACES, MIXED], ids=repr)
def test_a_space_is_rebuilt_from_its_description(space: Space) -> None:
    tree = checkpoints.decode(b"".join(checkpoints.encode({"space": space.to_spec()})))
    assert space_from_spec(tree["space"]) == space


def test_spaces_with_other_bounds_are_not_equal() -> None:
    assert Real(0, 1, shape=2) != Real(0, 2, shape=2)
    assert Real(0, 1, shape=2) != Integer(0, 1, shape=2)


def test_genomes_outside_are_recognised() -> None:
    assert Real(0, 1, shape=2).contains(np.array([[0.5, 1.1], [0.0, 1.0]])).tolist() == [False, True]
    assert Permutation(3).contains(np.array([[0, 1, 1], [2, 0, 1]])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Real(1, 0, shape=2), r"upper\[0\]: expected at least lower"),
        (lambda: Real(0, float("nan"), shape=2), "upper: expected finite"),
        (lambda: Real("a", 1, shape=2), "lower: expected a number"),  # type: ignore[arg-type]  # the mistake tested
        (lambda: Real([0, 0, 0], 1, shape=2), "lower: expected a number or numbers of shape"),
        (lambda: Real(0, 1, shape=0), "shape: expected a positive integer"),
        (lambda: Integer(0, 1.5, shape=2), "upper: expected whole numbers"),
        (lambda: Permutation(0), "shape: expected a positive integer"),
        (lambda: space_from_spec({"kind": "knots"}), "space.kind: expected"),
    ],
)
def test_a_wrong_space_is_refused_with_its_field_named(build: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()  # type: ignore[operator]  # parametrised callables


_ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.complex_numbers(),
    st.lists(st.one_of(st.integers(), st.floats(), st.none(), st.lists(st.floats(), max_size=2)), max_size=3),
    st.dictionaries(st.integers(), st.integers(), max_size=1), st.binary(max_size=2),
)  # fmt: skip
_SHAPES = st.one_of(_ANYTHING.filter(lambda s: not isinstance(s, int) or s < 1000 or s > 2**31), st.just(2.5))


@given(kind=st.sampled_from([Real, Integer]), lower=_ANYTHING, upper=_ANYTHING, shape=_SHAPES)
@example(kind=Real, lower=0.0, upper=1.0, shape=2.5)
@example(kind=Real, lower=[0, 0], upper=[1, 1, 1], shape=None)
@example(kind=Real, lower=0, upper=1, shape=10**30)
@example(kind=Integer, lower=0, upper=1e300, shape=2)
@settings(max_examples=200, deadline=None)
def test_whatever_a_space_is_built_from_only_a_usage_error_comes_of_it(
    kind: Any, lower: Any, upper: Any, shape: Any
) -> None:
    with contextlib.suppress(UsageError):
        space = kind(lower, upper, shape)
        assert (space.lower <= space.upper).all()


# What the user's code sees ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [*SPACES, MIXED], ids=repr)
def test_what_the_user_sees_leads_back_to_the_genomes(space: Space) -> None:
    genomes = space.sample(50, stream(2, 0, 1))
    again = space.flat(space.shaped(genomes), 50)
    assert again.dtype == space.dtype
    assert space.contains(again).all()
    seen, seen_again = space.shaped(genomes), space.shaped(again)
    for name in seen if isinstance(seen, dict) else [...]:
        if seen[name].dtype.kind == "f":
            assert seen_again[name] == pytest.approx(seen[name])
        else:
            assert (seen_again[name] == seen[name]).all()


def test_a_logarithmic_scale_is_sampled_by_magnitude_up_to_its_bounds() -> None:
    space = Real(1e-6, 1.0, shape=1, log=True)
    x = space.shaped(space.sample(4000, stream(3, 0, 1)))
    assert np.mean(x < 1e-3) == pytest.approx(0.5, abs=0.03)
    ends = space.shaped(np.array([space.lower, space.upper]))
    assert ends.ravel() == pytest.approx([1e-6, 1.0], rel=1e-12)
    assert ends.min() >= 1e-6
    assert ends.max() <= 1.0


def test_steps_are_taken_equally_often_and_end_at_the_last_whole_one() -> None:
    space = Real(1.0, 2.0, shape=1, step=0.3)
    values, counts = np.unique(space.shaped(space.sample(4000, stream(4, 0, 1))).round(9), return_counts=True)
    assert values.tolist() == [1.0, 1.3, 1.6, 1.9]
    assert counts.min() > 900


def test_a_mixed_space_shows_named_fields_and_single_numbers_as_such() -> None:
    x = MIXED.shaped(MIXED.sample(6, stream(5, 0, 1)))
    assert {name: (x[name].shape, x[name].dtype.kind) for name in x} == {
        "rate": ((6,), "f"),
        "layers": ((6, 2), "i"),
        "kind": ((6,), "U"),
        "on": ((6, 3), "b"),
        "order": ((6, 4), "i"),
    }
    point = MIXED.point(MIXED.sample(1, stream(5, 0, 1))[0])
    assert point["kind"] in ("relu", "tanh")
    assert np.ndim(point["rate"]) == 0


def test_fields_in_another_order_are_another_space() -> None:
    assert Mixed(a=Real(0, 1), b=Integer(0, 1)) != Mixed(b=Integer(0, 1), a=Real(0, 1))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Real(0, 1, log=True), "lower: expected numbers above 0 with log=True, found 0"),
        (lambda: Real(1, 2, log=True, step=1), "step: expected none with log=True"),
        (lambda: Real(1, 2, step=-1), "step: expected a number above 0, found -1"),
        (lambda: Categorical([]), "choices: expected a list of values"),
        (lambda: Categorical("abc"), "choices: expected a list of values"),
        (lambda: Categorical(["a", "a"]), "choices: expected no two that are equal"),
        (lambda: Categorical([{}]), "choices: expected text, numbers, True, False or None"),
        (lambda: Mixed(), "fields: expected at least one"),
        (lambda: Mixed(a=3), "a: expected a space such as"),  # type: ignore[arg-type]  # the mistake
        (lambda: Mixed(a=Mixed(b=Real(0, 1))), "a: expected a space such as"),
        (lambda: Mixed(a=Integer(0, 2**60)), "a: expected whole numbers between"),
        (lambda: Categorical(["a", "b"]).flat([["c"]], 1), "expected one of 'a', 'b', found 'c'"),
        (lambda: Mixed(a=Real(0, 1)).flat({"b": [1.0]}, 1), "expected a dict with the fields a, found fields b"),
        (lambda: Mixed(a=Real(0, 1)).flat({"a": [[1.0, 2.0]]}, 1), r"a: expected an array of shape \(1, 1\)"),
    ],
)
def test_mistakes_in_categories_scales_and_fields_are_told(build: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        build()


def test_the_code_of_the_page_finds_the_optimum() -> None:
    text = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), "spaces.md", "exec"), names)
    best = names["result"].x
    assert (best["activation"], best["layers"], best["units"], best["use"].any()) == ("gelu", 3, 128.0, False)
    assert best["rate"] == pytest.approx(1e-3, rel=0.5)
