"""The long runs of the lesson on residual networks, kept in results/resnet-*.json.

python tools/experiments/resnet.py          all of it; goes on where it was stopped
python tools/experiments/resnet.py long     a rate for each of four networks, then 30 epochs
python tools/experiments/resnet.py longer   the deep plain network with twice as many epochs
python tools/experiments/resnet.py changes  44 layers with a change each: a rate, then 9 epochs
python tools/experiments/resnet.py around   the loss around networks with 44 layers
"""

import argparse
import copy
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from cnn.comparing import repeat  # noqa: E402
from cnn.data import as_tensors, batches, load_mnist, split_train_validation  # noqa: E402
from cnn.models import (  # noqa: E402
    ResNet,
    with_pre_activation,
    with_scaled_branches,
    with_silent_branches,
    without_batch_norm,
)
from cnn.training import keep_freed_memory  # noqa: E402

RESULTS = REPOSITORY / "results"
TUNING, RUNS = RESULTS / "resnet-tuning.json", RESULTS / "resnet-runs.json"
LONGER = RESULTS / "resnet-longer.json"
CHANGES, AROUND = RESULTS / "resnet-changes.json", RESULTS / "resnet-around.json"
SEEDS = range(5)
EPOCHS, SHORT = 30, 9
DISTANCES = (0, 0.2, 0.4, 0.6, 0.8, 1)
DIVERGED = 1e9  # stands for a loss that is no number any more
RATES = (0.01, 0.03, 0.1, 0.3)

LONG = {
    "plain 44": lambda: ResNet(44, shortcut=False),
    "residual 44": lambda: ResNet(44),
    "plain 20": lambda: ResNet(20, shortcut=False),
    "residual 20": lambda: ResNet(20),
}
CHANGED = {  # name: the network, and the rates to try
    "gamma zero": (lambda: with_silent_branches(ResNet(44)), RATES[1:]),
    "pre-activation": (lambda: with_pre_activation(ResNet(44)), RATES[1:]),
    "without batch norm": (lambda: without_batch_norm(ResNet(44)), (1e-5, 1e-4, 1e-3, 1e-2)),
    "scaled without batch norm": (
        lambda: with_scaled_branches(ResNet(44)),
        (0.003, 0.01, 0.03, 0.1),
    ),
}


def small_digits():
    """1,024 training and 2,000 validation digits, 14 × 14: ((X, y), (X, y))."""
    training, validation = split_train_validation(load_mnist())
    X, y = as_tensors(training.dataset, training.indices[:1024])
    X_val, y_val = as_tensors(validation.dataset, validation.indices[:2000])
    X, X_val = F.avg_pool2d(X, 2), F.avg_pool2d(X_val, 2)  # (N, 1, 14, 14)
    mean, deviation = X.mean(), X.std()
    return ((X - mean) / deviation, y), ((X_val - mean) / deviation, y_val)


@torch.no_grad()
def error_and_loss(model, X, y):
    """Error in % and mean loss in evaluation mode."""
    model.eval()
    logits = torch.cat([model(part) for part in X.split(500)])  # (N, 10)
    error = 100 * (logits.argmax(dim=1) != y).float().mean().item()
    return error, F.cross_entropy(logits, y).item()


