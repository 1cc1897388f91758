"""The exercises on scaling: the parts of the processes, their gradients, a larger batch."""

import math

import torch
import torch.nn.functional as F
from torch.utils.data import DistributedSampler

from cnn.exercises.checking import compare, exercise


@exercise(
    hints=[
        "Deal the indices out like cards: the first to rank 0, the second to rank 1, and so on in"
        " turn.",
        "`range(rank, n, size)` are the cards of one rank. But if size does not divide n, some"
        " ranks would get one more than others, and the others would not come to the last"
        " average.",
        "So the deck is first made longer, to the next multiple of size, with images from its own"
        " beginning. The longest hand has `math.ceil(n / size)` cards, and then all have as many.",
    ],
    why="Every image is in one part, all parts are of one length, and no process needs to ask"
    " another: the rank alone says which images are its own. What looks like a detail keeps the"
    " processes from waiting for each other for ever.",
    misconceptions={
        "every rank its own part": "here all ranks get the same images. Their average is the"
        " gradient of one part, and the other processes work for nothing.",
        "in turn": "these are blocks of neighbours. In a sorted set one rank would see few"
        " classes only; the sampler deals in turn.",
        "equal lengths": "the parts have different lengths. A rank with one batch more waits in"
        " its last step for an average that nobody else joins.",
        "nothing is dropped": "here the images that are left over are dropped. The sampler"
        " repeats some from the beginning instead, so that each image is used.",
    },
)
def part_of_rank(attempt, draw):
    cases = [(8, 0, 2), (8, 1, 2)]
    for _ in range(2):
        size = draw.randrange(3, 6)
        n = size * draw.randrange(3, 6) + draw.randrange(1, size)
        cases += [(n, rank, size) for rank in range(size)]

    def sampled(n, rank, size):
        return list(DistributedSampler(range(n), size, rank, shuffle=False))

    compare(
        attempt,
        sampled,
        cases,
        {
            "every rank its own part": lambda n, rank, size: sampled(n, 0, size),
            "in turn": lambda n, rank, size: [
                i % n for i in range(rank * math.ceil(n / size), (rank + 1) * math.ceil(n / size))
            ],
            "equal lengths": lambda n, rank, size: list(range(rank, n, size)),
            "nothing is dropped": lambda n, rank, size: list(range(rank, n - n % size, size)),
        },
    )


@exercise(
    hints=[
        "Each gradient belongs to the *mean* loss of its part. What would it be for the sum over"
        " the part?",
        "Sums of losses can be added, whatever the lengths of the parts. Divide at the end by the"
        " number of all images.",
        "So the mean is a weighted one: gradient times number of images, added up, divided by the"
        " sum of the numbers.",
    ],
    why="With equal parts this is the plain mean, and that is what DistributedDataParallel"
    " computes. With unequal parts the plain mean weighs the images of a short part more than"
    " others. So keep the parts equal, and the result does not depend on the number of processes.",
    misconceptions={
        "equal parts only": "the plain mean is right if all parts are of the same length. Here"
        " they are not, and an image of a short part would count more.",
        "mean and sum": "this adds the gradients up. Each is one of a mean already, so the step"
        " would grow with the number of processes.",
        "weights by length": "weights must add up to 1. Divide by the number of all images, not"
        " by the number of processes.",
        "the longest part": "one process alone does not speak for the others: its images are only"
        " some of the batch.",
    },
)
def joined_gradient(attempt, draw):
    cases = []
    for counts in [[2, 6], [5, 1, 3]]:
        X, y = draw.normal(sum(counts), 4), draw.integers(3, sum(counts))
        weight = draw.normal(3, 4).requires_grad_()
        losses = F.cross_entropy(X @ weight.T, y, reduction="none").split(counts)
        *parts, joined = [
            torch.autograd.grad(some.mean(), weight, retain_graph=True)[0].flatten()
            for some in (*losses, torch.cat(losses))
        ]
        cases.append((torch.stack(parts), counts, joined))
    answers = {tuple(counts): joined for _, counts, joined in cases}

    def weighted(gradients, counts, divisor):
        return (torch.tensor(counts)[:, None] * gradients).sum(dim=0) / divisor

    compare(
        attempt,
        lambda gradients, counts: answers[tuple(counts)],
        [(gradients, counts) for gradients, counts, _ in cases],
        {
            "equal parts only": lambda gradients, counts: gradients.mean(dim=0),
            "mean and sum": lambda gradients, counts: gradients.sum(dim=0),
            "weights by length": lambda gradients, counts: weighted(gradients, counts, len(counts)),
            "the longest part": lambda gradients, counts: gradients[counts.index(max(counts))],
        },
    )


@exercise(
    hints=[
        "All processes step together. How many images are behind one step?",
        "The global batch is the batch of one process times their number. It decides how many"
        " steps an epoch has, and the last one may be smaller than the others.",
        "The linear scaling rule: the learning rate grows by the same factor as the *global*"
        " batch did.",
    ],
    why="Whoever starts eight processes with unchanged numbers trains with eight times the batch"
    " and an eighth of the steps. So write down the global batch with each result: the number of"
    " processes alone says little.",
    misconceptions={
        "the batch of one process": "this counts the images of one process. One step uses those"
        " of all.",
        "floor": "the images that are left over make one more step, a smaller one.",
        "fewer steps": "with p processes each has a p-th of the images, so the epoch has fewer"
        " steps, not as many as one process alone would make.",
        "the learning rate follows the batch": "the learning rate stays where it was. Twice the"
        " batch makes half the steps, and the network gets less far.",
    },
)
def run_on_many(attempt, draw):
    cases = [(1000, 100, 4, 0.1, 100)]
    for _ in range(3):
        per_process, size = draw.choice([16, 32, 64]), draw.choice([2, 4, 8])
        n = per_process * size * draw.randrange(5, 20) + draw.randrange(1, per_process)
        cases.append((n, per_process, size, draw.choice([0.01, 0.05, 0.2]), 32))

    def plan(n, per_process, size, lr, tuned, counted=None, steps=math.ceil, scale=True, each=1):
        """Global batch, steps and learning rate; or with one thing changed."""
        batch = counted or per_process * size
        return batch, steps(n * each / batch), lr * (batch / tuned if scale else 1)

    compare(
        attempt,
        plan,
        cases,
        {
            "the batch of one process": lambda *args: plan(*args, counted=args[1]),
            "floor": lambda *args: plan(*args, steps=math.floor),
            "fewer steps": lambda *args: plan(*args, each=args[2]),
            "the learning rate follows the batch": lambda *args: plan(*args, scale=False),
        },
    )
