"""The exercises of the lesson on convolution: learning, sizes, channels, depth, counting."""

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import Wrong, call, compare, exercise, predict, same
from cnn.shapes import count_parameters, multiply_adds, receptive_field


@exercise(
    hints=[
        "Make a copy that PyTorch watches: `kernel = kernel.clone().requires_grad_()`. Compute the"
        " loss from it, as one number.",
        "After `loss.backward()` the slopes are in `kernel.grad`. They say where the loss *rises*.",
        "The step is lr times the gradient, and it goes in the other direction. Take"
        " `kernel.detach()` for it.",
    ],
    why="This step, repeated for all weights of a network at once, is how networks are trained.",
    misconceptions={
        "direction": "the gradient points to where the loss rises. The step goes the other way.",
        "sum": "the loss is the mean of the squared differences. Their sum has a gradient that is"
        " larger by the number of pixels.",
        "gradient": "this is the gradient itself. The new kernel is the old one minus lr times it.",
        "learning rate": "the step is the gradient times lr, and here it is the gradient alone.",
    },
)
def descend(step, draw):
    def gradient(inputs, targets, kernel):
        difference = F.conv2d(inputs, kernel[None, None]) - targets  # (N, 1, H - 2, W - 2)
        pixels = F.conv2d(inputs.transpose(0, 1), difference.transpose(0, 1))[0, 0]  # (3, 3)
        return 2 * pixels / difference.numel()

    def right(inputs, targets, kernel, lr):
        return kernel - lr * gradient(inputs, targets, kernel)

    def with_sum(inputs, targets, kernel, lr):
        return kernel - lr * targets.numel() * gradient(inputs, targets, kernel)

    mistakes = {
        "direction": lambda i, t, k, lr: k + lr * gradient(i, t, k),
        "sum": with_sum,
        "gradient": lambda i, t, k, lr: gradient(i, t, k),
        "learning rate": lambda i, t, k, lr: k - gradient(i, t, k),
    }
    cases = [(*_pictures_and_maps(draw), draw.normal(3, 3), lr) for lr in (0.1, 0.25, 0.5)]
    compare(step, right, cases, mistakes)


def _pictures_and_maps(draw):
    n, height, width = draw.randint(2, 4), draw.randint(6, 8), draw.randint(9, 11)
    return draw.normal(n, 1, height, width), draw.normal(n, 1, height - 2, width - 2)


@exercise(
    hints=[
        "Lay the first window on the left edge and count how often it can move before it hits the"
        " right edge. That many places, and one for the start.",
        "The batch keeps its 16 images, and the second axis counts the output maps. Padding makes"
        " the image larger before the window moves: 28 pixels and P on *each* side.",
        "With stride 2 the window stands at 0, 2, 4, ... and its last pixel must still be inside."
        " A step that does not fit is not made.",
        "With dilation 2 the three pixels of a row lie at 0, 2 and 4. How many pixels does the"
        " window span?",
    ],
    why="Whoever can predict the shapes finds many bugs of a network before it runs: the size"
    " where a dense layer begins must be known in advance, and a wrong one is a common error.",
    misconceptions={
        "padding": "P zeros go around the whole image, so each axis grows by 2P, not by P.",
        "floor": "the window must fit. Where the last step would leave the image it is not made,"
        " so the size is rounded down.",
        "channels": "a convolution gives one map for each of its filters, out_channels in all,"
        " however many channels come in.",
        "off by one": "a window of K pixels fits at H - K + 1 places: the start counts too.",
        "dilation": "a dilated kernel keeps its weights, but it spans D(K - 1) + 1 pixels, and so"
        " many must fit.",
    },
)
def shapes(predictions, draw):
    layers = {
        "Conv2d(1, 8, kernel_size=5)": nn.Conv2d(1, 8, kernel_size=5),
        "Conv2d(1, 8, kernel_size=3, padding=1)": nn.Conv2d(1, 8, kernel_size=3, padding=1),
        "Conv2d(1, 8, kernel_size=3, stride=2)": nn.Conv2d(1, 8, kernel_size=3, stride=2),
        "Conv2d(1, 8, kernel_size=3, dilation=2)": nn.Conv2d(1, 8, kernel_size=3, dilation=2),
    }
    X = torch.zeros(16, 1, 28, 28)
    names = list(layers)
    mistakes = {
        "off by one": {names[0]: (16, 8, 23, 23)},
        "padding": {names[1]: (16, 8, 27, 27)},
        "floor": {names[2]: (16, 8, 14, 14)},
        "dilation": {names[3]: (16, 8, 26, 26)},
        "channels": {
            names[0]: (16, 1, 24, 24),
            names[1]: (16, 1, 28, 28),
            names[2]: (16, 1, 13, 13),
            names[3]: (16, 1, 24, 24),
        },
    }
    predict(predictions, {name: tuple(layers[name](X).shape) for name in layers}, mistakes)


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
        "Which pixels does one number of the second output depend on? It reads 3 × 3 numbers of the"
        " first output, and each of these reads 3 × 3 pixels.",
        "The number of the first output that `second[a, b]` multiplies reads its pixels `a` rows"
        " further down and `b` columns further right. So in the large kernel a copy of `first`,"
        " times `second[a, b]`, begins at row a and column b.",
        "Add up the nine copies in `torch.zeros(5, 5)`. There is a function on this page that adds"
        " up such copies.",
    ],
    why="Any number of linear layers can be multiplied out to one in this way. So it is the"
    " nonlinearity between them that makes depth worth anything.",
    misconceptions={
        "size": "one number of the second output depends on 5 × 5 pixels, so the kernel that does"
        " both has 5 × 5 weights.",
        "flip": "this slides one kernel over the other and reads. Each weight of one must stamp a"
        " copy of the other, which is the same with a flip.",
        "mirror": "this is the right kernel turned by half a turn: the copies go up and left, where"
        " they should go down and right.",
    },
)
def one_kernel(combine, draw):
    def right(first, second):
        return F.conv_transpose2d(first[None, None], second[None, None])[0, 0]

    def read(first, second):
        return F.conv2d(first[None, None], second[None, None], padding=2)[0, 0]

    cases = [(draw.normal(3, 3), draw.normal(3, 3)) for _ in range(4)]
    for case in cases:
        kernel = call(combine, *case)
        if isinstance(kernel, torch.Tensor) and kernel.shape == (3, 3):
            raise Wrong("Two kernels of 3 × 3 gave a kernel of 3 × 3.", "size")
    mistakes = {"flip": read, "mirror": lambda a, b: right(a, b).flip(0, 1)}
    others = [lambda a, b: read(b, a), lambda a, b: read(a, b).flip(0, 1)]
    for other in others:  # the same mistake with the two kernels the other way round
        if all(same(call(combine, *case), other(*case)) for case in cases):
            mistakes["flip"] = other
    compare(combine, right, cases, mistakes)


