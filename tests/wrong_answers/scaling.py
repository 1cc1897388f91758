"""Wrong answers to the exercises on scaling, by the misconception each comes from."""

SPEED_UP = """
def whole_speed_up(shares, factors):
    new = sum(shares[name] / factors[name] for name in shares)
    rest = 1 - sum(shares.values())
    return {}
"""

FAIR = """
import statistics


def fair_speed_up(before, after):
    return {}
"""

LEAST = """
def least_seconds(layers, rate, bandwidth):
    computing = [n / rate for n, _ in layers]
    moving = [n_bytes / bandwidth for _, n_bytes in layers]
    return {}
"""

QUICKEST = """
def quickest(runs, goal):
    seconds = {{}}
    for name, (seconds_per_epoch, accuracies) in runs.items():
        for epoch, accuracy in enumerate(accuracies):
            if accuracy >= goal:
                seconds[name] = {}
                break
    return min(seconds, key=seconds.get)
"""

JOINED = """
def joined_gradient(gradients, counts):
    return {}
"""

WRONG = {
    "whole_speed_up": [
        ("the rest is forgotten", SPEED_UP.format("1 / new")),
        (
            "times, not factors",
            SPEED_UP.format("rest + sum(shares[name] * factors[name] for name in shares)"),
        ),
        ("gone is not faster", SPEED_UP.format("1 / rest")),
        (
            "factors multiply",
            "import math\n" + SPEED_UP.format("math.prod(factors[name] for name in shares)"),
        ),
        ("upside down", SPEED_UP.format("rest + new")),
    ],
    "fair_speed_up": [
        ("best of each", FAIR.format("min(before) / min(after)")),
        (
            "medians of different rounds",
            FAIR.format("statistics.median(before) / statistics.median(after)"),
        ),
        ("one odd round", FAIR.format("statistics.mean(b / a for b, a in zip(before, after))")),
        ("sums", FAIR.format("sum(before) / sum(after)")),
        ("upside down", FAIR.format("statistics.median(a / b for b, a in zip(before, after))")),
    ],
    "least_seconds": [
        ("arithmetic only", LEAST.format("sum(computing)")),
        ("one after the other", LEAST.format("sum(computing) + sum(moving)")),
        ("the smaller of the two", LEAST.format("sum(map(min, computing, moving))")),
        ("one roof for all", LEAST.format("max(sum(computing), sum(moving))")),
        (
            "times, not products",
            LEAST.format("float(sum(max(n * rate, b * bandwidth) for n, b in layers))"),
        ),
    ],
    "quickest": [
        (
            "the best at the end",
            "def quickest(runs, goal):\n    return max(runs, key=lambda name: max(runs[name][1]))",
        ),
        (
            "the shortest epoch",
            "def quickest(runs, goal):\n    return min(runs, key=lambda name: runs[name][0])",
        ),
        ("the fewest epochs", QUICKEST.format("epoch + 1")),
        ("to the end of the run", QUICKEST.format("len(accuracies) * seconds_per_epoch")),
        ("epochs from 0", QUICKEST.format("epoch * seconds_per_epoch")),
    ],
    "joined_gradient": [
        ("equal parts only", JOINED.format("gradients.mean(dim=0)")),
        ("mean and sum", JOINED.format("gradients.sum(dim=0)")),
        (
            "weights by length",
            JOINED.format("sum(n * g for n, g in zip(counts, gradients)) / len(counts)"),
        ),
        ("the longest part", JOINED.format("gradients[counts.index(max(counts))]")),
    ],
}
