"""The exercises of the lesson on convolution: sizes, channels, counting."""

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import Wrong, call, compare, exercise, predict, show
from cnn.models import CNN
from cnn.shapes import count_parameters, receptive_field


@exercise(
    hints=[
        "Lay the first window on the left edge and count how often it can move before it hits the"
        " right edge. That many places, and one for the start.",
        "Padding makes the image larger before the window moves: 28 pixels and P on *each* side.",
        "With stride 2 the window stands at 0, 2, 4, ... and its last pixel must still be inside."
        " A step that does not fit is not made.",
    ],
    why="Whoever can predict the shapes finds most bugs of a network before it runs: the size"
    " where a dense layer begins must be known in advance, and a wrong one is the commonest error.",
    misconceptions={
        "padding": "P zeros go around the whole image, so each axis grows by 2P, not by P.",
        "floor": "the window must fit. Where the last step would leave the image it is not made,"
        " so the size is rounded down.",
        "channels": "a convolution gives one map for each of its filters, out_channels in all,"
        " however many channels come in.",
        "off by one": "a window of F pixels fits at N - F + 1 places: the start counts too.",
    },
)
def shapes(predictions, draw):
    layers = {
        "Conv2d(1, 8, kernel_size=5)": nn.Conv2d(1, 8, kernel_size=5),
        "Conv2d(1, 8, kernel_size=3, padding=1)": nn.Conv2d(1, 8, kernel_size=3, padding=1),
        "Conv2d(1, 8, kernel_size=3, stride=2)": nn.Conv2d(1, 8, kernel_size=3, stride=2),
    }
    X = torch.zeros(16, 1, 28, 28)
    names = list(layers)
    mistakes = {
        "off by one": {names[0]: (16, 8, 23, 23)},
        "padding": {names[1]: (16, 8, 27, 27)},
        "floor": {names[2]: (16, 8, 14, 14)},
        "channels": {
            names[0]: (16, 1, 24, 24),
            names[1]: (16, 1, 28, 28),
            names[2]: (16, 1, 13, 13),
        },
    }
    predict(predictions, {name: tuple(layers[name](X).shape) for name in layers}, mistakes)


@exercise(
    hints=[
        "Both sizes come from the formula, so write it down with N = 32 and S = 2 and try small F.",
        "That the size is right says nothing about which pixels were read: is the stride larger"
        " than the kernel, or is a pixel left over at the end?",
        "A remainder is harmless if the pixel that is left over is a zero of the padding.",
    ],
    why="These two are how networks halve a map without losing a pixel: kernel 2 with stride 2,"
    " and kernel 3 with padding 1 and stride 2, as in the residual networks of the lesson on residual networks.",
    misconceptions={
        "padding": "P zeros are added at both ends of each axis, 2P in all.",
        "floor": "where the division leaves a remainder the size is rounded down, never up.",
        "stride": "a stride larger than the kernel jumps over pixels that no window reads.",
    },
)
def halving(settings, draw):
    if not isinstance(settings, dict) or settings.keys() != {"odd kernel", "even kernel"}:
        raise Wrong("Keep the dictionary with its two keys, 'odd kernel' and 'even kernel'.")
    for name, setting in settings.items():
        if not isinstance(setting, tuple) or [type(v) for v in setting] != [int] * 3:
            raise Wrong(f"{name!r} takes three whole numbers (F, P, S), not {show(setting)}.")
        kernel_size, padding, stride = setting
        if kernel_size % 2 != (name == "odd kernel") or kernel_size < 1:
            raise Wrong(f"{name!r}: the kernel size F = {kernel_size} is not that.")
        if padding < 0 or stride < 1 or kernel_size > 32 + 2 * padding:
            raise Wrong(f"{name!r}: no convolution has (F, P, S) = {setting} on 32 pixels.")
        _halves(name, kernel_size, padding, stride)


