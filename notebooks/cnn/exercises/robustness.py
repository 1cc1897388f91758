"""The exercises on robustness: what moves with a digit, what attacks may do, fair controls."""

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import Wrong, call, compare, exercise, predict, same, show
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
        "FGSM makes one step of epsilon in every pixel. Then values above 1 become 1.",
        "PGD cannot go further than its steps take it, and never further than epsilon.",
        "The L2 length of a change is the square root of the sum of its squares, over all 784"
        " pixels.",
    ],
    why='An attack promises no more than its bound. A number such as "30 % under PGD" says'
    " nothing without the ball that PGD had to stay in, and the same epsilon in another norm is"
    " another ball.",
    misconceptions={
        "steps without a bound": "many steps add up to more than epsilon, but the projection after"
        " each of them brings the image back into the ball.",
        "epsilon is always used up": "epsilon is the most that is allowed. Steps that are few and"
        " small do not get that far.",
        "an image stays an image": "ink ends at 1. What is left between the pixel and 1 is all that"
        " it can gain.",
        "one pixel and all pixels": "epsilon bounds each pixel. All 784 move at once, and the"
        " length of the whole change is larger.",
        "lengths add up": "the lengths of 784 changes at right angles to each other do not add up;"
        " their squares do.",
    },
)
def bounds(predictions, draw):
    truth = {
        "FGSM, a pixel of 0.5": 0.2,
        "FGSM, a pixel of 0.9": 0.1,
        "PGD with 40 steps": 0.2,
        "PGD with 5 steps": 0.1,
        "L2 length of FGSM": 5.6,
    }
    mistakes = {
        "steps without a bound": {"PGD with 40 steps": 0.8},
        "epsilon is always used up": {"PGD with 5 steps": 0.2},
        "an image stays an image": {"FGSM, a pixel of 0.9": 0.2},
        "one pixel and all pixels": {"L2 length of FGSM": 0.2},
        "lengths add up": {"L2 length of FGSM": 156.8},
    }
    predict(predictions, truth, mistakes)


@exercise(
    hints=[
        "The ball is around `X`. So compute the change, `changed - X`, first.",
        "Each image has a length of its own: `change.flatten(1).norm(dim=1)` is (N,). Make it"
        " (N, 1, 1, 1), so that it fits the images.",
        "Multiply the change by `epsilon / length` where the length is larger than epsilon, and by"
        " 1 elsewhere: `(epsilon / length).clamp(max=1)`. At the end cut the images to [0, 1].",
    ],
    why="With this projection in place of the other, and steps along the gradient divided by its"
    " length instead of along its sign, PGD becomes the attack for the L2 ball.",
    misconceptions={
        "pixel by pixel": "this bounds each pixel, which is the ball of the lesson. Here the whole"
        " change of an image has one length.",
        "one length for all images": "this takes the length of the changes of all images together."
        " Each image has a ball of its own.",
        "always on the surface": "this stretches small changes to epsilon. What lies inside the"
        " ball stays where it is.",
        "the ball around zero": "this shortens the image itself. The ball is around the image"
        " before the attack.",
        "an image stays an image": "the result has ink below 0 or above 1: cut it off at both"
        " ends.",
        "nothing to divide by": "an image that has not changed has a change of length 0, and 0 / 0"
        " is not a number.",
    },
)
def project_l2(attempt, draw):
    X = draw.normal(6, 1, 5, 6).sigmoid()
    change = draw.normal(6, 1, 5, 6)
    lengths = torch.tensor([0.0, 0.2, 0.5, 2.0, 4.0, 6.0]).view(-1, 1, 1, 1)
    change = change / change.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * lengths
    epsilon = draw.choice([1.0, 1.5])
    X[5, 0, 0], change[5, 0, 0] = 0.99, 3.0  # some pixels leave the range even after projection

    def length(step):
        return step.flatten(1).norm(dim=1).view(-1, 1, 1, 1)

    def right(changed, X, epsilon):
        step = changed - X
        return (X + (epsilon / length(step)).clamp(max=1) * step).clamp(0, 1)

    def whole_batch(changed, X, epsilon):
        step = changed - X
        return (X + (epsilon / step.norm()).clamp(max=1) * step).clamp(0, 1)

    def on_the_surface(changed, X, epsilon):
        step = changed - X
        return (X + epsilon * step / length(step).clamp(min=1e-9)).clamp(0, 1)

    def surface_with_nan(changed, X, epsilon):
        step = changed - X
        return (X + epsilon * step / length(step)).clamp(0, 1)

    def around_zero(changed, X, epsilon):
        return ((epsilon / length(changed)).clamp(max=1) * changed).clamp(0, 1)

    def not_a_number(changed, X, epsilon):
        step = changed - X
        return (X + step * length(step).clamp(max=epsilon) / length(step)).clamp(0, 1)

    def no_cut(changed, X, epsilon):
        step = changed - X
        return X + (epsilon / length(step)).clamp(max=1) * step

    got = call(attempt, X + change, X, epsilon)
    for mistake in (surface_with_nan, on_the_surface):
        if same(got, mistake(X + change, X, epsilon)):
            raise Wrong("Small changes have grown to epsilon.", "always on the surface")
    compare(
        attempt,
        right,
        [(X + change, X, epsilon)],
        {
            "pixel by pixel": lambda changed, X, epsilon: (
                X + (changed - X).clamp(-epsilon, epsilon)
            ).clamp(0, 1),
            "one length for all images": whole_batch,
            "the ball around zero": around_zero,
            "an image stays an image": no_cut,
            "nothing to divide by": not_a_number,
        },
    )


