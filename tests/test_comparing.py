"""cnn.comparing: repeated experiments, intervals, the paired test."""

import json
import math

import pytest
import torch

from cnn.comparing import interval, mcnemar, measured_on, repeat, stored


def test_repeat_calls_once_for_each_seed_in_order():
    values = repeat(lambda seed: {"square": seed**2, "one": 1}, [3, 1, 2])
    assert values["square"].tolist() == [9, 1, 4]
    assert values["one"].tolist() == [1, 1, 1]


def test_repeat_goes_on_where_it_stopped(tmp_path, capsys):
    path, called = tmp_path / "results" / "runs.json", []

    def experiment(seed):
        called.append(seed)
        if seed == 2 and called.count(2) == 1:
            raise KeyboardInterrupt
        return {"value": 10 * seed}

    with pytest.raises(KeyboardInterrupt):
        repeat(experiment, range(4), path, "a")
    assert repeat(experiment, range(4), path, "a")["value"].tolist() == [0, 10, 20, 30]
    assert called == [0, 1, 2, 2, 3]
    repeat(experiment, [5], path, "b")
    assert {name: runs["value"].tolist() for name, runs in stored(path).items()} == {
        "a": [0, 10, 20, 30],
        "b": [50],
    }
    assert "a, seed 3, 0 s: value 30" in capsys.readouterr().out
    assert torch.__version__ in measured_on(path)
    assert [file.name for file in path.parent.iterdir()] == ["runs.json"]
    assert json.loads(path.read_text())["runs"]["a"]["3"] == {"value": 30}


def test_interval_of_student():
    """1, 2, 3, 4: t(0.975, 3) = 3.1824, s = 1.2910."""
    got = interval([1, 2, 3, 4])
    assert got.mean == 2.5
    assert math.isclose(got.half_width, 3.182446 * 1.290994 / 2, rel_tol=1e-5)
    assert str(got) == "2.50 ± 2.05"
    assert math.isclose(got.high - got.low, 2 * got.half_width)


def test_interval_of_one_value():
    with pytest.raises(ValueError, match="two values or more, not 1"):
        interval([3.0])


def test_interval_covers_the_mean_as_often_as_it_says():
    torch.manual_seed(0)
    samples = torch.randn(2000, 5, dtype=torch.float64)
    covered = sum(abs(interval(row).mean) < interval(row).half_width for row in samples) / 2000
    assert 0.93 < covered < 0.97


def test_mcnemar_by_hand():
    """Six samples that one alone has right, all the first: p = 2 / 2**6."""
    first = torch.tensor([True] * 9 + [False])
    second = torch.tensor([False] * 6 + [True] * 3 + [False])
    assert mcnemar(first, second) == (6, 0, 2 / 64)
    assert mcnemar(second, first) == (0, 6, 2 / 64)


def test_mcnemar_without_a_difference():
    right = torch.tensor([True, False, True])
    assert mcnemar(right, right) == (0, 0, 1.0)
