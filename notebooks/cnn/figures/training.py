"""The figures of the lesson on training: a graph with its gradients, and paths in a valley."""

import matplotlib.pyplot as plt
import torch

from cnn.figures.parts import Box, arrow, canvas, frame, write
from cnn.plotting import INK, INPUT, KERNEL, MUTED, OUTPUT

FORMULAS = {"p": "w · x", "q": "p + b", "r": "ReLU(q)", "s": "v · r", "L": "(s - t)²"}
GIVEN = {"w": "p", "b": "q", "v": "s", "t": "L"}  # what stands above the node that uses it


def computation_graph(values):
    """The graph of L = (v · ReLU(w x + b) - t)²: in each box a value, and under it its gradient.

    Args:
        values: name (x, w, b, v, t, p, q, r, s, L) to a tensor without axes; `.grad` is shown.
    """
    figure, ax = canvas(9.6, 3.1)
    places = {name: Box(1.75 + 1.6 * i, 1.75, 1.1, 0.95) for i, name in enumerate(FORMULAS)}
    places["x"] = Box(0.15, 1.75, 1.1, 0.95)
    for name, user in GIVEN.items():
        places[name] = Box(places[user].x, 0.2, 1.1, 0.95)
        arrow(ax, (places[name].middle[0], 1.15), (places[name].middle[0], 1.75))
    for start, end in zip("xpqrs", "pqrsL"):
        arrow(ax, (places[start].right, 2.22), (places[end].x, 2.22))
    for name, place in places.items():
        colour = KERNEL if name in "wbv" else INPUT if name in "xt" else OUTPUT
        frame(ax, place, colour, 1.6)
        title = f"{name} = {FORMULAS[name]}" if name in FORMULAS else name
        write(ax, title, place.middle[0], place.y + 0.2, INK, 9.5)
        write(ax, f"{values[name].item():g}", place.middle[0], place.y + 0.47, INK, 11, "normal")
        gradient = values[name].grad
        text = "no gradient" if gradient is None else f"gradient {gradient.item():g}"
        ink = MUTED if gradient is None else KERNEL
        write(ax, text, place.middle[0], place.y + 0.75, ink, 8.5, "normal")
    return figure


def valley_paths(valley, paths):
    """What optimisers do in a valley: one panel for each, over lines of equal loss.

    Args:
        valley: function of a point (2, ...) that gives the loss there.
        paths: name of the optimiser to the places that it visited, float (steps + 1, 2).
    """
    figure, axes = plt.subplots(
        len(paths), 1, figsize=(8.4, 1.75 * len(paths)), sharex=True, layout="constrained"
    )
    along, across = torch.meshgrid(
        torch.linspace(-10, 4, 141), torch.linspace(-2, 2, 81), indexing="xy"
    )
    height = valley(torch.stack([along, across]))
    for ax, (name, path) in zip(axes, paths.items()):
        levels = torch.logspace(-1, 2.2, 9).tolist()
        ax.contour(along, across, height, levels, colors=MUTED, linewidths=0.6, alpha=0.6)
        ax.plot(*path.T, "o-", color=INPUT, markersize=3, linewidth=1)
        ax.plot(*path[0], "s", color=KERNEL, markersize=7)
        ax.plot(0, 0, "*", color=OUTPUT, markersize=12)
        ax.set(title=f"{name}: loss {valley(path[-1]):.2g} after {len(path) - 1} steps")
        ax.set(ylabel="across", ylim=(-2, 2), xlim=(-10, 4), yticks=(-1, 0, 1))
        ax.grid(False)
    axes[-1].set_xlabel("along the valley")
    return figure
