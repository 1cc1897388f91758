"""The look of the course, and the few plots that several notebooks draw.

The style is ambivalent's (the package ambivalent), with text dark enough for WCAG AA
and colours that survive colour-blindness and greyscale (M. Okabe and K. Ito, 2008).
"""

import importlib.util
import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from PIL import Image

INK = "#2b2b2b"  # text: 14:1 on white
MUTED = "#6b6b6b"  # secondary text and thin lines: 5.3:1
PAPER = "#ffffff"
INPUT = "#0072b2"  # blue: what goes in
KERNEL = "#c44e00"  # orange: what is learned
OUTPUT = "#00795c"  # green: what comes out
ACCENT = "#aa3377"  # purple: what to look at
SERIES = [INPUT, KERNEL, OUTPUT, ACCENT, INK]

PIXELS = "Greys"  # pixel values: white is 0, as on paper
SIGNED = "PuOr_r"  # values around zero: purple below, orange above

FONTS = Path(__file__).parent / "fonts"


def use_course_style():
    """Give every later plot the look of the course; plots in notebooks get retina resolution.

    It starts from matplotlib's own defaults, so that what a matplotlibrc of this machine says does
    not leak into the figures.
    """
    mpl.rcdefaults()
    for font in sorted(FONTS.glob("*.ttf")):
        font_manager.fontManager.addfont(font)
    ambivalent = importlib.util.find_spec("ambivalent")
    if ambivalent:
        folder = Path(ambivalent.submodule_search_locations[0])
        plt.style.use(folder / "stylefiles" / "ambivalent.mplstyle")
    mpl.rcParams.update(
        {
            "font.family": ["IBM Plex Sans", "DejaVu Sans"],
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.titleweight": "bold",
            "axes.titlepad": 8,
            "axes.titlecolor": INK,
            "axes.labelcolor": INK,
            "axes.prop_cycle": mpl.cycler(color=SERIES, linestyle=["-", "--", "-.", ":", "-"]),
            "axes.axisbelow": True,
            "text.color": INK,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "legend.labelcolor": INK,
            "lines.linewidth": 2,
            "figure.figsize": (7.2, 3.6),
            "figure.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "savefig.transparent": False,
            "savefig.bbox": "tight",
            "image.cmap": PIXELS,
            "image.interpolation": "nearest",
            "svg.hashsalt": "cnn",
            "svg.fonttype": "path",
        }
    )
    _show_figures_in_notebooks()


def _show_figures_in_notebooks():
    """Select the backend that puts figures under the cell, whatever $MPLBACKEND says."""
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    shell = get_ipython()
    if shell and hasattr(shell, "kernel"):
        shell.run_line_magic("matplotlib", "inline")
        set_matplotlib_formats("retina")


def show_pixels(ax, image, cmap=PIXELS, vmin=0, vmax=1, title=None):
    """Draw one image (H, W) without axes, in a thin frame; by default white is 0 and black is 1."""
    ax.imshow(image, cmap=cmap, vmin=vmin, vmax=vmax)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.6)
    if title is not None:
        ax.set_title(title)


def show_images(images, titles=None, columns=10, size=0.8, **pixels):
    """Draw images (N, H, W) in rows of `columns`, each with its title; returns the figure.

    Args:
        size: width of one image in inches.
        pixels: `cmap`, `vmin`, `vmax` as for `show_pixels`.
    """
    rows = -(-len(images) // columns)
    title_room = 0.28 * (1 + max(str(t).count("\n") for t in titles)) if titles else 0
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * size, rows * (size + title_room)),
        squeeze=False,
        layout="compressed",
    )
    for ax in axes.flat[len(images) :]:
        ax.set_axis_off()
    for i, (ax, image) in enumerate(zip(axes.flat, images)):
        show_pixels(ax, image, **pixels)
        if titles:
            ax.set_title(titles[i], fontsize=9, fontweight="normal", pad=3)
    return figure


