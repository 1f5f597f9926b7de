"""A large CSV file in chunks: python examples/large_csv.py

An item is a range of bytes; a worker reads its own piece of the file, from the first line that begins in it to the end
of the last one. So the file is never in anybody's memory as a whole. One line is damaged on purpose: its chunk fails,
is listed, and costs nothing else.
"""

import argparse
import csv
import os
import random
import tempfile
from collections import Counter
from pathlib import Path

from evo import distributed

CITIES = ("Bergen", "Cork", "Delft", "Evora", "Ghent")


def write_orders(path: Path, lines: int) -> int:
    """Write orders, ``city,amount in cents``, and return their sum; one line in the middle has no amount."""
    draw = random.Random(1)
    total = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["city", "amount"])
        for line in range(lines):
            amount = draw.randrange(100, 10_000)
            writer.writerow([draw.choice(CITIES), "?" if line == lines // 2 else amount])
            total += 0 if line == lines // 2 else amount
    return total


def turnover(span: tuple[str, int, int]) -> Counter[str]:
    """Cents by city, of the lines that begin within the bytes ``first <= position < last``."""
    path, first, last = span
    found: Counter[str] = Counter()
    with open(path, "rb") as file:
        file.seek(max(first - 1, 0))
        file.readline()  # the header, or what is left of the line before
        while file.tell() < last and (line := file.readline()):
            city, amount = next(csv.reader([line.decode()]))
            found[city] += int(amount)
    return found


def main() -> None:
    """Write a file, add it up in chunks, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=500_000, help="bytes")
    parser.add_argument("--workers", default="auto", help="n, auto, or 0: in this process")
    options = parser.parse_args()
    workers = options.workers if options.workers == "auto" else int(options.workers)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        total = write_orders(path, options.lines)
        size = os.path.getsize(path)
        spans = [(str(path), at, min(at + options.chunk, size)) for at in range(0, size, options.chunk)]
        parts = distributed.map(turnover, spans, workers=workers, on_error="skip")

        cents = sum(parts, Counter())
        for failure in parts.failures:
            _, first, last = spans[failure.index]
            print(f"bytes {first:,} to {last:,} failed: {failure.error}")
            cents += turnover_of_good_lines(path, first, last)
        for city in CITIES:
            print(f"{city:<8}{cents[city] / 100:>16,.2f}")
        print(f"{size / 1e6:.1f} MB in {len(spans)} chunks, {parts.seconds:.2f} s")
        assert sum(cents.values()) == total


def turnover_of_good_lines(path: Path, first: int, last: int) -> Counter[str]:
    """The lines of a chunk one by one; those that cannot be read are left out."""
    found: Counter[str] = Counter()
    with path.open("rb") as file:
        file.seek(max(first - 1, 0))
        file.readline()
        while (at := file.tell()) < last and file.readline():
            try:
                found += turnover((str(path), at, at + 1))
            except ValueError as error:
                print(f"  byte {at:,}: {error}")
    return found


if __name__ == "__main__":
    main()
