"""What the lesson on robustness defines: changes of images, networks with two heads, attacks.

The notebook teaches each function; tools/experiments/robustness.py runs the same code over seeds.
"""

import torch
import torch.nn.functional as F
from torch import nn

from cnn.data import batches


def shift(X, right=0, down=0):
    """Move images (N, C, H, W) by whole pixels; new paper is white, and what leaves is lost."""
    return F.pad(X, (right, -right, down, -down))


def shift_each_way(X, n):
    """Move a quarter of the images to each side by n pixels."""
    ways = [(n, 0), (-n, 0), (0, n), (0, -n)]
    return torch.cat([shift(part, *way) for part, way in zip(X.chunk(4), ways)])


def rotate(X, degrees):
    """Turn images (N, C, H, W) anticlockwise by degrees, a number or (N,); new paper is white."""
    angle = torch.deg2rad(torch.as_tensor(degrees, dtype=X.dtype, device=X.device).expand(len(X)))
    zero, cos, sin = torch.zeros_like(angle), angle.cos(), angle.sin()
    matrix = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)  # (N, 2, 3)
    grid = F.affine_grid(matrix, X.shape, align_corners=False)  # (N, H, W, 2)
    return F.grid_sample(X, grid, mode="bilinear", align_corners=False)


def rotate_each_way(X, degrees):
    """Turn one half of the images one way and the other half the other way."""
    return torch.cat([rotate(part, a) for part, a in zip(X.chunk(2), (degrees, -degrees))])


def resize(X, scale):
    """Make the digits larger or smaller about the centre; the images keep their size."""
    matrix = torch.tensor([[1 / scale, 0, 0], [0, 1 / scale, 0]], device=X.device)
    grid = F.affine_grid(matrix.expand(len(X), 2, 3), X.shape, align_corners=False)
    return F.grid_sample(X, grid, mode="bilinear", align_corners=False)


def thicken(X, steps):
    """Grow strokes (N, 1, H, W) by one pixel on each side per step; shrink for negative steps."""
    sign = 1 if steps >= 0 else -1
    for _ in range(abs(steps)):
        X = sign * F.max_pool2d(sign * X, kernel_size=3, stride=1, padding=1)
    return X


