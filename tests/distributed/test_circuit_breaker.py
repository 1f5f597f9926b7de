"""The breaker against a model: a plain list of failures and the three states written down as sentences."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from simulated_executor import Clock

from evo.distributed.circuit_breaker import BreakerState, CircuitBreaker

MAX_FAILURES, WINDOW, TIMEOUT, MAX_TIMEOUT = 3, 100.0, 20.0, 70.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(MAX_FAILURES, WINDOW, TIMEOUT, MAX_TIMEOUT, clock=clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.failure()


def test_it_opens_at_more_than_three_failures_in_an_hour_by_default(clock: Clock) -> None:
    breaker = CircuitBreaker(clock=clock)
    for _ in range(3):
        breaker.failure()
        clock.now += 1100.0
    assert breaker.state is BreakerState.CLOSED
    breaker.failure()
    assert breaker.state is BreakerState.OPEN
    assert breaker.is_open()
    clock.now += 299.0
    assert breaker.state is BreakerState.OPEN
    clock.now += 1.0
    assert breaker.state is BreakerState.HALF_OPEN


def test_failures_that_left_the_window_do_not_count(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += WINDOW
    fail(breaker, 3)
    assert breaker.state is BreakerState.CLOSED


def test_half_open_admits_exactly_one_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 4)
    clock.now += TIMEOUT
    assert not breaker.is_open()
    assert breaker.acquire()
    assert breaker.is_open()
    assert not breaker.acquire()
    assert not breaker.acquire(force=True)


def test_a_successful_probe_closes_it_and_clears_the_window(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 4)
    clock.now += TIMEOUT
    breaker.acquire()
    breaker.success()
    fail(breaker, 3)
    assert breaker.state is BreakerState.CLOSED


def test_every_failed_probe_doubles_the_timeout_up_to_its_limit(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 4)
    for expected in (20.0, 40.0, 70.0, 70.0):
        clock.now += expected - 0.5
        assert breaker.state is BreakerState.OPEN
        clock.now += 0.5
        assert breaker.acquire()
        breaker.failure()
    breaker.acquire(force=True)
    breaker.success()
    assert breaker.timeout == TIMEOUT


def test_a_late_success_does_not_close_an_open_breaker(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)
    breaker.success()
    assert breaker.state is BreakerState.OPEN


def test_forgiving_the_cause_closes_it_unless_enough_else_is_left(breaker: CircuitBreaker) -> None:
    for cause in ("poison", "poison", "other", "other"):
        breaker.failure(cause)
    breaker.forgive("unheard of")
    assert breaker.state is BreakerState.OPEN
    breaker.forgive("poison")
    assert breaker.state is BreakerState.CLOSED
    assert breaker.failures == 2
    fail(breaker, 2)
    breaker.failure("poison")
    assert breaker.state is BreakerState.OPEN
    breaker.forgive("poison")
    assert breaker.state is BreakerState.OPEN


def test_forgiving_what_left_the_window_long_ago_does_not_close_it(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(4):
        breaker.failure("poison")
    clock.now += WINDOW + 1.0
    breaker.acquire()
    breaker.forgive("poison")
    assert breaker.probing


def test_one_that_was_opened_by_hand_is_closed_by_hand_or_by_a_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failure("poison")
    breaker.open()
    breaker.forgive("poison")
    assert breaker.is_open()
    breaker.close()
    assert not breaker.is_open()
    breaker.open()
    clock.now += TIMEOUT
    assert breaker.acquire()
    breaker.success()
    assert breaker.state is BreakerState.CLOSED


def test_a_released_probe_can_be_given_again(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 4)
    clock.now += TIMEOUT
    breaker.acquire()
    breaker.release()
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.acquire()


def test_it_tells_of_every_change_once(clock: Clock) -> None:
    told: list[BreakerState] = []
    breaker = CircuitBreaker(clock=clock, on_change=lambda b: told.append(b.state))
    fail(breaker, 6)
    clock.now += 300.0
    breaker.acquire()
    breaker.failure()
    clock.now += 600.0
    breaker.acquire()
    breaker.success()
    breaker.success()
    breaker.close()
    open_, half, closed = BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED
    assert told == [open_, half, open_, half, closed]


class BreakerModel(RuleBasedStateMachine):
    """The same rules, written a second time without cleverness."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(MAX_FAILURES, WINDOW, TIMEOUT, MAX_TIMEOUT, clock=self.clock)
        self.all_failures: list[tuple[float, str]] = []
        self.opened_at: float | None = None
        self.timeout = TIMEOUT
        self.probing = self.by_hand = False

    def recent(self) -> list[tuple[float, str]]:
        return [f for f in self.all_failures if self.clock.now - f[0] < WINDOW]

    def expected(self) -> BreakerState:
        if self.opened_at is None:
            return BreakerState.CLOSED
        if self.probing or self.clock.now - self.opened_at >= self.timeout:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    def shut(self) -> None:
        self.opened_at, self.timeout, self.probing, self.by_hand = None, TIMEOUT, False, False

    @rule(seconds=st.sampled_from([0.25, 1.0, 10.0, 20.0, 35.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(cause=st.sampled_from("abc"))
    def a_failure(self, cause: str) -> None:
        self.all_failures.append((self.clock.now, cause))
        if self.probing:
            self.timeout = min(2 * self.timeout, MAX_TIMEOUT)
            self.opened_at, self.probing, self.by_hand = self.clock.now, False, False
        elif self.opened_at is None and len(self.recent()) > MAX_FAILURES:
            self.opened_at = self.clock.now
        self.breaker.failure(cause)

    @rule()
    def a_success(self) -> None:
        if self.probing:
            self.all_failures = []
            self.shut()
        self.breaker.success()

    @rule(force=st.booleans())
    def work_is_started(self, force: bool) -> None:
        state = self.expected()
        may = state is BreakerState.CLOSED or (not self.probing and (force or state is BreakerState.HALF_OPEN))
        assert self.breaker.acquire(force=force) is may
        self.probing = self.probing or (may and state is not BreakerState.CLOSED)

    @rule(cause=st.sampled_from("abc"))
    def a_cause_is_forgiven(self, cause: str) -> None:
        had_it = any(f[1] == cause for f in self.recent())
        self.all_failures = [f for f in self.all_failures if f[1] != cause]
        if had_it and self.opened_at is not None and not self.by_hand and len(self.recent()) <= MAX_FAILURES:
            self.shut()
        self.breaker.forgive(cause)

    @precondition(lambda self: self.probing)
    @rule()
    def the_probe_is_called_off(self) -> None:
        self.probing = False
        self.breaker.release()

    @rule()
    def somebody_opens_it(self) -> None:
        self.opened_at, self.probing, self.by_hand = self.clock.now, False, True
        self.breaker.open()

    @rule()
    def somebody_closes_it(self) -> None:
        self.all_failures = []
        self.shut()
        self.breaker.close()

    @invariant()
    def state_and_admission_are_the_models(self) -> None:
        state = self.expected()
        assert self.breaker.state is state
        barred = state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self.probing)
        assert self.breaker.is_open() is barred
        assert self.breaker.failures == len(self.recent())


BreakerModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestTheBreakerIsItsModel = BreakerModel.TestCase
