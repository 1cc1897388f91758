"""The figures of the lesson on the vision transformer."""

from copy import deepcopy

import matplotlib as mpl
import torch
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from cnn.figures.parts import Box, arrow, bars, beam, canvas, frame, pixels, shape_of, write
from cnn.figures.samples import nine
from cnn.models import ViT, attention
from cnn.plotting import (
    ACCENT,
    INK,
    INPUT,
    KERNEL,
    MUTED,
    OUTPUT,
    PAPER,
    SIGNED,
    animated_png,
    as_picture,
)
from cnn.shapes import count_parameters


@torch.no_grad()
def recorded_vit(model=None, digit=None):
    """A ViT, untrained with seed 0 by default, and what hooks saw in it for one digit.

    Args:
        digit: float (28, 28), the nine by default.

    Returns:
        (model, outputs): the output of each of its modules for that digit, by name; "tokens" is
        what goes into the first block, (17, 32). In double precision, so that rounding on another
        machine does not change a file.
    """
    if model is None:
        torch.manual_seed(0)
        model = ViT()
    model, outputs = deepcopy(model).double().eval(), {}
    for path, module in model.named_modules():

        def keep(module, inputs, output, path=path):
            outputs[path] = output[0]

        module.register_forward_hook(keep)
    X = (nine() if digit is None else digit)[None, None].double()
    model(X)
    outputs["tokens"] = model.tokens(X)[0]
    return model, outputs


