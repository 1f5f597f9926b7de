"""Progress: what the displays show of a run's events, and that a display never ends a run."""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
from typing import Any

import pytest
from rich.console import Console

from evo.progress import choose_display, text
from evo.progress.json_lines import JsonLines
from evo.progress.lines import Lines
from evo.progress.quiet import Quiet
from evo.progress.status import Status
from evo.progress.terminal import Terminal


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def event(kind: str, generation: int = 0, /, **fields: Any) -> dict[str, Any]:
    return {"event": kind, "time": 1.0e9, "generation": generation, **fields}


def started(**stop: float) -> dict[str, Any]:
    return event(
        "started", problem="cvrp", description="X-n101-k25, 100 customers", optimizer="hgs", seed=7, stop=stop,
        workers=2, output="runs/x-1", best_known=27591,
    )  # fmt: skip


def generation(number: int, seconds: float, objective: float = 28000.0, **fields: Any) -> dict[str, Any]:
    return event(
        "generation", number, **{
            "evaluations": 100 * number, "objective": objective, "feasible": True, "gap": 1.5, "seconds": seconds,
            "evaluations_per_second": 250.0, "workers": 2, **fields,
        },
    )  # fmt: skip


def status_after(clock: Clock, *events: dict[str, Any]) -> Status:
    status = Status(clock)
    for each in events:
        status.update(each)
    return status


def test_the_clock_runs_on_between_events() -> None:
    clock = Clock()
    status = status_after(clock, started(), generation(1, 0.5))
    clock.now += 2.0
    assert status.elapsed() == pytest.approx(2.5)


def test_time_left_is_that_of_the_limit_which_comes_first() -> None:
    clock = Clock()
    status = status_after(
        clock, started(time=60, generations=40, evaluations=100_000), generation(0, 0.0), generation(10, 10.0)
    )
    assert status.time_left() == pytest.approx(30.0)  # by generations, one a second
    clock.now += 4.0
    assert status.time_left() == pytest.approx(26.0)
    assert status.part_done() == pytest.approx(0.25)
    assert status_after(clock, started(time=20, generations=40), generation(10, 10.0)).time_left() == 10.0


def test_the_rate_of_a_resumed_run_is_that_of_its_present_part() -> None:
    resumed = {**started(generations=200), "event": "resumed", "generation": 100, "seconds": 1000.0}
    status = status_after(Clock(), resumed, generation(100, 1000.0), generation(150, 1005.0))
    assert status.time_left() == pytest.approx(5.0)


def test_without_a_limit_that_tells_no_time_left_is_shown() -> None:
    status = status_after(Clock(), started(target=1.0, stall=50), generation(10, 10.0))
    assert status.time_left() is None
    assert status.part_done() is None


def test_the_last_generation_told_twice_does_not_show_a_speed_of_zero() -> None:
    status = status_after(Clock(), started(), generation(3, 1.0), generation(3, 1.0, evaluations_per_second=0.0))
    assert status.evaluations_per_second == 250.0


def test_the_last_few_troubles_are_kept_and_all_are_counted() -> None:
    clock = Clock()
    status = status_after(clock, *(event("quarantined", i, row=i, error=f"bad {i}") for i in range(9)))
    assert status.quarantined == 9
    assert [line[-5:] for line in status.troubles] == ["bad 5", "bad 6", "bad 7", "bad 8"]
    clock.now += 61.0
    assert status.troubles == []


def test_where_evaluations_are_carried_out_follows_the_executors() -> None:
    status = status_after(Clock(), started(), event("executor", name="in_process", state="ready", workers=1))
    assert (status.place, status.workers) == ("evaluating in this process", 1)
    status.update(event("executor", name="ray", state="starting", workers=0))
    assert status.place == "evaluating in this process, Ray is starting"
    status.update(event("executor", name="ray", state="ready", workers=2))
    assert (status.place, status.workers) == ("evaluating in 2 Ray workers", 2)
    status.update(event("executor", name="ray", state="lost", workers=1, worker=0))
    assert status.place == "evaluating in 2 Ray workers"
    status.update(event("executor", name="ray", state="lost", workers=0, error="Traceback\nno node is left"))
    status.update(event("executor", name="in_process", state="ready", workers=1))
    assert status.place == "evaluating in this process"
    assert status.troubles == ["Ray worker 0 is lost, 1 worker left", "Ray is lost: no node is left"]


# --------------------------------------------------------------------------------------------- plain lines


def lines_of(out: io.StringIO) -> list[str]:
    lines = out.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in lines)
    return [line[10:] for line in lines]


