"""The figures of the lesson on photographs."""

import importlib.util
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from PIL import Image
from torchvision.transforms import v2

from cnn.comparing import interval
from cnn.figures.parts import canvas, pixels, write
from cnn.figures.samples import nine
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, OUTPUT

CONTROL = {"color": MUTED, "linestyle": "--"}  # the look of a network with shuffled weights
MADE = ["stage 1", "stage 3", "stage 5", "class", "class, no rules"]
WAYS = {  # way of training on patches: marker, colour, line
    "frozen": ("o", OUTPUT, "-"),
    "fine-tuned": ("s", KERNEL, "--"),
    "small, from scratch": ("^", INPUT, "-."),
    "from scratch": ("v", ACCENT, ":"),
    "frozen, untrained": ("D", MUTED, "--"),
    "pixels": ("x", INK, ":"),
}
DIGIT_WAYS = {
    "small CNN": ("^", INPUT, "-."),
    "frozen": ("o", OUTPUT, "-"),
    "pixels": ("x", INK, ":"),
}


def show_photograph(ax, image, title=None):
    """Draw a picture (3, H, W), bytes or floats in 0..1, in a thin frame."""
    ax.imshow(image.detach().permute(1, 2, 0))
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.6)
    if title:
        ax.set_title(title, fontsize=10)


def square(image, size):
    """The middle of a photograph, uint8 (3, size, size)."""
    image = v2.functional.center_crop(image, [min(image.shape[1:])] * 2)
    return v2.functional.resize(image, [size, size], antialias=True)


def as_bytes(X):
    """What the network takes, float (3, H, W) in about -1..1, as a picture in 0..1."""
    return ((128 * X + 127) / 255).clamp(0, 1)


