"""The long experiments of the lesson on robustness; the page draws what they write.

    python tools/experiments/robustness.py            all of them
    python tools/experiments/robustness.py changes    one of them; they may run side by side

Each writes results/robustness-NAME.json, one run for each seed, and goes on where it was stopped.
The learning rate is chosen with a seed and images that measure nothing else. All accuracies are in
percent of validation images; the test set is not used. About 12 minutes on one free core.
"""

import copy
import sys
from functools import cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tools"), str(REPOSITORY / "notebooks")]

from experiments.running import RESULTS, run  # noqa: E402

from cnn.comparing import repeat  # noqa: E402
from cnn.data import as_tensors, load_mnist, split_train_validation  # noqa: E402
from cnn.lab import SmallCNN, shifted  # noqa: E402
from cnn.models import MLP  # noqa: E402
from cnn.robustness import (  # noqa: E402
    CHANGES,
    HeadNet,
    fgsm,
    pgd,
    rotate,
    shift,
    train_epoch_on,
)

SEEDS = [0, 1, 2, 3, 4]
TUNING = [100]
EPSILONS = [0.05, 0.1, 0.15, 0.2, 0.3]


def result_file(name):
    return RESULTS / f"robustness-{name}.json"


@cache
def data():
    """12,000 training images, 1,000 validation images that choose, and 1,000 that measure."""
    mnist = load_mnist()
    training, validation = split_train_validation(mnist)
    parts = training.indices[:12_000], validation.indices[:1000], validation.indices[1000:2000]
    return [as_tensors(mnist, indices) for indices in parts]


@torch.no_grad()
def logits_of(model, X):
    model.eval()
    return torch.cat([model(part) for part in X.split(500)])


def percent(right):
    return 100 * right.double().mean().item()


def accuracy(model, X, y):
    return percent(logits_of(model, X).argmax(dim=1) == y)