def _halves(name, kernel_size, padding, stride):
    image = torch.zeros(1, 1, 32, 32, requires_grad=True)
    kernel = torch.ones(1, 1, kernel_size, kernel_size)
    output = F.conv2d(image, kernel, padding=padding, stride=stride)
    size, room = output.shape[-1], 32 + 2 * padding - kernel_size
    if size != 16:
        wrong_sizes = {
            "padding": (room - padding) // stride + 1,
            "floor": -(-room // stride) + 1,
        }
        about = next((about for about, wrong in wrong_sizes.items() if wrong == 16), None)
        raise Wrong(f"{name!r}: 32 pixels give {size}, not 16.", about)
    output.sum().backward()
    unread = (image.grad == 0).sum().item()
    if unread:
        raise Wrong(
            f"{name!r}: the size is right, but {unread} of the 1,024 pixels are in no window.",
            "stride" if stride > kernel_size else None,
        )


@exercise(
    hints=[
        "One output map first: convolve each channel with its own kernel of filter 0, and add.",
        "`weight[o, c]` is the kernel of filter o for channel c. `sum(...)` over c, then the bias"
        " of the filter, once.",
        "Do this for each filter o, and put the maps together with `torch.stack`.",
    ],
    why="This sum is all that a convolutional layer does: it looks for a pattern in several"
    " channels at once. F.conv2d does the same, only much faster.",
    misconceptions={
        "channels": "one filter makes one map. The results for its channels are added up to it;"
        " they do not become maps of their own.",
        "mean": "the results for the channels are added, not averaged.",
        "bias": "the bias belongs to the filter. It is added once, not once for each channel.",
        "order": "the first axis of the weight counts the output maps, the second the input"
        " channels.",
    },
)
def layer_by_hand(layer, draw):
    def right(picture, weight, bias):
        return F.conv2d(picture[None], weight, bias)[0]

    mistakes = {
        "mean": lambda p, w, b: right(p, w / len(p), b),
        "bias": lambda p, w, b: right(p, w, b * len(p)),
        "order": lambda p, w, b: right(p, w.transpose(0, 1), b),
    }
    square = [_picture_and_filters(draw, 3, 3) for _ in range(2)]
    for picture, weight, bias in square:
        maps = call(layer, picture, weight, bias)
        if isinstance(maps, torch.Tensor) and maps.ndim > 2 and maps.shape[:-2].numel() == 9:
            raise Wrong("3 filters for 3 channels gave 9 maps.", "channels")
    compare(layer, right, square, mistakes)
    compare(layer, right, [_picture_and_filters(draw, 2, 4), _picture_and_filters(draw, 3, 1)])


def _picture_and_filters(draw, C_in, C_out):
    height, width = draw.randint(5, 7), draw.randint(8, 9)
    return draw.normal(C_in, height, width), draw.normal(C_out, C_in, 3, 3), draw.normal(C_out)


@exercise(
    hints=[
        "Pooling changes height and width only. So 64 maps stay 64 maps; how large are they now?",
        "A dense layer has one weight for each pair of input and output, and a bias for each"
        " output.",
        "The pixels of the pooled map are two input pixels apart, so a second window of 2 reaches"
        " one such step further.",
    ],
    why="One more pooling layer cuts the network to a quarter and lets every number see more of"
    " the digit. That is why networks shrink their maps step by step.",
    misconceptions={
        "channels": "pooling works on each channel alone. It never changes their number.",
        "area": "2 × 2 pooling halves the height and the width, so a quarter of the numbers is"
        " left.",
        "bias": "a dense layer also has one bias for each of its outputs.",
        "receptive field": "it does not double. A layer adds (F − 1) steps, and one step here is"
        " as long as all strides before it multiplied: 2 pixels.",
    },
)
def second_pooling(predictions, draw):
    network = nn.Sequential(*list(CNN())[:5], nn.MaxPool2d(2), nn.Flatten())
    inputs = network(torch.zeros(1, 1, 28, 28)).shape[1]
    keys = ["inputs of the dense layer", "its parameters", "receptive field of an input"]
    field = receptive_field([(3, 1), (3, 1), (2, 2), (2, 2)])
    truth = dict(zip(keys, [inputs, count_parameters(nn.Linear(inputs, 128)), field]))
    mistakes = {
        "channels": {keys[0]: 32 * 6 * 6, keys[1]: 32 * 6 * 6 * 128 + 128},
        "area": {keys[0]: 64 * 12 * 6, keys[1]: 64 * 12 * 6 * 128 + 128},
        "bias": {keys[1]: 64 * 6 * 6 * 128},
        "receptive field": {keys[2]: 2 * receptive_field([(3, 1), (3, 1), (2, 2)])},
    }
    predict(predictions, truth, mistakes)
