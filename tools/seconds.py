"""The table of seconds per lesson and cell: written by a run, compared with the stored one.

A cell is known by its lesson and its first line of code, so that it is found again after another
cell was added before it.
"""

import csv
import statistics
from collections import Counter
from pathlib import Path
from typing import NamedTuple

STORED = Path(__file__).resolve().parents[1] / "results" / "seconds.csv"
FACTOR, LEAST = 1.5, 3.0  # a cell has grown if it takes that many times and seconds longer


class Row(NamedTuple):
    """One code cell: its lesson, its number in the order of execution, its first line."""

    lesson: str
    cell: int
    seconds: float
    first_line: str


def first_line(source):
    """The first line of code: no comment, no option for a figure."""
    lines = [line.strip() for line in source.splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "")


def read(path=STORED):
    """The rows of a table; none if there is no table."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(row["lesson"], int(row["cell"]), float(row["seconds"]), row["first_line"])
            for row in csv.DictReader(file)
        ]


def write(rows, path=STORED):
    """Write the rows; lessons that were not run keep theirs."""
    lessons = {row.lesson for row in rows}
    rows = [row for row in read(path) if row.lesson not in lessons] + list(rows)
    unfinished = path.with_suffix(".unfinished")  # renamed when it is complete
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in sorted(rows, key=lambda row: (row.lesson, row.cell)):
            writer.writerow(row._replace(seconds=f"{row.seconds:.1f}"))
    unfinished.replace(path)


def _by_key(rows):
    """(lesson, first line, how often that line came before) to the row."""
    seen, found = Counter(), {}
    for row in rows:
        key = (row.lesson, row.first_line)
        found[(*key, seen[key])] = row
        seen[key] += 1
    return found


def grown(rows, stored):
    """Cells that take much longer than the stored table says; a slower machine is allowed for.

    Returns:
        (factor of the machine, pairs (row, stored row)): the factor is the median ratio of all
        cells of a second or more.
    """
    before = _by_key(stored)
    pairs = [(row, before[key]) for key, row in _by_key(rows).items() if key in before]
    ratios = [new.seconds / old.seconds for new, old in pairs if old.seconds >= 1]
    factor = statistics.median(ratios) if ratios else 1.0
    return factor, [
        (new, old)
        for new, old in pairs
        if new.seconds > FACTOR * factor * old.seconds
        and new.seconds > factor * old.seconds + LEAST
    ]


def report(rows, stored):
    """What to print after a run."""
    if not stored:
        return ["There is no stored table of seconds to compare with."]
    factor, cells = grown(rows, stored)
    lines = [f"This run took {factor:.2f} times as long as the stored one (median over cells)."]
    for new, old in cells:
        lines.append(
            f"  grown: {new.lesson}, cell {new.cell} ({new.first_line[:50]}): "
            f"{new.seconds:.0f} s, and {factor * old.seconds:.0f} s were to be expected"
        )
    return lines if cells else [*lines, "No cell has grown."]
