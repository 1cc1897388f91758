"""The exercises of the lesson on features: edge shares, purity, completeness, tests of a map."""

import torch

from cnn.exercises.checking import compare, exercise, predict
from cnn.exercises.networks import gradient, network


@exercise(
    hints=[
        "The two filters of the plane have the length 1. So square the sum of products of the"
        " kernel with each of them, add the two squares, and divide by the squared length of the"
        " kernel.",
        "A kernel that is symmetric from left to right and from top to bottom has the sum 0 with"
        " each of the two: opposite weights are equal, and the filter subtracts one from the"
        " other.",
        "The last one has six weights of size 1 or 2: its squared length is 12, and its sum of"
        " products with g_x is 8 / √6.",
    ],
    why="The edge share measures the likeness to one kind of edge filter, that of Prewitt. A kernel"
    " with the share 0 may well react to edges, as the Laplacian does, and the usual filter of"
    " Sobel is not quite at 1. A number says no more than its definition.",
    misconceptions={
        "the length of a kernel": "a share does not change when the whole kernel is multiplied by"
        " a number: both squared lengths grow alike.",
        "edges in words": "the share asks for a *difference from one side to the other*. A kernel"
        " that compares the middle with its surroundings reacts to edges too, and still has"
        " nothing in this plane.",
        "the square is missing": "the part of the squared length is the *square* of the sum of"
        " products, divided by the squared length.",
    },
)
def edge_shares(attempt, draw):
    predict(
        attempt,
        {"twice g_x": 1.0, "Laplacian": 0.0, "one row": 1 / 3, "Sobel": 8 / 9},
        {
            "the length of a kernel": {"twice g_x": 4.0},
            "edges in words": {"Laplacian": 1.0},
            "the square is missing": {"one row": (1 / 3) ** 0.5, "Sobel": (8 / 9) ** 0.5},
        },
    )


@exercise(
    hints=[
        "The function `purity` of the lesson is a good start. Only its last step changes.",
        "`counts` has a row for each class and a column for each unit. Which two counts of a column"
        " are needed?",
        "`counts.topk(2, dim=0).values.sum(dim=0)` adds the two largest of each column.",
    ],
    why="A unit that answers to the 4 and the 9 has a low purity and still says much. What is"
    " counted decides what is found, and the control is again the same count for a network without"
    " training.",
    misconceptions={
        "one class": "this is the share of the most common class alone. Here the two most common"
        " ones count together.",
        "each unit for itself": "the inputs were ranked by their mean response. Each unit has its"
        " own strongest inputs.",
        "the strongest inputs": "all inputs were counted, or the weakest ones. Only the n that"
        " excite the unit most say what it looks for.",
        "a share": "these are counts. A share is divided by n.",
    },
)
def pair_purity(attempt, draw):
    labels = draw.integers(10, 60)
    responses = draw.normal(60, 4)
    for unit in range(4):  # a unit for each pair of neighbouring digits, with some noise
        liked = (labels == 2 * unit) | (labels == 2 * unit + 1)
        responses[:, unit] += 1.5 * liked
    n = draw.randrange(11, 15)

    def pair(responses, labels, n, classes=2):
        top = labels[responses.topk(n, dim=0).indices]
        counts = torch.stack([(top == digit).sum(dim=0) for digit in range(10)])
        return counts.topk(classes, dim=0).values.sum(dim=0) / n

    def by_mean(responses, labels, n):
        return pair(responses.mean(dim=1, keepdim=True).expand_as(responses), labels, n)

    compare(
        attempt,
        pair,
        [(responses, labels, n), (responses[:, :2].clone(), labels, n - 1)],
        {
            "one class": lambda *args: pair(*args, classes=1),
            "each unit for itself": by_mean,
            "the strongest inputs": lambda responses, labels, n: pair(-responses, labels, n),
            "a share": lambda responses, labels, n: pair(responses, labels, n) * n,
        },
    )


