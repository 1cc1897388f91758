"""The concept figures of the course, drawn from real digits and real layers.

Notebooks call these functions in the cell where a thing is taught; `python -m cnn.figures FOLDER`
writes all of them, as SVG and as animated PNG.
"""

import io
import re
import sys
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import ConnectionPatch, Rectangle
from torchvision.datasets import MNIST

from cnn.data import find_mnist
from cnn.models import CNN
from cnn.plotting import (
    ACCENT,
    INK,
    INPUT,
    KERNEL,
    MUTED,
    OUTPUT,
    PAPER,
    SIGNED,
    animated_png,
    as_picture,
    show_numbers,
    show_pixels,
    use_course_style,
)
from cnn.shapes import walk

KERNELS = {
    "blur": torch.ones(3, 3) / 9,
    "vertical edges": torch.tensor([[-1.0, 0, 1]] * 3),
    "horizontal edges": torch.tensor([[-1.0, 0, 1]] * 3).T.contiguous(),
    "corners and dots": torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
}
EDGE = KERNELS["vertical edges"]


@cache
def digits():
    """All training digits, float (60000, 28, 28) in [0, 1]."""
    return MNIST(find_mnist()[0]).data.float() / 255


def crop(size=8):
    """A square out of the first training digit, rounded to one decimal so that it can be read."""
    return (digits()[0, 4 : 4 + size, 13 : 13 + size] * 10).round() / 10


def outline(ax, row, column, height, width, colour, style="-"):
    """Draw a frame around whole pixels of an image."""
    corner = (column - 0.5, row - 0.5)
    frame = Rectangle(corner, width, height, fill=False, edgecolor=colour, lw=3, linestyle=style)
    frame.set_clip_on(False)
    ax.add_patch(frame)


def coloured_title(ax, text, colour):
    ax.set_title(text, color=colour)


