"""The exercises of notebook 02: sizes, channels, counting."""

import torch
from torch import nn

from cnn.checks import exercise, predict


@exercise(
    hints=[
        "Lay the first window on the left edge and count how often it can move before it hits the"
        " right edge. That many places, and one for the start.",
        "Padding makes the image larger before the window moves: 28 pixels and P on *each* side.",
        "With stride 2 the window stands at 0, 2, 4, ... and its last pixel must still be inside. A"
        " step that does not fit is not made.",
    ],
    why="Whoever can predict the shapes finds most bugs of a network before it runs: the size where"
    " a dense layer begins must be known in advance, and a wrong one is the commonest error.",
    misconceptions={
        "padding": "P zeros go around the whole image, so each axis grows by 2P, not by P.",
        "floor": "the window must fit. Where the last step would leave the image it is not made, so"
        " the size is rounded down.",
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