def add_noise(X, strength):
    """Add Gaussian noise of that standard deviation, the same at each call; keep [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(X.shape, generator=generator).to(X.device)
    return (X + strength * noise).clamp(0, 1)


def blur(X, sigma):
    """Average over the neighbourhood with a Gaussian of that standard deviation, in pixels."""
    if sigma == 0:
        return X
    places = torch.arange(-9.0, 10.0, device=X.device)
    weights = (-(places**2) / (2 * sigma**2)).exp()
    weights = weights / weights.sum()
    X = F.conv2d(X, weights.view(1, 1, 1, 19), padding=(0, 9))
    return F.conv2d(X, weights.view(1, 1, 19, 1), padding=(9, 0))


def lower_contrast(X, share):
    """Pull all values towards the middle grey, 0.5, until this share of the contrast is left."""
    return 0.5 + share * (X - 0.5)


def occlude(X, side):
    """Lay white paper of side x side pixels on each image, at a random place of the middle."""
    generator = torch.Generator().manual_seed(0)
    N, _, H, W = X.shape
    corners = torch.randint(4, 25 - side, (N, 2), generator=generator)  # rows and columns 4 to 23
    rows, columns = (
        (torch.arange(size) >= start) & (torch.arange(size) < start + side)
        for size, start in zip((H, W), corners.T[..., None])
    )
    hidden = rows[:, None, :, None] & columns[:, None, None, :]  # (N, 1, H, W)
    return X.masked_fill(hidden.to(X.device), 0)


CHANGES = {  # the name of a change: (function, its amounts from none to much)
    "shift in pixels": (shift_each_way, [0, 1, 2, 3, 4, 5, 6]),
    "rotation in degrees": (rotate_each_way, [0, 15, 30, 45, 60, 75, 90]),
    "size": (resize, [1, 0.8, 0.7, 0.6, 0.5, 1.2, 1.4]),
    "thickness in pixels": (thicken, [0, 1, 2, 3, -1]),
    "noise": (add_noise, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    "blur in pixels": (blur, [0, 0.5, 1, 1.5, 2, 2.5, 3]),
    "contrast left": (lower_contrast, [1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2]),
    "hidden square in pixels": (occlude, [0, 4, 6, 8, 10, 12, 14]),
}


class HeadNet(nn.Sequential):
    """Three convolutions and two poolings; the head flattens the maps or keeps one number of each.

    Shapes: X float (N, 1, 40, 40) to logits float (N, 10); without head="flatten" any height and
    width. 37,898 parameters with head="flatten", 6,218 with the two others.
    `pool` makes a pooling layer from its number of channels.
    """

    def __init__(self, head="flatten", pool=lambda channels: nn.MaxPool2d(2), padding="zeros"):
        same = {"kernel_size": 3, "padding": 1, "padding_mode": padding}
        heads = {
            "flatten": (nn.Flatten(), nn.Linear(32 * 10 * 10, 10)),
            "average": (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
            "max": (nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
        }
        super().__init__(
            nn.Conv2d(1, 8, **same),  # (N, 8, 40, 40)
            nn.ReLU(),
            pool(8),  # (N, 8, 20, 20)
            nn.Conv2d(8, 16, **same),  # (N, 16, 20, 20)
            nn.ReLU(),
            pool(16),  # (N, 16, 10, 10)
            nn.Conv2d(16, 32, **same),  # (N, 32, 10, 10)
            nn.ReLU(),
            *heads[head],  # (N, 10): logits
        )


def blurred_max_pool(channels):
    """Max-pooling with stride 1, then a blur with stride 2: the pooling of Zhang (2019).

    Shapes: (N, channels, H, W) to (N, channels, H / 2, W / 2) for even H and W.
    Source: R. Zhang, Making convolutional networks shift-invariant again, 2019.
    """
    blur = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels, bias=False)
    weights = torch.tensor([1.0, 2.0, 1.0])
    blur.weight = nn.Parameter(
        (weights[:, None] * weights / 16).expand_as(blur.weight).clone(), requires_grad=False
    )
    return nn.Sequential(nn.MaxPool2d(2, stride=1), blur)


def loss_gradient(model, X, y):
    """Gradient of each image's loss for its own pixels, (N, C, H, W), in evaluation mode."""
    model.eval()
    X = X.detach().clone().requires_grad_()
    loss = F.cross_entropy(model(X), y, reduction="sum")
    return torch.autograd.grad(loss, X)[0]


def fgsm(model, X, y, epsilon):
    """Images in [0, 1] changed by epsilon in each pixel along the sign of the loss's gradient.

    Source: Goodfellow, Shlens and Szegedy, Explaining and harnessing adversarial examples, 2015.
    """
    return (X + epsilon * loss_gradient(model, X, y).sign()).clamp(0, 1)


def project(changed, X, epsilon):
    """Pull images back to at most epsilon from X in each pixel, and into [0, 1]."""
    return (X + (changed - X).clamp(-epsilon, epsilon)).clamp(0, 1)


def pgd(model, X, y, epsilon, steps=20, targeted=False):
    """Projected gradient descent: many small steps inside the ball of radius epsilon around X.

    It starts at a random point of the ball. Untargeted, the loss of the right classes y grows;
    targeted, y are the wanted classes, and their loss falls.
    Source: Madry et al., Towards deep learning models resistant to adversarial attacks, 2018.
    """
    step_size = 2.5 * epsilon / steps
    sign = -1 if targeted else 1
    changed = project(X + epsilon * (2 * torch.rand_like(X) - 1), X, epsilon)
    for _ in range(steps):
        direction = sign * loss_gradient(model, changed, y).sign()
        changed = project(changed + step_size * direction, X, epsilon)
    return changed


def train_epoch_on(model, X, y, optimizer, attack=None, batch_size=100):
    """One epoch in float32 on images that `attack(model, X, y)` changes, each batch anew."""
    for X_batch, y_batch in batches(X, y, batch_size, shuffle=True):
        if attack:
            X_batch = attack(model, X_batch, y_batch)
        model.train()
        loss = F.cross_entropy(model(X_batch), y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
