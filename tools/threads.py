"""How many threads are the fastest here and now? Two can be slower than one on a busy machine.

The threads of OpenMP wait for each other after every operation. Where another program holds one of
the cores, all wait for the thread on that core. So a short training is measured with one thread and
with as many as there are cores, in turns.
"""

import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebooks"))

from cnn.models import CNN
from cnn.training import keep_freed_memory, mixed_precision

ROUNDS = 5
WORTH_IT = 0.9  # another number than PyTorch's own must save a tenth at least


def seconds_by_threads(candidates, work, rounds=ROUNDS):
    """Median seconds of the work with each number of threads; they take turns."""
    seconds = {n: [] for n in candidates}
    usual = torch.get_num_threads()
    try:
        for i in range(1 + rounds):
            for n in candidates:
                torch.set_num_threads(n)
                start = time.perf_counter()
                work()
                if i > 0:  # the first round warms up
                    seconds[n].append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(usual)
    return {n: statistics.median(times) for n, times in seconds.items()}


def training_step(model, X, y):
    with mixed_precision(X.device):
        loss = F.cross_entropy(model(X), y)
    model.zero_grad()
    loss.backward()


def choose(work=None):
    """The number of threads to use, and a sentence that says why."""
    usual = torch.get_num_threads()
    if usual == 1:
        return 1, "1 thread: there is one core."
    if work is None:
        keep_freed_memory()
        torch.manual_seed(0)
        model, X, y = CNN(), torch.rand(64, 1, 28, 28), torch.arange(64) % 10
        work = lambda: training_step(model, X, y)  # noqa: E731
    seconds = seconds_by_threads([1, usual], work)
    chosen = 1 if seconds[1] < WORTH_IT * seconds[usual] else usual
    measured = ", ".join(f"{1000 * t:.0f} ms with {n}" for n, t in seconds.items())
    return chosen, f"{chosen} thread(s): a step of training took {measured}."


if __name__ == "__main__":
    print(*choose(), sep="\n")
