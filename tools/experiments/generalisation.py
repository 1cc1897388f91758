"""The long experiments of the lesson on generalisation, into results/generalisation-*.json.

    python tools/experiments/generalisation.py            # all of them
    python tools/experiments/generalisation.py lab rates  # only these

Each run is stored when it ends, and the next start goes on from there. About an hour on one core.
"""

import json
import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tools"), str(REPOSITORY / "notebooks")]

from experiments.running import RESULTS, run  # noqa: E402

from cnn.comparing import repeat  # noqa: E402
from cnn.data import as_tensors, batches, load_mnist, split_train_validation  # noqa: E402
from cnn.lab import LocallyConnected, SmallCNN, fit, shifted, watch, watched_step  # noqa: E402
from cnn.training import evaluate  # noqa: E402

SEEDS = range(10)
TUNING_SEEDS = range(100, 103)
LOSS = nn.CrossEntropyLoss()


def load():
    """Training images, 2,000 validation images that choose, and 10,000 that only measure."""
    mnist = load_mnist()
    training, validation = split_train_validation(mnist)
    X, y = as_tensors(mnist, training.indices)
    X_val, y_val = as_tensors(mnist, validation.indices)
    return (X, y), (X_val[:2000], y_val[:2000]), (X_val[2000:], y_val[2000:])


def error(model, data):
    """Error in percent."""
    return 100 - evaluate(model, *data, LOSS)[1]


def lab(train, choose, report):
    """500 images: what keeps the network from learning them by heart, one thing at a time."""
    conditions = {
        "plain": {},
        "labels shuffled": {"shuffle_labels": True},
        "dropout 0.5": {"dropout": 0.5},
        "weight decay 0.1": {"weight_decay": 0.1},
        "weight decay 1": {"weight_decay": 1.0},
        "shifts": {"change": shifted},
        "cosine": {"cosine": True},
        "dropout, shifts, cosine": {"dropout": 0.5, "change": shifted, "cosine": True},
    }
    for name, settings in conditions.items():
        experiment = partial(learn_500, train, choose, report, **settings)
        repeat(experiment, SEEDS, RESULTS / "generalisation-lab.json", name)


def learn_500(train, choose, report, seed, dropout=0.0, shuffle_labels=False, **settings):
    """Train on 500 images, another 500 for each seed; errors at the end and at the best epoch."""
    torch.manual_seed(seed)
    images = torch.randperm(len(train[0]))[:500]
    X, y = train[0][images], train[1][images]
    if shuffle_labels:
        y = y[torch.randperm(500)]
    model = SmallCNN(dropout)
    few = choose[0][:1000], choose[1][:1000]
    curves, best = fit(model, (X, y), few, epochs=60, lr=2e-3, **settings)
    return {
        "training error": curves[-1].train_error,
        "error": error(model, report),
        "error at best epoch": error(best, report),
        "best epoch": min(range(60), key=lambda i: curves[i].val_loss) + 1,
        "epochs with training errors": sum(curve.train_error > 0 for curve in curves),
    }


def rates(train, choose, report):
    """Five learning rates, judged after 16 steps and after 282 steps of 512 images."""
    for lr in [0.0003, 0.001, 0.003, 0.01, 0.03]:
        experiment = partial(learn_at, train, choose, lr=lr)
        repeat(experiment, SEEDS, RESULTS / "generalisation-rates.json", str(lr))


def learn_at(train, choose, seed, lr):
    """Validation loss after one epoch over 8,000 images, and after three over 48,000."""
    losses = {}
    for steps, (n, epochs) in {"16 steps": (8000, 1), "282 steps": (48000, 3)}.items():
        torch.manual_seed(seed)
        model = SmallCNN()
        watch(model, (train[0][:n], train[1][:n]), epochs, lr, batch_size=512)
        losses[steps] = evaluate(model, *choose, LOSS)[0]
    return losses


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 12 * 12, 10),
    )  # fmt: skip


def unshared():
    return nn.Sequential(
        LocallyConnected(1, 8, 26), nn.ReLU(), LocallyConnected(8, 8, 24), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 12 * 12, 10),
    )  # fmt: skip