def vit(model=None, digit=None):
    """The vision transformer with what it makes of a digit; untrained if no model is given."""
    digit = nine() if digit is None else digit
    model, outputs = recorded_vit(model, digit)
    tokens, heads = outputs["tokens"], model.blocks[0].attention.weights[0]
    size = model.embedding.project.kernel_size[0]
    figure, ax = canvas(9.9, 4.35)
    middle, row = 1.95, 0.165
    top = middle - len(tokens) * row / 2

    whole = pixels(ax, digit, 0.1, middle - 0.56, 1.12, INPUT, line=2.2)
    _patch_grid(ax, whole, size)
    for i, patch in enumerate(_patches(digit, size)):
        pixels(ax, patch, 1.62, top + (i + 1) * row + 0.01, row - 0.02, INPUT, line=0.6)
    write(ax, "class", 1.6, top + row / 2, KERNEL, 9, align="center")
    column = Box(1.62, top + row, row, (len(tokens) - 1) * row)
    beam(ax, whole, column, INPUT)
    first = _token_rows(ax, tokens, 1.87, top, row, 1.3)
    _vit_caption(ax, 0.66, "digit", f"(1, {len(digit)}, {len(digit)})", INPUT)
    _vit_caption(ax, 2.3, "patches to tokens", shape_of(tokens), KERNEL)

    block = Box(3.42, 0.5, 4.3, 2.9)
    corners = "round,pad=0,rounding_size=0.12"
    look = {"boxstyle": corners, "fc": "#fdf8f3", "ec": KERNEL, "lw": 1.4, "zorder": 0.5}
    ax.add_patch(FancyBboxPatch(block[:2], block.width, block.height, **look))
    _vit_caption(ax, block.middle[0], f"encoder block, {len(model.blocks)} times", "", KERNEL)
    ax.plot([first.right, 7.9], [middle, middle], color=MUTED, lw=1.4, ls="-", zorder=1)
    _vit_layer(ax, "norm", 3.8, middle, 0.5)
    look = {"cmap": "Oranges", "vmin": heads.min(), "vmax": heads.max()}
    for h, weights in enumerate(heads):
        x, y = 4.47 + 0.62 * (h % 2), middle - 0.6 + 0.62 * (h // 2)
        pixels(ax, weights, x, y, 0.56, KERNEL, **look, line=1.2)
    write(ax, f"attention, {len(heads)} heads", 5.06, middle + 0.8, INK, 9)
    write(ax, f"weights {shape_of(heads[0])} each", 5.06, middle + 1.0, INK, 8.5, "normal")
    _vit_sum(ax, 3.62, 5.87, middle)
    _vit_layer(ax, "norm", 6.2, middle, 0.5)
    hidden = outputs["blocks.0.mlp.0"].shape[-1]
    _vit_layer(ax, f"dense\n{hidden}\nGELU\ndense\n{tokens.shape[-1]}", 6.82, middle, 0.54, 1.15)
    _vit_sum(ax, 6.06, 7.52, middle)

    final = outputs[f"blocks.{len(model.blocks) - 1}"]
    result = _token_rows(ax, final, 7.95, top, row, 0.75)
    _vit_caption(ax, result.middle[0], "tokens", shape_of(final), INK)
    answer = bars(ax, outputs["head"].softmax(dim=0), 9.05, top, 2.2, 0.55)
    start = Box(result.x, top, result.width, row)
    beam(ax, start, answer, KERNEL)
    _vit_caption(ax, 9.3, "norm, dense", shape_of(outputs["head"]), OUTPUT)
    n_start = [model.class_token.numel(), model.positions.numel()]
    counts = [
        (2.1, f"{count_parameters(model.embedding):,} for patches, {n_start[0]} for the class"),
        (2.1, f"token, {n_start[1]} for positions"),
        (5.57, f"{len(model.blocks)} × {count_parameters(model.blocks[0]):,} parameters"),
        (9.1, f"{count_parameters(model.norm) + count_parameters(model.head)}"),
    ]
    for (x, text), y in zip(counts, [3.85, 4.05, 3.85, 3.85]):
        write(ax, text, x, y, INK, 9, "normal")
    return figure


def _patches(digit, size):
    """The patches of a digit in reading order, (P, size, size)."""
    return digit.unfold(0, size, size).unfold(1, size, size).reshape(-1, size, size)


def _patch_grid(ax, box, size):
    """Lines between the patches of a digit."""
    side = size * box.cell
    for i in range(1, round(box.width / side)):
        x, y = box.x + i * side, box.y + i * side
        ax.plot([x, x], [box.y, box.bottom], color=INPUT, lw=1, ls="-", zorder=4)
        ax.plot([box.x, box.right], [y, y], color=INPUT, lw=1, ls="-", zorder=4)


def _token_rows(ax, tokens, x, top, row, width):
    """Tokens (T, D) as rows of one picture, the class token framed; returns the Box of all."""
    reach = tokens.abs().max().item()
    look = {"aspect": "auto", "interpolation": "none", "zorder": 2, "vmin": -32, "vmax": 32}
    steps = (tokens / reach * 32).round()
    box = Box(x, top, width, len(tokens) * row, row)
    ax.imshow(steps.numpy(), cmap=SIGNED, extent=(x, box.right, box.bottom, top), **look)
    for i in range(1, len(tokens)):
        y = top + i * row
        ax.plot([x, box.right], [y, y], color=PAPER, lw=1.2, ls="-", zorder=3)
    frame(ax, box, MUTED, 0.8)
    frame(ax, Box(x, top, width, row), KERNEL, 2, order=6)
    return box


def _vit_caption(ax, x, title, detail, colour):
    write(ax, title, x, 0.16, colour, 10.5)
    write(ax, detail, x, 0.37, INK, 9, "normal")


def _vit_layer(ax, title, x, middle, width, height=0.5):
    corners = "round,pad=0,rounding_size=0.06"
    look = {"boxstyle": corners, "fc": "#fdf1e7", "ec": KERNEL, "lw": 1.4, "zorder": 6}
    ax.add_patch(FancyBboxPatch((x, middle - height / 2), width, height, **look))
    write(ax, title, x + width / 2, middle, INK, 9)


def _vit_sum(ax, start, end, middle):
    """The skip connection over the layers between start and end, and the addition."""
    top = middle - 1.0
    path = [(start, middle), (start, top), (end, top), (end, middle - 0.25)]
    ax.plot(*zip(*path), color=INPUT, lw=1.8, ls="-", zorder=4)
    arrow(ax, (end, middle - 0.27), (end, middle - 0.1), INPUT)
    ax.add_patch(Circle((end, middle), 0.1, fc=PAPER, ec=INK, lw=1.2, zorder=7))
    write(ax, "+", end, middle, INK, 10)


def attention_step(
    patches=16, class_token=True, positions=True, query=None, model=None, digit=None, head=0
):
    """One picture on the path from a digit to patches, tokens and one head of attention.

    Queries, keys and values are those of the first block of the model.

    Args:
        patches: how many patches are cut so far.
        class_token, positions: whether the class token is there, whether positions are added.
        query: the token that asks, 0 is the class token; None before attention.
        model: a ViT, untrained by default.
        digit: float (28, 28), the nine by default.
        head: which head of the first block is shown.
    """
    digit = nine() if digit is None else digit
    model, outputs = recorded_vit(model, digit)
    tokens = outputs["tokens"] if positions else outputs["tokens"] - model.positions[0].detach()
    block = model.blocks[0]
    QKV = (
        block.attention.to_qkv(block.norm1(tokens))
        .detach()
        .unflatten(1, (3, block.attention.heads, -1))
    )
    changed, weights = attention(*QKV[:, :, head].unbind(1))
    shown = tokens / tokens.abs().max()
    shown[1 + patches :] = 0
    if not class_token:
        shown[0] = 0

    figure, ax = canvas(9.7, 4.3)
    shares = torch.zeros(16) if query is None else weights[query, 1:] / weights[query].max()
    whole = pixels(ax, _tinted(digit, shares), 0.1, 0.75, 1.8, INPUT, line=2.2)
    _patch_grid(ax, whole, 7)
    places = [whole.part(7 * (i // 4), 7 * (i % 4), 7) for i in range(16)]
    slot, left, top = 0.435, 2.2, 1.45
    for i, patch in enumerate(_patches(digit, 7)[:patches], start=1):
        box = pixels(ax, patch, left + i * slot + 0.03, 0.82, slot - 0.06, INPUT)
        write(ax, str(i), box.middle[0], 0.68, INK, 9, "normal")
    if class_token:
        write(ax, "class", left + slot / 2 - 0.05, 1.02, KERNEL, 9.5)
    _token_columns(ax, shown, left, top, slot, 1.15)
    if query is None and patches < 16:
        frame(ax, places[patches - 1], ACCENT, 3, order=7)
        beam(ax, places[patches - 1], Box(left + patches * slot + 0.03, 0.82, 0.375, 0.375), ACCENT)
    if query is None:
        write(ax, _vit_stage(patches, class_token, positions), left, 0.25, INK, 12, align="left")
        return figure

    who = f"patch {query}" if query else "the class token"
    what = f"layer 1, head {head + 1}: {who} asks, each token answers"
    write(ax, what, left, 0.25, INK, 12, align="left")
    frame(ax, Box(left + query * slot, top, slot, 1.15), ACCENT, 3, order=7)
    for i, weight in enumerate(weights[query].tolist()):
        x, height = left + i * slot, 0.75 * weight / weights[query].max().item()
        look = {"fc": KERNEL, "zorder": 3}
        ax.add_patch(Rectangle((x + 0.06, 3.6 - height), slot - 0.12, height, **look))
        write(ax, f"{100 * weight:.0f}", x + slot / 2, 3.75, INK, 9, "normal")
    if query:
        frame(ax, places[query - 1], ACCENT, 3, order=7)
    write(ax, "weights in %, together 100", left + 8.5 * slot, 4.05, KERNEL, 10.5)
    result = changed[query][None]
    look = {"cmap": SIGNED, "vmin": -result.abs().max(), "vmax": result.abs().max(), "line": 2}
    box = pixels(ax, result, 0.1, 3.2, 1.8, OUTPUT, **look)
    write(
        ax,
        "what comes out: weighted\nmean of values of 8 numbers",
        box.middle[0],
        3.78,
        OUTPUT,
        9.5,
    )
    return figure


def _vit_stage(patches, class_token, positions):
    if positions:
        return "a vector for its place is added to each token"
    if class_token:
        return "a class token, the same for every image, goes first"
    return f"patch {patches} of 16: 49 pixels become a token of 32 numbers"


def _token_columns(ax, tokens, x, y, slot, height):
    """Tokens (T, D) from -1 to 1 side by side, each a column of D numbers; zeros stay white."""
    look = {"aspect": "auto", "interpolation": "none", "zorder": 2, "vmin": -32, "vmax": 32}
    steps = (tokens * 32).round()
    for i, column in enumerate(steps):
        if column.abs().sum():
            place = Box(x + i * slot + 0.06, y, slot - 0.12, height)
            extent = (place.x, place.right, place.bottom, place.y)
            ax.imshow(column[:, None].numpy(), cmap=SIGNED, extent=extent, **look)
            frame(ax, place, MUTED if i else KERNEL, 1 if i else 2)


def _tinted(digit, shares):
    """The digit in ink on patches that are the more orange the larger their share, (28, 28, 3)."""
    shares = shares.float().view(4, 4).repeat_interleave(7, 0).repeat_interleave(7, 1)[..., None]
    paper, orange = (torch.tensor(mpl.colors.to_rgb(colour)) for colour in (PAPER, KERNEL))
    return (1 - digit[..., None]) * torch.lerp(paper, orange, 0.75 * shares)


def vit_attention(model=None, digit=None, head=0, queries=(0, 6, 7, 11, 15)):
    """From image to patches to tokens to attention. Bytes of an animated PNG.

    It plays once and ends within five seconds (WCAG 2.2.2).

    Args: as for `attention_step`; queries: the tokens that ask, one after the other.
    """
    bare = {"class_token": False, "positions": False}
    steps = [({"patches": patches} | bare, 60) for patches in (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)]
    steps += [({"positions": False}, 500), ({}, 500)]
    steps += [({"query": query}, 3400 // len(queries)) for query in queries]
    given = {"model": model, "digit": digit, "head": head}
    frames = [as_picture(attention_step(**step, **given), dpi=90) for step, _ in steps]
    return animated_png(frames, milliseconds=[shown for _, shown in steps], plays=1)


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
        "pre-norm: the path along the shortcuts (blue) passes through no norm",
        "post-norm: every path passes through the norms",
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