def test_improvements_make_a_line_at_most_once_a_second_and_none_is_lost() -> None:
    out, clock = io.StringIO(), Clock()
    display = Lines(out, clock)
    display.status = Status(clock)
    display(started())
    display(generation(0, 0.0))
    for step in range(1, 41):  # 4 seconds, an improvement every 0.1 s
        clock.now += 0.1
        display(event("improved", step, objective=28000.0 - step, feasible=True, gap=1.0))
        display(generation(step, 0.1 * step, objective=28000.0 - step))
    progress = [line for line in lines_of(out) if line.startswith("generation")]
    assert 3 <= len(progress) <= 5
    clock.now += 1.0
    display.write_if_due()
    assert "best 27960" in lines_of(out)[-1]


def test_lines_grow_rarer_and_never_farther_apart_than_ten_seconds() -> None:
    out, clock = io.StringIO(), Clock()
    display = Lines(out, clock)
    display.status = Status(clock)
    display(started())
    display(generation(0, 0.0))
    times, count = [], len(lines_of(out))
    for _ in range(2000):  # 200 seconds in which no event comes: a long evaluation
        clock.now += 0.1
        display.write_if_due()
        if len(lines_of(out)) > count:
            count = len(lines_of(out))
            times.append(clock.now)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[0] < gaps[1] < gaps[2] <= max(gaps) <= 10.2
    assert gaps[-1] > 9.5


def test_improvements_are_told_more_rarely_as_the_run_goes_on() -> None:
    out, clock = io.StringIO(), Clock()
    display = Lines(out, clock)
    display.status = Status(clock)
    display(started())
    display(generation(1, 600.0))
    before = len(lines_of(out))
    for step in range(60):
        clock.now += 0.5
        display(event("improved", step, objective=1.0, feasible=True, gap=None))
    assert len(lines_of(out)) - before <= 6


def test_a_line_says_how_far_how_good_how_fast_and_how_long() -> None:
    out, clock = io.StringIO(), Clock()
    display = Lines(out, clock)
    display(started(generations=1000))
    display(event("executor", name="ray", state="ready", workers=2))
    display(generation(1, 1.0, objective=28123.0))
    clock.now += 5.0
    display.write_if_due()
    headline, place, line = lines_of(out)
    assert headline == "X-n101-k25, 100 customers · hgs · seed 7 · in runs/x-1"
    assert place == "evaluating in 2 Ray workers"
    assert line.startswith("generation 1 of 1,000  best 28123  gap 1.500 %  250 evaluations/s  2 workers  ")


def test_a_flood_of_troubles_is_cut_short_but_alerts_are_not() -> None:
    out = io.StringIO()
    display = Lines(out, Clock())
    for i in range(100):
        display(event("quarantined", 3, row=i, error="Traceback\nValueError: no"))
    display(event("alert", 3, message="disk full"))
    lines = lines_of(out)
    assert lines[0] == "generation 3, row 0 is set aside: ValueError: no"
    assert len(lines) < 10
    assert "events.jsonl" in lines[-2]
    assert lines[-1] == "disk full"


def test_the_lines_that_are_due_come_while_the_run_is_busy() -> None:
    out = io.StringIO()
    with Lines(out) as display:
        display._silence = 0.0
        display.begin("evo: running x")
        display(started())
        display(generation(1, 1.0))
        before = out.getvalue()
        deadline = threading.Event()
        for _ in range(100):  # up to 10 s for the display's own thread
            deadline.wait(0.1)
            if out.getvalue() != before:
                break
        assert out.getvalue() != before


# ------------------------------------------------------------------------------------- JSON, quiet, terminal


def test_json_lines_hold_every_event_and_nothing_that_json_does_not_know() -> None:
    out = io.StringIO()
    display = JsonLines(out)
    display.begin("evo: running x")
    sent = [started(), generation(1, 1.0, gap=float("inf")), event("finished", 1, objective=1.5)]
    for each in sent:
        display(each)
    display.end([("a", "b")], "last")
    received = [json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().splitlines()]
    assert [each["event"] for each in received] == ["started", "generation", "finished"]
    assert received[1]["gap"] is None


def test_quiet_shows_the_last_line_alone() -> None:
    out = io.StringIO()
    display = Quiet(out)
    display.begin("evo: running x")
    display(started())
    display(event("alert", message="disk full"))
    display.end([("a", "b")], "the end")
    assert out.getvalue() == "the end\n"


