"""The ladder of the lesson on scaling: the same work, done faster and faster, and how it is timed.

tools/bench.py measures it and writes what it found into README.md.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.benchmark import Timer
from torch.utils.data import DataLoader, Subset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebooks"))

from cnn.data import as_tensors, batches
from cnn.fast import FastCNN
from cnn.models import CNN
from cnn.shapes import count_parameters, multiply_adds, walk
from cnn.training import has_fast_bfloat16


class Setup(NamedTuple):
    """How the work is done. Each rung of the ladder changes one entry."""

    name: str
    from_tensors: bool = False  # else one image at a time, each through PIL
    channels_last: bool = False
    bfloat16: bool = False
    network: Callable = CNN
    count_in_training: bool = False  # else training accuracy takes a second pass
    workers: int = 0  # processes that load images
    micro_batches: int = 1
    fused: bool = False
    compiled: bool = False


def image_loader(setup, mnist, indices, batch_size=512):
    """A function that returns an iterator over batches (X, y) of these images in random order."""
    if setup.from_tensors:
        X, y = as_tensors(mnist, indices)
        return lambda: batches(X, y, batch_size, shuffle=True)
    images = Subset(mnist, indices)
    stay = setup.workers > 0  # the workers wait for the next epoch instead of ending
    loader = DataLoader(
        images, batch_size, shuffle=True, num_workers=setup.workers, persistent_workers=stay
    )
    return lambda: iter(loader)


def forward(setup, model, X, y):
    """The mean loss of a batch, and how many answers are right."""
    with torch.autocast("cpu", torch.bfloat16, enabled=setup.bfloat16):
        logits = model(X)  # (N, 10)
        loss = F.cross_entropy(logits, y)
    return loss, (logits.argmax(dim=1) == y).sum().item()


def optimizer_step(setup, model, optimizer, X, y):
    """One step, its gradient summed over micro-batches; returns how many answers are right."""
    optimizer.zero_grad()
    n_right = 0
    for X_part, y_part in zip(X.chunk(setup.micro_batches), y.chunk(setup.micro_batches)):
        loss, n_right_in_part = forward(setup, model, X_part, y_part)
        (loss * len(y_part) / len(y)).backward()
        n_right += n_right_in_part
    optimizer.step()
    return n_right


@torch.no_grad()
def count_right(setup, model, loader):
    """How many answers are right, with dropout off."""
    model.eval()
    return sum(forward(setup, model, X, y)[1] for X, y in loader())


@torch.no_grad()
def where_right(setup, model, X, y, batch_size=1000):
    """Where the answers are right, with dropout off, bool (N,)."""
    model.eval()
    with torch.autocast("cpu", torch.bfloat16, enabled=setup.bfloat16):
        return torch.cat([model(part).argmax(dim=1) for part in X.split(batch_size)]) == y


class Slice:
    """A slice of an epoch: train on some images, then count right answers on them and on others.

    Args:
        setup: how; mnist: with a transform to float32 tensors from 0 to 1.
        training, validation: indices into mnist.
    A call does the work once; returns how many answers are right, (training, validation).
    """

    def __init__(self, setup, mnist, training, validation):
        layout = torch.channels_last if setup.channels_last else torch.contiguous_format
        self.setup, self.model = setup, setup.network().to(memory_format=layout)
        if setup.compiled:
            self.model.compile()
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=setup.fused)
        self.training = image_loader(setup, mnist, training)
        self.validation = image_loader(setup, mnist, validation)

    def __call__(self):
        setup, model = self.setup, self.model.train()
        steps = (optimizer_step(setup, model, self.optimizer, X, y) for X, y in self.training())
        n_right = sum(steps)
        if not setup.count_in_training:
            n_right = count_right(setup, model, self.training)
        return n_right, count_right(setup, model, self.validation)


def ladder(micro_batches=1):
    """The rungs, from the original loop to the fastest; each changes one thing.

    Between the second and the third stands keep_freed_memory, which changes the whole process.

    Args:
        micro_batches: number of parts in the last rung, see `micro_batches_that_pay`.
    """
    cpu = torch.device("cpu")
    original = Setup("one image at a time")
    tensors = original._replace(name="images as one tensor", from_tensors=True)
    memory = tensors._replace(name="freed memory kept")
    layout = memory._replace(name="channels last", channels_last=True)
    bfloat16 = layout._replace(name="bfloat16", bfloat16=has_fast_bfloat16(cpu))
    dropout = bfloat16._replace(
        name="random bits",
        network=partial(FastCNN, flatten=nn.Flatten, pool_first=False),
    )
    flat = dropout._replace(
        name="flatten without a copy", network=partial(FastCNN, pool_first=False)
    )
    pool = flat._replace(name="pool before ReLU", network=FastCNN)
    count = pool._replace(name="count while training", count_in_training=True)
    parts = count._replace(name="micro-batches, if they pay", micro_batches=micro_batches)
    return [original, tensors, memory, layout, bfloat16, dropout, flat, pool, count, parts]


def micro_batches_that_pay(seconds):
    """The quickest number of parts; 1 unless the gain is larger than the spread of the rounds.

    Args:
        seconds: number of parts to its seconds in each round; 1 is one of them.
    """
    pays = [n for n in seconds if n > 1 and ratio_in_turns(seconds, n, to=1).high < 1]
    return min(pays, key=lambda n: spread(seconds[n]).median, default=1)


def time_in_turns(works, rounds):
    """Seconds of each work in each round; all take their turn in every round, after one warm-up.

    Args:
        works: name to function without arguments.

    Returns:
        Name to a list of seconds, one for each round.
    """
    seconds = {name: [] for name in works}
    for i in range(1 + rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if i > 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


class Spread(NamedTuple):
    """The median of some values, and the limits of the middle half of them."""

    median: float
    low: float
    high: float


def spread(values):
    """Median and quartiles of the values (n,)."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return Spread(median, low, high)


