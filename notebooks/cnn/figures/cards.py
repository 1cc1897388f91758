"""The pictures of the whole course: a card for each lesson, the link card, and the icon."""

import io
import textwrap
from functools import cache

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import nn

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
from cnn.figures.photographs import square
from cnn.figures.samples import EDGE, convolve, digits, nine
from cnn.models import CNN, ResNet
from cnn.photographs import photograph, published_weights, renamed
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, OUTPUT, PAPER, SIGNED

CARD = 3.2, 3.15  # width and height of one lesson
GAP = 0.2
COLUMNS = 6  # a last row with fewer cards stands in the middle


def lessons():
    """By lesson (its file name without the number): what its card says, and how it is drawn."""
    return {
        "data": ("data", "60,000 digits become batches", _card_of_digits),
        "convolution": ("convolution", "a kernel walks over a digit", _card_of_a_kernel),
        "training": ("training", "many kernels come to a decision", _card_of_a_network),
        "generalisation": ("generalisation", "learned, or only remembered?", _card_of_losses),
        "features": ("features", "how does it see a nine?", _card_of_a_look_inside),
        "robustness": ("robustness", "what is still a nine to it?", _card_of_changes),
        "resnet": ("ResNet", "a shortcut past every two layers", _card_of_shortcuts),
        "unet": ("U-Net", "a class for every pixel", _card_of_a_scene),
        "vit": ("ViT", "patches that attend to each other", _card_of_patches),
        "photographs": ("photographs", "borrowed from a million pictures", _card_of_a_photograph),
        "scaling": ("scaling", "one batch, many processes", _card_of_processes),
    }


