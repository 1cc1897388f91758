"""The long experiments of the lesson on scaling; the page draws what they write.

    python tools/experiments/scaling.py              # all of them; goes on where it was stopped
    python tools/experiments/scaling.py rates        # one of them

Each writes results/scaling-NAME.json, with one run for each seed. The test set is not used. On one
free core: rates 8 minutes, kept 4 minutes, epochs 10 minutes.
"""

import sys
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tools"), str(REPOSITORY / "notebooks")]

import ladder  # noqa: E402
from experiments.running import RESULTS, run  # noqa: E402

from cnn.comparing import mcnemar, repeat  # noqa: E402
from cnn.data import as_tensors, batches, load_mnist, split_train_validation  # noqa: E402
from cnn.fast import sgd_steps, small_network  # noqa: E402
from cnn.training import train_one_epoch  # noqa: E402

SEEDS = [0, 1, 2, 3, 4]


def result_file(name):
    return RESULTS / f"scaling-{name}.json"


class Data:
    """The training images and the validation images of the lesson on training."""

    def __init__(self):
        mnist = load_mnist()
        training, validation = split_train_validation(mnist)
        self.X, self.y = as_tensors(mnist, training.indices)
        self.X_val, self.y_val = as_tensors(mnist, validation.indices)


# Rates: which learning rate is best for a batch, with equal epochs and with equal steps?

BATCHES = [16, 32, 64, 128, 256, 512]
RATES = [0.005 * 2**k for k in range(8)]
IMAGES = 8192  # in one epoch
STEPS = 128  # where all batches make equally many


def losses_by_rate(data, batch_size, steps, seed):
    """Validation loss for each learning rate; 10 stands for a training that diverged."""
    losses = {}
    n_images = max(IMAGES, steps * batch_size)
    X, y = data.X[:n_images], data.y[:n_images]
    for lr in RATES:
        torch.manual_seed(seed)
        model = small_network()
        sgd_steps(model, X, y, batch_size, lr, steps)
        with torch.no_grad():
            loss = F.cross_entropy(model(data.X_val), data.y_val).item()
        losses[f"{lr:g}"] = min(loss, 10) if loss == loss else 10
    return losses


def rates(data):
    for batch_size in [*BATCHES, 1024]:
        run = partial(losses_by_rate, data, batch_size, IMAGES // batch_size)
        repeat(run, SEEDS, result_file("rates"), f"equal epochs, batch {batch_size}")
    for batch_size in BATCHES:
        run = partial(losses_by_rate, data, batch_size, STEPS)
        repeat(run, SEEDS, result_file("rates"), f"equal steps, batch {batch_size}")


# Kept: does the last rung of the ladder learn as much as the first?

KEPT_IMAGES, KEPT_EPOCHS, KEPT_VALIDATION = 4096, 3, 6000


def trained(setup, data, seed):
    """A network trained in the way of a rung, and where it answers right, bool (N,)."""
    torch.manual_seed(seed)
    layout = torch.channels_last if setup.channels_last else torch.contiguous_format
    model = setup.network().to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    X, y = data.X[:KEPT_IMAGES], data.y[:KEPT_IMAGES]
    for _ in range(KEPT_EPOCHS):
        model.train()
        for X_batch, y_batch in batches(X, y, 128, shuffle=True):
            ladder.optimizer_step(setup, model, optimizer, X_batch, y_batch)
    X, y = data.X_val[:KEPT_VALIDATION], data.y_val[:KEPT_VALIDATION]
    return ladder.where_right(setup, model, X, y)


def kept(data):
    slow, fast = ladder.ladder()[1], ladder.ladder()[-1]

    def both(seed):
        first, last = trained(slow, data, seed), trained(fast, data, seed)
        test = mcnemar(first, last)
        return {
            "first": 100 * first.double().mean().item(),
            "last": 100 * last.double().mean().item(),
            "only first": test.only_first,
            "only last": test.only_second,
        }

    repeat(both, SEEDS, result_file("kept"), "first and last rung")


# Epochs: how many does the CNN of the lesson on training need for 99 %?

GOAL, MOST = 99.0, 12


def epochs_to_goal(data, seed):
    """Epochs until GOAL percent of the validation images are right, and the percentage then."""
    torch.manual_seed(seed)
    setup = ladder.ladder()[-1]
    model = setup.network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    epoch, percent = 0, 0.0
    while percent < GOAL and epoch < MOST:
        epoch += 1
        train_one_epoch(model, data.X, data.y, F.cross_entropy, optimizer)
        right = ladder.where_right(setup, model, data.X_val, data.y_val)
        percent = 100 * right.double().mean().item()
    return {"epochs": epoch, "percent": percent}


def epochs(data):
    repeat(partial(epochs_to_goal, data), SEEDS, result_file("epochs"), "CNN, Adam, lr 0.003")


EXPERIMENTS = {"rates": rates, "epochs": epochs, "kept": kept}


if __name__ == "__main__":
    run(EXPERIMENTS, lambda: [Data()])
