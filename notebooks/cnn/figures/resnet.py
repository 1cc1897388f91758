"""The figures of the lesson on the residual network."""

import torch
import torch.nn.functional as F
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from cnn.figures.parts import Box, arrow, bars, beam, canvas, name, pixels, shape_of, write
from cnn.figures.samples import nine
from cnn.models import ResNet
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, OUTPUT, PAPER, SIGNED
from cnn.shapes import count_parameters


@torch.no_grad()
def recorded_resnet(depth=20):
    """An untrained ResNet, seed 0, and what hooks saw in it for one digit of 14 × 14 pixels.

    Returns:
        (model, outputs): the output (C, H, W) of each of its modules, by name; "" is the model.
    """
    torch.manual_seed(0)
    model, outputs = ResNet(depth).eval(), {}
    for path, module in model.named_modules():

        def keep(module, inputs, output, path=path):
            outputs[path] = output[0]

        module.register_forward_hook(keep)
    outputs["digit"] = F.avg_pool2d(nine()[None, None], 2)[0]  # (1, 14, 14)
    model(outputs["digit"][None])
    return model, outputs


def residual_block():
    """Two blocks of a ResNet on a real digit: shortcut as it is, and shortcut by projection."""
    model, outputs = recorded_resnet()
    figure, ax = canvas(9.9, 5.15)
    blocks = [("3.0", "3.1", 1.35), ("3.2", "4.0", 4.15)]
    for before, path, middle in blocks:
        _draw_block(ax, model.get_submodule(path), outputs, before, path, middle)
    return figure


def _draw_block(ax, block, outputs, before, path, middle):
    """One row: x, the layers of F, F(x), the sum and y; the shortcut runs above."""
    y = outputs[path]
    channel = (y.std(dim=(1, 2)) * (y > 0).float().mean(dim=(1, 2))).argmax()
    source = outputs[before][channel % len(outputs[before])]
    residual = outputs[f"{path}.residual"][channel]
    projected = len(outputs[before]) != len(y)
    skip = outputs[f"{path}.shortcut"][channel] if projected else source
    assert torch.allclose((residual + skip).relu(), y[channel], atol=1e-6)

    x_map = _map(ax, source, 0.15, middle, "x", INPUT, outputs[before])
    for x, first, last in [(1.75, 0, 0), (2.9, 1, 2), (4.05, 3, 3), (5.2, 4, 4)]:
        layers = list(block.residual)[first : last + 1]
        _layer_box(ax, layers, x, middle, outputs[f"{path}.residual.{last}"])
    f_map = _map(ax, residual, 6.35, middle, "F(x)", KERNEL, outputs[f"{path}.residual"], True)
    y_map = _map(ax, y[channel], 8.75, middle, "y", OUTPUT, y)
    for start, end in [(x_map.right, 1.75), (2.65, 2.9), (3.8, 4.05), (4.95, 5.2), (6.1, 6.35)]:
        arrow(ax, (start, middle), (end, middle))
    plus = (f_map.right + 0.34, middle)
    arrow(ax, (f_map.right, middle), (plus[0] - 0.14, middle))
    arrow(ax, (plus[0] + 0.14, middle), (y_map.x, middle))
    write(ax, "ReLU", (plus[0] + 0.14 + y_map.x) / 2, middle - 0.15, INK, 9)
    ax.add_patch(Circle(plus, 0.14, fc=PAPER, ec=INK, lw=1.6, zorder=7))
    write(ax, "+", *plus, INK, 13)

    top = middle - 1.0
    colour, style = (KERNEL, "--") if projected else (INPUT, "-")
    start = (x_map.right + 0.2, middle)
    corners = [start, (start[0], top), (plus[0], top), (plus[0], middle - 0.3)]
    ax.plot(*zip(*corners), color=colour, lw=2.4, ls=style, zorder=4)
    arrow(ax, (plus[0], middle - 0.32), (plus[0], middle - 0.14), colour)
    if projected:
        _layer_box(ax, list(block.shortcut), 3.15, top, skip=True, output=y, width=2.3)
    else:
        write(ax, "shortcut: x as it is, no parameters", 4.3, top - 0.17, INPUT, 10.5)


def _map(ax, image, x, middle, title, colour, maps, signed=False):
    """One of several maps with its name above and the shape of all below."""
    reach = image.abs().max().item()
    look = {"cmap": SIGNED, "vmin": -reach} if signed else {}
    box = pixels(ax, image, x, middle - 0.5, 1.0, colour, vmax=reach, line=2.2, **look)
    name(ax, box, title, colour, shape_of(maps), size=11)
    write(ax, f"one of {len(maps)} maps", box.middle[0], box.bottom + 0.37, MUTED, 8.5, "normal")
    return box