@exercise(
    hints=[
        "The attack moves each pixel by the whole of epsilon. The control must do so too; only the"
        " direction is left to chance.",
        "A sign for each pixel of each image: `torch.randn_like(X).sign()`.",
        "Cut the result to [0, 1], as the attack does.",
    ],
    why="Now attack and control differ in one thing, the direction. If the control were smaller"
    " than the attack, the comparison would show the size.",
    misconceptions={
        "a normal number has no bound": "some pixels move by more than epsilon, which the attack"
        " may not do.",
        "smaller than the attack": "most pixels move by less than epsilon. The attack uses all of"
        " it in each pixel.",
        "one sign for a whole image": "all pixels of an image move in the same direction, so only"
        " its brightness changes. The attack has a sign for each pixel.",
        "one pattern for all images": "every image gets the same signs. The attack makes a pattern"
        " for each image.",
        "an image stays an image": "the result has ink below 0 or above 1. The attack cuts it off,"
        " so the control must, too.",
    },
)
def fair_noise(attempt, draw):
    X = draw.normal(8, 1, 12, 11).sigmoid() * 0.4 + 0.3  # from 0.3 to 0.7: nothing is cut off
    epsilon = draw.choice([0.1, 0.2, 0.25])
    got = call(attempt, X, epsilon)
    if not isinstance(got, torch.Tensor) or got.shape != X.shape:
        raise Wrong(f"It returned {show(got)}; images {tuple(X.shape)} are due.")
    moved = got - X
    size, sign = moved.abs(), moved.sign()
    if size.max() > epsilon + 1e-4:
        raise Wrong(
            f"With epsilon {epsilon} one pixel moved by {size.max():.2f}.",
            "a normal number has no bound",
        )
    if (size < epsilon - 1e-4).float().mean() > 0.01:
        raise Wrong(
            f"With epsilon {epsilon} the pixels moved by {size.mean():.3f} on average.",
            "smaller than the attack",
        )
    if sign.flatten(1).mean(dim=1).abs().min() > 0.99:
        raise Wrong(
            "All pixels of an image moved in the same direction.", "one sign for a whole image"
        )
    if same(sign, sign[:1].expand_as(sign)):
        raise Wrong("All images were changed in the same way.", "one pattern for all images")
    if sign.mean().abs() > 0.2:
        raise Wrong("Both directions should be equally frequent.")
    edges = call(attempt, draw.integers(2, 8, 1, 12, 11).float(), epsilon)
    if edges.min() < 0 or edges.max() > 1:
        raise Wrong(
            f"From images of 0 and 1 came values from {edges.min():.2f} to {edges.max():.2f}.",
            "an image stays an image",
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