def ratio_in_turns(seconds, name, to):
    """How many times as long one work takes as another, compared within each round: a Spread."""
    return spread([a / b for a, b in zip(seconds[name], seconds[to])])


def training_multiply_adds(model, X):
    """Multiply-adds for one image: (forward alone, forward and backward).

    Backward takes as many for the gradients of the weights as forward, and as many again for the
    gradients of the inputs; the first layer needs none of the latter.
    """
    forward = [multiply_adds(layer, output.shape) for layer, output in walk(model.eval(), X)]
    return sum(forward), 3 * sum(forward) - forward[0]


def per_second(statement, amount, **names):
    """How much of something a statement does in a second, from the median of many runs.

    Args:
        statement: Python source; names: the variables in it. It runs with all threads.
    """
    timer = Timer(statement, globals=names, num_threads=torch.get_num_threads())
    return amount / timer.blocked_autorange(min_run_time=0.3).median


class Work(NamedTuple):
    """What a layer has to do for a batch: multiply-adds, and numbers read and written."""

    layer: nn.Module
    multiply_adds: int
    numbers: int


def layer_works(model, X):
    """The Work of each layer for a batch X (N, C, H, W): two lists, (forward, backward)."""
    forward, backward = [], []
    for layer, output in walk(model, X):
        is_view = output.data_ptr() == X.data_ptr()  # nothing is computed and nothing moved
        n, weights = len(X) * multiply_adds(layer, output.shape), count_parameters(layer)
        inputs, outputs, first = X.numel(), output.numel(), not forward
        X = output
        if is_view:
            continue
        forward.append(Work(layer, n, inputs + weights + outputs))
        # gradients of the weights and of the input; the first layer needs none of its input
        passes = 1 if first else 2
        backward.append(Work(layer, passes * n, outputs + passes * inputs + 2 * weights))
    return forward, backward


def roofline_seconds(works, rate, bandwidth, bytes_per_number):
    """The least time for some works, one after another: each as long as its slower side takes.

    Args:
        rate: multiply-adds per second; bandwidth: bytes per second.
    Source: Williams, Waterman and Patterson, Roofline, 2009.
    """
    moving = [work.numbers * bytes_per_number / bandwidth for work in works]
    computing = [work.multiply_adds / rate for work in works]
    return sum(map(max, moving, computing))
