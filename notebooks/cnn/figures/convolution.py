"""The figures of the lesson on convolution."""

import torch
import torch.nn.functional as F
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle, Rectangle

from cnn.figures.parts import (
    BEHIND,
    Box,
    arrow,
    bars,
    beam,
    canvas,
    frame,
    join_windows,
    name,
    numbers,
    pixels,
    shape_of,
    stack,
    write,
)
from cnn.figures.samples import CORNER, EDGE, KERNELS, LIGHTS, colour_picture, convolve, crop, nine
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
)
from cnn.shapes import count_parameters, output_size, walk

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
    beam(ax, window, result, KERNEL, BEHIND)
    beam(ax, result, pixel, OUTPUT, BEHIND)
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
    """The same, animated: the window visits all 36 positions. Bytes of an animated PNG.

    It plays once and ends within five seconds (WCAG 2.2.2): the first row slowly, the rest faster.
    """
    frames = [
        as_picture(convolution_step(place // 6, place % 6, filled=place + 1), dpi=100)
        for place in range(36)
    ]
    return animated_png(frames, milliseconds=6 * [350] + 30 * [90], plays=1)


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


def _sign_extremes(ax, output, box, aside=0):
    """A plus at the largest value and a minus at the smallest, for readers without colour.

    Args:
        aside: inches to put the plus to the right and the minus to the left, joined by a line.
    """
    rounded = (output * 1000).round()  # so that the last bit does not decide between equals
    margin = 5  # keep the signs off the frame
    inner = rounded[margin:-margin, margin:-margin]
    assert (inner.max(), inner.min()) == (rounded.max(), rounded.min())
    for place, sign, shift in [(inner.argmax(), "+", aside), (inner.argmin(), "-", -aside)]:
        row, column = divmod(place.item(), inner.shape[1])
        x, y = box.part(row + margin, column + margin, 1).middle
        if shift:
            ax.plot([x, x + shift], [y, y], color=INK, lw=0.8, ls="-", zorder=6)
        x += shift
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
        beam(ax, source.part(0, 0, 3), target.part(0, 0, 1), KERNEL, BEHIND)
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
        write(ax, f"H = W = {N}:  ({N} - 3) / 2 leaves {remainder}", box.middle[0], 0.22, INK, 11)
        for row, column in (times == 0).nonzero().tolist():
            hatch = {"fc": "none", "ec": KERNEL + "60", "hatch": "////", "lw": 0, "zorder": 3}
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
            beam(ax, followed, box.part(row, column, 1), ACCENT, BEHIND)
    return figure


# --- channels ------------------------------------------------------------------------------------


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
        _sign_extremes(ax, maps[o], result, aside=0.14 * o)
        write(ax, "=", 7.995, y + 0.65, INK, 15)
    return figure


# --- the network ---------------------------------------------------------------------------------


@torch.no_grad()
def untrained_stages(digit):
    """(layer, output) of each layer of an untrained CNN, seed 0, for one digit (28, 28)."""
    torch.manual_seed(0)
    return list(walk(CNN().eval(), digit[None, None]))


def block_diagram():
    """The CNN that the lesson on training trains, untrained: a digit, real maps, ten outputs."""
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
    _describe(ax, 0.8, "digit", "(1, 28, 28)", INPUT)
    for x, i, title in [
        (2.8, 0, "conv 3 × 3, ReLU"),
        (5.05, 2, "conv 3 × 3, ReLU"),
        (6.9, 4, "max-pool 2 × 2"),
        (8.12, 7, "dense, ReLU"),
        (9.25, 10, "dense"),
    ]:
        n = count_parameters(layers[i])
        _describe(ax, x, title, shape_of(output[i]), KERNEL if n else ACCENT)
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
    write(ax, shape, x, 0.43, INK, 9, "normal")
