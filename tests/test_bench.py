"""tools/bench.py: what it writes into README.md, from numbers that are easy to check."""

import bench
import ladder
import pytest
import torch


@pytest.fixture
def text():
    names = [setup.name for setup in ladder.ladder()]
    epochs = {name: [100.0 / (k + 1)] * 3 for k, name in enumerate(names)}
    epochs["fused Adam"] = [10.0, 20.0, 30.0]
    runs = {"99 %": [(2.0, 99.1), (3.0, 99.3), (9.0, 99.2)]}
    return bench.table(epochs, len(names), [8.0, 8.0, 10.0], runs, parts=2)


def test_rows(text):
    assert "| one image at a time | 100.0 | 100.0 to 100.0 | 1.0 |" in text
    assert "| images as one tensor | 50.0 | 50.0 to 50.0 | 2.0 |" in text
    assert "| *tried:* fused Adam | 20.0 | 15.0 to 25.0 | 5.0 |" in text
    assert "| 99 % | 3.0 | 99.20 % (99.10 to 99.30) |" in text


def test_distance_from_the_roofline_is_taken_within_rounds(text):
    assert "| *roofline of the last rung* | 8.0 | | |" in text
    assert "here with 2 part(s), takes 1.25 times its roofline (1.12 to 1.25)" in text


def test_it_is_put_between_the_markers(text, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(["before", *bench.MARKERS, "after"]))
    bench.write(text, readme)
    bench.write(text, readme)
    assert readme.read_text() == "\n".join(
        ["before", bench.MARKERS[0], text, bench.MARKERS[1], "after"]
    )
    readme.write_text("no markers")
    with pytest.raises(SystemExit, match="has no place"):
        bench.write(text, readme)


def test_workers_get_a_longer_slice():
    setups = [*ladder.ladder(), *bench.extras(ladder.ladder()[-1])]
    assert {s.name for s in setups if bench.n_images(s) != bench.TRAINING} == {
        "two workers that load images"
    }


class Pool:
    """Stands for a process: it answers at once, and notes what it was asked."""

    def __init__(self):
        self.asked = []

    def submit(self, function, *args):
        self.asked.append(args[0].name)
        return self

    def result(self):
        return 1.0


def test_turns_and_processes():
    returning, keeping = Pool(), Pool()
    setups = ladder.ladder()
    seconds, rooflines = bench.measure(setups, returning, keeping, rounds=2)
    assert all(times == [1.0, 1.0] for times in seconds.values())
    assert rooflines == [1.0, 1.0]
    assert returning.asked == ["one image at a time", "images as one tensor"] * 2
    assert keeping.asked == [*(s.name for s in setups[2:]), setups[-1].name] * 2


def test_roofline_of_a_setup_grows_with_its_passes(monkeypatch):
    monkeypatch.setattr(bench, "rate_and_bandwidth", lambda dtype: (1e9, 1e9))
    count, last = ladder.ladder()[-3:-1], None
    last = bench.Bench.roofline(None, count[1])
    assert bench.Bench.roofline(None, count[0]) > last > 48_000 * 35_782_656 / 1e9
    assert torch.is_grad_enabled()
