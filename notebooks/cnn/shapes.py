"""Sizes, parameters and receptive fields of convolutional networks, in exact arithmetic.

Source: V. Dumoulin, F. Visin, A guide to convolution arithmetic for deep learning, 2016.
"""

import math

from torch import nn


def check_whole(least, **values):
    """Raise ValueError unless each value is a whole number that is not below `least`."""
    for name, value in values.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def output_size(H, K, P=0, S=1, D=1):
    """Length of one axis after a convolution or pooling layer.

    Args (all in pixels): H input size, K kernel size, P padding on each side, S stride, D dilation.

    Raises:
        ValueError: a value that no layer accepts, or a kernel that does not fit into the padded
            input. (A pooling layer also refuses P > K / 2.)
    """
    check_whole(1, H=H, K=K, S=S, D=D)
    check_whole(0, P=P)
    span = D * (K - 1) + 1
    if span > H + 2 * P:
        raise ValueError(f"a kernel that spans {span} pixels does not fit into {H + 2 * P}")
    return (H + 2 * P - span) // S + 1


def receptive_field(layers):
    """Width in input pixels that one output pixel of a stack of layers depends on.

    Args:
        layers: from the input on, (kernel size, stride) or (kernel size, stride, dilation) of each.

    Raises:
        ValueError: a value below 1 or not whole.
    """
    width, step = 1, 1
    for K, S, *dilation in layers:
        D = dilation[0] if dilation else 1
        check_whole(1, K=K, S=S, D=D)
        width += D * (K - 1) * step
        step *= S
    return width


def count_parameters(module):
    """Number of trainable weights and biases."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def multiply_adds(layer, output_shape):
    """Multiply-adds of a convolution or dense layer for one sample; 0 for layers without a matrix.

    Biases, and the one factor per channel of a norm layer, are not counted.

    Args:
        output_shape: of the layer for a batch, (N, C_out, H, W), (N, features) or alike.

    Raises:
        TypeError: a layer with a matrix of weights for which there is no rule here, such as a
            transposed convolution, an attention layer, or a block that contains other layers.
        ValueError: output_shape lacks an axis.
    """
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        if len(output_shape) < layer.weight.ndim:
            raise ValueError(f"{tuple(output_shape)} lacks an axis: the first is for the batch")
        return math.prod(output_shape[1:]) * layer.weight[0].numel()
    if any(p.ndim > 1 for p in layer.parameters()):
        raise TypeError(f"no rule for the multiply-adds of {type(layer).__name__}")
    return 0


def walk(model, X):
    """Send X (N, C, H, W) through the layers of a Sequential (nested ones too), one at a time.

    Each layer runs once, so in training mode a batch norm counts the batch once.

    Yields:
        (layer, its output) for every layer.
    """
    for layer in model:
        steps = walk(layer, X) if isinstance(layer, nn.Sequential) else [(layer, layer(X))]
        for inner, output in steps:
            yield inner, output
            X = output
