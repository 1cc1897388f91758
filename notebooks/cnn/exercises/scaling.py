"""The exercises on scaling: profiles, fair timing, the roofline, time to a goal, gradients."""

import statistics
from itertools import takewhile

import torch
import torch.nn.functional as F

from cnn.exercises.checking import compare, exercise


@exercise(
    hints=[
        "Take the time before as 1. How much of it does each named part take afterwards?",
        "A part with the share s takes s / factor afterwards. What is in no part that became faster"
        " takes as long as before.",
        "Add up the new times of the parts, and 1 minus all their shares. The speed-up is 1 divided"
        " by that sum.",
    ],
    why="A profile answers this before you change anything: a part with a share of 10 % can never"
    " bring more than a factor of 1.11, however fast it becomes. This is Amdahl's law, and with"
    " the factor p for all that can be shared it also limits p processes.",
    misconceptions={
        "the rest is forgotten": "only the parts that became faster are counted here. The rest of"
        " the program still takes its time.",
        "times, not factors": "this averages the factors by their shares. Times can be added, and"
        " factors cannot: half of the work at a factor of 100 leaves half of the time.",
        "gone is not faster": "this treats the parts as if they took no time afterwards. They take"
        " their share divided by their factor.",
        "factors multiply": "this multiplies the factors as if each held for the whole program. A"
        " factor acts on its own share only.",
        "upside down": "this is the time afterwards. The speed-up is 1 divided by it.",
    },
)
def whole_speed_up(attempt, draw):
    cases = [({"loading": 0.5}, {"loading": 2.0})]
    for n in (2, 3):
        names = draw.sample(["loading", "convolution", "pooling", "dropout", "optimizer"], n)
        shares = {name: draw.randrange(5, 30) / 100 for name in names}
        cases.append((shares, {name: draw.choice([1.5, 3.0, 5.0, 8.0]) for name in names}))

    def parts(shares, factors):
        return sum(share / factors[name] for name, share in shares.items())

    def rest(shares):
        return 1 - sum(shares.values())

    def product(shares, factors):
        together = 1.0
        for name in shares:
            together *= factors[name]
        return together

    compare(
        attempt,
        lambda shares, factors: 1 / (rest(shares) + parts(shares, factors)),
        cases,
        {
            "the rest is forgotten": lambda shares, factors: 1 / parts(shares, factors),
            "times, not factors": lambda shares, factors: (
                rest(shares) + sum(share * factors[name] for name, share in shares.items())
            ),
            "gone is not faster": lambda shares, factors: 1 / rest(shares),
            "factors multiply": product,
            "upside down": lambda shares, factors: rest(shares) + parts(shares, factors),
        },
    )


@exercise(
    hints=[
        "In one round both programs ran under the same conditions, a moment apart. Two rounds may"
        " have had different ones.",
        "So compare within each round first: seconds before divided by seconds after, one number"
        " for each round.",
        "Then one odd round must not decide: `statistics.median` of these numbers.",
    ],
    why="Whatever slows a whole round down, such as another program or a lower clock, cancels in"
    " the ratio; whatever hits a single measurement, the median ignores. Print the spread of the"
    " ratios as well: if 1 lies inside it, nothing has been shown.",
    misconceptions={
        "best of each": "this compares the shortest time of each. They come from different rounds,"
        " and a rare lucky moment decides.",
        "medians of different rounds": "the two medians may come from different rounds, and then"
        " their ratio compares the rounds too. Divide first, within each round.",
        "one odd round": "the mean of the ratios follows a single odd round. Take their median.",
        "sums": "in a ratio of sums the slowest rounds count most, and these were the disturbed"
        " ones.",
        "upside down": "this says how much of the time is left. The speed-up is before divided by"
        " after.",
    },
)
def fair_speed_up(attempt, draw):
    cases = []
    for _ in range(3):
        slowed = [1.0, 1.3, 1.7, 2.4, 3.1]  # rounds differ, and one measurement was disturbed
        draw.shuffle(slowed)
        after = [round(draw.uniform(0.9, 1.1) * factor, 3) for factor in slowed]
        before = [round(2 * draw.uniform(0.9, 1.1) * factor, 3) for factor in slowed]
        hit = draw.randrange(5)
        before[hit] = round(4 * before[hit], 3)
        cases.append((before, after))

    def ratios(before, after):
        return [b / a for b, a in zip(before, after)]

    compare(
        attempt,
        lambda before, after: statistics.median(ratios(before, after)),
        cases,
        {
            "best of each": lambda before, after: min(before) / min(after),
            "medians of different rounds": lambda before, after: (
                statistics.median(before) / statistics.median(after)
            ),
            "one odd round": lambda before, after: statistics.mean(ratios(before, after)),
            "sums": lambda before, after: sum(before) / sum(after),
            "upside down": lambda before, after: statistics.median(ratios(after, before)),
        },
    )


