"""The exercises of the lesson on features: saliency, Grad-CAM, what moves with a digit, a step to a class."""

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import compare, exercise
from cnn.shapes import receptive_field


def network(draw, n_pixels, n_classes):
    """A small network with random weights: (N, 1, H, W) to logits (N, n_classes)."""
    first, second = nn.Linear(n_pixels, 12), nn.Linear(12, n_classes)
    with torch.no_grad():
        first.weight.copy_(draw.normal(12, n_pixels) / n_pixels**0.5)
        second.weight.copy_(draw.normal(n_classes, 12))
    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), second)


def gradient(X, score):
    """The gradient of score(X), a number, for each value of X."""
    X = X.detach().clone().requires_grad_()
    return torch.autograd.grad(score(X), X)[0]


@exercise(
    hints=[
        "The lesson did it for one image and the logit of class 5. Here each image has a winner"
        " of its own: which one, the logits say.",
        "An image influences only its own logits. So one `backward()` from the *sum* of all"
        " winning logits gives each image the gradient of its own.",
        "`max(dim=1).values` are the winning logits, (N,). A clone of the images that asks for"
        " gradients keeps the images as they are. Take the size of the gradient, without the"
        " channel.",
    ],
    why="This is a saliency map, whole: the gradient of one logit for each pixel, and its size."
    " It says where a small change would matter, and nothing about what a larger one would do.",
    misconceptions={
        "logits and probabilities": "this is the gradient after a softmax. Where the network is"
        " sure, its probability hardly moves, and the map is nearly empty although the logit does"
        " move.",
        "one logit of each image": "this mixes the gradients of all logits. Evidence for one"
        " class and against another is added up, and the map is about no class at all.",
        "size and sign": "a pixel matters if the logit would rise or fall with it. The map is the"
        " size of the gradient, never negative.",
        "gradient times input": "multiplied by the pixel it is another method, which is zero on"
        " all empty paper. Saliency may mark empty paper: ink *there* would change the logit.",
    },
)
def winning_saliency(attempt, draw):
    n_classes = draw.randrange(3, 6)
    model, X = network(draw, 20, n_classes), draw.normal(5, 1, 4, 5)

    def winning(X):
        return model(X).amax(dim=1).sum()

    compare(
        attempt,
        lambda model, X: gradient(X, winning)[:, 0].abs(),
        [(model, X), (model, X[:1].clone())],
        {
            "logits and probabilities": lambda model, X: gradient(
                X, lambda X: model(X).softmax(dim=1).amax(dim=1).sum()
            )[:, 0].abs(),
            "one logit of each image": lambda model, X: gradient(X, lambda X: model(X).sum())[
                :, 0
            ].abs(),
            "size and sign": lambda model, X: gradient(X, winning)[:, 0],
            "gradient times input": lambda model, X: (gradient(X, winning) * X)[:, 0].abs(),
        },
    )


@exercise(
    hints=[
        "Two questions in turn. How much does each *map* speak for the class? That is one number"
        " for each map. And then, how much do all maps together speak for it at each *place*?",
        "The number of a map is the mean of its gradient over height and width, dimensions 2 and"
        " 3. With `keepdim=True` it multiplies the whole map.",
        "Add up the weighted maps over the channels, dimension 1, and only then keep what is"
        " positive.",
    ],
    why="One weight for each map, one sum, one ReLU: Grad-CAM is no more than that. Since the"
    " weights know nothing of places, it is as sharp as its maps, and in a layer whose numbers"
    " see 5 × 5 pixels it cannot say what the whole network saw.",
    misconceptions={
        "one weight for each map": "here each place has a weight of its own. Grad-CAM asks what a"
        " map is worth on average, so its weight is a mean over height and width.",
        "channels and places": "the mean went over the channels. The question is what each *map*"
        " is worth, so the mean goes over its places.",
        "keep the positive last": "maps that speak against the class must be able to cancel those"
        " that speak for it, so the sum comes before the ReLU.",
        "evidence against": "negative values are evidence for other classes. Grad-CAM keeps only"
        " what speaks for this one.",
    },
)
def grad_cam_map(attempt, draw):
    cases = []
    for n_channels, height in [(3, 4), (5, 2)]:
        shape = (2, n_channels, height, 5)
        for_and_against = 2.0 - 4.0 * (torch.arange(n_channels) % 2).view(-1, 1, 1)  # 2, -2, 2, ...
        cases.append((draw.normal(*shape).relu(), draw.normal(*shape) + for_and_against))

    def mean(gradients):
        return gradients.mean(dim=(2, 3), keepdim=True)

    compare(
        attempt,
        lambda maps, gradients: (mean(gradients) * maps).sum(dim=1).relu(),
        cases,
        {
            "one weight for each map": lambda maps, gradients: (gradients * maps).sum(dim=1).relu(),
            "channels and places": lambda maps, gradients: (
                (gradients.mean(dim=1, keepdim=True) * maps).sum(dim=1).relu()
            ),
            "keep the positive last": lambda maps, gradients: (
                (mean(gradients) * maps).relu().sum(dim=1)
            ),
            "evidence against": lambda maps, gradients: (mean(gradients) * maps).sum(dim=1),
        },
    )