def symbol(ax, text):
    """A sign such as = between two panels."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, fontsize=20, ha="center", va="center", transform=ax.transAxes)


# --- one step of a convolution -------------------------------------------------------------------


def convolution_step(row=1, column=2, filled=None):
    """One window of the input, its products with the kernel, and the sum in the output.

    Args:
        row, column: the output pixel that is computed.
        filled: how many output pixels are shown, in reading order; all of them by default.
    """
    image = crop()
    output = F.conv2d(image[None, None], EDGE[None, None])[0, 0]  # (6, 6)
    window = image[row : row + 3, column : column + 3]
    shown = output.flatten().clone()
    shown[output.numel() if filled is None else filled :] = torch.nan

    figure, axes = plt.subplots(
        1, 7, figsize=(11.5, 3.3), width_ratios=[8, 0.8, 3, 0.8, 3, 0.8, 6], layout="constrained"
    )
    show_numbers(axes[0], image, fontsize=8)
    coloured_title(axes[0], "input 8 × 8", INPUT)
    outline(axes[0], row, column, 3, 3, INPUT)
    symbol(axes[1], "×")
    show_numbers(axes[2], EDGE, SIGNED, vmin=-2, vmax=2)
    coloured_title(axes[2], "kernel 3 × 3", KERNEL)
    outline(axes[2], 0, 0, 3, 3, KERNEL)
    symbol(axes[3], "=")
    show_numbers(axes[4], window * EDGE + 0.0, SIGNED, vmin=-2, vmax=2, fmt="{:.1f}", fontsize=9)
    axes[4].set_title("nine products")
    axes[4].set_xlabel(
        f"their sum: {output[row, column] + 0.0:.1f}".replace("-", "−"),
        fontweight="bold",
        fontsize=12,
    )
    symbol(axes[5], "→")
    show_numbers(axes[6], shown.view(6, 6), SIGNED, vmin=-4, vmax=4, fmt="{:.1f}", fontsize=9)
    coloured_title(axes[6], "output 6 × 6", OUTPUT)
    outline(axes[6], row, column, 1, 1, OUTPUT)
    return figure


def convolution_window():
    """The same, animated: the window visits all 36 positions. Bytes of an animated PNG."""
    frames = [
        as_picture(convolution_step(place // 6, place % 6, filled=place + 1), dpi=90)
        for place in range(36)
    ]
    return animated_png(frames + 4 * frames[-1:], milliseconds=350)


# --- whole digits --------------------------------------------------------------------------------


def kernels_on_a_digit():
    """One digit and what four kernels make of it."""
    digit = digits()[0]
    figure, axes = plt.subplots(
        2, 5, figsize=(10, 4.3), height_ratios=[1, 2.3], layout="constrained"
    )
    axes[0, 0].set_axis_off()
    show_pixels(axes[1, 0], digit)
    axes[1, 0].set_xlabel("input", color=INPUT, fontweight="bold")
    for (name, kernel), top, bottom in zip(KERNELS.items(), axes[0, 1:], axes[1, 1:]):
        reach = kernel.clamp(min=0).sum()  # of an output, for pixels in [0, 1]
        numbers = (kernel * 9).round() if name == "blur" else kernel
        show_numbers(top, numbers, SIGNED, vmin=-8, vmax=8, fontsize=9)
        top.set_title(name + (" (÷ 9)" if name == "blur" else ""), color=KERNEL, fontsize=11)
        output = F.conv2d(digit[None, None], kernel[None, None])[0, 0]  # (26, 26)
        show_pixels(bottom, output, SIGNED, vmin=-reach, vmax=reach)
        bottom.set_xlabel("output", color=OUTPUT, fontweight="bold")
    return figure


# --- padding, stride, dilation -------------------------------------------------------------------


def padding():
    """Without padding the output is smaller; a ring of zeros keeps the size of the input."""
    image = crop(5)
    figure, axes = plt.subplots(1, 4, figsize=(11, 4.3), width_ratios=[5, 3, 7, 5])
    for P, (before, after) in zip((0, 1), (axes[:2], axes[2:])):
        padded = F.pad(image, (P, P, P, P))
        output = F.conv2d(padded[None, None], EDGE[None, None])[0, 0]
        show_numbers(before, padded, fontsize=9)
        outline(before, P, P, 5, 5, INPUT)
        outline(before, 0, 0, 3, 3, KERNEL, "--")
        coloured_title(before, f"input 5 × 5, P = {P}", INPUT)
        show_numbers(after, output, SIGNED, vmin=-4, vmax=4, fmt="{:.1f}", fontsize=9)
        coloured_title(after, f"output {len(output)} × {len(output)}", OUTPUT)
        outline(after, 0, 0, 1, 1, OUTPUT)
        if P:
            before.set_xlabel("a ring of zeros around the border", color=MUTED)
    figure.set_layout_engine("constrained")
    return figure


def stride_and_dilation():
    """Where the window reads for stride 1, stride 2, and dilation 2, and the size that results."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.9), layout="constrained")
    for ax, (S, D) in zip(axes, [(1, 1), (2, 1), (1, 2)]):
        N, size = 7, (7 - 2 * D - 1) // S + 1
        show_pixels(ax, torch.zeros(N, N))
        _grid(ax, N)
        for colour, style, start in [(KERNEL, "-", 0), (ACCENT, "--", S)]:
            reads = [start + D * i for i in range(3)]
            for column in reads:
                for row in range(0, 3 * D, D):
                    shift = 0.09 if start else -0.09
                    ax.scatter(
                        column + shift, row, s=70, marker="s" if start else "o", color=colour
                    )
            outline(ax, 0, start, 2 * D + 1, 2 * D + 1, colour, style)
        ax.set_title(f"stride {S}, dilation {D}")
        ax.set_xlabel(f"7 × 7 → {size} × {size}", color=OUTPUT, fontweight="bold")
    return figure


def _grid(ax, N):
    for line in range(1, N):
        ax.axhline(line - 0.5, color=MUTED, lw=0.4)
        ax.axvline(line - 0.5, color=MUTED, lw=0.4)


def leftover_pixels():
    """Which input pixels a convolution reads, by gradients, if the division is not exact."""
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.9), layout="constrained")
    for ax, N in zip(axes, (7, 8)):
        times = times_read(N, kernel_size=3, stride=2)
        show_numbers(ax, times, "Blues", vmax=4, fmt="{:.0f}", fontsize=11)
        for row, column in (times == 0).nonzero().tolist():
            ax.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5), 1, 1, fill=False, hatch="///", edgecolor=KERNEL
                )
            )
        remainder = (N - 3) % 2
        ax.set_title(f"N = {N}: ({N} − 3) / 2 leaves {remainder}")
        ax.set_xlabel("every pixel is read" if not remainder else "hatched: never read")
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