@exercise(
    hints=[
        "Completeness says what the attributions of *one image* add up to: the logit of the image"
        " minus the logit of the baseline, which is white paper.",
        "`model(X)` are the logits, (N, classes). The logit of the target of each image is"
        " `model(X).gather(1, target[:, None]).squeeze(1)`.",
        "White paper of the same shape is `torch.zeros_like(X)`. Subtract the difference of the two"
        " logits from `attributions.sum(dim=(1, 2))`.",
    ],
    why="Completeness can be checked for each image without knowing the answer, so always check"
    " it: a large gap says that the path was cut into too few steps. It is a property of the sum"
    " only, and does not say that the pixels share it in the right way.",
    misconceptions={
        "the baseline": "the logit of white paper is not 0, since the layers have biases. Only the"
        " difference to it is shared among the pixels.",
        "logits and probabilities": "the attributions were made for a logit, and add up to a"
        " difference of logits, not of probabilities.",
        "each image for itself": "all images were added up. A gap in one image can hide behind"
        " the opposite gap in another.",
        "size and sign": "attributions have a sign, and ink can speak against a class. Their sizes"
        " do not add up to the difference.",
    },
)
def completeness_gap(attempt, draw):
    model, X = network(draw, 20, 4), draw.normal(3, 1, 4, 5)
    target = torch.tensor([0, 3, 1]).roll(draw.randrange(3))
    with torch.no_grad():
        model[1].bias.copy_(draw.normal(12))
        model[3].bias.copy_(draw.normal(4) + 2)
    attributions = X[:, 0] * gradient(X, lambda X: model(X).gather(1, target[:, None]).sum())[:, 0]

    def of_target(values, target):
        return values.gather(1, target[:, None]).squeeze(1)

    @torch.no_grad()
    def gap(model, X, target, attributions, baseline=True, softmax=False):
        outputs, blank = model(X), model(torch.zeros_like(X))
        if softmax:
            outputs, blank = outputs.softmax(dim=1), blank.softmax(dim=1)
        difference = of_target(outputs, target) - baseline * of_target(blank, target)
        return attributions.sum(dim=(1, 2)) - difference

    def all_together(*args):
        return gap(*args).sum()

    def by_size(model, X, target, attributions):
        return gap(model, X, target, attributions.abs())

    def detached(*args):
        result = attempt(*args)
        return result.detach() if isinstance(result, torch.Tensor) else result

    detached.__name__ = getattr(attempt, "__name__", "completeness_gap")
    compare(
        detached if callable(attempt) else attempt,
        gap,
        [(model, X, target, attributions)],
        {
            "the baseline": lambda *args: gap(*args, baseline=False),
            "logits and probabilities": lambda *args: gap(*args, softmax=True),
            "each image for itself": all_together,
            "size and sign": by_size,
        },
    )