@exercise(
    hints=[
        "With stride 1 every shift will do: one pixel further in the input is one pixel further"
        " in the map.",
        "A layer with stride 2 reads every second place. If its input moves by one pixel, it"
        " reads the places that it left out before. How far must the input move so that it reads"
        " the same numbers again, one place further?",
        "Two layers with stride 2: the input of the second must move by two of *its* places. How"
        " many pixels is that in the input of the first?",
    ],
    why="Only at shifts by a multiple of this number does a network see the same numbers again."
    " With five layers of stride 2 it is 32 pixels. So equivariance to every shift is a property"
    " of layers with stride 1; what a whole network makes of a shift has to be measured.",
    misconceptions={
        "convolutions just move": "that holds at stride 1. After a small shift a kernel with a"
        " stride lands on other pixels and gives other numbers, not the old ones at another"
        " place.",
        "strides multiply": "they do not add up. A step of the second layer is as wide as *that"
        " many* steps of the first, so the widths are multiplied.",
        "the largest stride decides": "a layer steps over what the layers before it left, so the"
        " strides of all layers count.",
        "seeing and stepping": "how much a number *sees* is its receptive field. Here it counts"
        " how far the kernels *step*, and their size does not matter.",
    },
)
def smallest_shift(attempt, draw):
    cases = [([(3, 1), (3, 1), (2, 2)],)]
    for n in (0, 1, 2):
        layers = [(draw.choice([2, 3, 5]), draw.choice([1, 2, 3])) for _ in range(n)]
        cases.append(([*layers, (3, 2), (5, 3), (3, 1)],))

    signal, kernel = draw.normal(1, 1, 600), draw.normal(1, 1, 5)

    def strides(layers):
        return [stride for _, stride in layers]

    def maps(X, layers):
        for kernel_size, stride in layers:
            X = F.conv1d(X, kernel[..., :kernel_size], stride=stride)
        return X

    def measured(layers):
        """The first shift after which the maps are the old ones, one place further."""
        before = maps(signal, layers)[0, 0, 1:5]
        shifts = range(1, 200)
        return next(
            s for s in shifts if torch.allclose(maps(signal[..., s:], layers)[0, 0, :4], before)
        )

    compare(
        attempt,
        measured,
        cases,
        {
            "convolutions just move": lambda layers: 1,
            "strides multiply": lambda layers: sum(strides(layers)),
            "the largest stride decides": lambda layers: max(strides(layers)),
            "seeing and stepping": receptive_field,
        },
    )


@exercise(
    hints=[
        "The lesson's step makes the loss of the right class grow. Which loss should change here,"
        " and should it grow or shrink?",
        "The loss of the *wanted* class must become smaller: take a step against its gradient.",
        "Each pixel moves by epsilon, however small its gradient is, so only the sign counts. Ink"
        " stays between 0 and 1.",
    ],
    why="One sign turned round, and the attack has an aim. It needs nothing but the gradient that"
    " training also uses, so who has the weights of a network can attack it.",
    misconceptions={
        "with and against the gradient": "the gradient points to where the loss *grows*. A step"
        " along it makes the wanted class less likely.",
        "sign and size": "the step is epsilon times the gradient itself. Far from a decision"
        " gradients are tiny, and nothing moves; the method moves each pixel by epsilon.",
        "an image stays an image": "the result has ink below 0 or above 1, which is no image: cut"
        " it off at both ends.",
        "which class": "this step leads away from the class that the network names now, wherever"
        " to. Here the aim is one wanted class.",
    },
)
def targeted_step(attempt, draw):
    n_classes = draw.randrange(4, 7)
    model, X = network(draw, 30, n_classes), draw.normal(6, 1, 5, 6).sigmoid()
    wanted, epsilon = draw.integers(n_classes, 6), draw.choice([0.4, 0.5, 0.6])

    def slope(X, classes):
        return gradient(X, lambda X: F.cross_entropy(model(X), classes, reduction="sum"))

    compare(
        attempt,
        lambda model, X, wanted, epsilon: (X - epsilon * slope(X, wanted).sign()).clamp(0, 1),
        [(model, X, wanted, epsilon)],
        {
            "with and against the gradient": lambda model, X, wanted, epsilon: (
                X + epsilon * slope(X, wanted).sign()
            ).clamp(0, 1),
            "sign and size": lambda model, X, wanted, epsilon: (
                X - epsilon * slope(X, wanted)
            ).clamp(0, 1),
            "an image stays an image": lambda model, X, wanted, epsilon: (
                X - epsilon * slope(X, wanted).sign()
            ),
            "which class": lambda model, X, wanted, epsilon: (
                X + epsilon * slope(X, model(X).argmax(dim=1)).sign()
            ).clamp(0, 1),
        },
    )
