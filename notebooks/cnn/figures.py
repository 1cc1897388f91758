"""The concept figures of the course, drawn from real digits and real layers.

Notebooks call these functions in the cell where a thing is taught; `python -m cnn.figures FOLDER`
writes all of them, as SVG and as animated PNG. Blue is what goes in, orange is the kernel, green is
what comes out; every colour is also named by a label.
"""

import io
import re
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from torchvision.datasets import MNIST

from cnn.data import as_tensors, find_mnist, scenes
from cnn.models import CNN, ResNet, UNet, ViT, attention
from cnn.plotting import (
    ACCENT,
    INK,
    INPUT,
    KERNEL,
    MUTED,
    OUTPUT,
    PAPER,
    PIXELS,
    SIGNED,
    animated_png,
    as_picture,
    contrasting,
    use_course_style,
)
from cnn.shapes import count_parameters, output_size, walk

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


# --- drawing: everything stands on one canvas, measured in inches from the top left -------------


class Box(NamedTuple):
    """A rectangle on the canvas, in inches; `cell` is the side of one pixel of what it shows."""

    x: float
    y: float
    width: float
    height: float
    cell: float = 1.0

    @property
    def right(self):
        return self.x + self.width

    @property
    def bottom(self):
        return self.y + self.height

    @property
    def middle(self):
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def corners(self):
        return [
            (self.x, self.y),
            (self.right, self.y),
            (self.right, self.bottom),
            (self.x, self.bottom),
        ]

    def part(self, row, column, height, width=None):
        """The box of some of its pixels."""
        x, y = self.x + column * self.cell, self.y + row * self.cell
        return Box(x, y, (width or height) * self.cell, height * self.cell, self.cell)


def canvas(width, height):
    """An empty figure of that size in inches; returns the figure and its coordinate system."""
    figure = plt.figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return figure, ax


def pixels(ax, image, x, y, width, colour=MUTED, cmap=PIXELS, vmin=0, vmax=1, order=2, line=1.2):
    """Draw an image (H, W) or (H, W, 3) with its top left corner at (x, y); returns its Box."""
    cell = width / image.shape[1]
    box = Box(x, y, width, cell * image.shape[0], cell)
    if image.ndim == 2:  # 64 steps: what the last bit of a float says must not change a file
        image = (((image - vmin) / (vmax - vmin)).clamp(0, 1) * 64).round() / 64
    extent = (box.x, box.right, box.bottom, box.y)
    settings = {"aspect": "auto", "interpolation": "none", "zorder": order}
    ax.imshow(image.numpy(), cmap=cmap, vmin=0, vmax=1, extent=extent, **settings)
    frame(ax, box, colour, line, order=order + 0.5)
    return box


def numbers(ax, matrix, x, y, cell, colour, text="{:g}", size=8, line=2.2, **colours):
    """Draw a matrix (H, W) as cells with their numbers; NaN leaves a cell empty. Returns its Box.

    Args:
        colours: `cmap`, `vmin`, `vmax`.
    """
    cmap = mpl.colormaps[colours.get("cmap", PIXELS)]
    scale = mpl.colors.Normalize(colours.get("vmin", 0), colours.get("vmax", 1), clip=True)
    height, width = matrix.shape
    box = Box(x, y, width * cell, height * cell, cell)
    cells, fills = [], []
    for row in range(height):
        for column in range(width):
            value, place = matrix[row, column].item(), box.part(row, column, 1)
            empty = value != value  # NaN
            cells.append(place.corners)
            fills.append(PAPER if empty else cmap(scale(value)))
            if not empty:
                ink = contrasting(fills[-1])
                write(ax, text.format(value), *place.middle, ink, size, "normal")
    squares = PolyCollection(cells, facecolors=fills, edgecolors="#00000030", lw=0.4, zorder=2)
    ax.add_collection(squares, autolim=False)
    frame(ax, box, colour, line)
    return box


def frame(ax, box, colour, line=2.2, style="-", order=5):
    """Draw the border of a Box."""
    look = {"fill": False, "ec": colour, "lw": line, "ls": style, "joinstyle": "miter"}
    ax.add_patch(Rectangle(box[:2], box.width, box.height, zorder=order, **look))


def write(ax, text, x, y, colour=INK, size=10, weight="bold", align="center"):
    """Write text, vertically centred on y, with real minus signs."""
    look = {"color": colour, "fontsize": size, "fontweight": weight, "linespacing": 1.35}
    lines = text.count("\n")
    if not lines:
        y += 0.35 * size / 72  # half the height of a capital letter, in inches
    place = {"ha": align, "va": "center" if lines else "baseline", "zorder": 8}
    ax.text(x, y, re.sub(r"-(?=[ \d])", "−", text), **place, **look)


def name(ax, box, text, colour, detail="", size=10.5):
    """Write a name above a Box, and a detail such as its shape below it."""
    write(ax, text, box.middle[0], box.y - 0.17, colour, size)
    write(ax, detail, box.middle[0], box.bottom + 0.18, INK, size - 1.5, "normal")


def beam(ax, start, end, colour, order=4):
    """Join the right edge of one Box with the left edge of another; shaded behind the images."""
    upper, lower = [(start.right, start.y), (end.x, end.y)], [(start.right, start.bottom)]
    lower.append((end.x, end.bottom))
    ax.add_patch(Polygon(upper + lower[::-1], fc=colour, ec="none", alpha=0.13, zorder=1))
    for line in (upper, lower):
        ax.plot(*zip(*line), color=colour, lw=0.9, ls="-", zorder=order)


def arrow(ax, start, end, colour=MUTED):
    """An arrow from one point to another."""
    look = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "lw": 1.4}
    ax.add_patch(FancyArrowPatch(start, end, color=colour, **look))


# --- one step of a convolution -------------------------------------------------------------------


def convolution_step(row=3, column=1, filled=None):
    """One window of the input, its products with the kernel, and the sum in the output.

    Args:
        row, column: the output pixel that is computed.
        filled: how many output pixels are shown, in reading order; all of them by default.
    """
    image, output = crop(), convolve(crop(), EDGE)  # (8, 8), (6, 6)
    products = image[row : row + 3, column : column + 3] * EDGE + 0.0
    shown = output.flatten().clone()
    shown[output.numel() if filled is None else filled :] = torch.nan

    figure, ax = canvas(9.7, 4.05)
    whole = pixels(ax, nine(), 0.1, 1.15, 1.35, INPUT)
    name(ax, whole, "a digit", INPUT, "28 × 28")
    source = numbers(ax, image, 1.95, 0.45, 0.345, INPUT)
    name(ax, source, "input, 8 × 8", INPUT)
    weights = numbers(ax, EDGE, 5.45, 0.45, 0.33, KERNEL, cmap=SIGNED, vmin=-2, vmax=2, size=9)
    name(ax, weights, "kernel, 3 × 3", KERNEL)
    signed = {"cmap": SIGNED, "vmin": -3, "vmax": 3, "text": "{:.1f}"}
    result = numbers(ax, products, 5.38, 2.05, 0.38, MUTED, **signed, line=1)
    name(ax, result, "nine products", INK)
    target = numbers(ax, shown.view(6, 6), 7.25, 0.6, 0.385, OUTPUT, **signed)
    name(ax, target, "output, 6 × 6", OUTPUT)

    frame(ax, whole.part(*CORNER, 8), INPUT, 1.6)
    beam(ax, whole.part(*CORNER, 8), source, INPUT)
    window, pixel = source.part(row, column, 3), target.part(row, column, 1)
    frame(ax, window, KERNEL, 3, order=6)
    frame(ax, pixel, OUTPUT, 3, order=6)
    beam(ax, window, result, KERNEL)
    beam(ax, result, pixel, OUTPUT)
    write(ax, "×", 5.945, 1.61, KERNEL, 13)
    total = f"{output[row, column]:.1f}"
    sum_of_products = _as_sum(products)
    write(ax, f"{sum_of_products}  =  {total}", 5.945, 3.62, INK, 10.5)
    return figure


def _as_sum(products):
    """The nine numbers of a matrix as one line of text with signs."""
    first, *others = products.flatten().tolist()
    signs = [f"{'+' if value >= 0 else '-'} {abs(value):.1f}" for value in others]
    return " ".join([f"{first:.1f}", *signs])


