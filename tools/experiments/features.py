"""The long experiments of the lesson on features, into results/features-*.json.

    python tools/experiments/features.py           # all of them; goes on where it was stopped
    python tools/experiments/features.py cue maps  # only these

The page draws what they write. No network sees the validation images, or the images that probes and
neighbours are fitted to. Trained networks are kept in build/. About 10 minutes on one core.
"""

import copy
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
from cnn.inside import (  # noqa: E402
    after,
    explain,
    input_gradient,
    left_after_erasing,
    mass_on,
    nearest_neighbour_accuracy,
    probe_accuracy,
    purity,
    share,
    similarity,
    top_in,
    with_mark,
)
from cnn.models import CNN  # noqa: E402
from cnn.training import evaluate, train_one_epoch  # noqa: E402

SEEDS = range(5)
LOSS = nn.CrossEntropyLoss()
G_X = torch.tensor([[-1.0, 0, 1]] * 3) / 6**0.5
FLAT = torch.full((3, 3), 1 / 3)
REGION = torch.zeros(28, 28, dtype=torch.bool)
REGION[:7, :7] = True


def load():
    """24,000 images to train on, 1,000 others for probes and neighbours, 2,000 to measure."""
    mnist = load_mnist()
    training, validation = split_train_validation(mnist)
    train = as_tensors(mnist, training.indices[:24000])
    others = as_tensors(mnist, training.indices[24000:25000])
    return train, others, as_tensors(mnist, validation.indices[:2000])


def fresh(seed):
    torch.manual_seed(seed)
    return CNN().to(memory_format=torch.channels_last)


def fit(model, X, y, epochs, batch_size, lr):
    """Train with Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(epochs):
        train_one_epoch(model, X, y, LOSS, optimizer, batch_size)
    return model.eval()


# Networks and their controls

KINDS = ["untrained", "24,000 images", "400 images", "400 images, shuffled labels"]


def network(kind, seed, train):
    """The network of one kind and seed, from build/ if it was trained before."""
    model = fresh(seed)
    path = REPOSITORY / "build" / f"features-{KINDS.index(kind)}-{seed}.pt"
    if kind == "untrained":
        return model.eval()
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
    if kind == "24,000 images":
        fit(model, *train, epochs=1, batch_size=256, lr=3e-3)
    else:
        fit(without_dropout(model), *few(kind, seed, train), epochs=30, batch_size=50, lr=1e-3)
    path.parent.mkdir(exist_ok=True)
    torch.save(model.state_dict(), path)
    return model


def few(kind, seed, train):
    """400 images, others for each seed; the labels in their places or shuffled."""
    images = slice(400 * seed, 400 * (seed + 1))
    X, y = (part[images] for part in train)
    shuffled = y[torch.randperm(400, generator=torch.Generator().manual_seed(seed))]
    return X, shuffled if "shuffled" in kind else y


def without_dropout(model):
    """So that 400 images can be learned by heart in 30 epochs."""
    for layer in model:
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model


def controls(train, others, val):
    """The same measures on an untrained network, and on three that were trained."""
    for kind in KINDS:
        experiment = partial(measure, kind, train, others, val)
        repeat(experiment, SEEDS, RESULTS / "features-controls.json", kind)


def measure(kind, train, others, val, seed):
    """Everything that the page measures on units and layers, for one network."""
    model, start = network(kind, seed, train), fresh(seed)
    own = few(kind, seed, train) if kind.startswith("400") else train
    own = own[0][:2000], own[1][:2000]
    found = {
        "accuracy": evaluate(model, *val, LOSS)[1],
        "training accuracy": evaluate(model, *own, LOSS)[1],
    }
    return found | measure_kernels(model, start) | measure_units(model, *others)


@torch.no_grad()
def measure_kernels(model, start):
    """Shares of the kernels and of the change that training made; how long that change is."""
    kernels, before = (m[0].weight.squeeze(1) for m in (model, start))  # (32, 3, 3)
    found = {"edge share": share(kernels, G_X, G_X.T).mean()}
    change = kernels - before
    change = change[change.norm(dim=(1, 2)) > 0]
    if len(change):
        found |= {
            "edge share of change": share(change, G_X, G_X.T).mean(),
            "flat share of change": share(change, FLAT).mean(),
            "length of change": change.norm() / before.norm(),
        }
    return found


def measure_units(model, X, y):
    """Zeros in the maps, and purity of the filters and of the dense units, on images (N, ...)."""
    first, second, dense = (after(model, n, X) for n in (2, 4, 9))
    peak = second.amax(dim=(2, 3))  # (N, 64)
    by_filter = purity(peak[:, peak.amax(dim=0) > 0], y)
    by_unit = purity(dense[:, dense.amax(dim=0) > 0], y)
    return {
        "zeros 1": (first == 0).float().mean(),
        "zeros 2": (second == 0).float().mean(),
        "purity of filters": by_filter.mean(),
        "purity of units": by_unit.mean(),
        "active units": len(by_unit),
        "pure units": (by_unit == 1).sum(),
        "nearly pure units": (by_unit >= 0.9).sum(),
    }


def layers(train, others, val):
    """What a nearest neighbour and a linear probe find in each layer, for the same networks."""
    for kind in KINDS:
        experiment = partial(measure_layers, kind, train, others, val)
        repeat(experiment, SEEDS, RESULTS / "features-layers.json", kind)


def measure_layers(kind, train, others, val, seed):
    """Nearest neighbours and linear probes, for the pixels and what two layers make of them."""
    model, found = network(kind, seed, train), {}
    (X, y), (X_val, y_val) = others, val
    for layer, n in {"pixels": 0, "pooled maps": 5, "units": 9}.items():
        known, points = (after(model, n, images).flatten(1) for images in (X, X_val[:1000]))
        data = known, y, points, y_val[:1000]
        found[f"neighbour, {layer}"] = nearest_neighbour_accuracy(*data)
        found[f"probe, {layer}"] = probe_accuracy(*data)
    return found


# Maps


def maps(train, others, val):
    """How alike the maps of two networks are, and what is left without a map's top pixels."""
    repeat(partial(compare_maps, train, val), SEEDS, RESULTS / "features-maps.json", "maps")


