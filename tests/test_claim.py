"""One run at a time in a folder, after a crash too, and without looking at a clock."""

import os
import threading
import time

import pytest

from cnn import claim
from cnn.claim import IN_USE, Claim, RunError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(claim, "BEAT", 0.1)
    monkeypatch.setattr(claim, "STALE", 0.6)


def no_words(*_):
    pass


def test_the_folder_is_free_again_at_the_end(tmp_path):
    for _ in range(2):
        with Claim(tmp_path, no_words):
            assert (tmp_path / IN_USE).exists()
        assert list(tmp_path.iterdir()) == []


def test_also_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), Claim(tmp_path, no_words):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_is_refused(tmp_path):
    with Claim(tmp_path, no_words):
        began = time.monotonic()
        with pytest.raises(RunError, match=f"Another run is at work(.|\\n)*process {os.getpid()}"):
            Claim(tmp_path, no_words).__enter__()
        assert time.monotonic() - began < claim.STALE
        assert (tmp_path / IN_USE).exists(), "the first one goes on"


@pytest.mark.parametrize("years", [-10, 10])
def test_what_a_crash_left_is_removed(tmp_path, years):
    """Whatever the clock of the machine said that wrote it."""
    (tmp_path / IN_USE).write_text("process 1 on another machine")
    past = time.time() + years * 365 * 86400
    os.utime(tmp_path / IN_USE, (past, past))
    said = []
    with Claim(tmp_path, said.append):
        assert str(os.getpid()) in (tmp_path / IN_USE).read_text()
    assert "process 1 on another machine" in said[0]


def test_an_end_while_another_one_watches(tmp_path):
    first = Claim(tmp_path, no_words).__enter__()
    first.ended.set()  # it no longer touches the file, but it is not gone
    threading.Timer(0.2, first.release).start()
    began = time.monotonic()
    with Claim(tmp_path, no_words):
        assert time.monotonic() - began < claim.STALE


def test_a_run_that_was_taken_for_dead_ends(tmp_path):
    """As after a pause of the machine: it may not write beside its successor."""
    first = Claim(tmp_path, no_words).__enter__()
    first.check()
    first.ended.set()  # a pause
    time.sleep(2 * claim.BEAT)
    second = Claim(tmp_path, no_words)
    second.owner = "process 2 on another machine"
    second.__enter__()
    with pytest.raises(RunError, match="process 2 on another machine, has taken over"):
        first.check()
    first.release()
    second.check()
    second.release()
    with pytest.raises(RunError, match="removed"):
        first.check()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't be written"):
        claim.check_folder(tmp_path / "file" / "below")
    with pytest.raises(RunError, match="can't be written"):
        Claim(tmp_path / "nowhere", no_words).__enter__()
