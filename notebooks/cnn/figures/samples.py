"""What the figures show: handwritten digits, kernels, and a colour picture that is computed."""

from functools import cache

import torch
import torch.nn.functional as F
from torchvision.datasets import MNIST

from cnn.data import as_tensors, find_mnist

KERNELS = {
    "blur": torch.ones(3, 3) / 9,
    "vertical edges": torch.tensor([[-1.0, 0, 1]] * 3),
    "horizontal edges": torch.tensor([[-1.0, 0, 1]] * 3).T.contiguous(),
    "all edges": torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
}
EDGE = KERNELS["vertical edges"]


@cache
def digits(n=100):
    """The first n training digits and their labels: float (N, 1, 28, 28) in [0, 1], int64 (N,)."""
    return as_tensors(MNIST(find_mnist()[0]), slice(n))


def nine():
    """The digit of most figures, a handwritten nine, float (28, 28)."""
    return digits()[0][4, 0]


CORNER = (6, 11)  # row and column of the nine at which crops begin


def crop(size=8):
    """A square out of the nine, rounded to one decimal so that it can be read."""
    row, column = CORNER
    return (nine()[row : row + size, column : column + size] * 10).round() / 10


def convolve(image, kernel, **settings):
    """One image (H, W) with one kernel (F, F); settings as for `F.conv2d`."""
    return F.conv2d(image[None, None], kernel[None, None], **settings)[0, 0] + 0.0


LIGHTS = {"red": "#ff3030", "green": "#20d040", "blue": "#5078ff"}


def colour_picture(size=48):
    """A red sail under the sun, computed: float (3, H, W) in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")

    def paint(below, inside, colour):
        cover = (inside * size).clamp(0, 1)  # soft edges, one pixel wide
        return below * (1 - cover) + torch.tensor(colour)[:, None, None] * cover

    picture = torch.stack([0.55 + 0.4 * y, 0.75 - 0.1 * y, 0.95 - 0.35 * y])  # sky
    picture = paint(picture, 0.17 - ((x - 0.66) ** 2 + (y - 0.33) ** 2).sqrt(), [1.0, 0.82, 0.2])
    waves = 0.05 * torch.sin(40 * (y + 0.03 * torch.sin(12 * x)))
    sea = torch.stack([0.05 + waves, 0.35 + waves, 0.55 + waves])
    picture = torch.where(y > 0.72, sea, picture)
    sail = torch.minimum(x - 0.2, torch.minimum(0.74 - y, (y - 0.24 - 1.7 * (x - 0.2)) / 2))
    return paint(picture, sail, [0.85, 0.1, 0.12]).clamp(0, 1)