def right_images(model, val, n=100):
    """The first n validation images that the network answers correctly, and their classes."""
    with torch.no_grad():
        right = (model(val[0][:200]).argmax(dim=1) == val[1][:200]).nonzero().flatten()[:n]
    return val[0][right], val[1][right]


def compare_maps(train, val, seed):
    """Each method: likeness to its maps of other networks, and probability left after erasing."""
    model = network("24,000 images", seed, train)
    X, y = right_images(model, val)
    maps, found = explain(model, X, y), {}
    torch.manual_seed(seed)
    scores = {"random": torch.rand(len(X), 28, 28)} | maps
    scores["gradient times input"] = (input_gradient(model, X, y) * X)[:, 0]
    for method, ranking in scores.items():
        found[f"{method}, erased"] = left_after_erasing(model, X, y, ranking).mean()
    for name, other in other_networks(model, seed, train).items():
        for method, of_other in explain(other, X[:25], y[:25]).items():
            found[f"{method}, {name}"] = similarity(maps[method][:25], of_other).mean()
    return found


def other_networks(model, seed, train):
    """Networks whose maps are compared with those of the model."""
    random = fresh(1000 + seed).eval()
    last_new, dense_new = copy.deepcopy(model), copy.deepcopy(model)
    last_new[10] = random[10]
    dense_new[7], dense_new[10] = random[7], random[10]
    return {
        "another seed": network("24,000 images", (seed + 1) % len(SEEDS), train),
        "last layer new": last_new,
        "dense layers new": dense_new,
        "all layers new": random,
        "shuffled labels": network("400 images, shuffled labels", seed, train),
    }


# A planted cue


def cue(train, others, val):
    """A mark that tells the class 3 in training, and one that tells nothing: which map finds it?"""
    for name, tells in {"mark tells": True, "mark tells nothing": False}.items():
        experiment = partial(planted, train, val, tells)
        repeat(experiment, SEEDS, RESULTS / "features-cue.json", name)


def planted(train, val, tells, seed):
    """Train on 4,000 images with marks; accuracy with and without mark, and scores of the maps."""
    torch.manual_seed(seed)
    X, y = (part[4000 * seed : 4000 * (seed + 1)] for part in train)
    chosen = y == 3 if tells else torch.rand(len(y)) < 0.1
    X = torch.where(chosen.view(-1, 1, 1, 1), with_mark(X), X)
    model = fit(fresh(seed), X, y, epochs=2, batch_size=64, lr=2e-3)
    answers, found = score_answers(model, *val)
    three = val[1] == 3
    usable = ~three & (answers["plain"] == val[1])
    if tells:
        usable &= answers["marked"] == 3
    X = with_mark(val[0][usable][:50])
    target = torch.full((len(X),), 3)
    networks = {"": model} | ({"untrained, ": fresh(seed).eval()} if tells else {})
    found["images"] = len(X)
    found["ink"] = mass_on(X[:, 0], REGION).mean()
    for prefix, net in networks.items():
        for method, m in explain(net, X, target).items():
            found[f"{prefix}{method}, mass"] = mass_on(m, REGION).mean()
            found[f"{prefix}{method}, top"] = top_in(m, REGION).mean()
    return found


@torch.no_grad()
def score_answers(model, X, y):
    """The answers to the images as they are and with the mark, and percentages of them."""
    answers = {"plain": model(X).argmax(dim=1), "marked": model(with_mark(X)).argmax(dim=1)}
    three, found = y == 3, {}
    for name, answer in answers.items():
        found |= {
            f"{name} 3 right": 100 * (answer[three] == 3).float().mean(),
            f"{name} others right": 100 * (answer == y)[~three].float().mean(),
            f"{name} others called 3": 100 * (answer[~three] == 3).float().mean(),
        }
    return answers, found


EXPERIMENTS = {"controls": controls, "layers": layers, "maps": maps, "cue": cue}


if __name__ == "__main__":
    run(EXPERIMENTS, load)