@exercise(
    hints=[
        "How long would the multiply-adds of one layer take if memory were infinitely fast? How"
        " long would its bytes take if arithmetic were?",
        "Both go on at the same time, so one layer takes at least the longer of the two.",
        "The layers run one after another: add up `max(n / rate, b / bandwidth)` over the layers.",
    ],
    why="The sum says how far a program is from what this machine can do with these layers, and"
    " each term says which side to work on: more arithmetic per byte, or more arithmetic per"
    " second. It holds for a GPU as well, with its two numbers.",
    misconceptions={
        "arithmetic only": "this counts multiply-adds alone. ReLU and pooling have none, and they"
        " still read and write every number.",
        "one after the other": "this adds the two times of a layer. Processors compute while they"
        " wait for memory, so the longer one counts.",
        "the smaller of the two": "the shorter of the two times cannot be reached: the slower side"
        " decides.",
        "one roof for all": "this takes the maximum of the two sums. Each layer has its own"
        " bottleneck, so compare layer by layer.",
        "times, not products": "a rate is work per second: divide the work by it.",
    },
)
def least_seconds(attempt, draw):
    cases = [([(400, 10), (0, 60)], 100.0, 10.0)]
    for _ in range(3):
        rate, bandwidth = draw.choice([50.0, 100.0, 200.0]), draw.choice([10.0, 20.0])
        layers = [
            (round(rate * draw.uniform(3, 9)), round(bandwidth * draw.uniform(0.5, 2))),
            (0, round(bandwidth * draw.uniform(3, 9))),
            (round(rate * draw.uniform(0.5, 2)), round(bandwidth * draw.uniform(3, 9))),
        ]
        cases.append((layers, rate, bandwidth))

    def computing(layers, rate, _):
        return [n / rate for n, _ in layers]

    def moving(layers, _, bandwidth):
        return [n_bytes / bandwidth for _, n_bytes in layers]

    compare(
        attempt,
        lambda *args: sum(map(max, computing(*args), moving(*args))),
        cases,
        {
            "arithmetic only": lambda *args: sum(computing(*args)),
            "one after the other": lambda *args: sum(computing(*args)) + sum(moving(*args)),
            "the smaller of the two": lambda *args: sum(map(min, computing(*args), moving(*args))),
            "one roof for all": lambda *args: max(sum(computing(*args)), sum(moving(*args))),
            "times, not products": lambda layers, rate, bandwidth: float(
                sum(max(n * rate, n_bytes * bandwidth) for n, n_bytes in layers)
            ),
        },
    )


@exercise(
    hints=[
        "For each network, after which epoch is the goal reached for the first time?",
        "Seconds to the goal: the number of that epoch, counted from 1, times the seconds of one"
        " epoch. Some networks never get there.",
        "Collect these seconds in a dictionary, without the networks that never reach the goal, and"
        " return the name with the smallest: `min(seconds, key=seconds.get)`.",
    ],
    why="Neither the fastest epoch nor the best final accuracy decides: time to a goal is their"
    " combination, and another goal may have another winner. Choose the goal before you measure,"
    " and measure over several seeds.",
    misconceptions={
        "the best at the end": "this is the network with the highest accuracy. It may reach the"
        " goal later than others.",
        "the shortest epoch": "this is the network with the quickest epoch. It may need many of"
        " them, or never get there.",
        "the fewest epochs": "epochs are of different lengths. Count seconds, not epochs.",
        "to the end of the run": "this counts all epochs of a run. The clock stops at the first"
        " epoch that reaches the goal.",
        "epochs from 0": "this counts epochs from 0: the goal is reached at the *end* of an epoch.",
    },
)
def quickest(attempt, draw):
    def seconds(runs, goal, late=1):
        """Name to seconds until the goal, for the runs that reach it."""
        epochs = {
            name: late + len(list(takewhile(lambda percent: percent < goal, run[1])))
            for name, run in runs.items()
        }
        return {name: epochs[name] * run[0] for name, run in runs.items() if max(run[1]) >= goal}

    def least(times):
        return min(times, key=times.get)

    cases = []
    for _ in range(3):
        unit = draw.choice([2.0, 3.0, 5.0])
        runs = [  # seconds of an epoch, percent right after each
            (2 * unit, [95.9, 97.6, 98.2, 98.6, 98.9, 99.0, 99.1, 99.1]),  # the quickest: 12 units
            (2.6 * unit, [96.8, 98.1, 98.6, 98.9, 99.0]),  # 13 units, and its run ends there
            (4.5 * unit, [97.7, 98.8, 99.1, 99.0]),  # 13.5 units, with one epoch less 9
            (6 * unit, [97.0, 98.5, 99.3, 99.5, 99.6]),  # 18 units, the best at the end
            (9.5 * unit, [98.6, 99.2, 99.3]),  # 19 units, the fewest epochs
            (1 * unit, [90.1, 95.2, 96.8, 97.3, 97.9]),  # the shortest epoch, never there
        ]
        draw.shuffle(runs)
        letters = draw.sample("KLMNPQRS", len(runs))
        cases.append(({letter: run for letter, run in zip(letters, runs)}, 99.0))

    compare(
        attempt,
        lambda runs, goal: least(seconds(runs, goal)),
        cases,
        {
            "the best at the end": lambda runs, goal: max(
                runs, key=lambda name: max(runs[name][1])
            ),
            "the shortest epoch": lambda runs, goal: min(runs, key=lambda name: runs[name][0]),
            "epochs from 0": lambda runs, goal: least(seconds(runs, goal, late=0)),
            "the fewest epochs": lambda runs, goal: least(
                {name: t / runs[name][0] for name, t in seconds(runs, goal).items()}
            ),
            "to the end of the run": lambda runs, goal: least(
                {name: runs[name][0] * len(runs[name][1]) for name in seconds(runs, goal)}
            ),
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
