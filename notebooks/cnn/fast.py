"""What makes training fast on a CPU: a CNN with less effort, a network for 99 % in seconds."""

import ctypes
import sys
import time
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from cnn.training import mixed_precision


def random_bits(n, bits):
    """n random whole numbers of 1, 2 or 4 bits each, uint8 (n,), cut out of 64-bit numbers."""
    starts = range(0, 8, bits)  # where each of them begins in a byte
    words = torch.empty(-(-n // (8 * len(starts))), dtype=torch.int64).random_(-(2**63), None)
    numbers = torch.cat([words.view(torch.uint8) >> start for start in starts])
    return numbers[:n] & (2**bits - 1)


class FastDropout(nn.Module):
    """Dropout that decides by a few random bits per value: it drops a value if all of them are 0.

    Shapes: X float, any shape, to the same. Values are 0 with probability p, else X / (1 - p).
    Raises ValueError where p is not 1/2, 1/4 or 1/16.
    """

    def __init__(self, p):
        super().__init__()
        self.p, self.bits = p, {1 / 2: 1, 1 / 4: 2, 1 / 16: 4}.get(p)
        if self.bits is None:
            raise ValueError(f"p must be 1/2, 1/4 or 1/16, and it is {p}")

    def forward(self, X):
        if not self.training:
            return X
        keep = random_bits(X.numel(), self.bits).clamp(max=1)  # 0 or 1
        return X * (keep.to(X.dtype) / (1 - self.p)).view(X.shape)


class FlattenChannelsLast(nn.Module):
    """Flatten in the order in which channels_last lies in memory, so that nothing is copied.

    Shapes: X float (N, C, H, W) to float (N, H · W · C).
    """

    def forward(self, X):
        return X.permute(0, 2, 3, 1).flatten(1)


class FastCNN(nn.Sequential):
    """The CNN of the lesson on training, computed with less effort; 1,199,882 parameters as there.

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


class Recipe(NamedTuple):
    """All that was chosen for a quick training."""

    widths: tuple = (16, 16, 32, 32)  # channels after each of the four convolutions
    crop: int = 2  # pixels left out on each side: 28 becomes 24
    shift: int = 0  # pixels by which images are moved at random, at most
    groups: int = 1  # parts of a batch, each moved in its own way
    calm: float = 0  # part of the steps, at the end, without moving
    batch_size: int = 192
    epochs: float = 1
    lr: float = 0.015  # its peak
    warm_up: float = 0.2  # part of the steps in which the learning rate rises
    betas: tuple = (0.85, 0.95)  # how slowly AdamW forgets gradients and their squares
    label_smoothing: float = 0.1


FOR_99 = Recipe()
FOR_99_5 = Recipe(
    widths=(16, 32, 64, 64),
    crop=4,
    shift=1,
    groups=8,
    calm=0.3,
    batch_size=384,
    epochs=3.1,
    lr=0.025,
)


class QuickNet(nn.Sequential):
    """A small network that learns fast: four convolutions with batch norm, one dense layer.

    The first convolution has stride 2, so that no layer works on the full size.
    Shapes: X float (N, 1, S, S) to logits float (N, 10), with S = 28 - 2 · crop, a multiple of 4.
    28,250 parameters with the recipe FOR_99, 76,666 with FOR_99_5.
    """

    def __init__(self, recipe=FOR_99):
        a, b, c, d = recipe.widths
        size = (28 - 2 * recipe.crop) // 4  # 6 with a crop of 2
        super().__init__(
            nn.Conv2d(1, a, kernel_size=5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(a),
            nn.ReLU(inplace=True),  # (N, a, 2 · size, 2 · size)
            nn.Conv2d(a, b, kernel_size=3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(b),
            nn.ReLU(inplace=True),  # (N, b, size, size)
            nn.Conv2d(b, c, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(c),
            nn.ReLU(inplace=True),  # (N, c, size, size)
            nn.Conv2d(c, d, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(d),
            nn.ReLU(inplace=True),  # (N, d, size, size)
            FlattenChannelsLast(),
            nn.Linear(d * size * size, 10),  # (N, 10): logits
        )


def schedule(step, steps, warm_up):
    """The learning rate of a step as a part of its peak: a linear rise, then a linear fall."""
    return min((step + 1) / (warm_up * steps), (steps - step) / ((1 - warm_up) * steps))


def prepare(X):
    """Images with mean 0 and standard deviation 1; the two numbers are those of MNIST."""
    return (X - 0.1307) / 0.3081


def window(X, crop, down=0, right=0):
    """Images without their border; the window that stays is moved down and to the right.

    Shapes: X (N, C, H, W), square, to (N, C, H - 2 · crop, W - 2 · crop), without a copy.
    down and right lie between -crop and crop.
    """
    top, left, size = crop + down, crop + right, X.shape[-1] - 2 * crop
    return X[:, :, top : top + size, left : left + size]


def train_quickly(X, y, recipe=FOR_99, seed=0):
    """Train a QuickNet on whole images; returns (network, seconds of training).

    Shapes: X float (N, 1, 28, 28) from 0 to 1, y int64 (N,).
    """
    torch.manual_seed(seed)
    model = QuickNet(recipe).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=recipe.betas, fused=True)
    per_epoch = len(X) // recipe.batch_size
    steps = round(recipe.epochs * per_epoch)
    start = time.perf_counter()
    X = prepare(X)
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(X)).split(recipe.batch_size)
        indices = order[step % per_epoch]
        shift = recipe.shift if step < (1 - recipe.calm) * steps else 0
        moves = torch.randint(-shift, shift + 1, (recipe.groups, 2)).tolist()
        groups = zip(indices.chunk(recipe.groups), moves)
        X_batch = torch.cat([window(X, recipe.crop, *move)[group] for group, move in groups])
        optimizer.param_groups[0]["lr"] = recipe.lr * schedule(step, steps, recipe.warm_up)
        with mixed_precision(X.device):
            logits = model(X_batch)
            loss = F.cross_entropy(logits, y[indices], label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, time.perf_counter() - start


@torch.no_grad()
def percent_right(model, X, y, recipe=FOR_99):
    """Percent of right answers, with the network as it is used: batch norm by its running means.

    Shapes: X float (N, 1, 28, 28) from 0 to 1, y int64 (N,).
    """
    model.eval()
    with mixed_precision(X.device):
        parts = window(prepare(X), recipe.crop).split(1000)
        answers = torch.cat([model(part).argmax(dim=1) for part in parts])  # (N,)
    return 100 * (answers == y).float().mean().item()


def return_freed_memory():
    """Undo `keep_freed_memory`: glibc hands freed memory back to the system, as it does by default.

    The limits are those that glibc has found by itself after the first large arrays were freed.
    Elsewhere than on Linux with glibc it does nothing.

    Returns:
        Whether the setting was accepted.
    Source: man 3 mallopt (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD), man 3 malloc_trim.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        mallopt, malloc_trim = libc.mallopt, libc.malloc_trim
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
    limits = {M_MMAP_MAX: 65_536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}
    accepted = all(mallopt(name, value) for name, value in limits.items())
    malloc_trim(0)
    return accepted


def small_network():
    """A small CNN without dropout and batch norm, for experiments on the size of a batch.

    Shapes: X float (N, 1, 28, 28) to logits float (N, 10). 5,994 parameters.
    """
    return nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=5, stride=2),  # (N, 8, 12, 12)
        nn.ReLU(),
        nn.Conv2d(8, 16, kernel_size=5, stride=2),  # (N, 16, 4, 4)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),  # (N, 10): logits
    )


def sgd_steps(model, X, y, batch_size, lr, steps):
    """Train with SGD and momentum 0.9 for a number of steps, in a new order in each epoch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch_size:
            order = torch.randperm(len(X))
        indices, order = order[:batch_size], order[batch_size:]
        optimizer.zero_grad()
        F.cross_entropy(model(X[indices]), y[indices]).backward()
        optimizer.step()
