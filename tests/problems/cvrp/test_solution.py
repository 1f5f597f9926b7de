"""Solutions and their `.sol` files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evo.errors import UsageError
from evo.problems.cvrp.solution import Solution, read_sol, write_sol


def test_a_solution_is_written_as_cvrplib_does(tmp_path: Path) -> None:
    write_sol(tmp_path / "s.sol", Solution([[5, 2, 9], [1]], 27591))
    assert (tmp_path / "s.sol").read_text() == "Route #1: 5 2 9\nRoute #2: 1\nCost 27591\n"


@given(
    st.lists(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), max_size=5),
    st.integers(0, 10**12) | st.floats(0, 1e300),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_written_reads_back_equal(tmp_path: Path, routes: list[list[int]], cost: int | float) -> None:
    solution = Solution(routes, cost)
    write_sol(tmp_path / "s.sol", solution)
    again = read_sol(tmp_path / "s.sol")
    assert again == solution
    assert type(again.cost) is type(cost)


def test_arrays_become_plain_numbers_and_empty_routes_are_left_out() -> None:
    solution = Solution([np.array([2, 1], dtype=np.int32), np.array([], dtype=np.int32)], np.int64(7))  # type: ignore[list-item]
    assert solution == Solution([[2, 1]], 7)
    assert type(solution.routes[0][0]) is int
    assert type(solution.cost) is int
    assert type(Solution([], np.float64(7)).cost) is float  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "Route #1: 3 1 \r\nRoute #2: 2\r\nCost 12\r\n",
        "route 1: 3 1\nroute 2:\t2\n\ncost : 12",
        "\ufeffRoute #1: 3 1\nRoute #2: 2\nRoute #3:\nCost 12\nTime 3.5\n",
    ],
)
def test_the_dialects_of_the_format_read_the_same(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.sol").write_text(text)
    assert read_sol(tmp_path / "s.sol") == Solution([[3, 1], [2]], 12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Cost: expected a line"),
        ("Route #1: 1 2\n", "Cost: expected a line"),
        ("Route #1: 1 two\nCost 3\n", "line 1: Route: .*found 'two'"),
        ("Route #1: 1 -2\nCost 3\n", "line 1: Route: .*found '-2'"),
        (f"Route #1: {'9' * 5000}\nCost 3\n", "line 1: Route: .*found '9+'"),
        ("Route #1: 1\nCost much\n", "line 2: Cost: .*found 'much'"),
        ("Route #1: 1\nCost nan\n", "line 2: Cost: .*found 'nan'"),
        ("Route #1: 1\nCost -4.5\n", "line 2: Cost: .*found '-4.5'"),
        ("Route #1: 1\nCost -4\n", "line 2: Cost: .*found '-4'"),
        ("Route #1: 1\nhello\nCost 3\n", "line 2: expected 'Route #k: …' or 'Cost …', found 'hello'"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.sol").write_text(text)
    with pytest.raises(UsageError, match=rf"s\.sol.*{message}") as error:
        read_sol(tmp_path / "s.sol")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.sol: cannot be read: No such file"):
        read_sol(tmp_path / "none.sol")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sol"
    write_sol(path, Solution([[1]], 2))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"s\.sol: cannot be written: No space left"):
        write_sol(path, Solution([[2]], 3))
    monkeypatch.undo()
    assert read_sol(path) == Solution([[1]], 2)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"s\.sol: cannot be written: No such file"):
        write_sol(tmp_path / "none" / "s.sol", Solution([[1]], 2))
