"""The figures of the lesson on the U-Net."""

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle

from cnn import plotting
from cnn.comparing import interval
from cnn.data import scenes
from cnn.figures.parts import arrow, canvas, frame, name, pixels, shape_of, stack, write
from cnn.figures.samples import digits
from cnn.models import UNet
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, OUTPUT, SERIES, show_pixels

COLOURS = ["#ffffff", "#f2b701", "#e0601f", "#aa3377", "#2f62b8", "#0f4c3a"]  # light to dark
INSTANCES = ["#ffffff", "#0072b2", "#f2b701", "#aa3377", "#0f4c3a", "#e0601f"]


def show_mask(ax, mask, title=None):
    """Draw the classes (H, W) of the pixels of a scene: background and the digits 0 to 4."""
    show_pixels(ax, mask, ListedColormap(COLOURS), vmin=0, vmax=5, title=title)


def show_instances(ax, numbers, title=None):
    """Draw pixels (H, W) numbered by the object they belong to, 0 for none, up to 5 objects."""
    show_pixels(ax, numbers, ListedColormap(INSTANCES), vmin=0, vmax=5, title=title)


def add_legend(figure):
    """Name the five colours of the digits below a figure."""
    patches = [Patch(color=colour, label=str(c)) for c, colour in enumerate(COLOURS[1:])]
    figure.legend(handles=patches, loc="outside lower center", ncols=5, frameon=False)


def examples(images, masks):
    """Eight scenes (N, 1, H, W) above their masks (N, H, W)."""
    figure, axes = plt.subplots(2, 8, figsize=(9.6, 2.9), layout="constrained")
    for column, (image, mask) in enumerate(zip(images[:8], masks)):
        show_pixels(axes[0, column], image[0])
        show_mask(axes[1, column], mask)
    axes[0, 0].set_ylabel("image")
    axes[1, 0].set_ylabel("mask")
    add_legend(figure)
    return figure


def up_convolution(small, kernel, large):
    """Input (2, 2), kernel (3, 3) and output (5, 5) of an up-convolution, and its four stamps."""
    look = {"figsize": (8, 3.4), "width_ratios": [2, 3, 5], "layout": "constrained"}
    figure, axes = plt.subplots(1, 3, **look)
    panels = [("input", small, INPUT, "Blues"), ("kernel", kernel, KERNEL, "Oranges")]
    panels += [("output", large, OUTPUT, "Greens")]
    for ax, (title, matrix, colour, cmap) in zip(axes, panels):
        plotting.show_numbers(ax, matrix, cmap, vmax=1.8 * matrix.max().item(), fontsize=12)
        ax.set_title(title, color=colour)
    for i in range(2):
        for j in range(2):
            corner = (2 * j - 0.46 + 0.04 * i, 2 * i - 0.46 + 0.04 * j)
            look = {"edgecolor": ACCENT if i == j else INK, "linestyle": "-" if i == j else "--"}
            look |= {"fill": False, "linewidth": 2, "clip_on": False}
            axes[2].add_patch(Rectangle(corner, 2.9, 2.9, **look))
    return figure


