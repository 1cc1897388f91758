"""The long experiments of the lesson on photographs: few labelled images, digits, scenes, changes.

    python tools/experiments/photographs.py            all of them
    python tools/experiments/photographs.py patches    one of them; --help names all

Each goes on where it was stopped. On one core all take about an hour.
"""

import argparse
import json
import sys
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms import v2

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "notebooks"), str(REPOSITORY / "tools")]

from experiments.unet import (  # noqa: E402
    digits_below_5,
    drawn_again,
    iou,
    validation_scenes,
    weighted_loss,
    what_accuracy,
    where_iou,
)

from cnn.comparing import repeat, stored  # noqa: E402
from cnn.data import as_tensors, load_mnist, scenes, split_train_validation  # noqa: E402
from cnn.frozen import frozen  # noqa: E402
from cnn.lab import SmallCNN  # noqa: E402
from cnn.photographs import (  # noqa: E402
    MATERIALS,
    EfficientNetLite0,
    as_input,
    backbone,
    linear_head,
    patches,
    photograph,
    preprocess,
    pretrained,
    published_weights,
)
from cnn.training import keep_freed_memory  # noqa: E402

RESULTS = REPOSITORY / "results"
SEEDS = [0, 1, 2, 3, 4]
TUNING_SEED = 10  # none of the comparison
SIZES = [2, 4, 8, 16, 32, 64]  # labelled images of each class
RATES = [3e-4, 1e-3, 3e-3]
STEPS = {"fine-tuned": 40, "from scratch": 80, "small, from scratch": 200}
BATCH_SIZE = 16


# --- networks for patches ------------------------------------------------------------------------


def small_network(n_classes):
    """A network for 64 × 64 pixels that learns quickly: four convolutions with batch norm."""
    layers, channels = [], 3
    for width in (16, 32, 64, 64):
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes)
    )


def new_network(way, n_classes):
    """A network to train, as each way begins."""
    if way == "small, from scratch":
        return small_network(n_classes)
    model = pretrained() if way == "fine-tuned" else EfficientNetLite0(n_classes)
    if way == "fine-tuned":
        model[-1] = nn.Linear(1280, n_classes)
        nn.init.zeros_(model[-1].weight)
        nn.init.zeros_(model[-1].bias)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1  # 0.01 suits the long training on ImageNet, not 100 steps
    return model


