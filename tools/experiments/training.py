"""The long experiments of the lesson on training, into results/training-*.json.

    python tools/experiments/training.py            # all of them
    python tools/experiments/training.py rates      # only these

Each run is stored when it ends, and the next start goes on from there. It takes about a quarter of
an hour on one core. The test set is not opened here.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tools"), str(REPOSITORY / "notebooks")]

from experiments.running import RESULTS, run  # noqa: E402

from cnn.comparing import repeat  # noqa: E402
from cnn.data import as_tensors, load_mnist, split_train_validation  # noqa: E402
from cnn.fast import FastCNN  # noqa: E402
from cnn.models import CNN, MLP  # noqa: E402
from cnn.training import evaluate, train_network, train_one_epoch  # noqa: E402

SEEDS = range(5)
LOSS = nn.CrossEntropyLoss()
SGD, Adam = torch.optim.SGD, torch.optim.Adam
OPTIMIZERS = {  # name: (what makes it, learning rates)
    "SGD": (SGD, (0.03, 0.1, 0.3, 1.0)),
    "SGD with momentum": (partial(SGD, momentum=0.9), (0.01, 0.03, 0.1, 0.3)),
    "Adam": (Adam, (0.0003, 0.001, 0.003, 0.01)),
}


def load():
    """The 48,000 training and 12,000 validation images of the lesson."""
    mnist = load_mnist()
    training, validation = split_train_validation(mnist)
    return as_tensors(mnist, training.indices), as_tensors(mnist, validation.indices)


def new_network(architecture, seed):
    torch.manual_seed(seed)
    return architecture().to(memory_format=torch.channels_last)


def runs(train, val):
    """The training of the page and its baseline on a third of the images, with five seeds.

    FastCNN is the same network as CNN, computed with less effort (the lesson on scaling).
    """
    for name, architecture, epochs in [("MLP", MLP, 6), ("CNN", FastCNN, 3)]:
        experiment = partial(whole_run, train, val, architecture, epochs)
        repeat(experiment, SEEDS, RESULTS / "training-runs.json", name)


def whole_run(train, val, architecture, epochs, seed):
    """All that is measured in each epoch, and the training accuracy afterwards, without dropout."""
    X, y = train[0][:16_000], train[1][:16_000]
    model = new_network(architecture, seed)
    history = train_network(model, (X, y), val, epochs, lr=0.003)
    measured = {
        f"{name} {number}": value
        for number, epoch in enumerate(history, start=1)
        for name, value in epoch._asdict().items()
    }
    return measured | {"train_accuracy without dropout": evaluate(model, X, y, LOSS)[1]}


def rates(train, val):
    """Five learning rates of Adam for both networks, after 16 steps of 512 images."""
    for architecture in (CNN, MLP):
        for lr in (0.0003, 0.001, 0.003, 0.01, 0.03):
            experiment = partial(short_run, train, val, architecture, Adam, lr, 8000, 512)
            name = f"{architecture.__name__} {lr}"
            repeat(experiment, SEEDS, RESULTS / "training-rates.json", name)


def optimizers(train, val):
    """Three optimisers at four learning rates each, after 40 steps of 64 images."""
    for name, (make, learning_rates) in OPTIMIZERS.items():
        for lr in learning_rates:
            experiment = partial(short_run, train, val, CNN, make, lr, 2560, 64)
            repeat(experiment, SEEDS, RESULTS / "training-optimizers.json", f"{name} {lr}")


def short_run(train, val, architecture, make, lr, n, batch_size, seed):
    """Losses and validation error after one epoch over n images."""
    model = new_network(architecture, seed)
    optimizer = make(model.parameters(), lr=lr)
    X, y = train[0][:n], train[1][:n]
    train_loss, _ = train_one_epoch(model, X, y, LOSS, optimizer, batch_size)
    val_loss, val_accuracy = evaluate(model, val[0][:3000], val[1][:3000], LOSS)
    return {"train_loss": train_loss, "val_loss": val_loss, "val_error": 100 - val_accuracy}


EXPERIMENTS = {"runs": runs, "rates": rates, "optimizers": optimizers}


if __name__ == "__main__":
    run(EXPERIMENTS, load)
