"""What the lesson on features looks into a network with: measures of units, and maps of an image.

Every function is taught there. The networks are `nn.Sequential`, such as `cnn.models.CNN`. The long
experiments in tools/experiments run the same code.
"""

import torch
import torch.nn.functional as F
from torch import nn


@torch.no_grad()
def after(model, n_layers, X):
    """What leaves the first n_layers layers of a network, without dropout; float, on the CPU."""
    model.eval()
    for layer in list(model)[:n_layers]:
        X = layer(X)
    return X.float().cpu()


def share(kernels, *directions):
    """Part of the squared length of kernels (C, 3, 3) that lies along orthonormal directions.

    Args:
        directions: each (3, 3), of length 1, at right angles to each other.

    Returns:
        float (C,), from 0 to 1.
    """
    length = kernels.square().sum(dim=(1, 2))
    return sum((kernels * d).sum(dim=(1, 2)) ** 2 for d in directions) / length


def purity(responses, labels, n=50):
    """Share of the most common label among the n inputs that excite each unit most.

    Shapes: responses (N, units) and labels int (N,) to float (units,).
    """
    top = labels[responses.topk(n, dim=0).indices]  # (n, units)
    counts = torch.stack([(top == digit).sum(dim=0) for digit in range(10)])  # (10, units)
    return counts.amax(dim=0) / n


def nearest_neighbour_accuracy(known, labels, points, truth):
    """Accuracy in percent of copying the label of the nearest known point.

    Shapes: known (M, D), labels (M,), points (N, D), truth (N,).
    """
    nearest = torch.cdist(points, known).argmin(dim=1)
    return 100 * (labels[nearest] == truth).float().mean().item()


def probe_accuracy(known, labels, points, truth, penalty=0.3):
    """Accuracy in percent of a linear probe: a linear classifier on features of a fixed network.

    It is fitted by least squares to one-hot labels, with a penalty on large weights.

    Shapes: known (M, D), labels (M,), points (N, D), truth (N,).
    Source: Alain and Bengio, Understanding intermediate layers using linear classifier probes, 2016
    (they fit with cross-entropy).
    """
    mean, Y = known.mean(dim=0), F.one_hot(labels, 10) - 0.1
    A, B = known - mean, points - mean
    K = A @ A.T  # (M, M)
    K_penalised = K + penalty * K.diagonal().mean() * torch.eye(len(K))
    W = A.T @ torch.linalg.solve(K_penalised, Y)  # (D, 10)
    return 100 * ((B @ W).argmax(dim=1) == truth).float().mean().item()


def logit(model, X, target):
    """One logit of each image, that of its class in target: (N,)."""
    return model(X).gather(1, target[:, None]).squeeze(1)


def input_gradient(model, X, target):
    """The gradient of the target logit of each image for its pixels: X (N, 1, H, W) to the same."""
    X = X.detach().clone().requires_grad_()
    return torch.autograd.grad(logit(model, X, target).sum(), X)[0]


def saliency(model, X, target):
    """Size of the gradient of the target logit for each pixel: (N, H, W).

    Source: Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, 2014.
    """
    return input_gradient(model, X, target).abs()[:, 0]


def integrated_gradients(model, X, target, steps=32):
    """Each pixel times its mean gradient on the way from white paper to the image: (N, H, W).

    Source: Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, 2017.
    """
    total = torch.zeros_like(X)
    for k in range(steps):
        total += input_gradient(model, (k + 0.5) / steps * X, target)  # the middle of each step
    return (X * total / steps)[:, 0]


def occlusion(model, X, target, size=4, stride=2):
    """How much the target logit falls without a square of the image: (N, H, W).

    Each pixel gets the mean over the squares that cover it.

    Source: Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014.
    """
    N, _, H, W = X.shape
    total, count = torch.zeros(N, H, W, device=X.device), torch.zeros(H, W, device=X.device)
    with torch.no_grad():
        whole = logit(model, X, target)
        for i in range(0, H - size + 1, stride):
            for j in range(0, W - size + 1, stride):
                hidden = X.clone()
                hidden[:, :, i : i + size, j : j + size] = 0
                fall = whole - logit(model, hidden, target)  # (N,)
                total[:, i : i + size, j : j + size] += fall.view(-1, 1, 1)
                count[i : i + size, j : j + size] += 1
    return total / count


def layer_gradient(model, n_layers, X, target):
    """What leaves the first n_layers, and the gradient of the target logit for it: both alike."""
    layers = list(model)
    maps = nn.Sequential(*layers[:n_layers])(X).detach().requires_grad_()  # (N, C, h, w)
    score = logit(nn.Sequential(*layers[n_layers:]), maps, target).sum()
    return maps.detach(), torch.autograd.grad(score, maps)[0]


def grad_cam(model, X, target):
    """Maps of the second convolution, each weighted by its mean gradient: (N, H, W).

    Source: Selvaraju et al., Grad-CAM, 2017.
    """
    maps, gradients = layer_gradient(model, 4, X, target)  # (N, 64, 24, 24) each
    weights = gradients.mean(dim=(2, 3), keepdim=True)  # (N, 64, 1, 1)
    return F.pad((weights * maps).sum(dim=1).relu(), [2] * 4)


def hires_cam(model, X, target):
    """Maps of the second convolution times their gradients, place by place: (N, H, W).

    What is negative becomes 0, as in Grad-CAM.
    Source: Draelos and Carin, Use HiResCAM instead of Grad-CAM, 2020.
    """
    maps, gradients = layer_gradient(model, 4, X, target)  # (N, 64, 24, 24) each
    return F.pad((gradients * maps).sum(dim=1).relu(), [2] * 4)


METHODS = {
    "saliency": saliency,
    "integrated gradients": integrated_gradients,
    "occlusion": occlusion,
    "Grad-CAM": grad_cam,
    "HiResCAM": hires_cam,
}


def explain(model, X, target):
    """The maps of all METHODS for X and its target classes: name to (N, H, W), on the CPU."""
    model.eval()
    return {name: method(model, X, target).cpu() for name, method in METHODS.items()}


def similarity(a, b):
    """Correlation of two maps of the same image over its pixels: (N, H, W) twice to (N,)."""
    a, b = (m.flatten(1) - m.flatten(1).mean(dim=1, keepdim=True) for m in (a, b))
    return F.cosine_similarity(a, b, dim=1)


@torch.no_grad()
def left_after_erasing(model, X, target, scores, n=20):
    """Probability of the target class after erasing the n ink pixels with the top scores: (N,)."""
    scores = scores.masked_fill(X[:, 0].cpu() <= 0.3, -torch.inf).flatten(1)  # (N, 784)
    top = scores.topk(n, dim=1).indices.to(X.device)
    erased = X.flatten(1).scatter(1, top, 0).view_as(X)
    return model(erased).softmax(dim=1).gather(1, target[:, None]).squeeze(1).cpu()


def with_mark(X):
    """Images (N, 1, 28, 28) with a mark: a square of 3 × 3 black pixels near the upper left."""
    X = X.clone()
    X[:, :, 2:5, 2:5] = 1
    return X


def mass_on(maps, region):
    """Share of the positive part of each map (N, H, W) that lies in a region, bool (H, W): (N,)."""
    positive = maps.clamp(min=0)
    return positive[:, region].sum(dim=1) / positive.sum(dim=(1, 2)).clamp(min=1e-12)


def top_in(maps, region):
    """Whether the largest value of each map (N, H, W) lies in a region, bool (H, W): float (N,)."""
    return region.flatten()[maps.flatten(1).argmax(dim=1)].float()
