"""The table of cells that run in the page: complete, up to date, and true of a sample."""

import json
import random

import pytest
import try_cells

TABLE = try_cells.read_table()
OFFERED = [(name, row) for name, rows in TABLE.items() for row in rows if row["offered"]]


def test_the_table_is_up_to_date():
    old = list(try_cells.stale(TABLE))
    assert not old, f"changed since: {old}; run .venv/bin/python tools/try_cells.py --time"


def test_each_refused_cell_has_its_reason():
    for name, rows in TABLE.items():
        for row in rows:
            assert row["offered"] or row["reason"], (name, row)


def test_each_exercise_is_offered():
    for one in try_cells.lessons():
        offered = {row["cell"] for row in TABLE.get(one["name"], []) if row["offered"]}
        missing = [
            cell["id"] for cell in one["cells"] if cell["exercise"] and cell["id"] not in offered
        ]
        assert not missing, one["name"]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_offered_cells_show_what_is_stored(stand_in, name):
    """Six cells of each lesson, other ones in each run."""
    rows = [row for row in TABLE[name] if row["offered"]]
    chosen = {row["cell"]: row["digest"] for row in random.sample(rows, min(6, len(rows)))}
    code = "import json, sys, try_cells\ntry_cells.worker(sys.argv[1], json.loads(sys.argv[2]))"
    ran = stand_in(code, name, json.dumps(chosen))
    found = [json.loads(line[4:]) for line in ran.stdout.splitlines() if line.startswith("ROW ")]
    assert len(found) == len(chosen), ran.stderr[-1500:]
    for row in found:
        assert row["offered"] or "too long" in row["reason"], row
