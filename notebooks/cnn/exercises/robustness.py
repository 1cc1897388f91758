"""The exercises on robustness: what moves with a digit, a step to a class, all shifts."""

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import compare, exercise
from cnn.exercises.networks import gradient, network
from cnn.shapes import receptive_field


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


@exercise(
    hints=[
        "For one version, `model(X).argmax(dim=1) == y` says of each image whether it is right.",
        "An image counts only if it is right in the first version *and* in the second and so on."
        " Stack the answers and use `all`, or multiply them.",
        "Average over the images at the end, once.",
    ],
    why="The accuracy at each shift can stay high while other digits fail at each of them. What a"
    " user meets is the worst case of each image, and that is lower than all of these accuracies.",
    misconceptions={
        "the mean of the versions": "this averages the accuracies. An image that fails in one"
        " version still counts for the others.",
        "the worst version": "this is the lowest of the accuracies. Different images fail in"
        " different versions, so fewer are right in all of them.",
        "any and all": "this counts an image that is right in at least one version.",
        "dropout": "the model measures with dropout on. Switch it to evaluation first.",
    },
)
def right_under_all(attempt, draw):
    model = nn.Sequential(nn.Dropout(1.0), nn.Flatten(), nn.Linear(3, 3))
    with torch.no_grad():
        model[2].weight.copy_(torch.eye(3))
        model[2].bias.copy_(torch.tensor([1.0, 0, 0]))  # with dropout, all is class 0
    y = torch.cat([torch.zeros(3, dtype=torch.int64), 1 + draw.integers(2, 9)])
    changed = []
    for version in range(3):
        seen = y.clone()
        fails = [0, 3 + version, 6 + version] + [9] * (version == 0)  # image 0 always does
        seen[fails] += 1
        X = draw.normal(12, 3) / 10 + 4 * F.one_hot(seen % 3, 3)
        changed.append(X.view(12, 1, 1, 3))
    changed = torch.stack(changed)  # (3, 12, 1, 1, 3)

    def answers(model, changed, y, training=False):
        model.train(training)
        with torch.no_grad():
            return torch.stack([model(X).argmax(dim=1) == y for X in changed]).float()

    compare(
        attempt,
        lambda *case: answers(*case).amin(dim=0).mean().item(),
        [(model.train(), changed, y), (deepcopy(model), changed[:2], y)],
        {
            "the mean of the versions": lambda *case: answers(*case).mean().item(),
            "the worst version": lambda *case: answers(*case).mean(dim=1).min().item(),
            "any and all": lambda *case: answers(*case).amax(dim=0).mean().item(),
            "dropout": lambda *case: answers(*case, training=True).amin(dim=0).mean().item(),
        },
    )
