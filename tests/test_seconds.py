"""tools/seconds.py and tools/threads.py: what is measured around a run of the series."""

import pytest
import seconds
import threads
import torch
from seconds import Row


def test_first_line_is_code():
    assert seconds.first_line("#| fig-cap: x\n\n# why\nimport os\nx = 1") == "import os"
    assert seconds.first_line("# nothing") == ""


def test_what_is_written_is_read_and_other_lessons_stay(tmp_path):
    path = tmp_path / "seconds.csv"
    old = [Row("01", 1, 2.0, 'print("a, b")'), Row("02", 1, 3.0, "x = 1")]
    seconds.write(old, path)
    assert seconds.read(path) == old
    seconds.write([Row("02", 1, 5.04, "y")], path)
    assert seconds.read(path) == [old[0], Row("02", 1, 5.0, "y")]
    assert seconds.read(tmp_path / "none.csv") == []


def test_a_slower_machine_is_no_growth_and_a_slower_cell_is():
    stored = [Row("01", i, 4.0, f"cell_{i}()") for i in range(5)]
    doubled = [row._replace(seconds=8.0) for row in stored]
    assert seconds.grown(doubled, stored) == (2.0, [])
    assert "No cell has grown." in seconds.report(doubled, stored)
    doubled[3] = doubled[3]._replace(seconds=20.0, cell=9)
    assert seconds.grown(doubled, stored) == (2.0, [(doubled[3], stored[3])])
    assert any(
        "cell 9 (cell_3()): 20 s, and 8 s" in line for line in seconds.report(doubled, stored)
    )


def test_short_cells_do_not_count():
    stored = [Row("01", 1, 0.1, "a"), Row("01", 2, 2.0, "b")]
    assert seconds.grown([Row("01", 1, 2.0, "a"), Row("01", 2, 2.0, "b")], stored) == (1.0, [])


def test_equal_lines_are_told_apart():
    stored = [Row("01", 1, 2.0, "run()"), Row("01", 2, 9.0, "run()")]
    assert seconds.grown(stored, stored) == (1.0, [])


@pytest.mark.parametrize(("with_two", "chosen"), [(0.1, 2), (0.21, 2), (0.8, 1)])
def test_one_thread_only_where_it_is_clearly_faster(monkeypatch, with_two, chosen):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(threads, "seconds_by_threads", lambda *_: {1: 0.2, 2: with_two})
    n, why = threads.choose()
    assert n == chosen
    assert why.startswith(f"{chosen} thread(s): a step of training took 200 ms with 1, ")


def test_threads_take_turns_and_are_put_back():
    before, calls = torch.get_num_threads(), []
    seconds = threads.seconds_by_threads([1, 2], lambda: calls.append(torch.get_num_threads()), 3)
    assert calls == [1, 2] * 4
    assert set(seconds) == {1, 2}
    assert torch.get_num_threads() == before


def test_one_core(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert threads.choose() == (1, "1 thread: there is one core.")