def convolution_window():
    """The same, animated: the window visits all 36 positions. Bytes of an animated PNG."""
    frames = [
        as_picture(convolution_step(place // 6, place % 6, filled=place + 1), dpi=100)
        for place in range(36)
    ]
    return animated_png(frames + 5 * frames[-1:], milliseconds=450)


# --- whole digits --------------------------------------------------------------------------------


def kernels_on_a_digit():
    """One digit and what four kernels make of it."""
    figure, ax = canvas(9.7, 3.6)
    digit = nine()
    whole = pixels(ax, digit, 0.1, 1.6, 1.7, INPUT, line=2.2)
    name(ax, whole, "input", INPUT, "28 × 28")
    for place, (title, kernel) in enumerate(KERNELS.items()):
        x = 2.1 + 1.92 * place
        output = convolve(digit, kernel)  # (26, 26)
        look = {"cmap": SIGNED, "vmin": -output.abs().max(), "vmax": output.abs().max()}
        if title == "blur":
            look = {}
        result = pixels(ax, output, x, 1.66, 1.7 * 26 / 28, OUTPUT, line=2.2, **look)
        if title in ("vertical edges", "horizontal edges"):
            _sign_extremes(ax, output, result)
        weights = _kernel(ax, kernel, x + 0.43, 0.35, 0.24, ninths=title == "blur")
        name(ax, weights, title, KERNEL)
        arrow(ax, (weights.middle[0], 1.15), (weights.middle[0], 1.6), KERNEL)
        name(ax, result, "", OUTPUT, "output 26 × 26" if place == 0 else "26 × 26")
    return figure


def _sign_extremes(ax, output, box):
    """A plus at the largest value and a minus at the smallest, for readers without colour."""
    rounded = (output * 1000).round()  # so that the last bit does not decide between equals
    margin = 5  # keep the signs off the frame
    inner = rounded[margin:-margin, margin:-margin]
    assert (inner.max(), inner.min()) == (rounded.max(), rounded.min())
    for place, sign in [(inner.argmax(), "+"), (inner.argmin(), "-")]:
        row, column = divmod(place.item(), inner.shape[1])
        x, y = box.part(row + margin, column + margin, 1).middle
        ax.add_patch(Circle((x, y), 0.085, fc=PAPER, ec=INK, lw=0.8, zorder=7))
        write(ax, sign, x, y, INK, 9)


def _kernel(ax, kernel, x, y, cell, ninths=False):
    """A small kernel with its weights; as whole numbers over nine if asked for."""
    shown = (9 * kernel if ninths else kernel).round() + 0.0
    reach = 2 * shown.abs().max().clamp(min=1).item()
    look = {"cmap": SIGNED, "vmin": -reach, "vmax": reach, "size": 7.5, "line": 1.8}
    box = numbers(ax, shown, x, y, cell, KERNEL, **look)
    if ninths:
        below = ninths == "÷ 9 below"
        place = (box.middle[0], box.bottom + 0.13) if below else (box.right + 0.25, box.middle[1])
        write(ax, "÷ 9", *place, KERNEL, 9)
    return box


# --- padding, stride, dilation -------------------------------------------------------------------


def padding():
    """Without padding the output is smaller; a ring of zeros keeps the size of the input."""
    figure, ax = canvas(9.7, 3.3)
    signed = {"cmap": SIGNED, "vmin": -4, "vmax": 4, "text": "{:.1f}"}
    cell, middle = 0.36, 1.7
    for P, x in [(0, 0.1), (1, 4.35)]:
        padded = F.pad(crop(5), (P, P, P, P))
        output = convolve(padded, EDGE)
        side = cell * len(padded)
        source = numbers(ax, padded, x, middle - side / 2, cell, MUTED, line=0.8)
        inside = source.part(P, P, 5)
        if P:
            _shade_ring(ax, source, inside)
        frame(ax, inside, INPUT, 2.4)
        write(ax, f"P = {P}", source.middle[0], source.y - 0.19, INPUT, 10.5)
        below = "7 × 7 with its ring of zeros" if P else "input, 5 × 5"
        write(ax, below, source.middle[0], source.bottom + 0.2, INK, 9, "normal")
        side = cell * len(output)
        target = numbers(ax, output, source.right + 0.8, middle - side / 2, cell, OUTPUT, **signed)
        size = f"output, {len(output)} × {len(output)}"
        write(ax, size, target.middle[0], target.y - 0.19, OUTPUT, 10.5)
        kept = "as large as the input" if P else "smaller"
        write(ax, kept, target.middle[0], target.bottom + 0.2, INK, 9, "normal")
        frame(ax, source.part(0, 0, 3), KERNEL, 3, "--", order=6)
        frame(ax, target.part(0, 0, 1), OUTPUT, 3, order=6)
        beam(ax, source.part(0, 0, 3), target.part(0, 0, 1), KERNEL)
    return figure


def _shade_ring(ax, outside, inside):
    """Hatch the pixels between two boxes."""
    n = round(outside.width / outside.cell)
    for row in range(n):
        for column in range(n):
            place = outside.part(row, column, 1)
            x, y = place.middle
            if not (inside.x < x < inside.right and inside.y < y < inside.bottom):
                look = {"fc": "none", "ec": "#0072b255", "hatch": "////", "lw": 0, "zorder": 3}
                ax.add_patch(Rectangle(place[:2], place.width, place.height, **look))


def stride_and_dilation():
    """What the first two windows read for stride 1, stride 2 and dilation 2, and what they give."""
    figure, ax = canvas(9.7, 4.75)
    image, cell = crop(7), 0.34
    for place, (S, D) in enumerate([(1, 1), (2, 1), (1, 2)]):
        x = 0.35 + 3.25 * place
        source = pixels(ax, image, x, 0.45, 7 * cell, INPUT, vmax=4, line=2.2)
        _grid(ax, source, 7)
        write(ax, f"stride {S}, dilation {D}", source.middle[0], 0.2, INK, 11)
        output = convolve(image, EDGE, stride=S, dilation=D)
        assert len(output) == output_size(7, 3, S=S, D=D)
        look = {"cmap": SIGNED, "vmin": -12, "vmax": 12, "text": ""}
        left = source.middle[0] - len(output) * cell / 2
        target = numbers(ax, output, left, 3.2 - 0.12, 0.27, OUTPUT, **look)
        for window, (colour, style) in enumerate([(KERNEL, "-"), (ACCENT, "--")]):
            span = source.part(0, S * window, 2 * D + 1)
            frame(ax, span, colour, 2.6, style, order=6 + window)
            others = _reads(S * (1 - window), D)
            for row, column in _reads(S * window, D):
                shift = 0.075 if (row, column) in others else 0
                _mark(ax, source.part(row, column, 1), window, colour, shift)
            _mark(ax, target.part(0, window, 1), window, colour)
        size = f"output {len(output)} × {len(output)}"
        write(ax, size, target.right + 0.15, target.middle[1], OUTPUT, 10.5, align="left")
    return figure


def _reads(column, D):
    """The nine pixels (row, column) that a window at the top reads."""
    return [(D * i, column + D * j) for i in range(3) for j in range(3)]


def _mark(ax, place, window, colour, shift=0):
    """A circle for the first window, a square for the second."""
    x, y = place.middle
    if window == 0:
        ax.add_patch(Circle((x - shift, y), 0.075, fc=colour, ec=PAPER, lw=0.6, zorder=9))
    else:
        corner = (x + shift - 0.068, y - 0.068)
        ax.add_patch(Rectangle(corner, 0.136, 0.136, fc=colour, ec=PAPER, lw=0.6, zorder=9))


def _grid(ax, box, n):
    for i in range(1, n):
        ax.plot(*zip(box.part(0, i, 1)[:2], (box.x + i * box.cell, box.bottom)), **_THIN)
        ax.plot(*zip(box.part(i, 0, 1)[:2], (box.right, box.y + i * box.cell)), **_THIN)


_THIN = {"color": MUTED, "lw": 0.4, "ls": "-", "zorder": 3}


def leftover_pixels():
    """How many windows read each pixel, when the division is exact and when it is not."""
    figure, ax = canvas(7.4, 3.75)
    for x, N in [(0.1, 7), (3.75, 8)]:
        times = times_read(N, kernel_size=3, stride=2)
        look = {"cmap": "Blues", "vmin": 0, "vmax": 6, "text": "{:.0f}"}
        box = numbers(ax, times, x, 0.45, 0.36, INPUT, size=10, **look)
        remainder = (N - 3) % 2
        write(ax, f"N = {N}:  ({N} - 3) / 2 leaves {remainder}", box.middle[0], 0.22, INK, 11)
        for row, column in (times == 0).nonzero().tolist():
            hatch = {"fc": "none", "ec": KERNEL, "hatch": "/////", "lw": 0, "zorder": 3}
            ax.add_patch(Rectangle(box.part(row, column, 1)[:2], box.cell, box.cell, **hatch))
        below = "hatched: never read" if remainder else "every pixel is read"
        write(ax, below, box.middle[0], box.bottom + 0.22, KERNEL if remainder else INPUT, 10.5)
    return figure


def times_read(N, kernel_size, stride):
    """How many windows read each pixel of an (N, N) input, as the gradient of a sum.

    Returns:
        float (N, N).
    """
    image = torch.zeros(1, 1, N, N, requires_grad=True)
    ones = torch.ones(1, 1, kernel_size, kernel_size)
    F.conv2d(image, ones, stride=stride).sum().backward()
    return image.grad[0, 0]


# --- pooling -------------------------------------------------------------------------------------


def max_pooling(row=1, column=2):
    """The largest, and the mean, of each 2 × 2 block of a real image; one block is followed."""
    figure, ax = canvas(9.7, 3.75)
    image, cell, gap = crop(), 0.345, 0.08
    for i in range(4):
        for j in range(4):
            block = image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            x, y = 0.1 + j * (2 * cell + gap), 0.5 + i * (2 * cell + gap)
            box = numbers(ax, block, x, y, cell, INPUT, line=1.4)
            largest = box.part(*divmod(block.argmax().item(), 2), 1)
            ring = {"fill": False, "ec": KERNEL, "lw": 2, "zorder": 7}
            ax.add_patch(Circle(largest.middle, 0.145, **ring))
            if (i, j) == (row, column):
                followed = box
    frame(ax, followed, ACCENT, 3.2, order=7)
    write(ax, "input, 8 × 8, in blocks of 2 × 2", 1.6, 0.2, INPUT, 10.5)
    for x, title, pool, text in [
        (4.1, "max-pooling, 4 × 4", F.max_pool2d, "{:g}"),
        (6.75, "average pooling, 4 × 4", F.avg_pool2d, "{:.2f}"),
    ]:
        output = pool(image[None, None], 2)[0, 0]
        box = numbers(ax, output, x, 0.94, 0.56, OUTPUT, text=text, size=10)
        name(ax, box, title, OUTPUT)
        frame(ax, box.part(row, column, 1), ACCENT, 3.2, order=7)
        if pool is F.max_pool2d:
            beam(ax, followed, box.part(row, column, 1), ACCENT)
    return figure


# --- channels ------------------------------------------------------------------------------------


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


def channel_filters():
    """Two filters for three channels, float (2, 3, 3, 3): red against blue, and edges in all."""
    red_against_blue = torch.stack([torch.ones(3, 3), torch.zeros(3, 3), -torch.ones(3, 3)]) / 9
    edges = torch.stack([EDGE, EDGE, EDGE]) / 9
    return torch.stack([red_against_blue, edges])


def channels():
    """Three input channels, two filters of three kernels each, two output maps."""
    picture, weight = colour_picture(), channel_filters()
    maps = F.conv2d(picture[None], weight)[0]  # (2, 46, 46)
    figure, ax = canvas(9.7, 5.75)
    side, top = 1.3, [0.45, 2.25, 4.05]
    whole = pixels(ax, picture.permute(1, 2, 0), 0.1, top[0], side, INPUT, line=2.2)
    name(ax, whole, "picture", INPUT, "(3, 48, 48)")
    columns = [2.35, 4.42, 6.49]
    for c, (title, light) in enumerate(LIGHTS.items()):
        x = columns[c]
        shades = LinearSegmentedColormap.from_list(title, ["black", light])
        box = pixels(ax, picture[c], x, top[0], side, INPUT, cmap=shades, line=2.2)
        name(ax, box, f"{title} channel", INPUT)
        arrow(ax, (x + side / 2, box.bottom + 0.1), (x + side / 2, top[1] - 0.1), KERNEL)
    for o, y in enumerate(top[1:]):
        reach = maps[o].abs().max() * 1.1
        look = {"cmap": SIGNED, "vmin": -reach, "vmax": reach}
        write(ax, f"filter {o}", 0.1, y + 0.45, KERNEL, 10.5, align="left")
        what = ["red against blue", "vertical edges"][o]
        write(ax, f"weight[{o}]  (3, 3, 3)\n{what}", 0.1, y + 0.83, INK, 9, "normal", "left")
        for c, x in enumerate(columns):
            _kernel(ax, weight[o, c], x - 0.63, y + 0.02, 0.19, ninths="÷ 9 below")
            product = convolve(picture[c], weight[o, c])
            pixels(ax, product, x, y, side, MUTED, **look)
            if c:
                write(ax, "+", x - 0.34, y + 1.1, INK, 15)
        result = pixels(ax, maps[o], 8.2, y + 0.02, 1.25, OUTPUT, line=2.6, **look)
        name(ax, result, f"output map {o}", OUTPUT)
        _sign_extremes(ax, maps[o], result)
        write(ax, "=", 7.995, y + 0.65, INK, 15)
    return figure


# --- the network ---------------------------------------------------------------------------------


@torch.no_grad()
def untrained_stages(digit):
    """(layer, output) of each layer of an untrained CNN, seed 0, for one digit (28, 28)."""
    torch.manual_seed(0)
    return list(walk(CNN().eval(), digit[None, None]))


def block_diagram():
    """The CNN of the lesson on training, before training: a digit, real maps of each stage, ten outputs."""
    figure, ax = canvas(9.9, 4.25)
    stages, scale, middle = untrained_stages(nine()), 0.05, 1.95
    layers = [layer for layer, _ in stages]
    output = [values[0] for _, values in stages]

    digit = pixels(ax, nine(), 0.1, middle - 14 * scale, 28 * scale, INPUT, line=2.2)
    first = stack(ax, output[1], 1.9, middle, 26 * scale, 7)
    second = stack(ax, output[3], 4.1, middle, 24 * scale, 9)
    pooled = stack(ax, output[4], 6.3, middle, 12 * scale, 9)
    hidden = output[8].view(32, 4)
    hidden = pixels(ax, hidden, 7.95, middle - 1.36, 0.34, INK, vmax=hidden.max(), line=0.9)
    decision = bars(ax, output[10].softmax(dim=0), 8.85, middle - 1.36, 2.72, 5)
    join_windows(ax, digit, first, (11, 6), 3, KERNEL)
    join_windows(ax, first, second, (10, 6), 3, KERNEL)
    join_windows(ax, second, pooled, (5, 4), 2, ACCENT, stride=2)
    beam(ax, Box(pooled.x, pooled.y - 0.68, 1.28, 1.28), hidden, MUTED)
    beam(ax, hidden, decision, MUTED)

    for x, i, side in [(1.9, 1, 0.38), (4.1, 3, 0.38), (6.3, 4, 0.28)]:
        _more_maps(ax, output[i], x, 3.05, side)
    write(ax, "untrained:\nall near 0.1", 9.3, 3.5, OUTPUT, 9, "normal")
    _describe(ax, 0.8, "digit", (1, 28, 28), INPUT)
    for x, i, title in [
        (2.8, 0, "conv 3 × 3, ReLU"),
        (5.05, 2, "conv 3 × 3, ReLU"),
        (6.9, 4, "max-pool 2 × 2"),
        (8.12, 7, "dense, ReLU"),
        (9.25, 10, "dense"),
    ]:
        n = count_parameters(layers[i])
        _describe(ax, x, title, tuple(output[i].shape), KERNEL if n else ACCENT)
        write(ax, f"{n:,}\nparameters", x, 3.95, INK, 9, "normal")
    return figure


def _more_maps(ax, maps, x, y, side, n=4):
    """A row of other maps, from the more to the less varied."""
    ranked = maps[maps.std(dim=(1, 2)).argsort(descending=True)]
    for k in range(n):
        image = ranked[(k + 1) * len(ranked) // (n + 1)]
        look = {"vmin": image.min(), "vmax": image.max(), "line": 0.9}
        pixels(ax, image, x + k * (side + 0.05), y, side, INK, **look)


def _describe(ax, x, title, shape, colour):
    write(ax, title, x, 0.2, colour, 10.5)
    sizes = ", ".join(str(size) for size in shape)
    write(ax, f"({sizes})", x, 0.43, INK, 9, "normal")


def bars(ax, values, x, y, height, scale):
    """Ten values as horizontal bars, each beside its digit; returns the Box of the digits."""
    cell = height / 10
    box = Box(x, y, cell, height, cell)
    for i, value in enumerate(values.tolist()):
        place = box.part(i, 0, 1)
        look = {"fc": PAPER, "ec": OUTPUT, "lw": 1.2, "zorder": 3}
        ax.add_patch(Rectangle(place[:2], cell, cell, **look))
        write(ax, str(i), *place.middle, INK, 9)
        length, thick = round(max(value, 0) * scale, 2), 0.6 * cell
        corner = (box.right + 0.05, place.middle[1] - thick / 2)
        ax.add_patch(Rectangle(corner, length, thick, fc=OUTPUT, zorder=3))
    return box


def stack(ax, maps, x, middle, side, n, step=0.085):
    """Draw the n most varied of many maps, one behind the other; returns the Box of the front."""
    varied = maps.std(dim=(1, 2)).topk(n).indices
    for place in reversed(range(n)):
        image, shift = maps[varied[place]], place * step
        look = {"vmin": image.min(), "vmax": image.max(), "line": 0.9, "order": 3 - 0.1 * place}
        box = pixels(ax, image, x + shift, middle - side / 2 - shift, side, INK, **look)
    return box


def join_windows(ax, source, target, pixel, size, colour, stride=1):
    """Frame one pixel of the target and the window of the source that it comes from."""
    window = source.part(pixel[0] * stride, pixel[1] * stride, size)
    frame(ax, window, colour, 2, order=6)
    frame(ax, target.part(*pixel, 1), colour, 2, order=6)
    beam(ax, window, target.part(*pixel, 1), colour)


# --- the residual network ------------------------------------------------------------------------


@torch.no_grad()
def recorded_resnet(depth=20):
    """An untrained ResNet, seed 0, and what hooks saw in it for one digit of 14 × 14 pixels.

    Returns:
        (model, outputs): the output (C, H, W) of each of its modules, by name; "" is the model.
    """
    torch.manual_seed(0)
    model, outputs = ResNet(depth).eval(), {}
    for path, module in model.named_modules():

        def keep(module, inputs, output, path=path):
            outputs[path] = output[0]

        module.register_forward_hook(keep)
    outputs["digit"] = F.avg_pool2d(nine()[None, None], 2)[0]  # (1, 14, 14)
    model(outputs["digit"][None])
    return model, outputs


def residual_block():
    """Two blocks of a ResNet on a real digit: shortcut as it is, and shortcut by projection."""
    model, outputs = recorded_resnet()
    figure, ax = canvas(9.9, 5.15)
    blocks = [("3.0", "3.1", 1.35), ("3.2", "4.0", 4.15)]
    for before, path, middle in blocks:
        _draw_block(ax, model.get_submodule(path), outputs, before, path, middle)
    return figure


def _draw_block(ax, block, outputs, before, path, middle):
    """One row: x, the layers of F, F(x), the sum and y; the shortcut runs above."""
    y = outputs[path]
    channel = (y.std(dim=(1, 2)) * (y > 0).float().mean(dim=(1, 2))).argmax()
    source = outputs[before][channel % len(outputs[before])]
    residual = outputs[f"{path}.residual"][channel]
    projected = len(outputs[before]) != len(y)
    skip = outputs[f"{path}.shortcut"][channel] if projected else source
    assert torch.allclose((residual + skip).relu(), y[channel], atol=1e-6)

    x_map = _map(ax, source, 0.15, middle, "x", INPUT, outputs[before])
    for x, first, last in [(1.75, 0, 0), (2.9, 1, 2), (4.05, 3, 3), (5.2, 4, 4)]:
        layers = list(block.residual)[first : last + 1]
        _layer_box(ax, layers, x, middle, outputs[f"{path}.residual.{last}"])
    f_map = _map(ax, residual, 6.35, middle, "F(x)", KERNEL, outputs[f"{path}.residual"], True)
    y_map = _map(ax, y[channel], 8.75, middle, "y", OUTPUT, y)
    for start, end in [(x_map.right, 1.75), (2.65, 2.9), (3.8, 4.05), (4.95, 5.2), (6.1, 6.35)]:
        arrow(ax, (start, middle), (end, middle))
    plus = (f_map.right + 0.34, middle)
    arrow(ax, (f_map.right, middle), (plus[0] - 0.14, middle))
    arrow(ax, (plus[0] + 0.14, middle), (y_map.x, middle))
    write(ax, "ReLU", (plus[0] + 0.14 + y_map.x) / 2, middle - 0.15, INK, 9)
    ax.add_patch(Circle(plus, 0.14, fc=PAPER, ec=INK, lw=1.6, zorder=7))
    write(ax, "+", *plus, INK, 13)

    top = middle - 1.0
    colour, style = (KERNEL, "--") if projected else (INPUT, "-")
    start = (x_map.right + 0.2, middle)
    corners = [start, (start[0], top), (plus[0], top), (plus[0], middle - 0.3)]
    ax.plot(*zip(*corners), color=colour, lw=2.4, ls=style, zorder=4)
    arrow(ax, (plus[0], middle - 0.32), (plus[0], middle - 0.14), colour)
    if projected:
        _layer_box(ax, list(block.shortcut), 3.15, top, skip=True, output=y, width=2.3)
    else:
        write(ax, "shortcut: x as it is, no parameters", 4.3, top - 0.17, INPUT, 10.5)


def _map(ax, image, x, middle, title, colour, maps, signed=False):
    """One of several maps with its name above and the shape of all below."""
    reach = image.abs().max().item()
    look = {"cmap": SIGNED, "vmin": -reach} if signed else {}
    box = pixels(ax, image, x, middle - 0.5, 1.0, colour, vmax=reach, line=2.2, **look)
    shape = ", ".join(str(size) for size in maps.shape)
    name(ax, box, title, colour, f"({shape})", size=11)
    write(ax, f"one of {len(maps)} maps", box.middle[0], box.bottom + 0.37, MUTED, 8.5, "normal")
    return box


def _layer_box(ax, layers, x, middle, output, width=0.9, skip=False):
    """A rounded box with the names of layers, their output shape and their parameters."""
    names = {"BatchNorm2d": "batch norm", "ReLU": "ReLU"}
    titles = []
    for layer in layers:
        title = names.get(type(layer).__name__)
        if title is None:
            stride = f"stride {layer.stride[0]}"
            title = "conv {} × {}".format(*layer.kernel_size) + (", " if skip else "\n") + stride
        titles.append(title)
    height = 0.6 if skip else 0.95
    n = sum(count_parameters(layer) for layer in layers)
    corners = "round,pad=0,rounding_size=0.07"
    look = {"boxstyle": corners, "fc": "#fdf1e7", "ec": KERNEL, "lw": 1.6, "zorder": 6}
    ax.add_patch(FancyBboxPatch((x, middle - height / 2), width, height, **look))
    if skip:
        write(ax, ", ".join(titles), x + width / 2, middle - 0.12, INK, 9)
        write(ax, f"{n:,} parameters", x + width / 2, middle + 0.14, INK, 8.5, "normal")
        return
    write(ax, "\n".join(titles), x + width / 2, middle, INK, 9)
    shape = ", ".join(str(size) for size in output.shape)
    write(ax, f"({shape})", x + width / 2, middle + 0.65, INK, 8.5, "normal")
    write(ax, f"{n:,} par.", x + width / 2, middle + 0.86, KERNEL, 8.5, "normal")


def resnet():
    """All layers of the ResNet with depth 20: bars as high as the maps, shortcuts as arcs."""
    model, outputs = recorded_resnet()
    figure, ax = canvas(9.9, 3.7)
    middle, scale = 1.75, 0.08
    side = outputs["digit"].shape[-1] * scale
    digit = pixels(ax, outputs["digit"][0], 0.1, middle - side / 2, side, INPUT, line=2.2)
    _caption(ax, digit.middle[0], "digit", outputs["digit"], colour=INPUT)
    write(ax, "parameters:", digit.middle[0], 3.4, INK, 9, "normal")

    bar = _bar(ax, digit.right + 0.4, middle, outputs["0"], scale)
    arrow(ax, (digit.right, middle), (bar.x, middle))
    _caption(ax, bar.middle[0], "conv", outputs["2"], model[0], model[1])
    x = bar.right
    for stage in ("3", "4", "5"):
        blocks, left = model.get_submodule(stage), x + 0.2
        for place, block in enumerate(blocks):
            start = x
            for layer, gap in [("0", 0.26 if place == 0 else 0.17), ("3", 0.08)]:
                maps = outputs[f"{stage}.{place}.residual.{layer}"]
                bar = _bar(ax, x + gap, middle, maps, scale)
                ax.plot([x, bar.x], [middle, middle], color=MUTED, lw=1.4, ls="-", zorder=3)
                x = bar.right
            x = _shortcut(ax, start, x, middle, not isinstance(block.shortcut, torch.nn.Identity))
        title = f"stage {int(stage) - 2}, {len(blocks)} blocks"
        _caption(ax, (left + x) / 2, title, outputs[stage], blocks)
    bar = _bar(ax, x + 0.35, middle, outputs["7"][:, None, None], scale, ACCENT)
    arrow(ax, (x, middle), (bar.x, middle))
    _caption(ax, bar.middle[0], "mean", outputs["7"], colour=ACCENT)
    decision = bars(ax, outputs["8"].softmax(dim=0), bar.right + 0.4, middle - 0.9, 1.8, 1.2)
    beam(ax, bar, decision, MUTED)
    _caption(ax, decision.right + 0.05, "dense", outputs["8"], model[8])

    for x, colour, style, text in [
        (2.3, INPUT, "-", "shortcut: x as it is"),
        (5.0, KERNEL, DASHES, "shortcut: projection by a 1 × 1 convolution"),
    ]:
        ax.plot([x, x + 0.4], [0.3, 0.3], color=colour, lw=1.8, ls=style)
        write(ax, text, x + 0.5, 0.3, colour, 9.5, align="left")
    return figure


DASHES = (0, (3, 1.5))


def _bar(ax, x, middle, maps, scale, colour=KERNEL):
    """A bar as high as the maps and thicker with more channels; returns its Box."""
    width, height = 0.05 + 0.0025 * len(maps), maps.shape[-2] * scale
    box = Box(x, middle - height / 2, width, height)
    look = {"fc": colour, "ec": PAPER, "lw": 0.5, "zorder": 5}
    ax.add_patch(Rectangle(box[:2], width, height, **look))
    return box


def _shortcut(ax, start, end, middle, projected):
    """A shortcut over the layers between start and end, and the addition; returns where it ends."""
    plus, radius, top = end + 0.14, 0.07, middle - 1.0
    colour, style = (KERNEL, DASHES) if projected else (INPUT, "-")
    left, round_ = start + 0.05, 0.08
    path = [(left, middle), (left, top + round_), (left + round_, top)]
    path += [(plus - round_, top), (plus, top + round_), (plus, middle - radius)]
    ax.plot(*zip(*path), color=colour, lw=1.8, ls=style, zorder=4)
    ax.plot([end, plus], [middle, middle], color=MUTED, lw=1.4, ls="-", zorder=3)
    ax.add_patch(Circle((plus, middle), radius, fc=PAPER, ec=INK, lw=1, zorder=7))
    write(ax, "+", plus, middle, INK, 7)
    return plus + radius


def _caption(ax, x, title, maps, *layers, colour=KERNEL):
    """What a part of the network is, the shape that leaves it, and its parameters."""
    write(ax, title, x, 2.9, colour, 10)
    write(ax, f"({', '.join(str(size) for size in maps.shape)})", x, 3.15, INK, 9, "normal")
    n = sum(count_parameters(layer) for layer in layers)
    if n:
        write(ax, f"{n:,}", x, 3.4, INK, 9, "normal")


# --- the U-Net -----------------------------------------------------------------------------------


@torch.no_grad()
def recorded_unet(model, X):
    """What goes into (path, "in") and comes out of (path, "out") each part of a UNet, by hooks."""
    seen, hooks = {}, []
    for path, module in model.named_modules():

        def keep(module, inputs, output, path=path):
            seen[path, "in"], seen[path, "out"] = inputs[0][0], output[0]

        hooks.append(module.register_forward_hook(keep))
    model.eval()(X)
    for hook in hooks:
        hook.remove()
    return seen


def unet(model=None, scene=None):
    """The U-Net of the lesson on the U-Net with the maps it makes of a scene; untrained if none is given.

    Args:
        model: a UNet with three widths and skips; scene: float (1, H, W).
    """
    if model is None:
        torch.manual_seed(0)
        model = UNet()
    if scene is None:
        X, y = digits(1000)
        scene = scenes(X[y < 5], y[y < 5], n=16)[0][8]
    seen = recorded_unet(model, scene[None])
    figure, ax = canvas(9.9, 5.5)
    rows = [1.35, 3.2, 4.65]

    picture = pixels(ax, scene[0], 0.1, rows[0] - 0.5, 1.0, INPUT, line=2.2)
    name(ax, picture, "scene", INPUT, _shape(scene))
    encoded = []
    for level, (x, side) in enumerate([(1.75, 1.1), (2.2, 0.8), (3.95, 0.6)]):
        encoded.append(_maps(ax, seen[f"encoder.{level}", "out"], x, rows[level], side, KERNEL))
    places = [(1, 4.8, 0.6, 6.9, 0.8), (0, 4.75, 0.8, 7.3, 0.95)]
    joined, decoded = {}, {}
    for stage, (level, x, side, x_after, side_after) in enumerate(places):
        joined[level] = _joined(ax, seen, level, stage, x, rows[level], side)
        after = seen[f"decoder.{stage}", "out"]
        decoded[level] = _maps(ax, after, x_after, rows[level], side_after, KERNEL)
        start, end = joined[level][1].right + 0.16, x_after - 0.05
        _convolve_twice(ax, start, end, rows[level])
        _skip(ax, encoded[level].right + 0.3, x - 0.06, rows[level])
    classes = seen["head", "out"].softmax(dim=0)
    answer = _maps(ax, classes, 8.75, rows[0], 0.85, OUTPUT, n=4)
    write(ax, "a probability map\nfor each class", answer.middle[0] + 0.12, 0.4, OUTPUT, 9.5)

    _convolve_twice(ax, picture.right + 0.05, 1.7, rows[0])
    arrow(ax, (decoded[0].right + 0.24, rows[0]), (answer.x - 0.05, rows[0]), KERNEL)
    write(ax, "conv 1 × 1, softmax", 8.75, 2.2, KERNEL, 9)
    for start, end, x, y in [
        ((2.55, 2.2), (2.55, 2.58), 1.9, 2.42),
        ((3.0, 3.68), (3.9, 4.4), 2.8, 4.15),
    ]:
        arrow(ax, start, end, INK)
        write(ax, "max-pool 2 × 2", x, y, INK, 9)
    for start, end, x, y in [
        ((4.85, 4.5), (6.05, 3.97), 6.15, 4.4),
        ((7.05, 2.62), (6.4, 2.13), 7.5, 2.42),
    ]:
        arrow(ax, start, end, KERNEL)
        write(ax, "up-convolution", x, y, KERNEL, 9)
    write(ax, "encoder", 0.6, rows[1], INK, 12)
    write(ax, "bottleneck", 4.3, rows[2] + 0.68, INK, 12)
    write(ax, "decoder", 9.1, rows[1], INK, 12)
    return figure


def _maps(ax, maps, x, middle, side, colour, n=4):
    """A few of many maps, one behind the other, with the shape of all; the Box of the front."""
    front = stack(ax, maps, x, middle, side, n, step=0.06)
    frame(ax, front, colour, 2)
    write(ax, _shape(maps), front.middle[0], front.bottom + 0.16, INK, 9, "normal")
    return front


def _joined(ax, seen, level, stage, x, middle, side):
    """The maps of the skip and the upsampled ones side by side; returns both Boxes."""
    skip, up = seen[f"encoder.{level}", "out"], seen[f"up.{stage}", "out"]
    both = seen[f"decoder.{stage}", "in"]
    assert torch.equal(both, torch.cat([skip, up]))
    boxes = []
    for maps, colour in [(skip, ACCENT), (up, KERNEL)]:
        boxes.append(stack(ax, maps, x, middle, side, 3, step=0.06))
        frame(ax, boxes[-1], colour, 2)
        write(ax, str(len(maps)), boxes[-1].middle[0], boxes[-1].bottom + 0.14, colour, 9)
        x = boxes[-1].right + 0.22
    middle = (boxes[0].right + boxes[1].x) / 2
    write(ax, "+", middle, boxes[0].bottom + 0.14, INK, 9)
    write(ax, _shape(both), middle, boxes[0].bottom + 0.33, INK, 9, "normal")
    return boxes


def _convolve_twice(ax, start, end, y):
    arrow(ax, (start, y), (end, y), KERNEL)
    write(ax, "2 conv", (start + end) / 2, y - 0.15, KERNEL, 9)


def _skip(ax, start, end, y):
    look = {"arrowstyle": "-|>", "mutation_scale": 13, "lw": 2.4, "ls": (0, (4, 1.2))}
    ends = {"posA": (start, y), "posB": (end, y), "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(**ends, color=ACCENT, **look))
    write(ax, "skip: copy", (start + end) / 2, y - 0.17, ACCENT, 9.5)
    write(ax, "and concatenate", (start + end) / 2, y + 0.17, ACCENT, 9.5)


def _shape(maps):
    return "(" + ", ".join(str(size) for size in maps.shape) + ")"


# --- the vision transformer ----------------------------------------------------------------------


@torch.no_grad()
def recorded_vit(model=None, digit=None):
    """A ViT, untrained with seed 0 by default, and what hooks saw in it for one digit.

    Args:
        digit: float (28, 28), the nine by default.

    Returns:
        (model, outputs): the output of each of its modules for that digit, by name; "tokens" is
        what goes into the first block, (17, 32). In double precision, so that rounding on another
        machine does not change a file.
    """
    if model is None:
        torch.manual_seed(0)
        model = ViT()
    model, outputs = deepcopy(model).double().eval(), {}
    for path, module in model.named_modules():

        def keep(module, inputs, output, path=path):
            outputs[path] = output[0]

        module.register_forward_hook(keep)
    X = (nine() if digit is None else digit)[None, None].double()
    model(X)
    outputs["tokens"] = model.tokens(X)[0]
    return model, outputs


def vit(model=None, digit=None):
    """The vision transformer with what it makes of a digit; untrained if no model is given."""
    digit = nine() if digit is None else digit
    model, outputs = recorded_vit(model, digit)
    tokens, heads = outputs["tokens"], model.blocks[0].attention.weights[0]
    size = model.embedding.project.kernel_size[0]
    figure, ax = canvas(9.9, 4.35)
    middle, row = 1.95, 0.165
    top = middle - len(tokens) * row / 2

    whole = pixels(ax, digit, 0.1, middle - 0.56, 1.12, INPUT, line=2.2)
    _patch_grid(ax, whole, size)
    for i, patch in enumerate(_patches(digit, size)):
        pixels(ax, patch, 1.62, top + (i + 1) * row + 0.01, row - 0.02, INPUT, line=0.6)
    write(ax, "class", 1.6, top + row / 2, KERNEL, 9, align="center")
    column = Box(1.62, top + row, row, (len(tokens) - 1) * row)
    beam(ax, whole, column, INPUT)
    first = _token_rows(ax, tokens, 1.87, top, row, 1.3)
    _vit_caption(ax, 0.66, "digit", f"(1, {len(digit)}, {len(digit)})", INPUT)
    _vit_caption(ax, 2.3, "patches to tokens", _shape(tokens), KERNEL)

    block = Box(3.42, 0.5, 4.3, 2.9)
    corners = "round,pad=0,rounding_size=0.12"
    look = {"boxstyle": corners, "fc": "#fdf8f3", "ec": KERNEL, "lw": 1.4, "zorder": 0.5}
    ax.add_patch(FancyBboxPatch(block[:2], block.width, block.height, **look))
    _vit_caption(ax, block.middle[0], f"encoder block, {len(model.blocks)} times", "", KERNEL)
    ax.plot([first.right, 7.9], [middle, middle], color=MUTED, lw=1.4, ls="-", zorder=1)
    _vit_layer(ax, "norm", 3.8, middle, 0.5)
    look = {"cmap": "Oranges", "vmin": heads.min(), "vmax": heads.max()}
    for h, weights in enumerate(heads):
        x, y = 4.47 + 0.62 * (h % 2), middle - 0.6 + 0.62 * (h // 2)
        pixels(ax, weights, x, y, 0.56, KERNEL, **look, line=1.2)
    write(ax, f"attention, {len(heads)} heads", 5.06, middle + 0.8, INK, 9)
    write(ax, f"weights {_shape(heads[0])} each", 5.06, middle + 1.0, INK, 8.5, "normal")
    _vit_sum(ax, 3.62, 5.87, middle)
    _vit_layer(ax, "norm", 6.2, middle, 0.5)
    hidden = outputs["blocks.0.mlp.0"].shape[-1]
    _vit_layer(ax, f"dense\n{hidden}\nGELU\ndense\n{tokens.shape[-1]}", 6.82, middle, 0.54, 1.15)
    _vit_sum(ax, 6.06, 7.52, middle)

    final = outputs[f"blocks.{len(model.blocks) - 1}"]
    result = _token_rows(ax, final, 7.95, top, row, 0.75)
    _vit_caption(ax, result.middle[0], "tokens", _shape(final), INK)
    answer = bars(ax, outputs["head"].softmax(dim=0), 9.05, top, 2.2, 0.55)
    start = Box(result.x, top, result.width, row)
    beam(ax, start, answer, KERNEL)
    _vit_caption(ax, 9.3, "norm, dense", _shape(outputs["head"]), OUTPUT)
    n_start = [model.class_token.numel(), model.positions.numel()]
    counts = [
        (2.1, f"{count_parameters(model.embedding):,} for patches, {n_start[0]} for the class"),
        (2.1, f"token, {n_start[1]} for positions"),
        (5.57, f"{len(model.blocks)} × {count_parameters(model.blocks[0]):,} parameters"),
        (9.1, f"{count_parameters(model.norm) + count_parameters(model.head)}"),
    ]
    for (x, text), y in zip(counts, [3.85, 4.05, 3.85, 3.85]):
        write(ax, text, x, y, INK, 9, "normal")
    return figure


def _patches(digit, size):
    """The patches of a digit in reading order, (P, size, size)."""
    return digit.unfold(0, size, size).unfold(1, size, size).reshape(-1, size, size)


def _patch_grid(ax, box, size):
    """Lines between the patches of a digit."""
    side = size * box.cell
    for i in range(1, round(box.width / side)):
        x, y = box.x + i * side, box.y + i * side
        ax.plot([x, x], [box.y, box.bottom], color=INPUT, lw=1, ls="-", zorder=4)
        ax.plot([box.x, box.right], [y, y], color=INPUT, lw=1, ls="-", zorder=4)


def _token_rows(ax, tokens, x, top, row, width):
    """Tokens (T, D) as rows of one picture, the class token framed; returns the Box of all."""
    reach = tokens.abs().max().item()
    look = {"aspect": "auto", "interpolation": "none", "zorder": 2, "vmin": -32, "vmax": 32}
    steps = (tokens / reach * 32).round()
    box = Box(x, top, width, len(tokens) * row, row)
    ax.imshow(steps.numpy(), cmap=SIGNED, extent=(x, box.right, box.bottom, top), **look)
    for i in range(1, len(tokens)):
        y = top + i * row
        ax.plot([x, box.right], [y, y], color=PAPER, lw=1.2, ls="-", zorder=3)
    frame(ax, box, MUTED, 0.8)
    frame(ax, Box(x, top, width, row), KERNEL, 2, order=6)
    return box


def _vit_caption(ax, x, title, detail, colour):
    write(ax, title, x, 0.16, colour, 10.5)
    write(ax, detail, x, 0.37, INK, 9, "normal")


def _vit_layer(ax, title, x, middle, width, height=0.5):
    corners = "round,pad=0,rounding_size=0.06"
    look = {"boxstyle": corners, "fc": "#fdf1e7", "ec": KERNEL, "lw": 1.4, "zorder": 6}
    ax.add_patch(FancyBboxPatch((x, middle - height / 2), width, height, **look))
    write(ax, title, x + width / 2, middle, INK, 9)


def _vit_sum(ax, start, end, middle):
    """The skip connection over the layers between start and end, and the addition."""
    top = middle - 1.0
    path = [(start, middle), (start, top), (end, top), (end, middle - 0.25)]
    ax.plot(*zip(*path), color=INPUT, lw=1.8, ls="-", zorder=4)
    arrow(ax, (end, middle - 0.27), (end, middle - 0.1), INPUT)
    ax.add_patch(Circle((end, middle), 0.1, fc=PAPER, ec=INK, lw=1.2, zorder=7))
    write(ax, "+", end, middle, INK, 10)


def attention_step(
    patches=16, class_token=True, positions=True, query=None, model=None, digit=None, head=0
):
    """One picture of the way from a digit to patches, tokens and one head of attention.

    Queries, keys and values are those of the first block of the model.

    Args:
        patches: how many patches are cut so far.
        class_token, positions: whether the class token is there, whether positions are added.
        query: the token that asks, 0 is the class token; None before attention.
        model: a ViT, untrained by default.
        digit: float (28, 28), the nine by default.
        head: which head of the first block is shown.
    """
    digit = nine() if digit is None else digit
    model, outputs = recorded_vit(model, digit)
    tokens = outputs["tokens"] if positions else outputs["tokens"] - model.positions[0].detach()
    block = model.blocks[0]
    QKV = (
        block.attention.to_qkv(block.norm1(tokens))
        .detach()
        .unflatten(1, (3, block.attention.heads, -1))
    )
    changed, weights = attention(*QKV[:, :, head].unbind(1))
    shown = tokens / tokens.abs().max()
    shown[1 + patches :] = 0
    if not class_token:
        shown[0] = 0

    figure, ax = canvas(9.7, 4.3)
    shares = torch.zeros(16) if query is None else weights[query, 1:] / weights[query].max()
    whole = pixels(ax, _tinted(digit, shares), 0.1, 0.75, 1.8, INPUT, line=2.2)
    _patch_grid(ax, whole, 7)
    places = [whole.part(7 * (i // 4), 7 * (i % 4), 7) for i in range(16)]
    slot, left, top = 0.435, 2.2, 1.45
    for i, patch in enumerate(_patches(digit, 7)[:patches], start=1):
        box = pixels(ax, patch, left + i * slot + 0.03, 0.82, slot - 0.06, INPUT)
        write(ax, str(i), box.middle[0], 0.68, INK, 9, "normal")
    if class_token:
        write(ax, "class", left + slot / 2 - 0.05, 1.02, KERNEL, 9.5)
    _token_columns(ax, shown, left, top, slot, 1.15)
    if query is None and patches < 16:
        frame(ax, places[patches - 1], ACCENT, 3, order=7)
        beam(ax, places[patches - 1], Box(left + patches * slot + 0.03, 0.82, 0.375, 0.375), ACCENT)
    if query is None:
        write(ax, _vit_stage(patches, class_token, positions), left, 0.25, INK, 12, align="left")
        return figure

    who = f"patch {query}" if query else "the class token"
    what = f"layer 1, head {head + 1}: {who} asks, each token answers"
    write(ax, what, left, 0.25, INK, 12, align="left")
    frame(ax, Box(left + query * slot, top, slot, 1.15), ACCENT, 3, order=7)
    for i, weight in enumerate(weights[query].tolist()):
        x, height = left + i * slot, 0.75 * weight / weights[query].max().item()
        look = {"fc": KERNEL, "zorder": 3}
        ax.add_patch(Rectangle((x + 0.06, 3.6 - height), slot - 0.12, height, **look))
        write(ax, f"{100 * weight:.0f}", x + slot / 2, 3.75, INK, 9, "normal")
    if query:
        frame(ax, places[query - 1], ACCENT, 3, order=7)
    write(ax, "weights in %, together 100", left + 8.5 * slot, 4.05, KERNEL, 10.5)
    result = changed[query][None]
    look = {"cmap": SIGNED, "vmin": -result.abs().max(), "vmax": result.abs().max(), "line": 2}
    box = pixels(ax, result, 0.1, 3.2, 1.8, OUTPUT, **look)
    write(
        ax,
        "what comes out: weighted\nmean of values of 8 numbers",
        box.middle[0],
        3.78,
        OUTPUT,
        9.5,
    )
    return figure


def _vit_stage(patches, class_token, positions):
    if positions:
        return "a vector for its place is added to each token"
    if class_token:
        return "a class token, the same for every image, goes first"
    return f"patch {patches} of 16: 49 pixels become a token of 32 numbers"


def _token_columns(ax, tokens, x, y, slot, height):
    """Tokens (T, D) from -1 to 1 side by side, each a column of D numbers; zeros stay white."""
    look = {"aspect": "auto", "interpolation": "none", "zorder": 2, "vmin": -32, "vmax": 32}
    steps = (tokens * 32).round()
    for i, column in enumerate(steps):
        if column.abs().sum():
            place = Box(x + i * slot + 0.06, y, slot - 0.12, height)
            extent = (place.x, place.right, place.bottom, place.y)
            ax.imshow(column[:, None].numpy(), cmap=SIGNED, extent=extent, **look)
            frame(ax, place, MUTED if i else KERNEL, 1 if i else 2)


def _tinted(digit, shares):
    """The digit in ink on patches that are the more orange the larger their share, (28, 28, 3)."""
    shares = shares.float().view(4, 4).repeat_interleave(7, 0).repeat_interleave(7, 1)[..., None]
    paper, orange = (torch.tensor(mpl.colors.to_rgb(colour)) for colour in (PAPER, KERNEL))
    return (1 - digit[..., None]) * torch.lerp(paper, orange, 0.75 * shares)


def vit_attention(model=None, digit=None, head=0, queries=(0, 6, 7, 11, 15)):
    """From image to patches to tokens to attention. Bytes of an animated PNG.

    Args: as for `attention_step`; queries: the tokens that ask, one after the other.
    """
    bare = {"class_token": False, "positions": False}
    steps = [({"patches": patches} | bare, 1) for patches in (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)]
    steps += [({"positions": False}, 3), ({}, 3)]
    steps += [({"query": query}, 3) for query in queries]
    given = {"model": model, "digit": digit, "head": head}
    frames = []
    for step, times in steps:
        frames += times * [as_picture(attention_step(**step, **given), dpi=90)]
    return animated_png(frames, milliseconds=600)


# --- the series ----------------------------------------------------------------------------------


CARD = 3.2, 3.15  # width and height of one lesson


def series():
    """The series in one picture: a card for each lesson, four in a row."""
    lessons = [
        ("01", "data", "60,000 digits become batches", INPUT, _card_of_digits),
        ("02", "convolution", "a kernel walks over a digit", KERNEL, _card_of_a_kernel),
        ("03", "training", "many kernels come to a decision", OUTPUT, _card_of_a_network),
        ("04", "features", "what is still a nine to it?", ACCENT, _card_of_changes),
        ("05", "ResNet", "a shortcut past every two layers", INPUT, _card_of_shortcuts),
        ("06", "U-Net", "a class for every pixel", KERNEL, _card_of_a_scene),
        ("07", "ViT", "patches that attend to each other", OUTPUT, _card_of_patches),
        ("08", "scaling", "one batch, many processes", ACCENT, _card_of_processes),
    ]
    width, height = CARD
    figure, ax = canvas(4 * (width + 0.2), 2 * (height + 0.2))
    for place, (number, title, what, colour, draw) in enumerate(lessons):
        x, y = 0.1 + place % 4 * (width + 0.2), 0.1 + place // 4 * (height + 0.2)
        corners = "round,pad=0,rounding_size=0.12"
        look = {"boxstyle": corners, "fc": "#f6f7f9", "ec": "#c9ced6", "lw": 1, "zorder": 0}
        ax.add_patch(FancyBboxPatch((x, y), width, height, **look))
        write(ax, number, x + 0.2, y + 0.32, colour, 20, align="left")
        write(ax, title, x + 0.68, y + 0.32, INK, 15, align="left")
        write(ax, what, x + 0.2, y + height - 0.25, INK, 10.5, "normal", "left")
        draw(ax, x + 0.2, y + 0.65)
    return figure


def _card_of_digits(ax, x, y):
    rows = digits()[0][:54, 0].view(6, 9, 28, 28)
    page = rows.permute(0, 2, 1, 3).reshape(6 * 28, 9 * 28)
    pixels(ax, page, x, y, 2.8, INPUT)


def _card_of_a_kernel(ax, x, y):
    whole = pixels(ax, nine(), x, y + 0.25, 1.38, INPUT, line=1.8)
    look = {"cmap": SIGNED, "vmin": -4, "vmax": 4, "line": 1.8}
    result = pixels(ax, convolve(nine(), EDGE), x + 1.52, y + 0.3, 1.28, OUTPUT, **look)
    join_windows(ax, whole, result, (9, 7), 3, KERNEL)


def _card_of_a_network(ax, x, y):
    output = [values[0] for _, values in untrained_stages(nine())]
    first = stack(ax, output[1], x, y + 1.12, 0.75, 5, step=0.07)
    second = stack(ax, output[3], x + 1.12, y + 1.08, 0.6, 5, step=0.07)
    decision = bars(ax, fitted_scores(nine()), x + 2.2, y, 1.88, 0.55)
    join_windows(ax, first, second, (10, 4), 3, KERNEL)
    beam(ax, Box(second.x, second.y - 0.28, 0.88, 0.88), decision, MUTED)


def _card_of_changes(ax, x, y):
    noise = torch.randn(28, 28, generator=torch.Generator().manual_seed(0))
    thick = F.max_pool2d(nine()[None, None], 3, stride=1, padding=1)[0, 0]
    small = F.avg_pool2d(nine()[None, None], 2)[0, 0]
    changed = [
        nine(),
        nine().roll(6, 1),
        nine().rot90(),
        F.pad(small, (7, 7, 7, 7)),
        thick,
        (nine() + 0.3 * noise).clamp(0, 1),
    ]
    for place, image in enumerate(changed):
        corner = x + place % 3 * 0.96, y + place // 3 * 0.98
        pixels(ax, image, *corner, 0.86, ACCENT if place else INPUT, line=1.8)


def _card_of_shortcuts(ax, x, y):
    output = [maps[0] for maps in _maps_of_blocks()]
    for place, maps in enumerate(output):
        box = stack(ax, maps, x + place * 1.0, y + 1.25, 0.6, 3, step=0.06)
        if place:
            arrow(ax, (box.x - 0.3, y + 1.25), (box.x - 0.03, y + 1.25), KERNEL)
            ends = {"posA": (box.x - 0.65, y + 0.8), "posB": (box.x + 0.2, y + 0.8)}
            bend = {"connectionstyle": "arc3,rad=-0.55", "mutation_scale": 14, "zorder": 6}
            ax.add_patch(FancyArrowPatch(**ends, **bend, color=INPUT, lw=2.4, arrowstyle="-|>"))
            write(ax, "+ x", box.x - 0.22, y + 0.25, INPUT, 11)


@torch.no_grad()
def _maps_of_blocks():
    """The nine after a first convolution and after two residual blocks, each (1, C, H, W)."""
    torch.manual_seed(0)
    layers = list(ResNet(20))
    first = torch.nn.Sequential(*layers[:3])(F.avg_pool2d(nine()[None, None], 2))
    second = layers[3][0](first)
    return first, second, layers[3][1](second)


def _card_of_a_scene(ax, x, y):
    X, y_true = digits(1000)
    images, masks, _ = scenes(X[y_true < 5], y_true[y_true < 5], n=16)
    scene, mask = images[8, 0], masks[8]
    picture = pixels(ax, scene, x, y + 0.3, 1.3, INPUT, line=1.8)
    colours = [PAPER, INPUT, KERNEL, OUTPUT, ACCENT, MUTED]
    painted = torch.tensor([mpl.colors.to_rgb(colour) for colour in colours])[mask]
    answer = pixels(ax, painted, x + 1.5, y + 0.3, 1.3, OUTPUT, line=1.8)
    arrow(ax, (picture.right + 0.02, y + 0.95), (answer.x - 0.02, y + 0.95), KERNEL)
    for value in mask.unique()[1:].tolist():
        column = (mask == value).nonzero()[:, 1].float().mean().item()
        place = answer.x + column * answer.cell, answer.bottom + 0.18
        write(ax, str(value - 1), *place, colours[value], 11)


def _card_of_patches(ax, x, y):
    size, side = 7, 0.36
    places = {}
    for row in range(4):
        for column in range(4):
            patch = nine()[row * size : (row + 1) * size, column * size : (column + 1) * size]
            corner = x + 0.55 + column * 0.44, y + 0.05 + row * 0.46
            places[row, column] = pixels(ax, patch, *corner, side, INPUT, line=1)
    asks = places[1, 1]
    frame(ax, asks, ACCENT, 2.6, order=7)
    for key in [(1, 2), (2, 2), (3, 1), (0, 2)]:
        ends = {"posA": asks.middle, "posB": places[key].middle, "zorder": 6}
        bend = {"connectionstyle": "arc3,rad=0.25", "mutation_scale": 12, "arrowstyle": "-|>"}
        ax.add_patch(FancyArrowPatch(**ends, **bend, color=OUTPUT, lw=2))


def _card_of_processes(ax, x, y):
    for rank in range(2):
        top = y + rank * 1.0
        rows = digits()[0][8 * rank : 8 * rank + 8, 0].view(2, 4, 28, 28)
        page = rows.permute(0, 2, 1, 3).reshape(2 * 28, 4 * 28)
        part = pixels(ax, page, x, top + 0.05, 1.3, INPUT, line=1.8)
        write(ax, f"rank {rank}", part.middle[0], part.bottom + 0.14, INPUT, 9.5)
        arrow(ax, (part.right + 0.05, part.middle[1]), (x + 1.95, y + 0.93), ACCENT)
    write(ax, "average\nof the\ngradients", x + 2.4, y + 0.93, ACCENT, 11)


@torch.no_grad()
def fitted_scores(digit, n=1000):
    """Ten scores for a digit from the maps of the untrained CNN and a last layer that is fitted.

    The last layer solves a least squares problem over n training digits: quick, and the same on
    every machine, which the training in the lesson on training is not.
    """
    torch.manual_seed(0)
    network = torch.nn.Sequential(*list(CNN())[:5])  # up to the max-pool
    X, y = digits(n + 100)

    def features(images):
        return F.avg_pool2d(network(images), 3).flatten(1).double()  # (N, 64 · 4 · 4)

    known = features(X[100:])  # the hundred digits of the figures are left out
    squares = known.T @ known + torch.eye(known.shape[1])
    weights = torch.linalg.solve(squares, known.T @ F.one_hot(y[100:], 10).double())
    return (features(digit[None, None]) @ weights)[0]


def link_card():
    """The picture that a link to the course unfolds to, PNG bytes of 1200 × 630 pixels."""
    with mpl.rc_context({"savefig.bbox": "standard"}):
        figure, ax = canvas(12, 6.3)
        whole = pixels(ax, nine(), 0.7, 2.1, 3.4, INPUT, line=3)
        look = {"cmap": SIGNED, "vmin": -4, "vmax": 4, "line": 3}
        result = pixels(ax, convolve(nine(), EDGE), 5.2, 2.22, 3.16, OUTPUT, **look)
        join_windows(ax, whole, result, (9, 7), 3, KERNEL)
        decision = bars(ax, fitted_scores(nine()), 9.6, 2.22, 3.16, 1.6)
        beam(ax, result, decision, MUTED)
        write(ax, "Convolutional networks that run", 0.7, 0.85, INK, 38, align="left")
        what = "A course in PyTorch, from a pixel to the networks of today"
        write(ax, what, 0.7, 1.5, MUTED, 19, "normal", "left")
        return _still_png(figure)


def _still_png(figure, dpi=100):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    return file.getvalue()


def favicon():
    """The kernel of vertical edges on a window of nine pixels, small enough for a browser's tab."""
    figure, ax = canvas(1, 1)
    for row in range(3):
        for column, colour in enumerate((INPUT, "#ffffff", KERNEL)):
            corner = (0.05 + 0.3 * column, 0.05 + 0.3 * row)
            ax.add_patch(Rectangle(corner, 0.3, 0.3, fc=colour, ec=INK, lw=3))
    return figure


# --- memory --------------------------------------------------------------------------------------


def memory_layouts(row=1, column=1):
    """The same colour picture in memory, channels first and channels last; one pixel is marked."""
    picture = colour_picture(6)[:, 2:4, 2:5][None]  # (1, 3, 2, 3)
    figure, ax = canvas(9.7, 3.75)
    marked = row * 3 + column
    for c, title in enumerate(LIGHTS):
        x = 1.5 + 2.6 * c
        write(ax, f"{title} channel", x + 0.75, 0.2, INPUT, 10.5)
        for i in range(6):
            place = Box(x + 0.5 * (i % 3), 0.4 + 0.5 * (i // 3), 0.5, 0.5)
            _memory_cell(ax, place, picture, c * 6 + i, i == marked)
    layouts = [
        ("channels first", picture.contiguous()),
        ("channels last", picture.contiguous(memory_format=torch.channels_last)),
    ]
    places = torch.arange(18).view(1, 3, 2, 3)  # which value: channel · 6 + pixel
    for y, (title, tensor) in zip([1.98, 3.0], layouts):
        in_memory = torch.empty(18, dtype=torch.int64)
        torch.as_strided(in_memory, places.shape, tensor.stride()).copy_(places)
        write(ax, title, 0.35, y - 0.2, OUTPUT, 11, align="left")
        steps = ", ".join(map(str, tensor.stride()[1:]))
        write(ax, f"stride ({steps})", 9.35, y - 0.2, INK, 9.5, "normal", "right")
        for k, value in enumerate(in_memory.tolist()):
            _memory_cell(ax, Box(0.35 + 0.5 * k, y, 0.5, 0.5), picture, value, value % 6 == marked)
    return figure


def _memory_cell(ax, box, picture, value, marked):
    """One number of a picture (1, 3, 2, 3): its channel as colour and letter, then its pixel."""
    channel, pixel = divmod(value, 6)
    title, light = list(LIGHTS.items())[channel]
    shades = LinearSegmentedColormap.from_list(title, ["black", light])
    fill = shades(picture.flatten()[value].item())
    ax.add_patch(Rectangle(box[:2], box.width, box.height, fc=fill, ec=PAPER, lw=0.8, zorder=2))
    write(ax, f"{title[0]}{pixel}", *box.middle, contrasting(fill), 10, "normal")
    if marked:
        inner = Box(box.x + 0.04, box.y + 0.04, box.width - 0.08, box.height - 0.08)
        frame(ax, inner, PAPER, 4.4, order=5)
        frame(ax, inner, ACCENT, 2.4, order=6)


FIGURES = {
    "card.png": link_card,
    "favicon.svg": favicon,
    "series.svg": series,
    "block-diagram.svg": block_diagram,
    "convolution-step.svg": convolution_step,
    "convolution-window.png": convolution_window,
    "kernels-on-a-digit.svg": kernels_on_a_digit,
    "padding.svg": padding,
    "stride-and-dilation.svg": stride_and_dilation,
    "leftover-pixels.svg": leftover_pixels,
    "max-pooling.svg": max_pooling,
    "channels.svg": channels,
    "residual-block.svg": residual_block,
    "resnet.svg": resnet,
    "unet.svg": unet,
    "vit.svg": vit,
    "vit-attention.png": vit_attention,
    "memory-layouts.svg": memory_layouts,
}


def write_all(folder):
    """Draw every figure into the folder: SVG without a date, or animated PNG."""
    use_course_style()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, draw in FIGURES.items():
        drawn, path = draw(), folder / file_name
        if isinstance(drawn, bytes):
            path.write_bytes(drawn)
        else:
            drawn.savefig(path, metadata={"Date": None})
            plt.close(drawn)
        print(f"{path}: {path.stat().st_size // 1000} kB", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Name the folder to write to: python -m cnn.figures ../images")
    write_all(sys.argv[1])
