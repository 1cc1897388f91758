"""Sizes, parameters and receptive fields of convolutional networks, in exact arithmetic.

Source: V. Dumoulin, F. Visin, A guide to convolution arithmetic for deep learning, 2016.
"""

from torch import nn


def output_size(N, F, P=0, S=1, D=1):
    """Length of one axis after a convolution or pooling layer.

    Args (all in pixels): N input size, F kernel size, P padding on each side, S stride, D dilation.

    Raises:
        ValueError: the kernel does not fit into the padded input.
    """
    span = D * (F - 1) + 1
    if span > N + 2 * P:
        raise ValueError(f"a kernel that spans {span} pixels does not fit into {N + 2 * P}")
    return (N + 2 * P - span) // S + 1


def receptive_field(layers):
    """Width in input pixels that one output pixel of a stack of layers depends on.

    Args:
        layers: (F, S) or (F, S, D) for each layer, from the input on.
    """
    width, step = 1, 1
    for kernel_size, stride, *dilation in layers:
        D = dilation[0] if dilation else 1
        width += D * (kernel_size - 1) * step
        step *= stride
    return width


def count_parameters(module):
    """Number of trainable weights and biases."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def multiply_adds(layer, output_shape):
    """Multiply-adds of a convolution or dense layer for one sample; 0 for layers without weights.

    Args:
        output_shape: of the layer for a batch, (N, C_out, H, W) or (N, features).
    """
    if isinstance(layer, nn.Conv2d):
        _, C_out, H, W = output_shape
        return C_out * H * W * layer.weight[0].numel()
    if isinstance(layer, nn.Linear):
        return layer.in_features * layer.out_features
    return 0


def walk(model, X):
    """Send X (N, C, H, W) through the layers of a Sequential (nested ones too), one at a time.

    Yields:
        (layer, its output) for every layer.
    """
    for layer in model:
        if isinstance(layer, nn.Sequential):
            yield from walk(layer, X)
            X = layer(X)
        else:
            X = layer(X)
            yield layer, X