def _layer_box(ax, layers, x, middle, output, width=0.9, skip=False):
    """A rounded box with the names of layers, their output shape and their parameters."""
    names = {"BatchNorm2d": "batch norm", "ReLU": "ReLU"}
    titles = []
    for layer in layers:
        title = names.get(type(layer).__name__)
        if title is None:
            stride = f"stride {layer.stride[0]}"
            title = "conv {} × {}".format(*layer.kernel_size) + (", " if skip else "\n") + stride
        titles.append(title)
    height = 0.6 if skip else 0.95
    n = sum(count_parameters(layer) for layer in layers)
    corners = "round,pad=0,rounding_size=0.07"
    look = {"boxstyle": corners, "fc": "#fdf1e7", "ec": KERNEL, "lw": 1.6, "zorder": 6}
    ax.add_patch(FancyBboxPatch((x, middle - height / 2), width, height, **look))
    if skip:
        write(ax, ", ".join(titles), x + width / 2, middle - 0.12, INK, 9)
        write(ax, f"{n:,} parameters", x + width / 2, middle + 0.14, INK, 8.5, "normal")
        return
    write(ax, "\n".join(titles), x + width / 2, middle, INK, 9)
    write(ax, shape_of(output), x + width / 2, middle + 0.65, INK, 8.5, "normal")
    write(ax, f"{n:,} par.", x + width / 2, middle + 0.86, KERNEL, 8.5, "normal")


def resnet():
    """All layers of the ResNet with depth 20: bars as high as the maps, shortcuts as arcs."""
    model, outputs = recorded_resnet()
    figure, ax = canvas(9.9, 3.7)
    middle, scale = 1.75, 0.08
    side = outputs["digit"].shape[-1] * scale
    digit = pixels(ax, outputs["digit"][0], 0.1, middle - side / 2, side, INPUT, line=2.2)
    _caption(ax, digit.middle[0], "digit", outputs["digit"], colour=INPUT)
    write(ax, "parameters:", digit.middle[0], 3.4, INK, 9, "normal")

    bar = _bar(ax, digit.right + 0.4, middle, outputs["0"], scale)
    arrow(ax, (digit.right, middle), (bar.x, middle))
    _caption(ax, bar.middle[0], "conv", outputs["2"], model[0], model[1])
    x = bar.right
    for stage in ("3", "4", "5"):
        blocks, left = model.get_submodule(stage), x + 0.2
        for place, block in enumerate(blocks):
            start = x
            for layer, gap in [("0", 0.26 if place == 0 else 0.17), ("3", 0.08)]:
                maps = outputs[f"{stage}.{place}.residual.{layer}"]
                bar = _bar(ax, x + gap, middle, maps, scale)
                ax.plot([x, bar.x], [middle, middle], color=MUTED, lw=1.4, ls="-", zorder=3)
                x = bar.right
            x = _shortcut(ax, start, x, middle, not isinstance(block.shortcut, torch.nn.Identity))
        title = f"stage {int(stage) - 2}, {len(blocks)} blocks"
        _caption(ax, (left + x) / 2, title, outputs[stage], blocks)
    bar = _bar(ax, x + 0.35, middle, outputs["7"][:, None, None], scale, ACCENT)
    arrow(ax, (x, middle), (bar.x, middle))
    _caption(ax, bar.middle[0], "mean", outputs["7"], colour=ACCENT)
    decision = bars(ax, outputs["8"].softmax(dim=0), bar.right + 0.4, middle - 0.9, 1.8, 1.2)
    beam(ax, bar, decision, MUTED)
    _caption(ax, decision.right + 0.05, "dense", outputs["8"], model[8])

    for x, colour, style, text in [
        (2.3, INPUT, "-", "shortcut: x as it is"),
        (5.0, KERNEL, DASHES, "shortcut: projection by a 1 × 1 convolution"),
    ]:
        ax.plot([x, x + 0.4], [0.3, 0.3], color=colour, lw=1.8, ls=style)
        write(ax, text, x + 0.5, 0.3, colour, 9.5, align="left")
    return figure


DASHES = (0, (3, 1.5))


def _bar(ax, x, middle, maps, scale, colour=KERNEL):
    """A bar as high as the maps and thicker with more channels; returns its Box."""
    width, height = 0.05 + 0.0025 * len(maps), maps.shape[-2] * scale
    box = Box(x, middle - height / 2, width, height)
    look = {"fc": colour, "ec": PAPER, "lw": 0.5, "zorder": 5}
    ax.add_patch(Rectangle(box[:2], width, height, **look))
    return box


def _shortcut(ax, start, end, middle, projected):
    """A shortcut over the layers between start and end, and the addition; returns where it ends."""
    plus, radius, top = end + 0.14, 0.07, middle - 1.0
    colour, style = (KERNEL, DASHES) if projected else (INPUT, "-")
    left, round_ = start + 0.05, 0.08
    path = [(left, middle), (left, top + round_), (left + round_, top)]
    path += [(plus - round_, top), (plus, top + round_), (plus, middle - radius)]
    ax.plot(*zip(*path), color=colour, lw=1.8, ls=style, zorder=4)
    ax.plot([end, plus], [middle, middle], color=MUTED, lw=1.4, ls="-", zorder=3)
    ax.add_patch(Circle((plus, middle), radius, fc=PAPER, ec=INK, lw=1, zorder=7))
    write(ax, "+", plus, middle, INK, 7)
    return plus + radius


def _caption(ax, x, title, maps, *layers, colour=KERNEL):
    """What a part of the network is, the shape that leaves it, and its parameters."""
    write(ax, title, x, 2.9, colour, 10)
    write(ax, shape_of(maps), x, 3.15, INK, 9, "normal")
    n = sum(count_parameters(layer) for layer in layers)
    if n:
        write(ax, f"{n:,}", x, 3.4, INK, 9, "normal")
