"""Figures of the lesson on vision transformers: self-attention by steps, and where norms stand."""

import torch
from matplotlib.patches import Circle

from cnn.figures import (
    ACCENT,
    INK,
    INPUT,
    KERNEL,
    MUTED,
    OUTPUT,
    PAPER,
    SIGNED,
    Box,
    _vit_layer,
    arrow,
    canvas,
    frame,
    recorded_vit,
    write,
)

ROW = 0.125  # height of one token in inches


@torch.no_grad()
def self_attention(model=None, digit=None, head=0, query=7):
    """One head of the first block, step by step, for one digit; the row of one token is framed.

    Args:
        model: a ViT, untrained by default; digit: float (28, 28), the nine by default.
        head: which head; query: the token whose row is framed, 0 is the class token.
    """
    model, outputs = recorded_vit(model, digit)
    block = model.blocks[0]
    Z = block.norm1(outputs["tokens"])  # (T, D)
    QKV = block.attention.to_qkv(Z).unflatten(1, (3, block.attention.heads, -1))
    Q, K, V = QKV[:, :, head].unbind(1)  # (T, d) each
    weights = block.attention.weights[0, head]  # (T, T)

    figure, ax = canvas(9.9, 3.3)
    tokens = _table(ax, Z, 0.15, 1.7, "tokens Z, after norm", INPUT, query)
    places = [
        _table(ax, values, x, 0.6, title, KERNEL, query if title == "Q" else None)
        for values, x, title in [(Q, 2.75, "Q"), (K, 3.6, "K"), (V, 4.45, "V")]
    ]
    shares = _table(ax, weights, 6.1, 17 * ROW, "weights", KERNEL, query, cmap="Oranges")
    result = _table(ax, weights @ V, 9.1, 0.6, "weights · V", OUTPUT, query)
    middle = tokens.middle[1]
    for start, end, text in [
        (tokens, places[0], "three\ndense\nlayers"),
        (places[2], shares, f"softmax of\nQ Kᵀ / √{Q.shape[1]}"),
        (shares, result, "mean of\nthe rows\nof V"),
    ]:
        arrow(ax, (start.right + 0.07, middle), (end.x - 0.07, middle), MUTED)
        write(ax, text, (start.right + end.x) / 2, middle - 0.4, INK, 9, "normal")
    share = f"framed row: patch {query} asks; its weights add up to 100 %"
    write(ax, share, shares.middle[0], shares.bottom + 0.42, ACCENT, 9.5)
    return figure


def _table(ax, values, x, width, title, colour, row=None, cmap=SIGNED):
    """Tokens as rows of a picture, with title, shape and one framed row; returns its Box."""
    box = Box(x, 0.45, width, len(values) * ROW, ROW)
    low, high = (0, values.max()) if cmap != SIGNED else (-values.abs().max(), values.abs().max())
    steps = ((values - low) / (high - low) * 64).round() / 64
    extent = (box.x, box.right, box.bottom, box.y)
    settings = {"aspect": "auto", "interpolation": "none", "zorder": 2, "vmin": 0, "vmax": 1}
    ax.imshow(steps.numpy(), cmap=cmap, extent=extent, **settings)
    frame(ax, box, colour, 1.6)
    if row is not None:
        frame(ax, Box(x, box.y + row * ROW, width, ROW), ACCENT, 2.4, order=7)
    write(ax, title, box.middle[0], box.y - 0.17, colour, 10.5)
    shape = ", ".join(str(size) for size in values.shape)
    write(ax, f"({shape})", box.middle[0], box.bottom + 0.17, INK, 9, "normal")
    return box


def norms():
    """A block with the norms before its layers, and one with the norms after the additions."""
    figure, ax = canvas(8.6, 2.95)
    titles = [
        "pre-norm: the way along the shortcuts (blue) passes no norm",
        "post-norm: every way passes the norms",
    ]
    for place, title in enumerate(titles):
        middle = 1.05 + 1.45 * place
        write(ax, title, 0.15, middle - 0.83, INK, 10.5, align="left")
        _half_block(ax, 0.6, middle, "attention", pre=place == 0)
        _half_block(ax, 4.5, middle, "MLP", pre=place == 0)
        ax.plot([0.15, 8.3], [middle, middle], color=MUTED, lw=1.4, ls="-", zorder=1)
        arrow(ax, (8.2, middle), (8.45, middle), MUTED)
    return figure


def _half_block(ax, x, middle, layer, pre):
    """A layer with its norm and its skip connection, from x on."""
    if pre:
        _vit_layer(ax, "norm", x + 0.4, middle, 0.65, 0.4)
        _vit_layer(ax, layer, x + 1.3, middle, 0.95, 0.4)
        _low_sum(ax, x + 0.2, x + 2.6, middle)
    else:
        _vit_layer(ax, layer, x + 0.4, middle, 0.95, 0.4)
        _low_sum(ax, x + 0.2, x + 1.75, middle)
        _vit_layer(ax, "norm", x + 2.2, middle, 0.65, 0.4)


def _low_sum(ax, start, end, middle):
    """The skip connection from start to the addition at end."""
    top = middle - 0.5
    path = [(start, middle), (start, top), (end, top), (end, middle - 0.25)]
    ax.plot(*zip(*path), color=INPUT, lw=1.8, ls="-", zorder=4)
    arrow(ax, (end, middle - 0.3), (end, middle - 0.1), INPUT)
    ax.add_patch(Circle((end, middle), 0.1, fc=PAPER, ec=INK, lw=1.2, zorder=7))
    write(ax, "+", end, middle, INK, 10)