def train(model, X, y, epochs, lr, attack=None):
    """Adam, batches of 100, in float32 on every machine."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(epochs):
        train_epoch_on(model, X, y, optimizer, attack)
    return model


# Heads: what becomes of a shift and of a rotation


def shifted_by_3(model, X, y):
    return shifted(X, 3)


def rotated_by_45(model, X, y):
    return rotate(X, 90 * torch.rand(len(X)) - 45)


HEADS = {  # name: (head, change of the training images)
    "flatten": ("flatten", None),
    "average": ("average", None),
    "max": ("max", None),
    "flatten, shifts": ("flatten", shifted_by_3),
    "max, shifts": ("max", shifted_by_3),
    "flatten, rotations": ("flatten", rotated_by_45),
}
BEST_RATE = {"flatten": 0.01, "max": 0.01, "average": 0.003}  # see rates()


def canvas(X):
    """Digits (N, 1, 28, 28) in the middle of a larger paper (N, 1, 40, 40)."""
    return F.pad(X, [6] * 4)


def learn_head(name, lr, seed):
    head, change = HEADS[name]
    (X, y), _, _ = data()
    torch.manual_seed(seed)
    model = HeadNet(head).to(memory_format=torch.channels_last)
    return train(model, canvas(X[:6000]), y[:6000], 6, lr, change)


def tune_head(name, lr, seed):
    X, y = data()[1]
    return {"accuracy": accuracy(learn_head(name, lr, seed), canvas(X), y)}


def measure_head(name, lr, seed):
    """Accuracy, unchanged answers and change of the logits for each shift; rotations."""
    model = learn_head(name, lr, seed)
    X, y = (t[:500] for t in data()[2])
    X = canvas(X)
    before = logits_of(model, X)
    length = (before - before.mean(dim=1, keepdim=True)).norm(dim=1)  # (N,)
    measured = {"rate": lr, "shift 0": percent(before.argmax(dim=1) == y)}
    for n in range(1, 9):
        moved = [logits_of(model, shift(X, *way)) for way in ((n, 0), (-n, 0), (0, n), (0, -n))]
        moved = torch.stack(moved)  # (4, N, 10)
        difference = moved - before
        difference = (difference - difference.mean(dim=2, keepdim=True)).norm(dim=2)
        right = moved.argmax(dim=2) == y  # (4, N)
        measured[f"shift {n}"] = percent(right)
        measured[f"all four {n}"] = percent(right.all(dim=0))
        measured[f"same {n}"] = percent(moved.argmax(dim=2) == before.argmax(dim=1))
        measured[f"change {n}"] = (difference / length).mean().item()
    for angle in (15, 30, 45, 60, 75, 90):
        both = [accuracy(model, rotate(X, a), y) for a in (angle, -angle)]
        measured[f"rotation {angle}"] = sum(both) / 2
    return measured


def rates():
    """Three rates for each head, on images that measure nothing else."""
    for name in BEST_RATE:
        for lr in (3e-3, 1e-2, 3e-2):
            repeat(partial(tune_head, name, lr), TUNING, result_file("rates"), f"{name}, {lr}")


def head(name):
    path = result_file("heads-" + name.replace(", ", "-"))
    repeat(partial(measure_head, name, BEST_RATE[HEADS[name][0]]), SEEDS, path, name)


# Networks: changes of the images, and attacks


NETWORKS = {"CNN": (SmallCNN, 2e-3), "MLP": (partial(MLP, hidden=66), 2e-3)}


@cache
def trained(name, seed):
    network, lr = NETWORKS[name]
    torch.manual_seed(seed)
    return train(network(), *data()[0], epochs=2, lr=lr)


def measure_changes(name, seed):
    """Accuracy and mean confidence, the largest probability, under each change."""
    model, (X, y), measured = trained(name, seed), data()[2], {}
    for change, (function, amounts) in CHANGES.items():
        for amount in amounts:
            confidence, answers = logits_of(model, function(X, amount)).softmax(dim=1).max(dim=1)
            measured[f"{change} {amount}"] = percent(answers == y)
            measured[f"{change} {amount}, confidence"] = 100 * confidence.mean().item()
    return measured


def measure_attacks(name, seed):
    """Accuracy on 300 images after steps with random signs, FGSM and PGD; targeted successes."""
    model, (X, y), measured = trained(name, seed), data()[2], {}
    X, y = X[:300], y[:300]
    signs = torch.randn(X.shape, generator=torch.Generator().manual_seed(0)).sign()
    wanted = (y + 1) % 10
    measured["clean"] = accuracy(model, X, y)
    for epsilon in EPSILONS:
        changed = {
            "random signs": (X + epsilon * signs).clamp(0, 1),
            "FGSM": fgsm(model, X, y, epsilon),
            "PGD": pgd(model, X, y, epsilon),
        }
        for attack, images in changed.items():
            measured[f"{attack} {epsilon}"] = accuracy(model, images, y)
    for epsilon in (0.1, 0.2):
        targeted = pgd(model, X, wanted, epsilon, targeted=True)
        measured[f"targeted {epsilon}"] = accuracy(model, targeted, wanted)
    return measured


def measure_transfer(seed):
    """Accuracy of other networks on the images that were made against one CNN."""
    X, y = (t[:300] for t in data()[2])
    source, measured = trained("CNN", seed), {}
    others = {"CNN": trained("CNN", (seed + 1) % len(SEEDS)), "MLP": trained("MLP", seed)}
    for epsilon in (0.1, 0.2):
        for attack, function in {"FGSM": fgsm, "PGD": pgd}.items():
            images = function(source, X, y, epsilon)
            for other, model in others.items():
                measured[f"{attack} {epsilon} to {other}"] = accuracy(model, images, y)
    return measured


def measure_steps(seed):
    """Accuracy after PGD with few and many steps, epsilon 0.1, on 100 images."""
    X, y = (t[:100] for t in data()[2])
    model = trained("CNN", seed)
    return {
        f"{steps} steps": accuracy(model, pgd(model, X, y, 0.1, steps), y)
        for steps in (1, 2, 5, 10, 20, 50, 100)
    }


def changes():
    for name in NETWORKS:
        repeat(partial(measure_changes, name), SEEDS, result_file("changes"), name)


def attacks():
    for name in NETWORKS:
        repeat(partial(measure_attacks, name), SEEDS, result_file("attacks"), name)


def transfer():
    repeat(measure_steps, SEEDS, result_file("transfer"), "steps")
    repeat(measure_transfer, SEEDS, result_file("transfer"), "transfer")


# Training on attacked images


ATTACKS = {
    "plain": None,
    "FGSM": partial(fgsm, epsilon=0.2),
    "PGD": partial(pgd, epsilon=0.2, steps=5),
}


def measure_training(attack, seed):
    """One more epoch on attacked images: accuracy on clean images, and under both attacks."""
    (X, y), _, (X_val, y_val) = data()
    model = copy.deepcopy(trained("CNN", seed))
    torch.manual_seed(seed)
    train(model, X, y, 1, 2e-3, ATTACKS[attack])
    measured = {"clean": accuracy(model, X_val, y_val)}
    X_val, y_val = X_val[:300], y_val[:300]
    for epsilon in (0.1, 0.2, 0.3):
        measured[f"FGSM {epsilon}"] = accuracy(model, fgsm(model, X_val, y_val, epsilon), y_val)
        measured[f"PGD {epsilon}"] = accuracy(model, pgd(model, X_val, y_val, epsilon), y_val)
    longer = pgd(model, X_val[:100], y_val[:100], 0.2, steps=100)
    measured["PGD 0.2, 100 steps"] = accuracy(model, longer, y_val[:100])
    return measured


def training(attack):
    path = result_file(f"training-{attack}")
    repeat(partial(measure_training, attack), SEEDS, path, attack)


EXPERIMENTS = {
    "changes": changes,
    "rates": rates,
    **{f"heads-{name}": partial(head, name) for name in HEADS},
    "attacks": attacks,
    "transfer": transfer,
    **{f"training-{attack}": partial(training, attack) for attack in ATTACKS},
}


if __name__ == "__main__":
    run(EXPERIMENTS)
