"""`Terminal`: the live display, redrawn four times a second by a thread of its own (kernels release the GIL)."""

from __future__ import annotations

from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from evo.events import Event

from . import text
from .display import Display

REDRAWS_PER_SECOND = 4


class Terminal(Display):
    """What is run, how far it is, how good the best is, who evaluates, and what went wrong last."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._console = Console(file=cast(TextIO, self.stream), highlight=False, soft_wrap=False)
        self._notice = ""
        self._spinner = Spinner("dots")
        self._live = Live(
            get_renderable=self.render,
            console=self._console,
            refresh_per_second=REDRAWS_PER_SECOND,
            transient=True,
        )

    def begin(self, text: str) -> None:
        self._console.print(Text(text, style="bold"))
        self._live.start()

    def __call__(self, event: Event) -> None:
        before = self.status.place
        super().__call__(event)
        if event["event"] in ("started", "resumed", "executor") and self.status.place != before:
            self._live.refresh()

    def notice(self, text: str) -> None:
        self._notice = text  # the next redraw shows it

    def end(self, rows: list[tuple[str, str]], last_line: str) -> None:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, Text(value))
        self.close()
        self._console.print(table)

    def close(self) -> None:
        self._live.stop()

    def render(self) -> RenderableType:
        """The whole display at this moment."""
        status = self.status
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        run = status.run
        if run:
            table.add_row("problem", Text(status.problem))
            table.add_row("optimizer", f"{run.get('optimizer', '')}, seed {run.get('seed')}")
        if not status.started:
            self._spinner.update(text=Text(status.preparing))
            table.add_row("", self._spinner)
        else:
            self._add_progress(table)
        lines: list[RenderableType] = [table]
        lines += [Text(f"! {line}", style="yellow", no_wrap=True, overflow="ellipsis") for line in status.troubles]
        if self._notice:
            lines.append(Text(self._notice, style="bold yellow"))
        return Group(*lines)

    def _add_progress(self, table: Table) -> None:
        status = self.status
        total = status.stop.get("generations")
        table.add_row("generation", f"{status.generation:,}" + (f" of {total:,}" if total else ""))
        name, words = status.best()
        best = Text(words, style="bold green")
        if status.anything and not status.feasible:
            best.append("  infeasible", style="red")
        if status.gap is not None:
            best.append(f"  gap {text.gap(status.gap)}", style="green")
        if status.best_generation is not None:
            best.append(f"  since generation {status.best_generation:,}", style="dim")
        table.add_row(name, best)
        speed = f"{text.rate(status.evaluations_per_second or 0.0)} evaluations/s"
        workers = "" if status.workers is None else f", {text.plural(status.workers, 'worker')} alive"
        table.add_row("speed", f"{speed}{workers} ({status.place})" if status.place else speed + workers)
        left = status.time_left()
        clock = text.duration(status.elapsed()) + ("" if left is None else f", {text.duration(left)} left")
        part = status.part_done()
        if part is None:
            table.add_row("time", clock)
        else:
            row = Table.grid(padding=(0, 2))
            row.add_row(clock, ProgressBar(total=1.0, completed=part, width=30), f"{100 * part:.0f} %")
            table.add_row("time", row)
        age = status.checkpoint_age()
        if status.checkpoint is not None and age is not None:
            table.add_row("saved", f"generation {status.checkpoint[0]:,}, {text.age(age)}")
        if status.quarantined or status.retries:
            table.add_row("faults", f"{status.retries:,} retried, {status.quarantined:,} set aside")