def train_epoch(model, X, y, optimizer):
    """One pass in batches of 64, in float32 on every machine; returns running error and loss."""
    model.train()
    wrong, total = 0, 0.0
    for X_batch, y_batch in batches(X, y, batch_size=64, shuffle=True):
        logits = model(X_batch)
        loss = F.cross_entropy(logits, y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wrong += (logits.argmax(dim=1) != y_batch).sum().item()
        total += loss.item() * len(y_batch)
    return 100 * wrong / len(y), total / len(y)


def train(make, seed, lr, epochs, data, drop=True):
    """One run, whose rate drops to a tenth at two thirds: the model, and what was measured."""
    (X, y), validation = data
    torch.manual_seed(seed)
    model = make().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=1e-4)
    milestones = [2 * epochs // 3] if drop else []
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    measured = {"rate": lr}
    for epoch in range(1, epochs + 1):
        error, loss = train_epoch(model, X, y, optimizer)
        schedule.step()
        measured[f"training error {epoch}"] = error
        if epoch % 3 == 0:
            measured[f"validation error {epoch}"] = error_and_loss(model, *validation)[0]
    measured["last loss"] = loss if math.isfinite(loss) else DIVERGED
    measured["evaluated error"], _ = error_and_loss(model, X, y)
    return model, measured


def best_rate(name, make, rates, seeds, data, **budget):
    """Try each rate with seeds that the comparison does not use; the lowest final loss wins."""
    losses = {}
    for lr in rates:

        def experiment(seed, lr=lr):
            _, run = train(make, seed, lr, data=data, **budget)
            return {key: run[key] for key in ("last loss", "evaluated error")}

        tried = repeat(experiment, seeds, TUNING, f"{name}, rate {lr}")
        losses[lr] = tried["last loss"].mean().item()
    return min(losses, key=losses.get)


def long_rate(name, data):
    """The rate of one of the four networks, from two seeds."""
    return best_rate(name, LONG[name], RATES, (100, 101), data, epochs=EPOCHS)


@torch.no_grad()
def errors_without_blocks(model, X, y):
    """Error in % in evaluation mode without each of the blocks that keep the shape, in turn."""
    model.eval()
    errors = []
    for stage in (model[3], model[4], model[5]):
        for place in range(1, len(stage)):
            block, stage[place] = stage[place], nn.Identity()
            errors.append(100 * (model(X).argmax(dim=1) != y).float().mean().item())
            stage[place] = block
    return errors


def long(data):
    """Five seeds at the best rate; of the deep networks also what each block is good for."""
    for name, make in LONG.items():
        lr = long_rate(name, data)

        def experiment(seed, name=name, make=make, lr=lr):
            model, measured = train(make, seed, lr, EPOCHS, data)
            if name.endswith("44"):
                lesions = errors_without_blocks(model, *data[0])
                measured |= {f"without block {i}": error for i, error in enumerate(lesions, 1)}
            return measured

        repeat(experiment, SEEDS, RUNS, name)


def longer(data):
    """The deep plain network at its rate with twice as many epochs."""
    make, lr = LONG["plain 44"], long_rate("plain 44", data)
    repeat(lambda seed: train(make, seed, lr, 2 * EPOCHS, data)[1], SEEDS, LONGER, "plain 44")


def changes(data):
    """Networks with 44 layers and one change each, at the best constant rate; one tuning seed."""
    budget = {"epochs": SHORT, "drop": False}
    for name, (make, rates) in CHANGED.items():
        lr = best_rate(name, make, rates, (100,), data, **budget)

        def experiment(seed, make=make, lr=lr):
            return train(make, seed, lr, data=data, **budget)[1]

        repeat(experiment, SEEDS, CHANGES, name)


@torch.no_grad()
def training_loss(model, X, y):
    """Loss with batch norm in training mode, from a copy, so that the running averages stay."""
    return F.cross_entropy(copy.deepcopy(model).train()(X), y).item()


def train_until(model, lr, X, y, target=0.5, n_images=128, max_epochs=60):
    """Train until the loss on the first images is below the target; returns the number of steps."""
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=1e-4)
    step = 0
    for _ in range(max_epochs):
        for X_batch, y_batch in batches(X, y, batch_size=64, shuffle=True):
            loss = F.cross_entropy(model.train()(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 4 == 0 and training_loss(model, X[:n_images], y[:n_images]) < target:
                return step
    return step


@torch.no_grad()
def refresh_averages(model, X):
    """Running averages for the present weights: the mean over all batches of X."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # every batch counts the same
    for X_batch in X.split(64):
        model.train()(X_batch)
    return model


def filter_norms(weight):
    """Norm of each filter of a weight (C_out, ...), in a shape that broadcasts against it."""
    return weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.dim() - 1))


@torch.no_grad()
def random_direction(model):
    """A filter-normalised random direction: a list of tensors like model.parameters()."""
    direction = []
    for p in model.parameters():
        d = torch.randn_like(p)
        is_filter = p.dim() > 1  # else a bias, or a factor or offset of a batch norm
        direction.append(d * filter_norms(p) / filter_norms(d) if is_filter else 0 * d)
    return direction


@torch.no_grad()
def losses_at(model, offsets, X, y, training):
    """Losses of a copy of the model whose parameters are moved by each of the offsets."""
    probe = copy.deepcopy(model).train(training)
    losses = []
    for offset in offsets:
        for p, theta, d in zip(probe.parameters(), model.parameters(), offset):
            p.copy_(theta + d)
        losses.append(F.cross_entropy(probe(X), y).item())
    return torch.tensor(losses)


def around(data):
    """Median loss at some distances in seven random directions, in both modes of batch norm."""
    (X, y), _ = data

    def experiment(seed, name):
        torch.manual_seed(seed)
        model = LONG[name]().to(memory_format=torch.channels_last)
        measured = {"steps": train_until(model, long_rate(name, data), X, y)}
        refresh_averages(model, X)
        directions = [random_direction(model) for _ in range(7)]
        for mode in ("training", "evaluation"):
            for r in DISTANCES:
                offsets = [[r * d for d in direction] for direction in directions]
                losses = losses_at(model, offsets, X[:128], y[:128], mode == "training")
                measured[f"{mode} {r}"] = losses.median().item()
        return measured

    for name in ("plain 44", "residual 44"):
        repeat(lambda seed, name=name: experiment(seed, name), SEEDS, AROUND, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="see above; default: all")
    parts = parser.parse_args().parts or ["long", "longer", "changes", "around"]
    keep_freed_memory()
    data = small_digits()
    for part in parts:
        {"long": long, "longer": longer, "changes": changes, "around": around}[part](data)


if __name__ == "__main__":
    main()
