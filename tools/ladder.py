"""The ladder of the lesson on scaling: the same work, done faster and faster, and how it is timed.

tools/bench.py measures it and writes what it found into README.md.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebooks"))

from cnn.data import as_tensors, batches
from cnn.fast import FastCNN
from cnn.models import CNN
from cnn.shapes import multiply_adds, walk
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
    loader = DataLoader(images, batch_size, shuffle=True, num_workers=setup.workers)
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
        setup: how; mnist: with `ToTensor()` as transform.
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


def ladder():
    """The rungs, from the original loop to the fastest; each changes one thing.

    Between the second and the third stands keep_freed_memory, which changes the whole process.
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
    return [original, tensors, memory, layout, bfloat16, dropout, flat, pool, count]


def time_in_turns(works, rounds):
    """Seconds of each work, median over rounds in which all take their turn, after one warm-up.

    Args:
        works: name to function without arguments.
    """
    seconds = {name: [] for name in works}
    for i in range(1 + rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if i > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def training_multiply_adds(model, X):
    """Multiply-adds for one image: (forward alone, forward and backward).

    Backward takes as many for the gradients of the weights as forward, and as many again for the
    gradients of the inputs; the first layer needs none of the latter.
    """
    forward = [multiply_adds(layer, output.shape) for layer, output in walk(model.eval(), X)]
    return sum(forward), 3 * sum(forward) - forward[0]


def matrix_speed(dtype, n=2048, repeats=5):
    """Multiply-adds per second in products of two square matrices, the fastest of some repeats."""
    A, B = torch.randn(2, n, n).to(dtype)
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        A @ B
        seconds.append(time.perf_counter() - start)
    return n**3 / min(seconds)
