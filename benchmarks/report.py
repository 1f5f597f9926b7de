"""The comparison in RESULTS.md and as a plot: gaps per instance and seed, means, pairs, gap against time."""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

from instances import BenchmarkInstance
from plan import Column, Plan
from records import DISTURBED, Record, RecordFile
from results_file import markdown_table, today, update_section

TIMES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
MISSING = "-"
SOLVED = 0.02
"""Per cent; a pair of means is compared also on the instances alone where the second is above this."""


class Comparison:
    """What was measured of a plan; a part of it may be missing yet."""

    def __init__(self, records: RecordFile, plan: Plan, title: str) -> None:
        self._plan = plan
        self._title = title
        self._records: dict[tuple[str, str, int], Record] = {}
        for column, instance, seed in itertools.product(plan.columns, plan.instances, plan.seeds):
            record = records.get(plan.cell(column, instance, seed))
            if record is not None:
                self._records[column.label, instance.name, seed] = record
        if not self._records:
            raise SystemExit("nothing of this was measured yet: run the same command without --report and --plot")
        # Where no best cost is known, the best that any run in the file found stands for it.
        self._reference = {i.name: i.best_known for i in plan.instances if i.best_known is not None}
        self._unknown = [i.name for i in plan.instances if i.best_known is None]
        for record in records.all():
            if record.instance in self._unknown:
                best = self._reference.get(record.instance)
                self._reference[record.instance] = record.cost if best is None else min(best, record.cost)

    def write(self, command: str) -> None:
        """Print the report, and put it into RESULTS.md."""
        lines = [*self._preface(command), "", *self._gaps(), "", *self._pairs(), "", *self._anytime()]
        print("\n".join([f"## {self._title}", "", *lines]))
        update_section(self._title, self._title, lines)

    # -- parts --------------------------------------------------------------------------------------------------------

    def _preface(self, command: str) -> list[str]:
        records = list(self._records.values())
        expected = len(self._plan.columns) * len(self._plan.instances) * len(self._plan.seeds)
        dates = sorted({record.date[:10] for record in records})
        machines = "; ".join(sorted({record.machine for record in records}))
        disturbed = sum(record.disturbed for record in records)
        lines = [
            f"`{command}`",
            "",
            f"Measured {dates[0]} to {dates[-1]}, reported {today()}; {len(records)} of {expected} measurements. "
            f"Machine: {machines}; measurements at the same time, each on cores of its own: at most"
            f" {max(record.side_by_side for record in records)}. "
            f"{disturbed} of them were disturbed (got less than {DISTURBED:.0%} of their core).",
            "",
        ]
        for column in self._plan.columns:
            mine = [record for (label, _, _), record in self._records.items() if label == column.label]
            found = sorted({record.version for record in mine})
            excess = max((record.wall - record.budget for record in mine), default=0.0)
            lines.append(
                f"- {column.label}: {'; '.join(found) or 'not measured yet'}; its process took up to {excess:.1f} s "
                "more than the budget, start, reading and writing included"
            )
        lines += [
            "",
            "Gap to the best known cost in %: mean over the seeds, and each seed's. Every solution was checked and its "
            "cost recomputed. Solvers took turns, in an order that changes with instance and seed. Peers are "
            "single-threaded; hygese's clock is CPU time, the others' is wall time.",
        ]
        if self._unknown:
            lines.append(
                f"No best cost is known for {', '.join(self._unknown)}: the best of all runs in the file stands for it."
            )
        return lines

    def _gaps(self) -> list[str]:
        columns = self._plan.columns
        complete = self._complete_instances()
        rows = [
            *([i.name, *(self._cell(column, i) for column in columns)] for i in self._plan.instances),
            ["**mean**", *(self._over_all(column, complete, statistics.fmean) for column in columns)],
            ["**worst**", *(self._over_all(column, complete, max) for column in columns)],
        ]
        lines = markdown_table(["instance", *(column.label for column in columns)], rows)
        if len(complete) < len(self._plan.instances):
            lines += ["", f"Mean and worst are over the {len(complete)} instances that all columns have run in full."]
        return lines

    def _cell(self, column: Column, instance: BenchmarkInstance) -> str:
        gaps = [self._gap(column, instance, seed) for seed in self._plan.seeds]
        known = [gap for gap in gaps if gap is not None]
        if not known:
            return MISSING
        each = " ".join(MISSING if gap is None else f"{gap:.3f}" for gap in gaps)
        return f"{statistics.fmean(known):.3f} ({each})" if len(gaps) > 1 else each

    def _over_all(
        self, column: Column, instances: Sequence[BenchmarkInstance], take: Callable[[list[float]], float]
    ) -> str:
        gaps = [self._gap(column, instance, seed) for instance in instances for seed in self._plan.seeds]
        known = [gap for gap in gaps if gap is not None]
        return f"**{take(known):.3f}**" if known else MISSING

    def _complete_instances(self) -> list[BenchmarkInstance]:
        plan = self._plan
        return [
            instance
            for instance in plan.instances
            if all((c.label, instance.name, seed) in self._records for c in plan.columns for seed in plan.seeds)
        ]

    def _pairs(self) -> list[str]:
        """The first column against each other one, over the instances and seeds that both have."""
        first, *others = self._plan.columns
        rows = []
        for other in others:
            pairs = []
            for instance, seed in itertools.product(self._plan.instances, self._plan.seeds):
                ours, theirs = self._gap(first, instance, seed), self._gap(other, instance, seed)
                if ours is not None and theirs is not None:
                    pairs.append((instance.name, ours, theirs))
            if not pairs:
                continue
            better = sum(ours < theirs for _, ours, theirs in pairs)
            worse = sum(ours > theirs for _, ours, theirs in pairs)
            names = dict.fromkeys(name for name, _, _ in pairs)
            unsolved = [
                name for name in names if statistics.fmean(theirs for n, _, theirs in pairs if n == name) > SOLVED
            ]
            rows.append(
                [
                    other.label,
                    f"{better} / {len(pairs) - better - worse} / {worse}",
                    f"{sign_test(better, worse):.2g}",
                    f"{statistics.fmean(ours - theirs for _, ours, theirs in pairs):+.3f}",
                    _ratio(pairs),
                    _ratio([pair for pair in pairs if pair[0] in unsolved]),
                ]
            )
        if not rows:
            return []
        header = [
            f"{first.label} against",
            "better / equal / worse",
            "p (sign test)",
            "mean difference of gaps",
            "ratio of mean gaps",
            f"the same where the other is above {SOLVED} %",
        ]
        return ["In pairs of the same instance and seed:", "", *markdown_table(header, rows)]

    def _anytime(self) -> list[str]:
        plan = self._plan
        longest = max(plan.seconds, plan.seconds_small)
        times = [*(time for time in TIMES if time < longest), longest]
        rows = []
        for column in plan.columns:
            cells = [self._mean_gap_at(column, plan.instances, time) for time in times]
            rows.append([column.label, *(MISSING if cell is None else f"{cell:.3f}" for cell in cells)])
        header = ["mean gap in % after", *(f"{time:g} s" for time in times)]
        return [
            f"Gap against time, mean over the runs of all instances ({MISSING} where a run has no solution yet, or its "
            "solver does not tell; a run that has ended counts with its last):",
            "",
            *markdown_table(header, rows),
        ]

    # -- values -------------------------------------------------------------------------------------------------------

    def _gap_of(self, instance: str, cost: float) -> float:
        return 100.0 * (cost / self._reference[instance] - 1.0)

    def _gap(self, column: Column, instance: BenchmarkInstance, seed: int) -> float | None:
        record = self._records.get((column.label, instance.name, seed))
        return None if record is None else self._gap_of(instance.name, record.cost)

    def _mean_gap_at(self, column: Column, instances: Sequence[BenchmarkInstance], time: float) -> float | None:
        """The mean gap over instances and seeds at a time; None where a run has nothing yet."""
        gaps = []
        for instance, seed in itertools.product(instances, self._plan.seeds):
            record = self._records.get((column.label, instance.name, seed))
            if record is None:
                continue
            index = bisect_right(record.curve, (time, math.inf))
            if index == 0:
                return None
            gaps.append(self._gap_of(instance.name, record.curve[index - 1][1]))
        return statistics.fmean(gaps) if gaps else None

    # -- plot ---------------------------------------------------------------------------------------------------------

    def plot(self, path: Path) -> None:
        """Draw the mean gap over the seeds against time, a panel for each instance (of more than four: four sizes)."""
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        instances = _spread([i for i in self._plan.instances if i.name in self._reference], 4)
        figure, axes = plt.subplots(
            1, len(instances), figsize=(3.6 * len(instances) + 0.6, 3.6), squeeze=False, layout="constrained"
        )
        for axis, instance in zip(axes[0], instances, strict=True):
            budget = self._plan.cell(self._plan.columns[0], instance, 1).seconds
            grid = [budget * 10 ** (-2 + 2 * k / 200) for k in range(201)]
            for column in self._plan.columns:
                points = [(t, self._mean_gap_at(column, [instance], t)) for t in grid]
                known = [(t, gap) for t, gap in points if gap is not None]
                if known:
                    axis.plot(*zip(*known, strict=True), label=column.label, linewidth=1.4)
            axis.set(xscale="log", xlabel="seconds", title=f"{instance.name} ({instance.customers} customers)")
            axis.set_yscale("symlog", linthresh=0.1)
            axis.set_ylim(bottom=0)
            axis.yaxis.set_major_formatter("{x:g}")
            axis.grid(alpha=0.3, which="both", linewidth=0.5)
        axes[0][0].set_ylabel("gap to best known, %")
        axes[0][-1].legend(fontsize="small")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
        print(path)


def _spread(instances: Sequence[BenchmarkInstance], most: int) -> list[BenchmarkInstance]:
    """At most so many instances, evenly spread over the sizes."""
    if len(instances) <= most:
        return list(instances)
    return [instances[round(k * (len(instances) - 1) / (most - 1))] for k in range(most)]


def _ratio(pairs: Sequence[tuple[str, float, float]]) -> str:
    theirs = sum(pair[2] for pair in pairs)
    return f"{sum(pair[1] for pair in pairs) / theirs:.2f}" if theirs > 0 else MISSING


def sign_test(better: int, worse: int) -> float:
    """The two-sided p of so uneven a split, were both equally likely; ties are left out."""
    n = better + worse
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(max(better, worse), n + 1)) / 2**n
    return min(1.0, 2.0 * tail)