def averaged():
    """The same convolutions with a global-average head: no place has weights of its own.

    One small dense layer reads every place (a 1 × 1 convolution), and the mean over all places
    is classified.
    """
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 128, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def dense():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


NETWORKS = (convolutional, unshared, averaged, dense)


def causal(train, choose, report):
    """Is it the convolution? Take away sharing, the head that knows places, the neighbourhood."""
    torch.manual_seed(0)
    order = torch.randperm(784)
    torch.manual_seed(0)
    moved = shifted(report[0], most=4), report[1]
    path = RESULTS / "generalisation-causal.json"
    for pixels, permuted in {"as they are": False, "permuted": True}.items():
        parts = [
            (X.flatten(1)[:, order].view_as(X) if permuted else X, y)
            for X, y in (train, choose, report)
        ]
        for network in (convolutional, unshared, dense) if permuted else NETWORKS:
            name = f"{network.__name__}, {pixels}"
            learn = partial(learn_8000, network, *parts)
            tuned, slow = {}, network is averaged
            *row, last = (0.003, 0.01, 0.03, 0.1) if slow else (0.001, 0.003, 0.01, 0.03)
            for lr in (*row, last):
                if lr == last and min(tuned, key=tuned.get) != row[-1]:
                    break  # the best of the row is not at its end
                tried = repeat(partial(learn, lr=lr), TUNING_SEEDS, path, f"{name}, tuning {lr}")
                tuned[lr] = tried["chosen by"].mean()
            best = min(tuned, key=tuned.get)
            if network in (convolutional, averaged) and not permuted:
                learn = partial(learn, moved=moved)
            repeat(partial(learn, lr=best), SEEDS, path, name)


def learn_8000(network, train, choose, report, seed, lr, moved=None):
    """Error after three epochs over 8,000 images; on request, on shifted images too."""
    torch.manual_seed(seed)
    model = network()
    watch(model, (train[0][:8000], train[1][:8000]), 3, lr)
    found = {"chosen by": error(model, choose), "error": error(model, report), "rate": lr}
    return found | ({"error, shifted": error(model, moved)} if moved else {})


def curves(train, choose, report):
    """Eight trainings for the reader to diagnose: loss at each step, and validation loss."""
    X, y = train[0][:8000], train[1][:8000]
    order = y.argsort(stable=True)
    apart = torch.randperm(8000, generator=torch.Generator().manual_seed(0))
    few = X[:320], y[:320]
    cases = {  # letter: (what is wrong, data, settings)
        "A": ("labels apart from their images", (X, y[apart]), {}),
        "B": ("nothing", (X, y), {}),
        "C": ("learning rate too high", (X, y), {"lr": 0.2}),
        "D": ("too few images", few, {"epochs": 40}),
        "E": ("softmax before the loss", (X, y), {"softmax": True}),
        "F": ("sorted by class", (X[order], y[order]), {"shuffle": False, "lr": 0.0003}),
        "G": ("initial weights too large", (X, y), {"scale": 3}),
        "H": ("learning rate too low", (X, y), {"lr": 0.0001}),
    }
    path = RESULTS / "generalisation-curves.json"
    if path.exists():
        return
    found = {letter: record(choose, *data, **more) for letter, (_, data, more) in cases.items()}
    path.write_text(json.dumps(found))


def record(choose, X, y, epochs=1, lr=0.002, softmax=False, shuffle=True, scale=1):
    """The loss at each of some 125 to 200 steps, and the validation loss at every tenth."""
    torch.manual_seed(0)
    model = SmallCNN()
    with torch.no_grad():
        for p in model.parameters():
            p *= scale
    if softmax:
        model.append(nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    few, losses, checks = (choose[0][:1000], choose[1][:1000]), [], []
    for _ in range(epochs):
        for X_batch, y_batch in batches(X, y, 64, shuffle):
            if len(losses) % 10 == 0:
                checks.append([len(losses), round(evaluate(model, *few, LOSS)[0], 3)])
                model.train()
            step = watched_step(model, X_batch, y_batch, LOSS, optimizer)
            losses.append(round(step.loss, 3))
    return {"training": losses, "validation": checks}


EXPERIMENTS = {"curves": curves, "lab": lab, "rates": rates, "causal": causal}


if __name__ == "__main__":
    run(EXPERIMENTS, load)
