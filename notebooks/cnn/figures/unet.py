"""The figure of the lesson on the U-Net."""

import torch
from matplotlib.patches import FancyArrowPatch

from cnn.data import scenes
from cnn.figures.parts import arrow, canvas, frame, name, pixels, shape_of, stack, write
from cnn.figures.samples import digits
from cnn.models import UNet
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, OUTPUT


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