def window(X, row, column, side):
    """A square of `side` pixels of X (3, H, W) around a place, moved inside where it sticks out."""
    top = min(max(row - side // 2, 0), X.shape[1] - side)
    left = min(max(column - side // 2, 0), X.shape[2] - side)
    return X[:, top : top + side, left : left + side]


def show_top(ax, p, names, n=5):
    """Bars for the n classes with the highest probability p (n_classes,)."""
    values, classes = p.topk(n)
    places = range(n)
    ax.barh([place + 0.22 for place in places], values, height=0.4, color=OUTPUT)
    for place, value, c in zip(places, values.tolist(), classes.tolist()):
        ax.text(0.0, place - 0.18, names[c], fontsize=8, va="center")
        ax.text(value + 0.03, place + 0.22, f"{value:.2f}", fontsize=8, va="center")
    ax.set(xlim=(0, 1.25), ylim=(n - 0.4, -0.5), xticks=[0, 1], yticks=[])
    ax.tick_params(labelsize=8)


def show_heat(ax, X, heat):
    """A photograph X (3, H, W) in light grey, and a map (h, w) over it, orange where positive."""
    grey = 0.6 + 0.4 * as_bytes(X).mean(dim=0)
    heat = F.interpolate(heat[None, None], X.shape[1:], mode="bilinear")[0, 0].clamp(min=0)
    heat = heat / heat.max().clamp(min=1e-6)
    colours = torch.tensor(mpl.colormaps["Oranges"](0.85 * heat.numpy())[..., :3]).float()
    strength = heat[..., None]
    mixed = grey[..., None] * (1 - strength) + colours * (0.5 + 0.5 * grey[..., None]) * strength
    show_photograph(ax, mixed.permute(2, 0, 1).clamp(0, 1))


def show_spread(ax, layers, control, label="trained"):
    """Medians by layer and the range from the lowest to the highest quarter of the units."""
    middle, low, high = (torch.stack([v.quantile(q) for v in layers]) for q in (0.5, 0.25, 0.75))
    x = range(len(layers))
    ax.fill_between(x, low, high, color=KERNEL, alpha=0.2, linewidth=0)
    ax.plot(x, middle, color=KERNEL, linestyle="-", label=label)
    ax.plot(x, [v.median() for v in control], label="control", **CONTROL)


def show_curves(runs, ways, chance):
    """Accuracy over the number of labelled images a class: means and intervals over the seeds."""
    _, ax = plt.subplots(figsize=(7.6, 4), layout="constrained")
    for shift, (way, (marker, colour, line)) in enumerate(ways.items()):
        sizes = [n for n in (2, 4, 8, 16, 32, 64) if f"{way}, {n}" in runs]
        found = [interval(runs[f"{way}, {n}"]["accuracy"]) for n in sizes]
        places = [n * 1.02**shift for n in sizes]
        ax.errorbar(
            places,
            [value.mean for value in found],
            yerr=[value.half_width for value in found],
            label=way,
            marker=marker,
            color=colour,
            linestyle=line,
            capsize=3,
            markersize=5,
        )
    ax.axhline(chance, color=MUTED, linestyle=":", linewidth=1)
    ax.set(xscale="log", xticks=(2, 4, 8, 16, 32, 64), xticklabels=(2, 4, 8, 16, 32, 64))
    ax.minorticks_off()
    ax.set(xlabel="labelled images of each class", ylabel="right in %", ylim=(0, 100))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)


def show_strips(materials, material, region, patches):
    """The photographs of the materials with their three strips, and four patches of two of them."""
    figure, axes = plt.subplots(4, 8, figsize=(8, 4.6), layout="constrained")
    drawn = {part: patches(part, 4, seed=0)[0] for part in ("train", "test")}
    styles = {"train": ("-", KERNEL), "validation": (":", INK), "test": ("--", INPUT)}
    for k, name in enumerate(materials):
        row, column = 2 * (k // 4), 2 * (k % 4)
        for ax in axes[row : row + 2, column : column + 2].flat:
            ax.remove()
        grid = axes[0, 0].get_gridspec()
        ax = figure.add_subplot(grid[row, column : column + 2])
        picture = material(name)
        show_photograph(ax, (picture / 255).expand(3, -1, -1), name)
        width = region(picture, "train").shape[1]
        for i, (line, colour) in enumerate(styles.values()):
            corner = i * (width + 32) + 2, 2
            look = {"fill": False, "edgecolor": colour, "linestyle": line, "linewidth": 2.5}
            ax.add_patch(Rectangle(corner, width - 4, picture.shape[0] - 4, **look))
        small = figure.add_subplot(grid[row + 1, column : column + 2])
        rows = [torch.cat(list(drawn[part][4 * k : 4 * k + 4, 0]), dim=1) for part in drawn]
        both = torch.cat([rows[0], torch.full((4, 128), 255.0), rows[1]])
        show_photograph(small, (both / 255).expand(3, -1, -1))
        small.set_yticks([16, 52], ["train", "test"] if column == 0 else ["", ""], fontsize=8)


def horse():
    """The outline of the horse that scikit-image ships: (1, 224, 224), 1 inside."""
    spec = importlib.util.find_spec("skimage")
    with Image.open(Path(spec.submodule_search_locations[0]) / "data" / "horse.png") as picture:
        inside = 1 - v2.functional.pil_to_tensor(picture.convert("L")).float() / 255
    inside = F.pad(inside, (10, 10, 46, 46))  # (1, 420, 420)
    return v2.functional.resize(inside, [224, 224], antialias=True)


def separable():
    """An ordinary convolution beside a depthwise and a pointwise one: which map reads which."""
    _, ax = canvas(9.6, 3.6)
    picture = F.avg_pool2d(nine()[None, None], 2)[0, 0]

    def column(x, n, colour):
        top = 0.35 + (6 - n) * 0.25
        return [pixels(ax, picture, x, top + i * 0.5, 0.4, colour) for i in range(n)]

    def join(a, b, width):
        ends = (a.right + 0.03, b.x - 0.03), (a.middle[1], b.middle[1])
        ax.plot(*ends, color=KERNEL, linewidth=width, linestyle="-", alpha=0.7)

    first, last = column(0.4, 4, INPUT), column(2.7, 6, OUTPUT)
    for b in last:
        for a in first:
            join(a, b, 2.4)
    write(ax, "ordinary", 1.75, 0.1, INK, 13)
    write(ax, "a 5 × 5 kernel for each pair", 1.75, 3.45, MUTED, 11, "normal")
    first, middle, last = column(4.6, 4, INPUT), column(6.5, 4, ACCENT), column(8.6, 6, OUTPUT)
    for a, b in zip(first, middle):
        join(a, b, 2.4)
    for b in last:
        for a in middle:
            join(a, b, 0.8)
    write(ax, "depthwise", 5.75, 0.1, INK, 13)
    write(ax, "a 5 × 5 kernel each", 5.75, 3.45, MUTED, 11, "normal")
    write(ax, "pointwise", 7.75, 0.1, INK, 13)
    write(ax, "one weight for each pair", 7.95, 3.45, MUTED, 11, "normal")
