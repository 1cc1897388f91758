"""The exercises of the lesson on residual networks."""

import torch
import torch.nn.functional as F

from cnn.exercises.checking import compare, exercise, predict


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


def diagnosis(shallow, deep, shallow_validation, deep_validation):
    """The verdict that the text of the exercise defines."""
    if deep[-1] > shallow[-1] + 1:
        return "not finished" if deep[-6] - deep[-1] > 1 else "degradation"
    return "overfitting" if deep_validation > shallow_validation + 1 else "neither"


@exercise(
    hints=[
        "Degradation and overfitting differ in one thing: whether the deep network is worse on the"
        " images that it is trained on. Compare `deep[-1]` with `shallow[-1]` first.",
        "If the deep network is worse on the training images, look at its curve: `deep[-6]` is the"
        " error five epochs before the end. While it still falls, nobody knows where it will end.",
        "If it is not worse there, only the validation errors are left to compare. Each comparison"
        " leaves a margin of 1 percentage point.",
    ],
    why="The training error says whether the optimizer did its work, and only the end of a curve"
    " says where it leads. Six epochs cannot tell a slow network from a degraded one, so long runs"
    " follow.",
    misconceptions={
        "validation comes second": "here the validation errors decide alone. A network that is"
        " worse on its own training images is not overfitted, whatever its validation error.",
        "the end of the curve": "a deep network whose training error is higher may only be slow. As"
        " long as its curve falls, the verdict has to wait.",
        "falling is not failing": "this looks at the slope of the deep network's curve and not at"
        " its height. A curve that still falls matters only if it is above the other one.",
        "overfitting needs a comparison": "a validation error above the training error is normal."
        " The question is whether the deep network's validation error is above the shallow one's.",
        "the beginning of the curve": "this compares the errors of the first epoch. They show which"
        " network learns faster at the start, not where training ends.",
    },
)
def diagnose(attempt, draw):
    def falling(start, end, n=12):
        return [round(start + (end - start) * i / (n - 1), 1) for i in range(n)]

    def flat(start, end):
        return falling(start, end, 6) + [end] * 6

    low, high = draw.randrange(1, 4), draw.randrange(20, 30)
    cases = [
        (flat(60, low), flat(80, high), low + 6.0, high + 4.0),
        (flat(60, low), falling(90, high), low + 6.0, high + 4.0),
        (flat(60, low), flat(80, low), low + 4.0, low + 9.0),
        (flat(60, low), flat(50, low), low + 6.0, low + 5.0),
        (flat(60, low), falling(90, low), low + 6.0, low + 6.5),
        (flat(80, high), flat(60, low), high + 2.0, low + 9.0),
    ]

    def by_validation(shallow, deep, shallow_validation, deep_validation):
        worse = deep_validation > shallow_validation + 1
        return "overfitting" if worse else "neither"

    def without_slope(shallow, deep, shallow_validation, deep_validation):
        verdict = diagnosis(shallow, deep, shallow_validation, deep_validation)
        return "degradation" if verdict == "not finished" else verdict

    def slope_first(shallow, deep, *validation):
        falls = deep[-6] - deep[-1] > 1
        return "not finished" if falls else diagnosis(shallow, deep, *validation)

    def own_gap(shallow, deep, shallow_validation, deep_validation):
        verdict = diagnosis(shallow, deep, 0, 0)
        gap = deep_validation > deep[-1] + 1
        return ("overfitting" if gap else "neither") if verdict == "neither" else verdict

    def at_the_start(shallow, deep, *validation):
        if deep[0] > shallow[0] + 1:
            return "not finished" if deep[-6] - deep[-1] > 1 else "degradation"
        return diagnosis([0, 0], [0, 0], *validation)

    compare(
        attempt,
        diagnosis,
        cases,
        {
            "validation comes second": by_validation,
            "the end of the curve": without_slope,
            "falling is not failing": slope_first,
            "overfitting needs a comparison": own_gap,
            "the beginning of the curve": at_the_start,
        },
    )


