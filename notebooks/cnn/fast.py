"""What makes training fast on a CPU: the ladder of notebook 08, and a network for 99 % in seconds.

`make bench` measures both and writes what it found into README.md.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset

from cnn.data import as_tensors, batches
from cnn.models import CNN
from cnn.shapes import multiply_adds, walk
from cnn.training import has_fast_bfloat16, mixed_precision


def random_bytes(n):
    """n random bytes, uint8 (n,): each random number of 64 bits gives eight of them."""
    words = torch.empty(-(-n // 8), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[:n]


class FastDropout(nn.Module):
    """Dropout that decides by one random byte per value: exact where 256 p is a whole number.

    Shapes: X float, any shape, to the same. Values are 0 with probability p, else X / (1 - p).
    Raises ValueError where 256 p is not a whole number from 0 to 255.
    """

    def __init__(self, p):
        super().__init__()
        if 256 * p not in range(256):
            raise ValueError(f"256 p must be a whole number from 0 to 255, and p is {p}")
        self.p = p

    def forward(self, X):
        if not self.training:
            return X
        keep = random_bytes(X.numel()) >= 256 * self.p
        return X * (keep.to(X.dtype) / (1 - self.p)).view(X.shape)


class FlattenChannelsLast(nn.Module):
    """Flatten in the order in which channels_last lies in memory, so that nothing is copied.

    Shapes: X float (N, C, H, W) to float (N, H · W · C).
    """

    def forward(self, X):
        return X.permute(0, 2, 3, 1).flatten(1)


class FastCNN(nn.Sequential):
    """The CNN of notebook 03, computed with less effort; 1,199,882 parameters as there.

    Dropout comes after flattening, and ReLU after max-pooling: both give the same numbers as the
    other way round. With flatten=FlattenChannelsLast the columns of the first dense layer have
    another order.
    Shapes: X float (N, 1, 28, 28) to logits float (N, 10).
    """

    def __init__(self, flatten=FlattenChannelsLast, pool_first=True):
        relu_then_pool = [nn.ReLU(), nn.MaxPool2d(2)]
        super().__init__(
            nn.Conv2d(1, 32, kernel_size=3),  # (N, 32, 26, 26)
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=3),  # (N, 64, 24, 24)
            *(relu_then_pool[::-1] if pool_first else relu_then_pool),  # (N, 64, 12, 12)
            flatten(),  # (N, 9216)
            FastDropout(0.25),
            nn.Linear(64 * 12 * 12, 128),  # (N, 128)
            nn.ReLU(),
            FastDropout(0.5),
            nn.Linear(128, 10),  # (N, 10): logits
        )


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
        name="random bytes",
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


class Recipe(NamedTuple):
    """All that was chosen for the least time to 99 %."""

    crop: int = 2  # pixels left out on each side: 28 becomes 24
    batch_size: int = 192
    epochs: float = 1
    lr: float = 0.015  # its peak
    warm_up: float = 0.2  # part of the steps in which the learning rate rises
    betas: tuple = (0.85, 0.95)  # how slowly AdamW forgets gradients and their squares
    label_smoothing: float = 0.1


RECIPE = Recipe()


class QuickNet(nn.Sequential):
    """A small network that learns fast: four convolutions with batch norm, one dense layer.

    The first convolution has stride 2, so that no layer works on the full size.
    Shapes: X float (N, 1, 24, 24) to logits float (N, 10). 28,250 parameters.
    """

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),  # (N, 16, 12, 12)
            nn.Conv2d(16, 16, kernel_size=3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),  # (N, 16, 6, 6)
            nn.Conv2d(16, 32, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),  # (N, 32, 6, 6)
            nn.Conv2d(32, 32, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),  # (N, 32, 6, 6)
            FlattenChannelsLast(),
            nn.Linear(32 * 6 * 6, 10),  # (N, 10): logits
        )


def schedule(step, steps, warm_up):
    """The learning rate of a step as a part of its peak: a linear rise, then a linear fall."""
    return min((step + 1) / (warm_up * steps), (steps - step) / ((1 - warm_up) * steps))


def prepare(X, crop):
    """Images for QuickNet: without their border, mean 0 and standard deviation 1.

    The two numbers are those of the training images of MNIST.
    """
    size = X.shape[-1] - crop
    return (X[:, :, crop:size, crop:size] - 0.1307) / 0.3081


def train_quickly(X, y, recipe=RECIPE, seed=0):
    """Train a QuickNet on prepared images; returns (network, seconds of training)."""
    torch.manual_seed(seed)
    model = QuickNet().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=recipe.betas, fused=True)
    per_epoch = len(X) // recipe.batch_size
    steps = round(recipe.epochs * per_epoch)
    start = time.perf_counter()
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(X)).split(recipe.batch_size)
        indices = order[step % per_epoch]
        optimizer.param_groups[0]["lr"] = recipe.lr * schedule(step, steps, recipe.warm_up)
        with mixed_precision(X.device):
            logits = model(X[indices])
            loss = F.cross_entropy(logits, y[indices], label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, time.perf_counter() - start


@torch.no_grad()
def percent_right(model, X, y):
    """Percent of right answers, with the network as it is used: batch norm by its running means."""
    model.eval()
    with mixed_precision(X.device):
        answers = torch.cat([model(part).argmax(dim=1) for part in X.split(1000)])
    return 100 * (answers == y).float().mean().item()
