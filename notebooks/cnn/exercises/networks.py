"""Small networks with random weights, for the checks of several lessons."""

import torch
from torch import nn


def network(draw, n_pixels, n_classes):
    """A small network with random weights: (N, 1, H, W) to logits (N, n_classes)."""
    first, second = nn.Linear(n_pixels, 12), nn.Linear(12, n_classes)
    with torch.no_grad():
        first.weight.copy_(draw.normal(12, n_pixels) / n_pixels**0.5)
        second.weight.copy_(draw.normal(n_classes, 12))
    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), second)


def gradient(X, score):
    """The gradient of score(X), a number, for each value of X."""
    X = X.detach().clone().requires_grad_()
    return torch.autograd.grad(score(X), X)[0]