def show_numbers(ax, matrix, cmap=PIXELS, vmin=0, vmax=1, fmt="{:g}", fontsize=10):
    """Draw a matrix (H, W) as coloured cells with the numbers in them."""
    show_pixels(ax, matrix, cmap, vmin, vmax)
    colours, scale = mpl.colormaps[cmap], mpl.colors.Normalize(vmin, vmax, clip=True)
    for (row, column), value in _cells(matrix):
        colour = contrasting(colours(scale(value)))
        ax.text(
            column,
            row,
            fmt.format(value + 0.0).replace("-", "−"),
            color=colour,
            ha="center",
            va="center",
            fontsize=fontsize,
        )


def _cells(matrix):
    for row, values in enumerate(matrix):
        for column, value in enumerate(values):
            yield (row, column), float(value)


def contrasting(background):
    """Black or white, whichever reads better: at least 4.5:1 on any background (WCAG 2.2)."""
    channels = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(background)
    ]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), channels))
    return PAPER if luminance < 0.179 else "#000000"


def plot_history(history, title=None):
    """Accuracy and loss per epoch, training beside validation; returns the figure.

    Args:
        history: as `cnn.training.train_network` returns it.
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    epochs = range(1, len(history) + 1)
    for ax, quantity, label in zip(axes, ["accuracy", "loss"], ["accuracy in %", "loss"]):
        for part, name, marker in [("train", "training", "o"), ("val", "validation", "s")]:
            values = [getattr(epoch, f"{part}_{quantity}") for epoch in history]
            ax.plot(epochs, values, marker=marker, label=name)
        ax.set(xlabel="epoch", ylabel=label, xticks=epochs)
        ax.legend()
    if title:
        figure.suptitle(title, fontweight="bold")
    return figure


def plot_confusion(matrix):
    """A confusion matrix (10, 10) of counts, rows true, columns predicted; returns the figure."""
    figure, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
    mistakes = matrix.clone().fill_diagonal_(0)
    show_numbers(ax, mistakes, cmap="Oranges", vmax=mistakes.max().item(), fontsize=9)
    for digit, count in enumerate(matrix.diagonal().tolist()):
        ax.texts[11 * digit].set(text=count, color=MUTED)
    ax.set(xticks=range(10), yticks=range(10), xlabel="predicted", ylabel="true digit")
    return figure


def animated_png(frames, milliseconds=400, plays=0):
    """Frames (PIL images of one size) as the bytes of an animated PNG.

    Args:
        milliseconds: for each frame, one number or a list.
        plays: how often it plays before it stops at the last frame; 0 is for ever.
    """
    frames = _with_common_palette(frames)
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        format="PNG",
        save_all=True,
        append_images=frames[1:],
        duration=milliseconds,
        loop=plays,
        optimize=True,
    )
    return buffer.getvalue()


def _with_common_palette(frames, n=255):
    """The frames with the n most frequent colours of all: flat areas keep theirs exactly."""
    found = [np.unique(_codes(frame), return_counts=True) for frame in frames]
    colours, place = np.unique(np.concatenate([codes for codes, _ in found]), return_inverse=True)
    counts = np.bincount(place, weights=np.concatenate([counts for _, counts in found]))
    palette = _channels(colours[np.argsort(-counts, kind="stable")[:n]])  # (n, 3)
    distances = np.abs(_channels(colours)[:, None] - palette).sum(axis=2)
    nearest = distances.argmin(axis=1).astype(np.uint8)

    reduced = []
    for frame in frames:
        picture = Image.fromarray(nearest[np.searchsorted(colours, _codes(frame))])
        picture.putpalette(palette.astype(np.uint8).tobytes())
        reduced.append(picture)
    return reduced


def _codes(frame):
    """Each RGB pixel as one whole number, (H, W)."""
    return np.asarray(frame, dtype=np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)


def _channels(codes):
    """The reverse: whole numbers (M,) as RGB (M, 3)."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)


def as_picture(figure, dpi=144):
    """A matplotlib figure as a PIL image, and close it: one frame of an animation."""
    figure.set_dpi(dpi)
    figure.canvas.draw()
    picture = Image.frombuffer(
        "RGBA", figure.canvas.get_width_height(), figure.canvas.buffer_rgba()
    )
    plt.close(figure)
    return picture.convert("RGB")
