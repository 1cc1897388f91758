"""The figure of the lesson on scaling."""

import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from cnn.figures.parts import Box, canvas, frame, write
from cnn.figures.samples import LIGHTS, colour_picture
from cnn.plotting import ACCENT, INK, INPUT, OUTPUT, PAPER, contrasting


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
