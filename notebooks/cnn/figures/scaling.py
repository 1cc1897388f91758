"""The figures of the lesson on scaling."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter

from cnn.comparing import interval
from cnn.figures.parts import Box, canvas, frame, write
from cnn.figures.samples import LIGHTS, colour_picture
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, OUTPUT, PAPER, contrasting


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


def roofline(layers, rate, bandwidth, bytes_per_number):
    """Layers under the roof of a machine, and their measured seconds beside the least ones.

    Args:
        layers: pairs (work, seconds); a work has a layer, multiply_adds and numbers.
        rate: multiply-adds per second; bandwidth: bytes per second.
    """
    names = _layer_names([work.layer for work, _ in layers])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.9), layout="constrained")
    intensity = np.geomspace(0.5, 2000, 200)
    left.loglog(intensity, np.minimum(rate, intensity * bandwidth) / 1e9, color=KERNEL)
    least = []
    for (work, seconds), name in zip(layers, names):
        n_bytes = work.numbers * bytes_per_number
        least.append(max(work.multiply_adds / rate, n_bytes / bandwidth))
        if work.multiply_adds:
            x, y = work.multiply_adds / n_bytes, work.multiply_adds / seconds / 1e9
            left.plot(x, y, "o", color=INPUT)
            to_the_left = name.startswith("dense")  # the other two stand right of them
            left.annotate(
                name,
                (x, y),
                xytext=(-8 if to_the_left else 8, -14),
                textcoords="offset points",
                ha="right" if to_the_left else "left",
                fontsize=9.5,
            )
    left.set(xlabel="multiply-adds per byte", ylabel="billion multiply-adds per second")
    left.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    left.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    left.yaxis.set_minor_formatter(NullFormatter())
    left.set(ylim=(1, 3e-9 * rate), xlim=(0.4, 2500))
    places = np.arange(len(layers))
    right.barh(places, [1000 * seconds for _, seconds in layers], color=INPUT, height=0.6)
    marks = [1000 * seconds for seconds in least]
    right.plot(marks, places, "|", color=KERNEL, ms=18, mew=2.5, label="roofline")
    right.set_yticks(places, names)
    right.invert_yaxis()
    right.grid(False, axis="y")
    right.set(xlabel="milliseconds of a forward pass")
    right.legend(loc="lower right")
    return figure


def _layer_names(layers):
    """Short names of layers, numbered where a kind occurs twice."""
    short = {"Conv2d": "convolution", "MaxPool2d": "max-pool", "Linear": "dense"}
    kinds = [short.get(type(layer).__name__, type(layer).__name__) for layer in layers]
    kinds = ["dropout" if "Dropout" in kind else kind for kind in kinds]
    return [
        f"{kind} {1 + kinds[:i].count(kind)}" if kinds.count(kind) > 1 else kind
        for i, kind in enumerate(kinds)
    ]


def ladder(epochs, rooflines):
    """Bars for the rungs, with spread, and a mark for the least time of each.

    Args:
        epochs: name to (median, low, high) in seconds; rooflines: name to seconds.
    """
    figure, ax = plt.subplots(figsize=(7.6, 4.2))
    medians = [median for median, _, _ in epochs.values()]
    whiskers = [[m - low, high - m] for m, low, high in epochs.values()]
    colours = [MUTED] + [INPUT] * (len(epochs) - 1)
    ax.barh(list(epochs), medians, xerr=np.transpose(whiskers), color=colours, ecolor=INK)
    ends = [high for _, _, high in epochs.values()]
    for place, (median, end) in enumerate(zip(medians, ends)):
        ax.text(end, place, f"  {median:.0f} s", va="center")
    marks = list(rooflines.values())
    ax.plot(marks, range(len(marks)), "|", color=KERNEL, ms=17, mew=3, label="roofline")
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(xlim=(0, 1.14 * max(ends)), xlabel="seconds per epoch")
    ax.legend(loc="lower right")
    return figure


def all_reduce(n_bytes, seconds, fitted):
    """Measured and modelled times of an all-reduce, and their ratio, on logarithmic axes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    left.loglog(n_bytes / 1e6, 1000 * seconds, "o", label="measured")
    left.loglog(n_bytes / 1e6, 1000 * fitted, label="model")
    left.set(xlabel="MB", ylabel="milliseconds")
    left.legend()
    ratios = seconds / fitted
    right.loglog(n_bytes / 1e6, ratios, "o")
    right.axhline(1, color=MUTED, linestyle=":")
    limit = max(2.2, 1.2 * ratios.max(), 1.2 / ratios.min())
    ticks = [t for t in (0.125, 0.25, 0.5, 1, 2, 4, 8) if 1 / limit < t < limit]
    right.set(ylim=(1 / limit, limit), xlabel="MB", ylabel="measured / model")
    right.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    right.yaxis.set_minor_formatter(NullFormatter())
    return figure


