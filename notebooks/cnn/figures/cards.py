"""The pictures of the whole course: a card for each lesson, the link card, and the icon."""

import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from cnn.data import scenes
from cnn.figures.convolution import untrained_stages
from cnn.figures.parts import (
    Box,
    arrow,
    bars,
    beam,
    canvas,
    frame,
    join_windows,
    pixels,
    stack,
    write,
)
from cnn.figures.samples import EDGE, convolve, digits, nine
from cnn.models import CNN, ResNet
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, OUTPUT, PAPER, SIGNED

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
