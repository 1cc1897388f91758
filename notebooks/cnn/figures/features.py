"""The figures of the lesson on features: kernels, patches, maps of an image, rows of seeds."""

import matplotlib.pyplot as plt
import torch

from cnn.comparing import interval
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, SIGNED, show_pixels

SIGNED_MAPS = ("integrated gradients", "occlusion")


def kernels_and_maps(kernels, maps, columns=8):
    """Each kernel (C, 3, 3) beside the map (C, H, W) that it makes; a scale for each kind.

    Returns:
        The figure.
    """
    rows = len(kernels) // columns
    figure = plt.figure(figsize=(9.6, 0.82 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, 2 * columns, width_ratios=[0.5, 1] * columns)
    reach, top = kernels.abs().max().item(), maps.max().item()
    for k, (kernel, map_) in enumerate(zip(kernels, maps)):
        left, right = axes[k // columns, 2 * (k % columns) : 2 * (k % columns) + 2]
        show_pixels(left, kernel, SIGNED, -reach, reach)
        left.set_title(str(k), fontsize=9, pad=2)
        show_pixels(right, map_, vmax=top)
    for ax, label, part in [(left, "weight", axes[:, :8]), (right, "value of a map", axes[:, 8:])]:
        bar = {"location": "bottom", "shrink": 0.6, "aspect": 30, "pad": 0.02, "label": label}
        figure.colorbar(ax.images[0], ax=part, **bar)
    return figure


def numbered_maps(maps, columns=16, size=0.52):
    """Maps (C, H, W) with their numbers, all on one scale; returns the figure."""
    rows = -(-len(maps) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size, rows * (size + 0.17)), layout="compressed"
    )
    for k, (map_, ax) in enumerate(zip(maps, axes.flat)):
        show_pixels(ax, map_, vmax=maps.max().item())
        ax.set_title(str(k), fontsize=7, pad=2, fontweight="normal")
    figure.colorbar(axes[0, 0].images[0], ax=axes, label="value of a map", pad=0.01)
    return figure


def patches_in_rows(groups):
    """Blocks with rows of patches side by side: title to (rows, n, h, w); returns the figure."""
    figure = plt.figure(figsize=(8.4, 3.4), layout="constrained")
    for part, (title, patches) in zip(figure.subfigures(1, len(groups)), groups.items()):
        part.suptitle(title, fontweight="bold", fontsize=12)
        for row, row_patches in zip(part.subplots(*patches.shape[:2]), patches):
            for ax, patch in zip(row, row_patches):
                show_pixels(ax, patch)
    return figure


def digits_with_maps(digits, maps):
    """Digits (N, H, W) in the first row, and a row for each method: name to maps (N, H, W).

    Each row has one scale and its colour bar; a thin line is the outline of the ink.

    Returns:
        The figure.
    """
    n = len(digits)
    figure, axes = plt.subplots(
        1 + len(maps), n, figsize=(1.3 * n + 2.2, 1.3 * (1 + len(maps))), layout="constrained"
    )
    for digit, ax in zip(digits, axes[0]):
        show_pixels(ax, digit)
    bars = [("digit", figure.colorbar(axes[0, 0].images[0], ax=axes[0], shrink=0.8, pad=0.02))]
    for row, (name, pictures) in zip(axes[1:], maps.items()):
        reach = pictures.abs().max().item()
        signed = name in SIGNED_MAPS
        for digit, picture, ax in zip(digits, pictures, row):
            if signed:
                show_pixels(ax, picture, SIGNED, -reach, reach)
            else:
                show_pixels(ax, picture, vmax=reach)
            ax.contour(digit, [0.3], colors=MUTED, linewidths=0.5, linestyles="-")
        bars.append((name, figure.colorbar(row[0].images[0], ax=row, shrink=0.8, pad=0.02)))
    for (name, bar), row in zip(bars, axes):
        row[0].set_ylabel(name.replace(" ", "\n"), fontsize=10)
        bar.ax.tick_params(labelsize=8)
    return figure


def rows_of_seeds(ax, values, chance=None, page=None):
    """A row for each name: a dot for each seed, and the mean with its 95 % interval.

    Args:
        values: name to measurements (seeds,).
        chance: where to draw a dotted line, what chance would give.
        page: name to the value of a network trained on the page, drawn as a star.
    """
    for row, (name, seeds) in enumerate(values.items()):
        mean, half_width = interval(seeds)
        ax.plot(seeds, [row] * len(seeds), "o", color=INPUT, alpha=0.45, markersize=5)
        ax.errorbar(
            mean, row, xerr=half_width, fmt="D", color=INK, markersize=6, capsize=4, linewidth=1.5
        )
        if page and name in page:
            ax.plot(page[name], row, "*", color=KERNEL, markeredgecolor=INK, markersize=13)
        text = f"{mean:.2f} ± {half_width:.2f}"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    if chance is not None:
        ax.axvline(chance, color=ACCENT, linestyle=":", linewidth=1.5)
    ax.set(yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.5, -0.5))
    ax.tick_params(axis="y", labelsize=10)


def labelled_points(ax, points, labels, title):
    """Points (N, 2) drawn as the numerals of their labels (N,)."""
    colours = plt.get_cmap("tab10").colors
    for digit in range(10):
        group = points[labels == digit]
        look = {"marker": f"${digit}$", "s": 34, "color": colours[digit], "linewidth": 0.2}
        ax.scatter(*torch.as_tensor(group).T, **look)
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)