def max_pooling():
    """The largest, and the mean, of each 2 × 2 block of a real image."""
    image = crop()
    figure, axes = plt.subplots(
        1, 3, figsize=(10, 3.6), width_ratios=[8, 5, 5], layout="constrained"
    )
    show_numbers(axes[0], image, fontsize=9)
    coloured_title(axes[0], "input 8 × 8", INPUT)
    for row in range(0, 8, 2):
        for column in range(0, 8, 2):
            outline(axes[0], row, column, 2, 2, PAPER)
            block = Rectangle((column - 0.46, row - 0.46), 1.92, 1.92, fill=False, ec=INPUT, lw=1.4)
            axes[0].add_patch(block)
            largest = image[row : row + 2, column : column + 2].argmax().item()
            ring = (column + largest % 2, row + largest // 2)
            axes[0].scatter(*ring, s=260, facecolors="none", edgecolors=KERNEL, linewidths=2)
    for ax, name, pool in [
        (axes[1], "max-pooling", F.max_pool2d),
        (axes[2], "average pooling", F.avg_pool2d),
    ]:
        show_numbers(ax, pool(image[None, None], 2)[0, 0], fmt="{:.2g}", fontsize=10)
        coloured_title(ax, f"{name}: 4 × 4", OUTPUT)
    return figure


# --- channels ------------------------------------------------------------------------------------


LIGHTS = {"red": "#ff0000", "green": "#00ff00", "blue": "#5050ff"}
RANGES = [1.0, 0.6]  # of the colour scale of each output map


def colour_picture(size=48):
    """A sun over the sea, computed: float (3, H, W) in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    picture = torch.stack([0.55 + 0.4 * y, 0.75 - 0.1 * y, 0.95 - 0.35 * y])  # sky
    sun = (x - 0.66) ** 2 + (y - 0.33) ** 2 < 0.17**2
    picture[:, sun] = torch.tensor([[1.0], [0.82], [0.2]])
    waves = 0.06 * torch.sin(40 * (y + 0.05 * torch.sin(12 * x)))
    sea = torch.stack([0.05 + waves, 0.35 + waves, 0.55 + waves])
    picture = torch.where(y > 0.66, sea, picture)
    sail = (y > 0.42) & (y < 0.7) & (x > 0.2) & (x < 0.2 + 0.7 * (y - 0.42))
    picture[:, sail] = torch.tensor([[0.85], [0.1], [0.12]])
    return picture.clamp(0, 1)


def channel_filters():
    """Two filters for three channels, float (2, 3, 3, 3): red against blue, and edges in all."""
    red_against_blue = torch.stack([torch.ones(3, 3), torch.zeros(3, 3), -torch.ones(3, 3)]) / 9
    edges = torch.stack([EDGE, EDGE, EDGE]) / 3
    return torch.stack([red_against_blue, edges])


def channels():
    """Three input channels, two filters of three kernels each, two output maps."""
    picture, weight = colour_picture(), channel_filters()
    names = ["red", "green", "blue"]
    figure = plt.figure(figsize=(11.5, 6.6), layout="constrained")
    grid = figure.add_gridspec(3, 7, width_ratios=[2.4, 2, 1, 2, 1, 2, 2.4])
    whole = figure.add_subplot(grid[1, 0])
    show_pixels(whole, picture.permute(1, 2, 0), title="picture (3, 48, 48)")
    for c, name in enumerate(names):
        ax = figure.add_subplot(grid[c, 1])
        show_pixels(
            ax, picture[c], LinearSegmentedColormap.from_list(name, ["black", LIGHTS[name]])
        )
        coloured_title(ax, f"{name} channel", INPUT)
    for o, column in [(0, 2), (1, 4)]:
        products = [F.conv2d(picture[c][None, None], weight[o, c][None, None]) for c in range(3)]
        assert torch.allclose(sum(products)[0], F.conv2d(picture[None], weight)[0, o], atol=1e-6)
        for c, product in enumerate(products):
            kernel_ax = figure.add_subplot(grid[c, column])
            show_pixels(kernel_ax, weight[o, c], SIGNED, vmin=-0.4, vmax=0.4)
            kernel_ax.set_title(f"weight[{o}, {c}]", color=KERNEL, fontsize=10)
            product_ax = figure.add_subplot(grid[c, column + 1])
            show_pixels(product_ax, product[0, 0], SIGNED, vmin=-RANGES[o], vmax=RANGES[o])
            product_ax.set_xlabel("+" if c < 2 else f"= map {o}", fontsize=14, labelpad=1)
    maps = F.conv2d(picture[None], weight)[0]
    for o, row in [(0, 0), (1, 2)]:
        ax = figure.add_subplot(grid[row, 6])
        show_pixels(ax, maps[o], SIGNED, vmin=-RANGES[o], vmax=RANGES[o])
        ax.set_title(f"output map {o}", color=OUTPUT)
    note = figure.add_subplot(grid[1, 6])
    note.set_axis_off()
    note.text(0.5, 0.5, "weight\n(2, 3, 3, 3)\n\noutput\n(2, 46, 46)", ha="center", va="center")
    return figure


# --- the network ---------------------------------------------------------------------------------


@torch.no_grad()
def untrained_stages(digit):
    """(layer, output) of each layer of an untrained CNN, seed 0, for one digit (28, 28)."""
    torch.manual_seed(0)
    return list(walk(CNN().eval(), digit[None, None]))


def block_diagram():
    """The CNN of notebook 03, before training: a digit, real maps of each stage, ten outputs."""
    digit = digits()[0]
    stages = untrained_stages(digit)
    after = {i: output for i, (_, output) in enumerate(stages)}
    figure, ax = plt.subplots(figsize=(12, 4.2))
    ax.set(xlim=(0, 12), ylim=(-0.75, 3.6), aspect="equal")
    ax.set_axis_off()

    _tile(ax, digit, 0.1, 0.9, 1.5, INPUT)
    _caption(ax, 0.85, "digit", "(1, 28, 28)", INPUT)
    right = _stack(ax, after[1][0], 2.35, 1.4, KERNEL)
    _caption(ax, (2.35 + right) / 2, "conv 3 × 3, ReLU", "(32, 26, 26)", KERNEL)
    right = _stack(ax, after[3][0], 4.75, 1.3, KERNEL)
    _caption(ax, (4.75 + right) / 2, "conv 3 × 3, ReLU", "(64, 24, 24)", KERNEL)
    right = _stack(ax, after[4][0], 7.15, 0.75, OUTPUT)
    _caption(ax, (7.15 + right) / 2, "max-pool 2 × 2", "(64, 12, 12)", OUTPUT)
    hidden, logits = after[8][0], after[10][0]
    _column(ax, hidden[:16], 9.4, "Oranges", hidden.max())
    _caption(ax, 9.5, "dense, ReLU", "(128)", KERNEL)
    _column(ax, logits.softmax(0), 10.9, "Greens", 1)
    _caption(ax, 11.0, "dense", "(10)", OUTPUT)
    for digit_name in range(10):
        ax.text(11.3, _slot(digit_name, 10), str(digit_name), va="center", fontsize=10)
    for start, end in [(1.7, 2.3), (4.2, 4.7), (6.5, 7.05), (8.55, 9.3), (9.75, 10.8)]:
        ax.annotate("", (end, 1.65), (start, 1.65), arrowprops={"arrowstyle": "->", "color": MUTED})
    return figure


def _tile(ax, image, left, bottom, size, colour):
    """One map as a square on a larger canvas."""
    extent = (left, left + size, bottom, bottom + size)
    ax.imshow(image, cmap="Greys", extent=extent, vmin=0, vmax=max(image.max(), 1e-6), zorder=2)
    ax.add_patch(Rectangle((left, bottom), size, size, fill=False, ec=colour, lw=1.5, zorder=3))
    ax.set(xlim=(0, 12), ylim=(-0.75, 3.6))


def _stack(ax, maps, left, size, colour, n_shown=6, step=0.14):
    """A few of many maps, one behind the other, the front one last; returns the right edge."""
    strongest = maps.mean(dim=(1, 2)).topk(n_shown).indices
    for place, index in reversed(list(enumerate(strongest))):
        layer = ax.imshow
        extent_left, extent_bottom = left + place * step, 0.75 + place * step
        layer(
            maps[index],
            cmap="Greys",
            extent=(extent_left, extent_left + size, extent_bottom, extent_bottom + size),
            vmin=0,
            vmax=maps[index].max(),
            zorder=10 - place,
        )
        frame = Rectangle((extent_left, extent_bottom), size, size, fill=False, ec=colour, lw=1.2)
        frame.set_zorder(10 - place + 0.5)
        ax.add_patch(frame)
    ax.set(xlim=(0, 12), ylim=(-0.75, 3.6))
    return left + size + (n_shown - 1) * step


def _column(ax, values, left, cmap, vmax):
    """A vector as a column of cells."""
    n = len(values)
    height = 2.9 / n
    for i, value in enumerate(values.tolist()):
        colour = plt.get_cmap(cmap)(0.1 + 0.8 * value / float(vmax))
        cell = Rectangle(
            (left, _slot(i, n) - height / 2), 0.25, height, fc=colour, ec=MUTED, lw=0.6
        )
        ax.add_patch(cell)


def _slot(i, n):
    return 3.1 - 2.9 * (i + 0.5) / n


def _caption(ax, x, name, shape, colour):
    ax.text(x, -0.15, name, ha="center", color=colour, fontweight="bold", fontsize=11)
    ax.text(x, -0.5, shape, ha="center", color=INK, fontsize=10)


# --- the series ----------------------------------------------------------------------------------


def series():
    """The series in one picture: digits, a kernel on a digit, the maps of a network."""
    figure = plt.figure(figsize=(12, 3.6), layout="constrained")
    parts = figure.subfigures(1, 3, width_ratios=[1, 1.15, 1.3], wspace=0.04)
    _page_of_digits(parts[0])
    _kernel_on_a_digit(parts[1])
    _maps_of_a_network(parts[2])
    return figure


def _page_of_digits(figure):
    axes = figure.subplots(6, 6, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    for ax, image in zip(axes.flat, digits()):
        show_pixels(ax, image)
    figure.suptitle("01 data", color=INPUT, fontweight="bold")


def _kernel_on_a_digit(figure):
    digit = digits()[0]
    left, right = figure.subplots(1, 2)
    show_pixels(left, digit)
    output = F.conv2d(digit[None, None], EDGE[None, None])[0, 0]
    show_pixels(right, output, SIGNED, vmin=-3, vmax=3)
    outline(left, 8, 12, 3, 3, KERNEL)
    outline(right, 8, 12, 1, 1, KERNEL)
    for corner in (7.5, 10.5):
        line = ConnectionPatch(
            (14.5, corner), (11.5, 8), "data", "data", axesA=left, axesB=right, color=KERNEL, lw=1
        )
        figure.add_artist(line)
    figure.suptitle("02 convolution", color=KERNEL, fontweight="bold")


def _maps_of_a_network(figure):
    stages = untrained_stages(digits()[0])
    maps = stages[1][1][0]  # (32, 26, 26)
    maps = maps[maps.std(dim=(1, 2)).topk(24).indices]
    axes = figure.subplots(4, 6, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    for ax, image in zip(axes.flat, maps):
        show_pixels(ax, image, vmax=image.max())
    figure.suptitle("03 training", color=OUTPUT, fontweight="bold")


FIGURES = {
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
}


def write_all(folder):
    """Draw every figure into the folder: SVG without a date, or animated PNG."""
    use_course_style()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        drawn = draw()
        if isinstance(drawn, bytes):
            (folder / name).write_bytes(drawn)
        else:
            svg = io.StringIO()
            drawn.savefig(svg, format="svg", metadata={"Date": None})
            plt.close(drawn)
            (folder / name).write_text(numbered_clip_paths(svg.getvalue()))
        print(f"{folder / name}: {(folder / name).stat().st_size // 1000} kB", flush=True)


def numbered_clip_paths(svg):
    """Number the clip paths in order: their names hang on the last bits of coordinates."""
    names = dict.fromkeys(re.findall(r'<clipPath id="(p[0-9a-f]+)"', svg))
    for number, name in enumerate(names, start=1):
        svg = svg.replace(name, f"clip{number}")
    return svg


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Name the folder to write to: python -m cnn.figures ../images")
    write_all(sys.argv[1])