def efficiencies(p, efficiency):
    """Efficiency over the number of processes, weak and strong scaling.

    Args:
        p: numbers of processes (n,).
        efficiency: (scaling, machine, algorithm) to values from 0 to 1, (n,).
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.6), layout="constrained", sharey=True)
    for ax, scaling in zip(axes, ("weak", "strong")):
        for (kind, machine, algorithm), values in efficiency.items():
            if kind == scaling:
                colour = ACCENT if machine == "GPU" else INPUT
                style = "-" if algorithm == "tree" else "--"
                marker = "o" if machine == "GPU" else "s"
                name = f"{machine}, {algorithm}"
                ax.plot(p, 100 * values, style, color=colour, marker=marker, ms=4, label=name)
        ax.set_xscale("log", base=2)
        ax.set_xticks([1, 8, 64, 512], ["1", "8", "64", "512"])
        ax.set(title=f"{scaling} scaling", xlabel="processes (logarithmic)", ylim=(0, 105))
    axes[0].set_ylabel("efficiency in %")
    axes[1].legend(loc="upper right", fontsize=9.5, handlelength=3.5)
    return figure


def learning_rates(runs, best, tried):
    """The loss with scaled learning rates, and the best rate for each batch.

    Args:
        runs: "equal epochs, batch n" to {learning rate as text: losses (seeds,)}.
        best: (what is equal, batch) to (learning rate, interval of the loss).
        tried: all learning rates.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    base = best["equal epochs", 16][0]
    sizes = [size for what, size in best if what == "equal epochs" and size <= 512]
    for name, power, marker in [("unchanged", 0, "o"), ("in proportion", 1, "s")]:
        found = []
        for size in sizes:
            wanted = base * (size / 16) ** power
            lr = min(tried, key=lambda lr: abs(np.log(lr / wanted)))
            found.append(interval(runs[f"equal epochs, batch {size}"][f"{lr:g}"]))
        _bars(left, sizes, found, name, marker)
    _bars(left, sizes, [best["equal epochs", size][1] for size in sizes], "best of eight", "^")
    left.axhline(np.log(10), color=MUTED, linestyle=":")
    left.text(16, np.log(10) + 0.06, "knowing nothing: log 10", color=MUTED)
    left.set(ylim=(0, 3), ylabel="validation loss", title="equal epochs")
    left.legend(loc="upper left", bbox_to_anchor=(0, 0.72))
    for what, marker in [("equal epochs", "o"), ("equal steps", "s")]:
        right.plot(sizes, [best[what, size][0] for size in sizes], marker=marker, label=what)
    k = np.array(sizes) / 16
    right.plot(sizes, base * k, ":", color=MUTED, label="in proportion")
    right.plot(sizes, base * np.sqrt(k), "-.", color=MUTED, label="with the root")
    right.set_yscale("log")
    right.set_yticks(tried, [f"{lr:g}" for lr in tried])
    right.yaxis.set_minor_formatter(NullFormatter())
    right.set(ylabel="best learning rate", title="the best rate")
    right.legend(fontsize=9.5)
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.set_xlabel("global batch (logarithmic)")
    return figure


def _bars(ax, sizes, intervals, label, marker):
    means = [value.mean for value in intervals]
    widths = [value.half_width for value in intervals]
    ax.errorbar(sizes, means, yerr=widths, marker=marker, capsize=3, label=label)