@exercise(
    hints=[
        "Go from layer to layer and write down channels, height and width. A 3 × 3 kernel with"
        " dilation 3 spans 7 pixels.",
        "Each filter of the second convolution has a 3 × 3 kernel for each of the 16 channels, and"
        " one bias. Dilation adds no weights.",
        "Each weight is used once for each pixel of the *output*. Biases do not multiply anything.",
        "For the receptive field, each layer adds D(K − 1) steps. After the pooling, one step is"
        " two pixels.",
    ],
    why="With these four numbers a network can be judged before it is trained: whether it fits"
    " together, how large it is, how slow it will be, and how much of the picture it can see.",
    misconceptions={
        "dilation": "with dilation 3 each kernel still has nine weights, but it spans 7 pixels"
        " and its steps are three times as long.",
        "channels": "a filter has one kernel for each input channel, and the layer has one filter"
        " for each output map.",
        "bias": "there is one bias for each output map. It counts as a parameter, and it is added"
        " without a multiplication.",
        "work": "each weight is used once for each pixel of the output, here 7 × 7, not of the"
        " input and not once in all.",
        "step": "after 2 × 2 pooling with stride 2 neighbouring numbers are two input pixels"
        " apart, so each step of a later kernel counts twice.",
    },
)
def read_a_stack(predictions, draw):
    first, second = nn.Conv2d(1, 16, 3), nn.Conv2d(16, 32, 3, dilation=3)
    stack = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU())
    output = stack(torch.zeros(1, 1, 28, 28))
    names = [
        "shape at the end",
        "parameters of the second convolution",
        "multiply-adds of the second convolution",
        "receptive field",
    ]
    n, work = count_parameters(second), multiply_adds(second, output.shape)
    field = receptive_field([(3, 1), (2, 2), (3, 1, 3)])
    mistakes = {
        "dilation": {
            names[0]: (1, 32, 11, 11),
            names[1]: 32 * 16 * 49 + 32,
            names[2]: 11 * 11 * 32 * 16 * 9,
            names[3]: receptive_field([(3, 1), (2, 2), (3, 1)]),
        },
        "channels": {names[0]: (1, 16, 7, 7), names[1]: 32 * 9 + 32, names[2]: 7 * 7 * 32 * 9},
        "bias": {names[1]: 32 * 16 * 9, names[2]: 7 * 7 * n},
        "work": {names[2]: 13 * 13 * 32 * 16 * 9},
        "step": {names[3]: receptive_field([(3, 1), (2, 1), (3, 1, 3)])},
    }
    predict(predictions, dict(zip(names, [tuple(output.shape), n, work, field])), mistakes)
