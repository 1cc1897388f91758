"""The parts of a drawing. Everything stands on one canvas, measured in inches from the top left."""

import re
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.collections import PolyCollection
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from cnn.plotting import INK, MUTED, OUTPUT, PAPER, PIXELS, contrasting


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


BEHIND = 1.5


def beam(ax, start, end, colour, order=4):
    """Join the right edge of one Box with the left edge of another; shaded behind the images.

    Args:
        order: 4 draws the lines over the images, BEHIND behind them, where numbers stand in cells.
    """
    upper, lower = [(start.right, start.y), (end.x, end.y)], [(start.right, start.bottom)]
    lower.append((end.x, end.bottom))
    ax.add_patch(Polygon(upper + lower[::-1], fc=colour, ec="none", alpha=0.13, zorder=1))
    for line in (upper, lower):
        ax.plot(*zip(*line), color=colour, lw=0.9, ls="-", zorder=order)


def arrow(ax, start, end, colour=MUTED):
    """An arrow from one point to another."""
    look = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "lw": 1.4}
    ax.add_patch(FancyArrowPatch(start, end, color=colour, **look))


def join_windows(ax, source, target, pixel, size, colour, stride=1):
    """Frame one pixel of the target and the window of the source that it comes from."""
    window = source.part(pixel[0] * stride, pixel[1] * stride, size)
    frame(ax, window, colour, 2, order=6)
    frame(ax, target.part(*pixel, 1), colour, 2, order=6)
    beam(ax, window, target.part(*pixel, 1), colour)


def stack(ax, maps, x, middle, side, n, step=0.085):
    """Draw the n most varied of many maps, one behind the other; returns the Box of the front."""
    varied = maps.std(dim=(1, 2)).topk(n).indices
    for place in reversed(range(n)):
        image, shift = maps[varied[place]], place * step
        look = {"vmin": image.min(), "vmax": image.max(), "line": 0.9, "order": 3 - 0.1 * place}
        box = pixels(ax, image, x + shift, middle - side / 2 - shift, side, INK, **look)
    return box


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


def shape_of(maps):
    """The shape of a tensor as text, such as "(32, 12, 12)"."""
    return "(" + ", ".join(str(size) for size in maps.shape) + ")"