@exercise(
    hints=[
        "Batch norm divides each channel by its own standard deviation. What happens to that"
        " deviation if all kernels are ten times as large, and so to the quotient?",
        "The output does not depend on the size of the kernel, so a kernel of size 10 must be moved"
        " ten times as far for the same change of the loss. What does that say about the slope?",
        "The ratio has the gradient in its numerator and the kernel in its denominator. Both have"
        " changed.",
    ],
    why="A step of SGD is the rate times the gradient. Relative to the kernel it is a hundred times"
    " smaller when the kernel is ten times as large. So the norm of a gradient means little without"
    " the norm of the weight beside it, and weight decay acts on the speed of learning.",
    misconceptions={
        "batch norm divides the size away": "it is true of the convolution alone. The batch norm"
        " divides by the standard deviation, which is ten times as large too.",
        "the same output, another slope": "the output is the same, but the same *relative* change"
        " of the kernel is now ten times as long. The same change of the loss over a longer way is"
        " a smaller slope.",
        "the weight counts too": "this is the factor of the gradient alone, or of the weight alone."
        " The ratio changes by both.",
    },
)
def ten_times(predictions, draw):
    conv = torch.nn.Conv2d(2, 3, 3, bias=False, dtype=torch.float64)
    X, target = draw.normal(4, 2, 6, 6).double(), draw.normal(4, 3, 4, 4).double()
    measured = []
    for factor in (1, 10):
        weight = (factor * conv.weight.detach()).requires_grad_()
        output = F.batch_norm(F.conv2d(X, weight), None, None, training=True, eps=1e-12)
        (gradient,) = torch.autograd.grad(((output - target) ** 2).mean(), weight)
        ratio = gradient.norm() / weight.norm()
        measured.append([output.norm().item(), gradient.norm().item(), ratio.item()])
    names = ("output of the batch norm", "gradient", "gradient / weight")
    truth = {name: ten / one for name, one, ten in zip(names, *measured)}
    mistakes = {
        "batch norm divides the size away": {names[0]: 10.0},
        "the same output, another slope": {names[1]: 1.0},
        "the weight counts too": {names[2]: 0.1},
    }
    if isinstance(predictions, dict):  # a whole number will do
        predictions = {k: float(v) if type(v) is int else v for k, v in predictions.items()}
    predict(predictions, truth, mistakes)


@exercise(
    hints=[
        "The gradients before training hint at one answer: in which of these networks is their norm"
        " between 100 and 10,000?",
        "A block that starts as an exact copy and a block that starts close to one are not far"
        " apart. Does the place of batch norm and ReLU change what such a block can learn?",
        "The branches of the last network are small from the start, so it can be trained. But no"
        " batch norm corrects the scale of its signals during training.",
    ],
    why="Three networks with batch norm and shortcuts learn alike, whether they start at a copy or"
    " near one. Without batch norm the size of the branches decides whether anything is learned at"
    " all. So it is not one ingredient that makes the network trainable.",
    misconceptions={
        "shortcuts alone are enough": "shortcuts without batch norm let the signal grow in each"
        " block. At none of the four rates was the network better than guessing.",
        "a copy is no head start": "with γ = 0 the network starts as a shallow one, but in the"
        " first step the kernels of the branches have a gradient of zero. It gains nothing and"
        " loses nothing.",
        "the order of layers matters little here": "pre-activation pays off in networks of"
        " hundreds of layers. With 44 it learns as quickly as the other order.",
        "batch norm can be replaced, at a price": "small branches keep the signal in its range, so"
        " the network does learn. Yet batch norm does more than that, and the network is slower.",
    },
)
def interventions(predictions, draw):
    truth = {
        "pre-activation": "same",
        "gamma zero": "same",
        "without batch norm": "fails",
        "scaled without batch norm": "slower",
    }
    about = {
        "pre-activation": "the order of layers matters little here",
        "gamma zero": "a copy is no head start",
        "without batch norm": "shortcuts alone are enough",
        "scaled without batch norm": "batch norm can be replaced, at a price",
    }
    given = predictions if isinstance(predictions, dict) else {}
    mistakes = {
        misconception: {name: given[name]}
        for name, misconception in about.items()
        if given.get(name) in ("same", "slower", "fails")
    }
    predict(predictions, truth, mistakes)
