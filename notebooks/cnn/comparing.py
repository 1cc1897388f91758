"""Experiments that are repeated over seeds, the intervals of their results, and a paired test.

A file of stored runs lets a long experiment go on after it was stopped, and lets a page draw from
runs that take too long for it. It says when and on what it was measured.
"""

import datetime
import json
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

import torch

from cnn.training import has_fast_bfloat16

try:
    from scipy import stats
except ImportError:  # a page of the site has no SciPy: it reads stored runs
    stats = None


def repeat(experiment, seeds, path=None, name="runs"):
    """Run an experiment once for each seed, and print a line after each run.

    Args:
        experiment: function of a seed that returns a dictionary, name of a measurement to number.
        seeds: whole numbers.
        path: JSON file that keeps the runs; seeds that it holds already are not run again.
        name: what the runs are called in that file, so that one file can hold several experiments.

    Returns:
        Dictionary: name of a measurement to its values, float64 (number of seeds,), in the order
        of the seeds.
    """
    file = _read(path)
    runs = file["runs"].setdefault(name, {})
    for seed in seeds:
        if str(seed) in runs:
            continue
        start = time.perf_counter()
        measured = {key: float(value) for key, value in experiment(seed).items()}
        runs[str(seed)] = measured
        numbers = ", ".join(f"{key} {value:.4g}" for key, value in measured.items())
        print(f"{name}, seed {seed}, {time.perf_counter() - start:.0f} s: {numbers}", flush=True)
        if path:
            file["measured"] = _circumstances()
            _write(path, file)
    return _columns(runs, map(str, seeds))


def stored(path):
    """What `repeat` kept in a file: name of the runs to name of a measurement to values (runs,)."""
    runs = _read(path)["runs"]
    return {name: _columns(by_seed, by_seed) for name, by_seed in runs.items()}


def measured_on(path):
    """A sentence on when and on what the runs in a file were made."""
    return "Measured on {date}: {processor}, torch {torch}, {threads} thread(s).".format(
        **_read(path)["measured"]
    )


class Interval(NamedTuple):
    """A mean and the half width of its confidence interval."""

    mean: float
    half_width: float

    @property
    def low(self):
        return self.mean - self.half_width

    @property
    def high(self):
        return self.mean + self.half_width

    def __str__(self):
        return f"{self.mean:.2f} ± {self.half_width:.2f}"


def interval(values, confidence=0.95):
    """Interval for the mean of values (n,), n at least 2, from Student's t distribution.

    It covers the true mean in 95 % of repetitions if the values are independent and nearly normal.
    Raises ValueError for fewer than two values.
    Source: Student, The probable error of a mean, 1908.
    """
    values = torch.as_tensor(values, dtype=torch.float64)
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs two values or more, not {n}")
    t = stats.t.ppf((1 + confidence) / 2, df=n - 1)
    return Interval(values.mean().item(), t * values.std().item() / n**0.5)


class McNemar(NamedTuple):
    """How two classifiers differ on the same samples, and how often chance differs as much."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first_right, second_right):
    """Exact McNemar test: do two classifiers that saw the same samples differ in accuracy?

    Only the samples on which exactly one of them is right can tell. If both were equally good,
    each of those would be a fair coin.

    Args:
        first_right, second_right: where each is right, bool (N,).

    Returns:
        McNemar(only_first, only_second, p): counts, and the two-sided p value.
    Source: McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, 1947.
    """
    only_first = (first_right & ~second_right).sum().item()
    only_second = (second_right & ~first_right).sum().item()
    discordant = only_first + only_second
    p = stats.binomtest(only_first, discordant).pvalue if discordant else 1.0
    return McNemar(only_first, only_second, float(p))


def _columns(runs, seeds):
    rows = [runs[seed] for seed in seeds]
    names = rows[0] if rows else []
    return {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in names}


def _read(path):
    if path is None or not Path(path).exists():
        return {"measured": {}, "runs": {}}
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _write(path, file):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(file, indent=1), encoding="utf-8")
    unfinished.replace(path)


def _circumstances():
    """When and on what: for the file of stored runs."""
    fast = has_fast_bfloat16(torch.device("cpu"))
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{platform.machine()} with{'' if fast else 'out'} bfloat16, "
        f"{os.cpu_count()} cores",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
