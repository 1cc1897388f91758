"""What the lesson on generalisation works with: a small network, a watched training, three changes.

The network and the watched step are taught there; the rest it imports. The long experiments in
tools/experiments run the same code.
"""

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from cnn.data import batches
from cnn.training import evaluate


class SmallCNN(nn.Sequential):
    """A CNN that trains in seconds: two convolutions, each with max-pooling, two dense layers.

    Shapes: X float (N, 1, 28, 28) to logits float (N, 10). 56,714 parameters.
    """

    def __init__(self, dropout=0.0):
        super().__init__(
            nn.Conv2d(1, 16, kernel_size=3),  # (N, 16, 26, 26)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 16, 13, 13)
            nn.Conv2d(16, 32, kernel_size=3),  # (N, 32, 11, 11)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 32, 5, 5)
            nn.Flatten(),  # (N, 800)
            nn.Linear(800, 64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, 10),  # (N, 10): logits
        )


class Step(NamedTuple):
    """What one training step shows of itself."""

    loss: float
    gradient: float  # length of the gradient of all parameters
    update: float  # length of the step, divided by the length of all parameters


def watched_step(model, X, y, loss_fn, optimizer):
    """One training step on the batch X, y; returns what was measured on the way, a Step."""
    before = [p.detach().clone() for p in model.parameters()]
    loss = loss_fn(model(X), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    length = nn.utils.get_total_norm
    gradient = length([p.grad for p in model.parameters()])
    moved = length([p.detach() - b for p, b in zip(model.parameters(), before)])
    return Step(loss.item(), gradient.item(), (moved / length(before)).item())


def watch(model, data, epochs, lr, batch_size=64, shuffle=True):
    """Train with Adam and look at every step; returns a list with one Step for each."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    loss_fn = nn.CrossEntropyLoss()
    model.train()
    return [
        watched_step(model, X, y, loss_fn, optimizer)
        for _ in range(epochs)
        for X, y in batches(*data, batch_size, shuffle)
    ]


def shifted(X, most=2):
    """Move each image (N, 1, H, W) by up to `most` pixels in both directions, at random."""
    N, _, H, W = X.shape
    padded = F.pad(X, [most] * 4)
    corners = torch.randint(2 * most + 1, (N, 2)).tolist()
    return torch.stack([P[:, i : i + H, j : j + W] for P, (i, j) in zip(padded, corners)])


class Curve(NamedTuple):
    """What is measured after one epoch: losses, and errors in percent."""

    train_loss: float
    train_error: float
    val_loss: float
    val_error: float


def fit(model, train, val, epochs=60, lr=1e-3, weight_decay=0.0, change=None, cosine=False):
    """Train with AdamW on batches of 50; returns the curves, and the model at its best epoch.

    Args:
        change: function of a batch of images that changes them anew in each epoch.
        cosine: let the learning rate fall to zero along half a cosine.

    Returns:
        (list of Curve, the model with the weights of the lowest validation loss).
    """
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    curves, best = [], None
    for _ in range(epochs):
        model.train()
        for X, y in batches(*train, 50, shuffle=True):
            optimizer.zero_grad()
            loss_fn(model(change(X) if change else X), y).backward()
            optimizer.step()
        if cosine:
            schedule.step()
        (train_loss, train_right), (val_loss, val_right) = (
            evaluate(model, *data, loss_fn) for data in (train, val)
        )
        curves.append(Curve(train_loss, 100 - train_right, val_loss, 100 - val_right))
        if val_loss == min(curve.val_loss for curve in curves):
            best = copy.deepcopy(model)
    return curves, best


class LocallyConnected(nn.Module):
    """A convolution whose kernel is another one at each place: local, but nothing is shared.

    Shapes: X float (N, in_channels, H, W) to float (N, out_channels, H - 2, W - 2), with 3 × 3
    kernels. `size` is the height and width of the output.
    """

    def __init__(self, in_channels, out_channels, size):
        super().__init__()
        n_inputs = 9 * in_channels
        bound = n_inputs**-0.5  # as nn.Conv2d starts
        shape = (size * size, n_inputs, out_channels)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out_channels, size, size))

    def forward(self, X):
        patches = F.unfold(X, 3).permute(2, 0, 1)  # (places, N, 9 * in_channels)
        maps = (patches @ self.weight).permute(1, 2, 0)  # (N, out_channels, places)
        return maps.reshape(len(X), *self.bias.shape) + self.bias
