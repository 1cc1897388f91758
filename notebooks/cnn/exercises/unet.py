"""The exercises of the lesson on the U-Net: decoder, sizes on the way up, loss and gaps."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import Wrong, call, compare, difference, exercise, same, show, show_call


@exercise(
    hints=[
        "The encoder stored its maps from fine to coarse, and the decoder works from coarse to"
        " fine. Which of the stored maps does its first stage need?",
        "In each round, `X = up(X)` doubles the size, `torch.cat([skip, X], dim=1)` puts"
        " the channels of both together, and the stage convolves them.",
        "`reversed(encoded)` gives the maps in the order of the decoder:"
        " `for up, stage, skip in zip(ups, stages, reversed(encoded))`.",
    ],
    why="This loop is what makes a U-Net of a chain of layers. Which of the two comes first in"
    " `torch.cat` is a convention: either can be trained, but the weights of one do not fit the"
    " other.",
    misconceptions={
        "fine before coarse": "the skips were taken in the order in which the encoder stored them."
        " The first stage of the decoder needs the *last* of them, which has the size of the first"
        " upsampled maps.",
        "which comes first": "the two sets of maps are the wrong way round: here the channels of"
        " the skip come first.",
        "half of the channels": "the stage got half of the channels that it expects. The maps of"
        " the skip are not added to the others, nor left out: `torch.cat` puts both side by side.",
        "before the up-convolution": "the skip was put together with the maps before they were"
        " enlarged. It has the height and width that they get from the up-convolution.",
    },
)
def decode(attempt, draw):
    torch.manual_seed(draw.randrange(10**6))
    X = draw.normal(1, 2, 4, 4)
    encoded = draw.normal(1, 2, 16, 16), draw.normal(1, 2, 8, 8)
    ups = tuple(nn.ConvTranspose2d(2, 2, kernel_size=2, stride=2) for _ in range(2))
    stages = tuple(nn.Conv2d(4, 2, kernel_size=3, padding=1) for _ in range(2))
    given = X, encoded, ups, stages
    shown = f"{show(attempt)}(X, encoded, ups, stages)"
    try:
        result = call(attempt, *given)
    except Wrong as wrong:
        message = str(wrong).replace(show_call(attempt, given), shown)
        raise Wrong(message, _why_it_fails(attempt, given)) from None
    due = _decoded(*given, "right")
    if not same(result, due):
        raise Wrong(f"{shown} {difference(result, due)}", _why_it_fails(attempt, given))


def _decoded(X, encoded, ups, stages, how):
    """The decoder, with one of the mistakes that the exercise knows by name."""
    skips = encoded if how == "fine before coarse" else reversed(encoded)
    for up, stage, skip in zip(ups, stages, skips):
        if how == "before the up-convolution":
            X = stage(up(torch.cat([skip, X], dim=1)))
        elif how == "half of the channels":
            X = stage(skip + up(X))
        elif how == "which comes first":
            X = stage(torch.cat([up(X), skip], dim=1))
        else:
            X = stage(torch.cat([skip, up(X)], dim=1))
    return X


def _why_it_fails(attempt, given):
    """The mistake that gives the same tensor, or the same error message, as the attempt."""

    def outcome(function):
        try:
            return function(*given)
        except (Exception, SystemExit) as error:
            return str(error)

    got = outcome(attempt)
    for how in decode.misconceptions:
        other = outcome(partial(_decoded, how=how))
        if type(got) is type(other) and same(got, other):
            return how
    return None


@exercise(
    hints=[
        "Put n stamps in a row, the next always `stride` further. Where does the last one begin?",
        "The last one begins at (n - 1) · stride and is `kernel_size` wide.",
        "`padding` of an up-convolution cuts that many pixels *off* on each side, since it undoes"
        " what padding adds to the convolution it belongs to.",
    ],
    why="Whoever knows this can see before running whether the maps of a decoder fit those of the"
    " encoder. Kernel 2 with stride 2 doubles exactly, and so does kernel 4 with stride 2 and"
    " padding 1. Kernel 3 never does without a further setting.",
    misconceptions={
        "times the stride": "n · stride holds only if the stamps lie side by side, so that the"
        " kernel is as wide as the stride.",
        "one stamp too many": "n stamps have n - 1 steps between them. The last one adds its own"
        " width, not a step.",
        "padding cuts off": "in a convolution padding makes the input larger. In its transpose it"
        " makes the output smaller, by this many pixels on each side.",
        "the way down": "this is the size after a convolution. An up-convolution goes the other"
        " way, and its output is larger.",
    },
)
def up_size(attempt, draw):
    cases = [(10, 2, 2, 0), (10, 3, 2, 0)]
    for _ in range(3):
        stride = draw.randrange(2, 4)
        cases.append((draw.randrange(5, 12), draw.randrange(stride + 1, 7), stride, 1))

    def size(n, kernel_size, stride, padding):
        kernel, maps = torch.ones(1, 1, kernel_size), torch.ones(1, 1, n)
        return F.conv_transpose1d(maps, kernel, stride=stride, padding=padding).shape[2]

    compare(
        attempt,
        size,
        cases,
        {
            "times the stride": lambda n, kernel_size, stride, padding: n * stride,
            "one stamp too many": lambda n, kernel_size, stride, padding: (
                n * stride + kernel_size - 2 * padding
            ),
            "padding cuts off": lambda n, kernel_size, stride, padding: (
                (n - 1) * stride + kernel_size + 2 * padding
            ),
            "the way down": lambda n, kernel_size, stride, padding: (
                (n + 2 * padding - kernel_size) // stride + 1
            ),
        },
    )


@exercise(
    hints=[
        "The loss counted class c as if its pixels were weight[c] times as frequent. What undoes a"
        " multiplication?",
        "Divide the probability of class c by weight[c]. `weight` has the shape (C,) and P has"
        " (N, C, H, W): `weight[:, None, None]` has the axes in the right place.",
        "After the division the probabilities of a pixel no longer add up to 1. Divide them by"
        " their sum, `sum(dim=1, keepdim=True)`.",
    ],
    why="A weight in the loss changes what the output means. This brings it back, if the network"
    " has learned what the weighted loss asks for. The order of the pixels by P(digit) stays:"
    " weighting moves the threshold, and that could be done after training just as well.",
    misconceptions={
        "times the weight": "this applies the weight once more. The loss has applied it already,"
        " and it is to be taken out.",
        "no longer probabilities": "after the division the values of a pixel must be divided by"
        " their sum, so that they add up to 1 again.",
        "along the rows": "`P / weight` lines the weights up with the *last* axis, the columns of"
        " the image. Where the image is as wide as there are classes, no error says so.",
        "over the pixels": "the sum goes over the classes of one pixel, dimension 1, and not over"
        " all values of the image.",
    },
)
def unweighted(attempt, draw):
    cases = [
        (draw.normal(N, 3, H, 3).softmax(dim=1), torch.rand(3, generator=draw.generator) + 0.2)
        for N, H in [(1, 2), (2, 4)]
    ]

    def divided(P, weight):
        return P / weight[:, None, None]

    def normalised(Q):
        return Q / Q.sum(dim=1, keepdim=True)

    compare(
        attempt,
        lambda P, weight: normalised(divided(P, weight)),
        cases,
        {
            "times the weight": lambda P, weight: normalised(divided(P, 1 / weight)),
            "no longer probabilities": divided,
            "along the rows": lambda P, weight: normalised(P / weight),
            "over the pixels": lambda P, weight: divided(P, weight) / divided(P, weight).sum(),
        },
    )


@exercise(
    hints=[
        "For each pixel, only the two smallest of its K distances count. Which axis lists them?",
        "`distances.sort(dim=0).values[:2]` holds d1 and d2 of every pixel, (2, H, W).",
        "1 + w0 · exp(−(d1 + d2)² / (2 · sigma²)): first add the two distances, then square.",
    ],
    why="Where two objects nearly touch, both distances are small and the weight is large. A pixel"
    " beside one object only has a small d1 but a large d2, and stays at a weight of about 1. So"
    " the loss insists on the thin gaps that tell objects apart.",
    misconceptions={
        "the nearest only": "with the nearest object alone every border gets a large weight, also"
        " where there is nothing on the other side.",
        "all objects": "this adds all K distances. An object far away would then lower the weight"
        " of a gap between two others.",
        "squared apart": "(d1 + d2)² is due, and not d1² + d2².",
        "large for wide gaps": "the exponent is negative: the weight is to be large where the"
        " distances are small.",
    },
)
def gap_weight(attempt, draw):
    cases = [
        (5 * torch.rand(K, 3, 4, generator=draw.generator), 10.0, draw.uniform(2, 5))
        for K in (2, 3, 4)
    ]

    def weight(square, w0, sigma):
        return 1 + w0 * torch.exp(-square / (2 * sigma**2))

    def two(distances):
        return distances.sort(dim=0).values[:2]

    compare(
        attempt,
        lambda distances, w0, sigma: weight(two(distances).sum(dim=0) ** 2, w0, sigma),
        cases,
        {
            "the nearest only": lambda distances, w0, sigma: weight(
                distances.amin(dim=0) ** 2, w0, sigma
            ),
            "all objects": lambda distances, w0, sigma: weight(
                distances.sum(dim=0) ** 2, w0, sigma
            ),
            "squared apart": lambda distances, w0, sigma: weight(
                (two(distances) ** 2).sum(dim=0), w0, sigma
            ),
            "large for wide gaps": lambda distances, w0, sigma: weight(
                -(two(distances).sum(dim=0) ** 2), w0, sigma
            ),
        },
    )
