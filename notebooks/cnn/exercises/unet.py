"""The exercises on the U-Net: IoU, concatenation, sizes on the way up, the loss of a pixel."""

import torch
import torch.nn.functional as F

from cnn.exercises.checking import Wrong, call, compare, exercise, show_call


@exercise(
    hints=[
        "Which entries of the matrix count the pixels in which prediction and truth agree on"
        " class c? They are the intersection.",
        "Row c counts all pixels that truly have the class, column c all that were given to it."
        " Rows are summed with `sum(dim=1)`, columns with `sum(dim=0)`.",
        "Row and column both hold the pixels that agree, so in their sum these are counted twice."
        " The union has them once.",
    ],
    why="The matrix holds all there is to know: IoU, recall, precision and pixel accuracy are"
    " four ways to divide its numbers. Only IoU falls for missed pixels and for false ones, and"
    " it does not count the many pixels that are rightly left alone.",
    misconceptions={
        "false pixels": "divided by the row alone, this is the *recall*. Whoever gives every"
        " pixel to class c gets 1, however many of them are false.",
        "missed pixels": "divided by the column alone, this is the *precision*. Whoever finds one"
        " sure pixel and misses all others gets 1.",
        "counted twice": "in row plus column the pixels that agree are counted twice, so that"
        " even a perfect answer scores one half.",
        "all classes together": "divided by all pixels, a small class scores low even if the"
        " answer is perfect. What neither prediction nor truth calls c stays out.",
    },
)
def iou_from_matrix(attempt, draw):
    matrices = [torch.tensor([[50, 2, 0], [3, 9, 1], [4, 0, 6]])]
    matrices += [1 + draw.integers(20, n, n) for n in (2, 4)]
    compare(
        attempt,
        lambda M: M.diag() / (M.sum(dim=0) + M.sum(dim=1) - M.diag()),
        [(M,) for M in matrices],
        {
            "false pixels": lambda M: M.diag() / M.sum(dim=1),
            "missed pixels": lambda M: M.diag() / M.sum(dim=0),
            "counted twice": lambda M: M.diag() / (M.sum(dim=0) + M.sum(dim=1)),
            "all classes together": lambda M: M.diag() / M.sum(),
        },
    )


@exercise(
    hints=[
        "`torch.cat([skip, X], dim=1)` puts the channels of the skip first. Which of the four"
        " dimensions of the weight (C_out, C_in, 3, 3) belongs to these channels?",
        "The first `n_skip` input channels belong to the skip, all others to the maps from below."
        " Every output map needs a part of both.",
        "Cut the weight along dimension 1: `W[:, :n_skip]`, and the rest.",
    ],
    why="A convolution of concatenated maps *is* a sum of two convolutions with weights of their"
    " own. Adding the maps first would force both to be equal. So concatenation can do all that"
    " addition can, and pays for it with twice the weights.",
    misconceptions={
        "channels in and out": "this cuts the weight along its output channels. Concatenation"
        " makes more *input* channels, and every output map reads all of them.",
        "which comes first": "the two parts are the wrong way round: in `torch.cat([skip, X])` the"
        " channels of the skip come first.",
        "side by side": "this takes the channels alternately. Concatenation puts one whole set"
        " after the other.",
        "adding is a special case": "this uses one weight for both sets, as if they were added."
        " After concatenation each set has its own.",
    },
)
def split_weight(attempt, draw):
    for equal in (True, False):
        n_skip = draw.randrange(2, 5)
        n_below = n_skip if equal else n_skip + draw.randrange(1, 3)
        W = draw.normal(2 * n_skip, n_skip + n_below, 3, 3)
        result, shown = call(attempt, W, n_skip), show_call(attempt, (W, n_skip))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise Wrong(f"{shown}: two weights are due, one for the skip and one for the rest.")
        about = _how_it_was_split(result, W, n_skip)
        for part, n, name in zip(result, (n_skip, n_below), ("first", "second")):
            shape = (len(W), n, 3, 3)
            if getattr(part, "shape", None) != shape:
                got = tuple(part.shape) if isinstance(part, torch.Tensor) else type(part).__name__
                raise Wrong(f"{shown}: the {name} part is {got}; {shape} is due.", about)
        skip, below = draw.normal(1, n_skip, 4, 4), draw.normal(1, n_below, 4, 4)
        whole = F.conv2d(torch.cat([skip, below], dim=1), W)
        parts = F.conv2d(skip, result[0]) + F.conv2d(below, result[1])
        if not torch.allclose(whole, parts, atol=1e-4):
            numbers = f"{whole.flatten()[0]:.3f} and {parts.flatten()[0]:.3f}"
            raise Wrong(
                f"{shown}: the convolution of both, and the sum of two, begin with {numbers}.",
                about,
            )


def _how_it_was_split(result, W, n_skip):
    """The misconception that explains these two parts, or None."""
    wrong = {
        "channels in and out": (W[:n_skip], W[n_skip:]),
        "which comes first": (W[:, -n_skip:], W[:, :-n_skip]),
        "side by side": (W[:, ::2], W[:, 1::2]),
        "adding is a special case": (W[:, :n_skip], W[:, :n_skip]),
    }
    for about, parts in wrong.items():
        if all(isinstance(a, torch.Tensor) and torch.equal(a, b) for a, b in zip(result, parts)):
            return about
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


def mean_log(logits, masks, dim):
    """Minus the mean of the log-softmax along dim, at the true class of each pixel."""
    return -logits.log_softmax(dim=dim).gather(1, masks[:, None]).mean().item()


@exercise(
    hints=[
        "For one pixel it is the loss of the lesson on training: minus the logarithm of the"
        " probability of the right class. Which dimension of (N, n_classes, H, W) lists the classes"
        " of one pixel?",
        "`logits.log_softmax(dim=1)` are all logarithms, from logits and not from probabilities."
        " `gather(1, masks[:, None])` picks the one of the right class at each pixel.",
        "What is left has the shape (N, 1, H, W): minus its mean, over images and pixels.",
    ],
    why="A segmentation is a classification of each pixel, and `F.cross_entropy` takes it as it"
    " is. The classes stand in dimension 1 and not last; over another dimension, softmax makes"
    " pixels compete with each other, and training runs without any error message.",
    misconceptions={
        "softmax over the classes": "along the last dimension the pixels of a row compete with"
        " each other for each class. The probabilities of one *pixel* must add up to 1.",
        "logits and probabilities": "here softmax acts twice. The loss wants logits and does it"
        " itself; a second softmax flattens all differences.",
        "mean over pixels": "this adds up the pixels of an image. The loss then grows with the"
        " size of the image, and so do all steps.",
        "minus": "the logarithm of a probability is negative or zero. The loss is minus that.",
    },
)
def pixel_loss(attempt, draw):
    cases = []
    for N, C, H, W in [(2, 3, 4, 5), (1, 6, 5, 6)]:
        cases.append((4 * draw.normal(N, C, H, W), draw.integers(C, N, H, W)))

    compare(
        attempt,
        lambda logits, masks: F.cross_entropy(logits, masks).item(),
        cases,
        {
            "softmax over the classes": lambda logits, masks: mean_log(logits, masks, 3),
            "logits and probabilities": lambda logits, masks: F.cross_entropy(
                logits.softmax(dim=1), masks
            ).item(),
            "mean over pixels": lambda logits, masks: (
                F.cross_entropy(logits, masks).item() * masks[0].numel()
            ),
            "minus": lambda logits, masks: -F.cross_entropy(logits, masks).item(),
        },
    )
