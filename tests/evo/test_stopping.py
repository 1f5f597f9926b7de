"""Stop: limits check themselves and combine."""

from __future__ import annotations

import pytest

from evo.errors import SettingsError
from evo.stopping import Stop


def test_either_stop_ends_the_run_in_a_combination() -> None:
    assert (Stop(generations=5, time=9) | Stop(generations=3, stall=2)) == Stop(generations=3, time=9, stall=2)


def test_two_targets_cannot_be_combined() -> None:
    with pytest.raises(SettingsError, match=r"stop.target"):
        Stop(target=1) | Stop(target=2)


def test_new_totals_take_the_place_of_old_ones_alone() -> None:
    assert Stop(generations=5, time=9).replaced_by(Stop(generations=8)) == Stop(generations=8, time=9)
    assert Stop(generations=5).replaced_by(None) == Stop(generations=5)


def test_a_stop_without_limits_is_false() -> None:
    assert not Stop()
    assert Stop(target=0)


def test_a_stop_is_rebuilt_from_its_mapping() -> None:
    stop = Stop(generations=5, target=-1.5)
    assert Stop.from_mapping(stop.to_mapping()) == stop


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"generations": 0}, "generations"),
        ({"generations": 1.5}, "generations"),
        ({"evaluations": True}, "evaluations"),
        ({"stall": -1}, "stall"),
        ({"time": 0}, "time"),
        ({"time": float("inf")}, "time"),
        ({"target": float("nan")}, "target"),
        ({"target": "low"}, "target"),
    ],
)
def test_a_wrong_limit_is_refused_with_its_field_named(limits: dict[str, object], field: str) -> None:
    with pytest.raises(SettingsError, match=rf"stop\.{field}: expected .*found"):
        Stop(**limits)  # type: ignore[arg-type]  # the mistake tested