@exercise(
    hints=[
        "Empty pixels must not be chosen: give them the lowest score there is, −∞.",
        "With `flatten(1)` each image is a row, and `topk(n, dim=1).indices` are places in that"
        " row.",
        "`scatter` with these indices and the value 0 gives a new tensor; `view_as(X)` makes images"
        " of it again.",
    ],
    why="This is half of a test of a map: what it ranks first is taken away. The other half is the"
    " comparison with a random choice of as many ink pixels.",
    misconceptions={
        "empty paper": "empty pixels were among the chosen ones. To erase them changes nothing, so"
        " less ink is erased than it seems.",
        "each image for itself": "the n pixels were chosen from the whole batch. Each image loses n"
        " pixels of its own.",
        "the highest scores": "these are the pixels with the *lowest* scores. The map says that"
        " they matter least.",
        "size and sign": "the scores were ranked by their size. A negative score says that ink here"
        " speaks against the class, so it must not rank first.",
    },
)
def erase(attempt, draw):
    X = draw.normal(3, 1, 6, 7).sigmoid()
    scores, n = draw.normal(3, 6, 7), draw.randrange(4, 7)

    def erased(X, scores, n, threshold=0.3):
        ranked = scores.masked_fill(X[:, 0] <= threshold, -torch.inf).flatten(1)
        return X.flatten(1).scatter(1, ranked.topk(n, dim=1).indices, 0).view_as(X)

    def from_the_whole_batch(X, scores, n):
        ranked = scores.masked_fill(X[:, 0] <= 0.3, -torch.inf).flatten()
        return X.flatten().scatter(0, ranked.topk(n).indices, 0).view_as(X)

    X[:, 0, 0, :3], scores[:, 0, :3] = 0.1, 5.0  # empty paper with the highest scores
    X[:, 0, 1], scores[:, 1, :3], scores[:, 1, 3] = 0.9, -4.0, 3.5  # ink of both signs
    compare(
        attempt,
        erased,
        [(X, scores, n)],
        {
            "empty paper": lambda X, scores, n: erased(X, scores, n, threshold=-1),
            "each image for itself": from_the_whole_batch,
            "the highest scores": lambda X, scores, n: erased(X, -scores, n),
            "size and sign": lambda X, scores, n: erased(X, scores.abs(), n),
        },
    )


@exercise(
    hints=[
        "A precision counts pixels: of the n that the map ranks highest, which share lies in the"
        " region?",
        "`maps.flatten(1).topk(n, dim=1).indices` are the places of the n highest values of each"
        " map, counted along the rows of the image. The region can be made flat in the same way.",
        "`region.flatten()[places]` says for each of the n places whether it is in the region,"
        " (N, n). The mean over the n of these, as floats, is the precision.",
    ],
    why="The share of the mass and this precision can disagree: the mass depends on the values, the"
    " precision only on their order. Chance is the part of the image that the region covers.",
    misconceptions={
        "each image for itself": "the n highest values were taken from all maps together. Each map"
        " is scored by its own n.",
        "size and sign": "the values were ranked by their size. A negative value speaks against"
        " the class, and ranks last.",
        "precision and recall": "this divides by the pixels of the region: it is the part of the"
        " region that was found. Precision divides by the n pixels that were named.",
        "rank and mass": "this adds up values. A precision only counts pixels, whatever their"
        " values are.",
    },
)
def precision_in(attempt, draw):
    maps = draw.normal(3, 6, 6)
    region = torch.zeros(6, 6, dtype=torch.bool)
    i, j = draw.randrange(3), draw.randrange(3)
    region[i : i + 3, j : j + 3] = True
    n = draw.randrange(5, 8)
    inside, outside = region.nonzero().tolist(), (~region).nonzero().tolist()
    for image, n_found in enumerate([1, 2, 4]):  # how many of the n highest lie in the region
        for k, (a, b) in enumerate(inside[:n_found] + outside[: n - n_found]):
            maps[image, a, b] = 4.0 + image + 0.1 * k
        a, b = outside[-1]
        maps[image, a, b] = -9.0  # the largest in size, and negative

    def precision(maps, region, n):
        places = maps.flatten(1).topk(n, dim=1).indices  # (N, n)
        return region.flatten()[places].float().mean(dim=1)

    def all_together(maps, region, n):
        places = maps.flatten().topk(n).indices
        return region.expand_as(maps).flatten()[places].float().mean()

    def mass(maps, region, n):
        values, places = maps.flatten(1).topk(n, dim=1)
        return (values * region.flatten()[places]).sum(dim=1) / values.sum(dim=1)

    compare(
        attempt,
        precision,
        [(maps, region, n)],
        {
            "each image for itself": all_together,
            "size and sign": lambda maps, region, n: precision(maps.abs(), region, n),
            "precision and recall": lambda maps, region, n: (
                precision(maps, region, n) * n / region.sum()
            ),
            "rank and mass": mass,
        },
    )