def frame(display: Terminal, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(display.render())
    return capture.get()


def test_the_live_display_shows_the_run_at_a_glance() -> None:
    display = Terminal(io.StringIO())
    assert "preparing" in frame(display)
    display(started(generations=50))
    display(event("executor", name="ray", state="starting", workers=0))
    assert "Ray is starting" in frame(display)
    display(event("executor", name="ray", state="ready", workers=2))
    display(generation(10, 5.0))
    display(event("improved", 10, objective=27600.0, feasible=True, gap=0.033))
    display(event("checkpoint", 10, path="x", seconds=0.1, bytes=100))
    display(event("alert", 10, message="worker 1 was lost"))
    display.notice("SIGINT: saving")
    shown = frame(display)
    for expected in (
        "X-n101-k25, 100 customers", "hgs, seed 7", "10 of 50", "27600", "gap 0.033 %", "250 evaluations/s",
        "2 workers alive", "20 %", "generation 10, 0 s ago", "! worker 1 was lost", "SIGINT: saving",
    ):  # fmt: skip
        assert expected in shown


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_live_display_fits_a_narrow_terminal(width: int) -> None:
    display = Terminal(io.StringIO())
    display(started(generations=50))
    display(generation(10, 5.0))
    display(event("alert", message="a [bold]message[/] " * 20))
    lines = frame(display, width).splitlines()
    assert len(lines) <= 8
    assert all(len(line) <= width for line in lines)


class Broken(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("kind", [Lines, JsonLines, Quiet, Terminal])
def test_a_display_whose_reader_has_left_falls_silent_and_the_run_goes_on(kind: Any) -> None:
    with kind(Broken()) as display:
        display.begin("evo: running x")
        for each in (started(), generation(1, 1.0), event("alert", message="x"), event("finished", 1)):
            display(each)
        display.end([("a", "b")], "last")
    assert display.status.generation == 1


def test_a_log_in_ascii_gets_question_marks_for_what_it_cannot_hold() -> None:
    raw = io.BytesIO()
    display = Quiet(io.TextIOWrapper(raw, encoding="ascii"))
    display.end([], "größer · weiter")
    assert raw.getvalue() == b"gr??er ? weiter\n"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_display_is_chosen_by_what_is_asked_for_and_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose_display(io.StringIO()), Lines)
    assert isinstance(choose_display(Tty()), Terminal)
    assert isinstance(choose_display(Tty(), json=True), JsonLines)
    assert isinstance(choose_display(Tty(), quiet=True), Quiet)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose_display(Tty()), Lines)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(27591.0, "27591"), (0.1, "0.1"), (1 / 3, "0.33333333"), (1e300, "1e+300"), (-0.0, "-0"), (None, "none yet"),
     ([1, 2], "2 points")],
)  # fmt: skip
def test_objectives_are_short_and_whole_numbers_whole(value: Any, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00"), (3599.6, "1:00:00"), (90061.0, "1 d 1:01:01")],
)
def test_durations_never_show_sixty_seconds(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.00 GiB")]
)
def test_sizes_have_a_unit(count: int, shown: str) -> None:
    assert text.size(count) == shown


def test_failures_on_the_way_do_not_hide_which_individuals_are_set_aside() -> None:
    out = io.StringIO()
    display = Lines(out, Clock())
    for _ in range(50):
        display(event("failure", kind="task_timeout", error="passed its deadline of 5 s", rows=(24,)))
    display(event("quarantined", row=24, kind="task_timeout", error="passed its deadline of 5 s"))
    lines = lines_of(out)
    assert lines[0] == "task timeout, row 24: passed its deadline of 5 s"
    assert lines[-1] == "generation 0, row 24 is set aside: passed its deadline of 5 s"
    assert len(lines) < 10


@pytest.mark.parametrize(
    ("rows", "shown"),
    [((), "x: e"), ((3,), "x, row 3: e"), ([4, 3], "x, rows 3, 4: e"), (range(8, 16), "x, 8 rows from 8 to 15: e")],
)
def test_a_failure_names_the_rows_that_were_under_way(rows: Any, shown: str) -> None:
    assert text.trouble(event("failure", kind="x", error="e", rows=rows)) == shown


def test_a_node_or_a_slot_that_is_well_is_no_trouble() -> None:
    node = {"id": "f00", "address": "10.0.0.7", "reason": ""}
    assert text.trouble(event("node", status="alive", **node)) is None
    assert text.trouble(event("node", status="lost", **node)) == "node 10.0.0.7 is lost"
    assert text.trouble(event("breaker", of="slot", id="w1", state="closed", failures=0)) is None
    assert text.trouble(event("breaker", of="slot", id="w1", state="half_open", failures=3)) is None
    opened = text.trouble(event("breaker", of="slot", id="w1", state="open", failures=3))
    assert opened == "slot w1 gets no work for a while: 3 failures"


@pytest.mark.parametrize(("percent", "shown"), [(-0.0, "0.000 %"), (-0.0001, "0.000 %"), (-1.5, "-1.500 %")])
def test_a_gap_of_nothing_has_no_sign(percent: float, shown: str) -> None:
    assert text.gap(percent) == shown
