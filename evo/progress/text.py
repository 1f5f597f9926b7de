"""Numbers, durations and what events say, in words."""

from __future__ import annotations

from typing import Any

from evo.events import Event


def number(value: Any) -> str:
    """An objective: whole numbers in full, others to eight digits; several objectives by their number of points."""
    if value is None:
        return "none yet"
    if isinstance(value, (list, tuple)):
        return f"{len(value)} points"
    value = float(value)
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.8g}"


def rate(value: float) -> str:
    """A number per second, to three digits or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """``7.3 s``, ``1:05`` (minutes), ``2:01:05``, ``3 d 2:01:05``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if not hours and not days:
        return f"{minutes}:{rest:02d}"
    clock = f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{days} d {clock}" if days else clock


def age(seconds: float) -> str:
    """How long ago, without a flicker of decimals."""
    return f"{seconds:.0f} s ago" if seconds < 60 else f"{duration(seconds)} ago"


def size(count: float) -> str:
    """Bytes, in the unit that fits."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def plural(count: int, noun: str) -> str:
    """``1 worker``, ``2 workers``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def executor(event: Event) -> str:
    """What an `executor` event says."""
    name, state, workers = event.get("name"), event.get("state"), int(event.get("workers") or 0)
    where = "this process" if name == "in_process" else "Ray" if name == "ray" else str(name)
    if state == "ready":
        return f"evaluating in {where if name == 'in_process' else plural(workers, f'{where} worker')}"
    if state == "lost" and event.get("worker") is not None:
        return f"{where} worker {event['worker']} is lost, {plural(workers, 'worker')} left"
    error = f": {_last_line(event['error'])}" if event.get("error") else ""
    if state == "head_lost":
        return f"the head of the {where} cluster is lost, the run is saved{error}"
    if state == "waiting":
        return f"waiting for a node of the {where} cluster{error}"
    if state == "rejoined":
        return f"{where} cluster is there again, {plural(workers, 'worker')} starting"
    return f"{where} is {state}{error}"


def _last_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else "no reason given"


def gap(percent: float) -> str:
    """A gap to the best known objective: three digits, and no minus sign before a zero."""
    return f"{round(percent, 3) + 0.0:.3f} %"


def _rows(rows: Any) -> str:
    """Which individuals, by their rows in the generation."""
    found = sorted(rows or ())
    if len(found) == 1:
        return f", row {found[0]}"
    if len(found) <= 4:
        return f", rows {', '.join(map(str, found))}" if found else ""
    return f", {len(found)} rows from {found[0]} to {found[-1]}"


def trouble(event: Event) -> str | None:
    """The line for an event that tells of trouble; None for other events."""
    kind = event["event"]
    if kind == "alert":
        return str(event.get("message", ""))
    if kind == "executor":
        return executor(event) if event.get("state") in ("lost", "head_lost", "waiting") else None
    error = _last_line(event.get("error") or event.get("message") or event.get("reason") or "")
    if kind == "quarantined":
        return f"generation {event['generation']}, row {event.get('row')} is set aside: {error}"
    if kind == "failure":
        return f"{str(event.get('kind', 'failure')).replace('_', ' ')}{_rows(event.get('rows'))}: {error}"
    if kind == "breaker" and event.get("state") == "open":
        where = f"{event.get('of', '')} {str(event.get('id', '?'))[:12]}"
        return f"{where} gets no work for a while: {plural(int(event.get('failures') or 0), 'failure')}"
    if kind == "node" and event.get("status") in ("lost", "refused", "unhealthy"):
        why = f": {error}" if event.get("reason") else ""
        return f"node {event.get('address') or str(event.get('id', '?'))[:12]} is {event.get('status', '?')}{why}"
    return None