def trained(way, X, y, n_classes, lr, change=None):
    """Train on a few images X (N, 1, H, W) in 0..255 with Adam; the rate rises, then falls."""
    model = new_network(way, n_classes).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=STEPS[way])
    for _ in range(STEPS[way]):
        chosen = torch.randint(len(X), (BATCH_SIZE,))
        batch = change(X[chosen]) if change else X[chosen]
        loss = F.cross_entropy(model(as_input(batch)), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def accuracy(model, X, y):
    """Share of right answers in percent, for X (N, 1, H, W) in 0..255."""
    right = [model(as_input(a)).argmax(dim=1) == b for a, b in zip(X.split(100), y.split(100))]
    return 100 * torch.cat(right).float().mean().item()


def percent(logits, y):
    return 100 * (logits.argmax(dim=1) == y).float().mean().item()


@lru_cache
def network(weights):
    """The frozen network: with the weights of ImageNet, or as it was before any training."""
    torch.manual_seed(0)
    model = pretrained() if weights == "ImageNet" else measured_norms(EfficientNetLite0())
    return backbone(model).eval()


@torch.no_grad()
def measured_norms(model):
    """An untrained network whose batch norms know the means and variances of the patches."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the mean of all batches
    model.train()(as_input(patches("train", 16, seed=0)[0]))
    return model.eval()


def features(X, weights="ImageNet"):
    return frozen(network(weights), as_input(X))


# --- materials -----------------------------------------------------------------------------------


@lru_cache
def strip_patches(part):
    return patches(part, 60, seed=1000)


def with_rate(way, path=RESULTS / "photographs-rates.json"):
    """The rate that did best on the validation strips, in the tuning."""
    runs = stored(path)
    return max(RATES, key=lambda lr: runs[f"{way}, rate {lr:g}"]["accuracy"].mean().item())


def rates():
    """A learning rate for each way, with 16 patches of each material, on the validation strips."""
    X, y = patches("train", 16, TUNING_SEED)
    for way in STEPS:
        for lr in RATES:

            def run(seed, way=way, lr=lr):
                torch.manual_seed(seed)
                model = trained(way, X, y, len(MATERIALS), lr)
                return {"accuracy": accuracy(model, *strip_patches("validation"))}

            repeat(run, [TUNING_SEED], RESULTS / "photographs-rates.json", f"{way}, rate {lr:g}")


def from_patches(seed, way, n, lr):
    """Accuracy in percent on the test strips after n patches of each material."""
    X, y = patches("train", n, seed)
    X_test, y_test = strip_patches("test")
    torch.manual_seed(seed)
    if way == "pixels":
        head = linear_head(X.flatten(1), y, len(MATERIALS))
        return {"accuracy": percent(head(X_test.flatten(1)), y_test)}
    if way.startswith("frozen"):
        weights = "ImageNet" if way == "frozen" else "untrained"
        head = linear_head(features(X, weights), y, len(MATERIALS))
        return {"accuracy": percent(head(features(X_test, weights)), y_test)}
    return {"accuracy": accuracy(trained(way, X, y, len(MATERIALS), lr), X_test, y_test)}


QUICK = ["pixels", "frozen", "frozen, untrained"]


def quick():
    """The ways without a training of the network."""
    run_patches(QUICK)


def run_patches(ways, seeds=SEEDS, sizes=SIZES):
    for seed in seeds:
        for n in sizes:
            for way in ways:
                lr = with_rate(way) if way in STEPS else 0
                run = partial(from_patches, way=way, n=n, lr=lr)
                repeat(run, [seed], RESULTS / f"photographs-{file_of(way)}.json", f"{way}, {n}")


def file_of(way):
    return "patches" if way in QUICK else "trained"


def slow():
    """The ways that train the network; the large one from scratch for one size only."""
    rates()
    for seed in SEEDS:
        run_patches(["fine-tuned", "small, from scratch"], [seed], [2, 8, 64])
        run_patches(["from scratch"], [seed], [8])


def leaks():
    """The same test patches, and training patches from elsewhere or from around them."""
    X_test, y_test = strip_patches("test")
    for n in SIZES:
        for name, part in [("another strip", "train"), ("the same strip", "test")]:

            def run(seed, part=part, n=n):
                X, y = patches(part, n, seed)
                head = linear_head(features(X), y, len(MATERIALS))
                return {"accuracy": percent(head(features(X_test)), y_test)}

            repeat(run, SEEDS, RESULTS / "photographs-leaks.json", f"{name}, {n}")


# --- digits --------------------------------------------------------------------------------------


@lru_cache
def digits():
    """Training and validation digits: X (N, 1, 28, 28) in 0..1 and y."""
    mnist = load_mnist()
    training, validation = split_train_validation(mnist)
    return as_tensors(mnist, training.indices), as_tensors(mnist, validation.indices[:1000])


def few_digits(n, seed):
    """n digits of each class from the training part."""
    (X, y), _ = digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(y), generator=generator)
    chosen = torch.cat([order[y[order] == digit][:n] for digit in range(10)])
    return X[chosen], y[chosen]


def train_small(X, y, change=None, steps=300, lr=3e-3):
    """The small CNN of the lesson on generalisation, on few digits that are changed anew."""
    model = SmallCNN().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(X), (32,))
        batch = change(X[chosen]) if change else X[chosen]
        loss = F.cross_entropy(model(batch), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def from_digits(seed, way, n, change=None):
    X, y = few_digits(n, seed)
    X_val, y_val = digits()[1]
    torch.manual_seed(seed)
    if way == "frozen":
        head = linear_head(features(255 * X), y, 10)
        logits = head(features(255 * X_val))
    elif way == "pixels":
        logits = linear_head(X.flatten(1), y, 10)(X_val.flatten(1))
    else:
        model = train_small(X, y, change)
        with torch.no_grad():
            logits = model(X_val)
    return {"accuracy": percent(logits, y_val)}


def on_digits():
    """Frozen features, pixels, and a small CNN from scratch, on few digits."""
    for seed in SEEDS:
        for n in SIZES:
            for way in ("pixels", "frozen", "small CNN"):
                run = partial(from_digits, way=way, n=n)
                repeat(run, [seed], RESULTS / "photographs-digits.json", f"{way}, {n}")


# --- augmentation --------------------------------------------------------------------------------


def each(transform):
    """The transform with new random numbers for each image of a batch."""
    return lambda X: torch.stack([transform(image) for image in X])


DIGIT_CHANGES = {
    "none": None,
    "shift": each(v2.RandomAffine(0, translate=(0.1, 0.1))),
    "turn, scale, shift": each(v2.RandomAffine(15, translate=(0.1, 0.1), scale=(0.85, 1.15))),
    "mirror": each(v2.RandomHorizontalFlip()),
    "turn to any angle": each(v2.RandomAffine(180)),
}


def augmentation():
    """What changed images bring, on 10 digits of each class."""
    for seed in SEEDS:
        for name, change in DIGIT_CHANGES.items():
            run = partial(from_digits, way="small CNN", n=10, change=change)
            repeat(run, [seed], RESULTS / "photographs-changed-digits.json", name)


# --- scenes --------------------------------------------------------------------------------------

LEVELS = [1, 2, 3, 5]  # stages whose maps are put side by side: 80, 40, 20 and 10 pixels wide


@torch.no_grad()
def maps_of(images):
    """Maps of four stages for scenes (N, 1, 40, 40) in 0..1, all 40 × 40: half (N, 192, 40, 40)."""
    model, found = list(network("ImageNet")), []
    for batch in images.split(20):
        X, kept = as_input(255 * batch, size=160), []
        for i, stage in enumerate(model[: LEVELS[-1] + 1]):
            X = stage(X)
            if i in LEVELS:
                kept.append(F.interpolate(X, (40, 40), mode="bilinear", antialias=True))
        found.append(torch.cat(kept, dim=1).half())
    return torch.cat(found)


@lru_cache
def validation_maps():
    return maps_of(validation_scenes()[0])


def on_scenes(seed, n, steps=300):
    """A linear layer for each pixel on frozen maps, trained on n scenes, as a U-Net was.

    Scenes, loss and validation are those of the experiment `elastic` of the lesson on the U-Net,
    whose file holds what a U-Net from scratch reaches ("off, n scenes").
    """
    images, masks, _ = scenes(*digits_below_5()[0], n=n, seed=200 + seed)
    y_val = validation_scenes()[1]
    torch.manual_seed(seed)
    maps = maps_of(images).float()
    mean, std = maps.mean(dim=(0, 2, 3)), maps.std(dim=(0, 2, 3)) + 1e-3
    normal = (maps - mean[:, None, None]) / std[:, None, None]
    model = nn.Conv2d(len(mean), 6, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for X, y in islice(drawn_again(normal, masks, None), steps):
        loss = weighted_loss(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        answers = [
            model((X.float() - mean[:, None, None]) / std[:, None, None]).argmax(dim=1)
            for X in validation_maps().split(50)
        ]
    answer = torch.cat(answers)
    return {
        "iou": iou(answer, y_val)[1:].nan_to_num().mean(),
        "where": where_iou(answer, y_val),
        "what": what_accuracy(answer, y_val),
    }


def all_scenes():
    """Frozen maps on 10 and 30 scenes."""
    for seed in SEEDS:
        for n in (10, 30):
            run = partial(on_scenes, n=n)
            repeat(run, [seed], RESULTS / "photographs-scenes.json", f"frozen maps, {n} scenes")


# --- the reference implementation ----------------------------------------------------------------


def reference():
    """Logits of the implementation that these weights were published for, to compare ours with.

    Needs `pip install --no-deps efficientnet-lite-pytorch==0.1.0`, which nothing else does.
    """
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0").eval()
    model.load_state_dict(published_weights())
    with torch.no_grad():
        logits = {
            name: [
                round(value, 4) for value in model(preprocess(photograph(name))[None])[0].tolist()
            ]
            for name in ("cat", "coffee", "rocket", "camera")
        }
    file = {"package": "efficientnet-lite-pytorch 0.1.0", "logits": logits}
    (RESULTS / "photographs-reference.json").write_text(json.dumps(file))


EXPERIMENTS = {
    "quick": quick,
    "leaks": leaks,
    "digits": on_digits,
    "augmentation": augmentation,
    "slow": slow,
    "scenes": all_scenes,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS, "reference"], default=[])
    keep_freed_memory()
    for name in parser.parse_args().names or EXPERIMENTS:
        (EXPERIMENTS | {"reference": reference})[name]()