def during_training(images, masks, kept, shown=(0, 50, 100, 150, 300, 450)):
    """Four scenes, what was predicted for them at some steps, and the truth.

    `kept` holds the predicted classes (N, H, W) at every 50 steps, beginning with step 0.
    """
    figure, axes = plt.subplots(4, 8, figsize=(9.4, 5.4), layout="constrained")
    for i, row in enumerate(axes):
        show_pixels(row[0], images[i, 0])
        for ax, mask in zip(row[1:], [*(kept[step // 50][i] for step in shown), masks[i]]):
            show_mask(ax, mask)
    titles = ["scene", *[f"step {step}" for step in shown], "truth"]
    for ax, title in zip(axes[0], titles):
        ax.set_title(title, fontsize=10)
    add_legend(figure)
    return figure


def measures_during_training(history, levels):
    """Where, digit or arc and what at every 50 steps, and the levels of the simplest answers."""
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3), layout="constrained", sharey=True)
    names = [("where (IoU)", "best threshold"), ("digit or arc", "best threshold")]
    names += [("what", "most frequent digit")]
    steps = range(50, 50 * len(history) + 1, 50)
    for ax, values, level, (title, label) in zip(axes, zip(*history), levels, names):
        ax.plot(steps, values, marker="o", color=OUTPUT)
        ax.axhline(level, color=KERNEL, linestyle="--", linewidth=1.5)
        ax.text(steps[-1] - 10, level - 0.06, label, color=KERNEL, ha="right")
        ax.set(title=title, xlabel="step", ylim=(0, 1))
    return figure


def best_and_worst(images, predicted, masks, scores):
    """The four scenes with the best scores (N,) and the four with the worst."""
    order = scores.argsort(descending=True).tolist()
    figure, axes = plt.subplots(3, 8, figsize=(9.6, 4.2), layout="constrained")
    for column, i in enumerate([*order[:4], *order[-4:]]):
        show_pixels(axes[0, column], images[i, 0], title=f"{scores[i]:.2f}")
        show_mask(axes[1, column], predicted[i])
        show_mask(axes[2, column], masks[i])
    for ax, label in zip(axes[:, 0], ["scene", "prediction", "truth"]):
        ax.set_ylabel(label)
    add_legend(figure)
    return figure


def lost_without(runs, kinds):
    """Differences to the skips that concatenate: a dot for each seed, mean and interval."""
    look = {"figsize": (9.6, 4.2), "layout": "constrained", "sharex": True, "sharey": True}
    figure, axes = plt.subplots(2, 3, **look)
    for row, steps in zip(axes, (150, 450)):
        for ax, key in zip(row, ("iou", "where", "what")):
            base = runs[f"concatenate, {steps} steps"][key]
            for y, kind in enumerate(kinds):
                differences = runs[f"{kind}, {steps} steps"][key] - base
                mean, half = interval(differences)
                ax.plot(differences, [y - 0.2] * len(differences), ".", color=MUTED)
                ax.errorbar(mean, y, xerr=half, fmt="o", color=ACCENT, capsize=4)
            ax.axvline(0, color=OUTPUT)
            title = "mean IoU" if key == "iou" else key
            ax.set(title=f"{title}, {steps} steps", ylim=(len(kinds) - 0.4, -0.6))
            ax.set_yticks(range(len(kinds)), kinds)
    return figure


def mistakes_and_calibration(by_loss, thresholds):
    """Missed pixels against false alarms, and share of digits against stated probability.

    `by_loss` is what `stored` gives for results/unet-losses.json.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
    for (name_of_loss, found), marker, colour in zip(by_loss.items(), "os^D", SERIES):
        mean = {key: values.mean().item() for key, values in found.items()}
        look = {"color": colour, "label": name_of_loss}
        alarms = [100 * mean[f"false alarms at {t}"] for t in thresholds]
        missed = [100 * mean[f"missed at {t}"] for t in thresholds]
        (line,) = axes[0].plot(alarms, missed, **look)
        place = 100 * mean["false alarms"], 100 * mean["missed"]
        axes[0].plot(*place, marker, color=colour, markersize=9)
        said, true = ([mean[f"{word} {k}"] for k in range(10)] for word in ("said", "true"))
        axes[1].plot(said, true, marker=marker, linestyle=line.get_linestyle(), **look)
    axes[1].plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="-")
    axes[0].set(xlim=(0, 6), ylim=(0, 45), title="two kinds of mistakes")
    axes[0].set(xlabel="false alarms in % of the background", ylabel="missed in % of the digits")
    axes[1].set(title="calibration", xlabel="probability of digit", ylabel="share of digits")
    axes[1].legend()
    return figure


def tiles(scene, in_one_piece, in_tiles, change):
    """A large scene, two predictions of its classes, and their change, all (H, W); the cuts."""
    figure, axes = plt.subplots(1, 4, figsize=(9.8, 2.9), layout="constrained")
    show_pixels(axes[0], scene, title="scene")
    show_mask(axes[1], in_one_piece, title="in one piece")
    show_mask(axes[2], in_tiles, title="in tiles")
    show_pixels(axes[3], change, title="change")
    for ax in axes[2:]:
        for place in (39.5, 79.5):
            ax.axhline(place, color=MUTED, linestyle="--", linewidth=1)
            ax.axvline(place, color=MUTED, linestyle="--", linewidth=1)
    add_legend(figure)
    return figure


def seams(errors):
    """Wrong pixels in percent at distances of 1, 2, ... pixels from a cut, by name."""
    figure, ax = plt.subplots()
    for (label, values), style, marker in zip(errors.items(), ["-", "--", ":"], "os^"):
        ax.plot(range(1, len(values) + 1), values, linestyle=style, marker=marker, label=label)
    ax.set(xlabel="distance from the nearest cut in pixels", ylabel="wrong pixels in %")
    ax.set_xticks([1, 5, 10, 15, 20])
    ax.set_ylim(0, None)
    ax.legend()
    return figure


def warped(versions, titles):
    """Pairs of scene (1, 1, H, W) and mask (1, H, W), side by side under their titles."""
    figure, axes = plt.subplots(2, len(versions), figsize=(8.4, 3.2), layout="constrained")
    for (above, below), (scene, mask), title in zip(axes.T, versions, titles):
        show_pixels(above, scene[0, 0])
        above.set_title(title, fontsize=10)
        show_mask(below, mask[0])
    add_legend(figure)
    return figure


def objects_and_components(rows):
    """A row for each scene: the scene, its classes, instances and components, all (H, W)."""
    figure, axes = plt.subplots(len(rows), 4, figsize=(8, 2.2 * len(rows)), layout="constrained")
    for row, (scene, classes, instances, components) in zip(axes, rows):
        show_pixels(row[0], scene)
        show_mask(row[1], classes)
        show_instances(row[2], instances)
        show_instances(row[3], components)
    for ax, title in zip(axes[0], ["scene", "classes", "instances", "components"]):
        ax.set_title(title)
    return figure


def shares_of_counts(kinds):
    """How often a count is too small, right or too large: name to bool (N,) of each, in pairs."""
    figure, ax = plt.subplots(figsize=(6.8, 3))
    for shift, (label, cases), hatch in zip((-0.2, 0.2), kinds.items(), ("", "///")):
        shares = [100 * here.float().mean() for here in cases]
        look = {"color": OUTPUT, "edgecolor": plotting.PAPER, "hatch": hatch}
        places = [place + shift for place in range(3)]
        bars = ax.bar(places, shares, 0.38, label=label, **look)
        ax.bar_label(bars, fmt="%.0f", padding=2)
    ax.set(xticks=range(3), ylabel="scenes in %", ylim=(0, 100))
    ax.set_xticklabels(["too small", "right", "too large"])
    ax.legend()
    return figure


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
    """The U-Net of its lesson with the maps it makes of a scene; untrained if no model is given.

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
    name(ax, picture, "scene", INPUT, shape_of(scene))
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
    write(ax, shape_of(maps), front.middle[0], front.bottom + 0.16, INK, 9, "normal")
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
    write(ax, shape_of(both), middle, boxes[0].bottom + 0.33, INK, 9, "normal")
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