def series():
    """The series in one picture: a card for each lesson, which the site cuts out by its id."""
    width, height = CARD
    rows = -(-len(lessons()) // COLUMNS)
    figure, ax = canvas(COLUMNS * (width + GAP), rows * (height + GAP))
    for place, (lesson, (title, what, draw)) in enumerate(lessons().items()):
        row, column = divmod(place, COLUMNS)
        missing = COLUMNS - min(COLUMNS, len(lessons()) - row * COLUMNS)  # in the last row
        x, y = GAP / 2 + (column + missing / 2) * (width + GAP), GAP / 2 + row * (height + GAP)
        corners = "round,pad=0,rounding_size=0.12"
        look = {"boxstyle": corners, "fc": "#f6f7f9", "ec": "#c9ced6", "lw": 1, "zorder": 0}
        ax.add_patch(FancyBboxPatch((x, y), width, height, gid=f"card-{lesson}", **look))
        write(ax, title, x + 0.2, y + 0.32, INK, 18, align="left")
        write(ax, what, x + 0.2, y + height - 0.25, INK, 12, "normal", "left")
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


def _card_of_losses(ax, x, y):
    """Loss on the digits of the training and on others, step by step, and where to stop."""
    _, losses = trained_network()
    box = Box(x, y + 0.15, 2.8, 1.65)
    steps, top = len(losses) - 1, losses.max().item()

    def place(step, loss):  # rounded, so that the last bits of a float do not show
        down = box.bottom - loss / top * box.height
        return round(box.x + step / steps * box.width, 3), round(down, 3)

    lines = [("training", INPUT, (0, (4, 1.5))), ("validation", KERNEL, "-")]
    for values, (part, colour, style) in zip(losses.T.tolist(), lines):
        points = [place(step, loss) for step, loss in enumerate(values)]
        ax.plot(*zip(*points), color=colour, lw=2.6, ls=style, zorder=4)
        write(ax, part, box.right, points[-1][1] - 0.15, colour, 11, align="right")
    best = losses[:, 1].argmin().item()
    stop = place(best, losses[best, 1].item())
    ax.plot([stop[0]] * 2, [stop[1], box.bottom], color=ACCENT, lw=2, ls=":", zorder=3)
    ax.add_patch(Circle(stop, 0.06, fc=ACCENT, ec=PAPER, lw=0.8, zorder=5))
    write(ax, "stop here", stop[0] + 0.1, stop[1] + 0.28, ACCENT, 11, align="left")
    ax.plot([box.x, box.x, box.right], [box.y, box.bottom, box.bottom], color=INK, lw=1.2, ls="-")
    write(ax, "loss", box.x, y + 0.02, INK, 11, "normal", "left")
    write(ax, "steps", box.right, box.bottom + 0.15, INK, 11, "normal", "right")


def _card_of_a_look_inside(ax, x, y):
    """The nine, the maps of the first layer, and the parts of the nine that matter."""
    network, _ = trained_network()
    kernels = network[0].weight.detach()  # (6, 1, 5, 5)
    maps = F.conv2d(nine()[None].double(), kernels)  # (6, 24, 24)
    whole = pixels(ax, nine(), x, y, 0.92, INPUT, line=1.8)
    for i, image in enumerate(maps):
        corner = x + 1.49 + i % 2 * 0.68, y + i // 2 * 0.66
        reach = image.abs().max()
        look = {"cmap": SIGNED, "vmin": -reach, "vmax": reach, "line": 1.4}
        box = pixels(ax, image, *corner, 0.6, KERNEL, **look)
        if i == 0:
            join_windows(ax, whole, box, (9, 7), 5, KERNEL)
    heat = F.pad(fall(network, nine(), 9), (3, 3, 3, 3))  # (28, 28), by the middle of the square
    steps = (heat / heat.max() * 64).round().clamp(min=0) / 64
    colours = torch.tensor(mpl.colormaps["Oranges"](0.85 * steps.numpy())[..., :3])
    shaded = colours * (1 - 0.5 * nine()[..., None].double())
    pixels(ax, (shaded * 64).round() / 64, x, y + 1.0, 0.92, OUTPUT, line=1.8)


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


def _card_of_a_photograph(ax, x, y):
    """A cat, and the most colourful filters of the first layer of a network that knows cats."""
    cat = square(photograph("cat"), 56).permute(1, 2, 0).double() / 255
    pixels(ax, (cat * 32).round() / 32, x, y + 0.1, 1.7, INPUT, line=1.8)
    kernels = renamed(published_weights())["0.1.weight"].double()  # (32, 3, 3, 3)
    colour = (kernels - kernels.mean(dim=1, keepdim=True)).square().sum(dim=(1, 2, 3))
    colour = colour / kernels.square().sum(dim=(1, 2, 3))
    for i, k in enumerate(colour.argsort(descending=True)[:8].tolist()):
        kernel = (kernels[k] / kernels[k].abs().max() + 1) / 2
        corner = x + 1.9 + i % 2 * 0.48, y + 0.1 + i // 2 * 0.44
        pixels(ax, (kernel.permute(1, 2, 0) * 32).round() / 32, *corner, 0.38, KERNEL)


def _card_of_processes(ax, x, y):
    for rank in range(2):
        top = y + rank * 1.0
        rows = digits()[0][8 * rank : 8 * rank + 8, 0].view(2, 4, 28, 28)
        page = rows.permute(0, 2, 1, 3).reshape(2 * 28, 4 * 28)
        part = pixels(ax, page, x, top + 0.05, 1.3, INPUT, line=1.8)
        write(ax, f"rank {rank}", part.middle[0], part.bottom + 0.14, INPUT, 9.5)
        arrow(ax, (part.right + 0.05, part.middle[1]), (x + 1.95, y + 0.93), ACCENT)
    write(ax, "average\nof the\ngradients", x + 2.4, y + 0.93, ACCENT, 11)


@cache
def trained_network(n=60, n_validation=300, steps=100):
    """A small CNN trained on too few digits, and its losses before each step.

    All digits are one batch and all numbers double, so rounding on another machine moves the result
    by less than 1e-12, and no file shows that.

    Returns:
        (network, losses): losses is float64 (steps, 2), on the training and the validation digits.
    """
    X, y = digits(1000)
    X, y = X[100:].double(), y[100:]  # the hundred digits of the figures are left out
    X_train, y_train = X[:n], y[:n]
    X_val, y_val = X[n : n + n_validation], y[n : n + n_validation]
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 5, dtype=torch.float64),
        nn.ReLU(),
        nn.AvgPool2d(3),
        nn.Flatten(),
        nn.Linear(6 * 8 * 8, 10, dtype=torch.float64),
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(steps):
        with torch.no_grad():
            val_loss = F.cross_entropy(network(X_val), y_val)
        loss = F.cross_entropy(network(X_train), y_train)
        losses.append((loss.item(), val_loss.item()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network, torch.tensor(losses, dtype=torch.float64)


@torch.no_grad()
def fall(network, digit, label, size=7):
    """By how much the log-probability of a label falls when a square of the digit is blanked."""
    side = len(digit) - size + 1
    blanked = digit.double().repeat(side * side, 1, 1)
    for i, image in enumerate(blanked):
        row, column = divmod(i, side)
        image[row : row + size, column : column + size] = 0
    before = network(digit[None, None].double()).log_softmax(dim=1)[0, label]
    after = network(blanked[:, None]).log_softmax(dim=1)[:, label]
    return (before - after).view(side, side)


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


def lesson_card(lesson):
    """The picture that a link to a lesson unfolds to, PNG bytes of 1200 × 630 pixels."""
    title, what, draw = lessons()[lesson]
    with mpl.rc_context({"savefig.bbox": "standard"}):
        figure, ax = canvas(6, 3.15)
        draw(ax, 2.95, 0.65)
        write(ax, title, 0.3, 0.9, INK, 19, align="left")
        write(ax, "\n".join(textwrap.wrap(what, 22)), 0.3, 1.45, INK, 10, "normal", "left")
        write(ax, "Convolutional networks that run", 0.3, 2.75, MUTED, 10, "normal", "left")
        return _still_png(figure, dpi=200)


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
