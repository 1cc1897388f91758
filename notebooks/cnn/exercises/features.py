"""The exercises of the lesson on features: saliency, Grad-CAM, erasing what a map marks."""

import torch

from cnn.exercises.checking import compare, exercise
from cnn.exercises.networks import gradient, network


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
