"""The exercises on residual networks: batch norm, shapes on both ways of a block, copying, gradients."""

import math

import torch
import torch.nn.functional as F

from cnn.exercises.checking import Wrong, call, compare, exercise, show_call


def normalise(X, dims, correction=0):
    """X with mean 0 and variance 1 over these dimensions."""
    variance = X.var(dim=dims, keepdim=True, correction=correction)
    return (X - X.mean(dim=dims, keepdim=True)) / (variance + 1e-5).sqrt()


@exercise(
    hints=[
        "How many means are there? One for each channel. Which of the four dimensions of (N, C,"
        " H, W) must then disappear in the mean?",
        "`X.mean(dim=(0, 2, 3), keepdim=True)` has the shape (1, C, 1, 1), and so it can be"
        " subtracted from X. The variance goes over the same dimensions.",
        "Divide by the root of the variance plus `eps`. The result is to have variance 1 over the"
        " very numbers at hand, so divide by their number: `correction=0`.",
    ],
    why="Each channel is put on one scale, over all images and all places. That is why a"
    " convolution before it needs no bias, why the size of its kernels means nothing, and why one"
    " image is processed differently in another batch, unless the stored averages are used.",
    misconceptions={
        "the batch counts": "here each image has a mean of its own. Batch norm takes the mean"
        " over all images of the *batch*, hence its name.",
        "places count": "here each pixel has a mean of its own. A convolution treats all places"
        " alike, and batch norm does too: height and width belong to the mean.",
        "channels are separate": "here all channels share one mean. A channel may have values of"
        " any size, and the point is to give every one of them the same scale.",
        "variance and its root": "divided by the variance, values of size 10 end with size 1/10."
        " The standard deviation, its root, has the unit of the values.",
        "which variance": "this divides by n - 1, an estimate for data that were not seen. Batch"
        " norm wants variance 1 over the numbers at hand, so it divides by n.",
    },
)
def batch_norm(attempt, draw):
    cases = []
    for N, C, H, W in [(2, 3, 2, 2), (3, 2, 1, 3)]:
        spread, centre = 0.5 + 2.5 * draw.normal(1, C, 1, 1).abs(), 3 * draw.normal(1, C, 1, 1)
        cases.append((spread * draw.normal(N, C, H, W) + centre,))

    compare(
        attempt,
        lambda X: F.batch_norm(X, None, None, training=True),
        cases,
        {
            "the batch counts": lambda X: normalise(X, (2, 3)),
            "places count": lambda X: normalise(X, (0,)),
            "channels are separate": lambda X: normalise(X, (0, 1, 2, 3)),
            "variance and its root": lambda X: (
                normalise(X, (0, 2, 3))
                / (X.var(dim=(0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
            ),
            "which variance": lambda X: normalise(X, (0, 2, 3), correction=1),
        },
    )


@exercise(
    hints=[
        "The residual has two 3 × 3 convolutions with padding 1. Only the first has the stride."
        " What does each do to the number of channels, and what to height and width?",
        "With padding 1 and stride S, a 3 × 3 kernel makes floor((H + 2 - 3) / S) + 1 of H. Try"
        " it for H = 7 and S = 2.",
        "The input can be added as it is only if *all* of its shape is that of the residual.",
    ],
    why="A sum needs equal shapes, so the shape decides what the shortcut can be. All blocks of a"
    " stage but the first keep the shape, and their shortcuts are free: no parameter, no"
    " computation.",
    misconceptions={
        "adding and concatenating": "channels are added up only where maps are put side by side,"
        " as in the U-Net of the next notebook. A shortcut adds numbers, and the channels stay.",
        "rounding up": "with padding 1 the window also fits at the border, so 7 pixels become 4,"
        " not 3.",
        "stride changes the shape too": "the shortcut of a block with a stride needs a projection"
        " even if the channels stay: height and width differ.",
        "channels change the shape too": "without a stride the maps keep their size, and still x"
        " and F(x) cannot be added if they have different numbers of channels.",
        "identity where it fits": "a projection is only used where the shapes differ. Elsewhere"
        " the input itself is added.",
    },
)
def block_output(attempt, draw):
    channels = draw.choice([4, 8, 16])
    odd = 2 * draw.randrange(4, 9) + 1
    cases = [
        (channels, odd, odd + 2, channels, 1),
        (channels, odd, odd - 1, 2 * channels, 2),
        (channels, odd + 4, odd, channels, 2),
        (channels, odd, odd + 1, 3 * channels, 1),
    ]

    def answer(C_in, H, W, C_out, S, channels=None, floor=False, when=None):
        """The right answer, or with one thing changed the one of a misconception."""
        size = (H // S, W // S) if floor else ((H - 1) // S + 1, (W - 1) // S + 1)
        differs = S != 1 or C_in != C_out
        projected = differs if when is None else when
        return (channels or C_out, *size), "projection" if projected else "identity"

    compare(
        attempt,
        answer,
        cases,
        {
            "adding and concatenating": lambda *args: answer(*args, channels=args[0] + args[3]),
            "rounding up": lambda *args: answer(*args, floor=True),
            "stride changes the shape too": lambda *args: answer(*args, when=args[0] != args[3]),
            "channels change the shape too": lambda *args: answer(*args, when=args[4] != 1),
            "identity where it fits": lambda *args: answer(*args, when=True),
        },
    )


@exercise(
    hints=[
        "A weight has the shape (C_out, C_in, 3, 3): one 3 × 3 kernel for each *pair* of an"
        " output map and an input map. How many kernels are there with 4 channels, and how many"
        " should be zero?",
        "Output map c is to be input map c. So the kernel [c, c] copies, and all kernels [c, d]"
        " with two different channels are zero.",
        "A kernel that copies has a 1 at row 1, column 1, its middle. Begin with `torch.zeros`.",
    ],
    why="To copy C channels, a plain layer needs C² kernels at exact values, C of them with a"
    " single 1. Training has to find that from random numbers, in each layer. A residual block"
    " copies with all weights at zero: this is what the shortcut changes.",
    misconceptions={
        "channels stay apart": "every output map adds up *all* input maps. With a 1 in the middle"
        " of each kernel every output is the sum of all channels, not a copy of one.",
        "the middle": "the 1 does not stand in the middle, so the copy is shifted by a pixel.",
        "copying and averaging": "a kernel of nine equal weights takes the mean of its window. It"
        " blurs and does not copy.",
        "one kernel for each pair": "a convolution has a kernel for each pair of an output and an"
        " input map, so the weight has the shape (C, C, 3, 3).",
    },
)
def copying_weight(attempt, draw):
    for channels in (draw.randrange(2, 4), draw.randrange(4, 7)):
        weight, shown = call(attempt, channels), show_call(attempt, (channels,))
        shape = (channels, channels, 3, 3)
        if not isinstance(weight, torch.Tensor) or not weight.is_floating_point():
            raise Wrong(f"{shown} is not a tensor of decimal numbers.")
        if weight.shape != shape:
            about = "one kernel for each pair" if weight.shape != () else None
            raise Wrong(f"{shown} has the shape {tuple(weight.shape)}; {shape} is due.", about)
        X = draw.normal(1, channels, 5, 6)
        copy = F.conv2d(X, weight.detach().float(), padding=1)
        if torch.allclose(copy, X, atol=1e-5):
            continue
        place = ((copy - X).abs() > 1e-5).nonzero()[0].tolist()
        values = (f"{t[tuple(place)]:.3f}" for t in (X, copy))
        message = (
            f"{shown}: at [n, c, row, column] = {place} the input is {{}} and the output {{}}."
        )
        raise Wrong(message.format(*values), _why_it_does_not_copy(weight))


def _why_it_does_not_copy(weight):
    """The misconception that a weight (C, C, 3, 3) shows, or None."""
    one_each = torch.eye(len(weight))[:, :, None, None]
    middle = torch.zeros(3, 3)
    middle[1, 1] = 1
    if torch.equal(weight, middle.expand_as(weight)):
        return "channels stay apart"
    at_one_place = (weight * one_each).flatten(2).count_nonzero(dim=2).eq(torch.eye(len(weight)))
    if torch.equal(weight, weight * one_each) and at_one_place.all():
        return "the middle" if weight[0, 0, 1, 1] == 0 else None
    if weight[0, 0].unique().numel() == 1 and weight[0, 0, 0, 0] != 0:
        return "copying and averaging"
    return None


@exercise(
    hints=[
        "One block first: y = x + f(x). What is its derivative, if that of f is a?",
        "It is 1 + a: the shortcut gives the 1. For blocks in a row the chain rule says what to do"
        " with the derivatives of the blocks.",
        "The chain rule multiplies. So the answer is (1 + a) for each block, all multiplied.",
    ],
    why="Multiplied out, (1 + a)(1 + b) = 1 + a + b + ab: one term for each way through the"
    " blocks, with a 1 that no block has touched. So the gradient does not vanish where all"
    " slopes are small. But slopes of 0.5 in 40 blocks make ten million: batch norm is there for"
    " a reason.",
    misconceptions={
        "each block has its shortcut": "this is one shortcut around all blocks together. Each"
        " block has one of its own, so there are also ways through some blocks and past others.",
        "the chain rule multiplies": "this adds the derivatives up. It would be right if each"
        " gradient passed through one block at most, but most ways pass through several.",
        "the shortcut gives a one": "this is the product without shortcuts, and it vanishes"
        " quickly.",
        "the shortcut is no average": "a shortcut does not halve anything. It adds x as it is,"
        " and so adds 1 to the derivative.",
    },
)
def stack_gradient(attempt, draw):
    cases = [
        ([round(draw.uniform(-0.6, 0.9), 2) for _ in range(draw.randrange(low, low + 3))],)
        for low in (2, 4, 7)
    ]
    cases = [([0.5, 0.25],), *cases]
    compare(
        attempt,
        lambda slopes: math.prod(1 + a for a in slopes),
        cases,
        {
            "each block has its shortcut": lambda slopes: 1 + math.prod(slopes),
            "the chain rule multiplies": lambda slopes: 1 + math.fsum(slopes),
            "the shortcut gives a one": lambda slopes: math.prod(slopes),
            "the shortcut is no average": lambda slopes: math.prod((1 + a) / 2 for a in slopes),
        },
    )
