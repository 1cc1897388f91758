"""The long experiments of the lesson on the U-Net: skips, losses, and elastic deformations.

    python tools/experiments/unet.py              all of them
    python tools/experiments/unet.py skips        one of them; --help names all

Each goes on where it was stopped. On one core all take about half an hour. The networks,
measures and losses are those of the notebook; a test compares them.
"""

import argparse
import sys
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from cnn.comparing import repeat, stored  # noqa: E402
from cnn.data import as_tensors, batches, load_mnist, scenes, split_train_validation  # noqa: E402
from cnn.models import UNet  # noqa: E402
from cnn.training import keep_freed_memory, mixed_precision  # noqa: E402

RESULTS = REPOSITORY / "results"
SEEDS = [0, 1, 2, 3, 4]
SHORT, LONG = 150, 450  # steps
TUNING_SEEDS = {SHORT: [10, 11, 12], LONG: [10]}  # none of the comparison
RATES = {SHORT: [1e-3, 3e-3, 1e-2, 3e-2], LONG: [1e-3, 3e-3, 1e-2]}
BATCH_SIZE = 16
BACKGROUND = 0.4  # its weight in the loss
SKIPS = {
    "none": "none",
    "add": "add",
    "concatenate": "concatenate",
    "finest only": ["none", "concatenate"],
}
N_SCENES = [10, 30]
WARPS = {"off": None, "shift": 1, "elastic": 3}  # points along a side of the grid of displacements


# --- what the notebook defines too ---------------------------------------------------------------


def iou(predicted, true, n_classes=6):
    """Intersection over union of each class, over all pixels of all masks (N, H, W) together."""
    values = []
    for c in range(n_classes):
        P, T = predicted == c, true == c
        values.append((P & T).sum() / (P | T).sum())
    return torch.stack(values)  # (n_classes,); NaN for a class that is in neither


def where_iou(predicted, true):
    """IoU of digit against background, whichever digit it is."""
    return iou(predicted > 0, true > 0, n_classes=2)[1].item()


def what_accuracy(predicted, true):
    """Share of right classes among the pixels which both call a digit."""
    both = (predicted > 0) & (true > 0)
    return (predicted == true)[both].float().mean().item()


def digit_or_arc(predicted, true, layers):
    """Share of digit pixels called digit and share of arc pixels called background, averaged."""
    arc = (true == 0) & (layers > 0)
    return 0.5 * ((predicted > 0)[true > 0].float().mean() + (predicted == 0)[arc].float().mean())


@torch.no_grad()
def predict(model, images):
    """Probabilities (N, 6, H, W) of the classes at every pixel."""
    model.eval()
    return torch.cat([model(X).softmax(dim=1) for X in images.split(100)])


def train(model, scene_batches, steps, lr, loss_fn=F.cross_entropy, after_step=None):
    """Train with Adam; the learning rate rises to lr and then falls to nearly zero."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for step, (X, y) in enumerate(islice(scene_batches, steps), start=1):
        model.train()
        with mixed_precision(X.device):
            logits = model(X)  # (N, 6, H, W)
        loss = loss_fn(logits.float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if after_step:
            after_step(step, loss.item())


def dice_loss(logits, masks):
    """One minus the soft Dice coefficient, as a mean over the classes."""
    P = logits.softmax(dim=1)  # (N, n_classes, H, W)
    T = F.one_hot(masks, logits.shape[1]).movedim(3, 1)
    overlap, total = (P * T).sum(dim=(0, 2, 3)), (P + T).sum(dim=(0, 2, 3))
    return 1 - (2 * overlap / total).mean()


def warp(images, masks, points=3, pixels=2.0):
    """Move the pixels of scenes by random displacements on a grid of points × points.

    Displacements are normal with a standard deviation of `pixels`, and bicubic between the points;
    with one point the whole scene is shifted. Images (N, 1, H, W), masks (N, H, W).
    """
    N, _, H, W = images.shape
    coarse = pixels * torch.randn(N, 2, points, points)
    moved = F.interpolate(coarse, (H, W), mode="bicubic", align_corners=True)  # (N, 2, H, W)
    grid = F.affine_grid(torch.eye(2, 3).expand(N, 2, 3), images.shape, align_corners=False)
    grid = grid + 2 * moved.movedim(1, 3) / torch.tensor([W, H])  # -1 and 1 at the borders
    sample = partial(F.grid_sample, grid=grid, padding_mode="reflection", align_corners=False)
    warped = sample(masks[:, None].float(), mode="nearest")[:, 0].long()
    return sample(images, mode="bilinear"), warped


weight = torch.tensor([BACKGROUND, 1, 1, 1, 1, 1])
weighted_loss = partial(F.cross_entropy, weight=weight)
LOSSES = {
    "cross-entropy": F.cross_entropy,
    "weighted": weighted_loss,
    "Dice": dice_loss,
    "both": lambda logits, masks: F.cross_entropy(logits, masks) + dice_loss(logits, masks),
}

# --- the data ------------------------------------------------------------------------------------


@lru_cache
def digits_below_5():
    """(X, y) of the training part and (X, y) of the validation part, the digits 0 to 4 only."""
    mnist, parts = load_mnist(), []
    for part in split_train_validation(mnist):
        X, y = as_tensors(mnist, part.indices)
        parts.append((X[y < 5], y[y < 5]))
    return parts


@lru_cache
def validation_scenes():
    return scenes(*digits_below_5()[1], n=600, seed=1)


@lru_cache(maxsize=1)
def training_scenes(seed, n):
    images, masks, _ = scenes(*digits_below_5()[0], n=n, seed=100 + seed)
    return images, masks


# --- the experiments -----------------------------------------------------------------------------


def trained(seed, steps, lr, skips="concatenate", loss_fn=weighted_loss, scene_batches=None):
    """A network after training, with the seed for its weights and for the order of the scenes."""
    images, masks = training_scenes(seed, BATCH_SIZE * steps)
    torch.manual_seed(seed)
    model = UNet(skips=skips).to(memory_format=torch.channels_last)
    train(model, scene_batches or batches(images, masks, BATCH_SIZE), steps, lr, loss_fn)
    return model


def measures(predicted, masks, layers):
    """Mean IoU of the digits, where, digit or arc, and what, from classes (N, H, W)."""
    return {
        "iou": iou(predicted, masks)[1:].nan_to_num().mean().item(),
        "where": where_iou(predicted, masks),
        "digit or arc": digit_or_arc(predicted, masks, layers),
        "what": what_accuracy(predicted, masks),
    }


def measured(seed, lr, **settings):
    images, masks, layers = validation_scenes()
    predicted = predict(trained(seed, lr=lr, **settings), images).argmax(dim=1)
    return measures(predicted, masks, layers) | {"rate": lr}


def rates():
    """A learning rate for each kind of skip and each number of steps."""
    for steps in (SHORT, LONG):
        for name, skips in SKIPS.items():
            for lr in RATES[steps]:
                run = partial(measured, steps=steps, lr=lr, skips=skips)
                label = f"{name}, {steps} steps, rate {lr:g}"
                repeat(run, TUNING_SEEDS[steps], RESULTS / "unet-rates.json", label)


def best_rate(start, path=RESULTS / "unet-rates.json"):
    """The rate with the highest mean IoU among the stored runs whose name begins so."""
    found = {
        float(name.rpartition(" ")[2]): runs["iou"].mean().item()
        for name, runs in stored(path).items()
        if name.startswith(f"{start}, rate")
    }
    return max(found, key=found.get)


def skips(steps=SHORT):
    """None, add, concatenate, the finest level only: each with the rate that suits it."""
    rates()
    for seed in SEEDS:
        for name, how in SKIPS.items():
            label = f"{name}, {steps} steps"
            run = partial(measured, steps=steps, lr=best_rate(label), skips=how)
            repeat(run, [seed], RESULTS / "unet-skips.json", label)


def loss_rates():
    """A learning rate for each loss."""
    for name, loss_fn in LOSSES.items():
        for lr in RATES[LONG]:
            run = partial(measured, steps=SHORT, lr=lr, loss_fn=loss_fn)
            label = f"{name}, rate {lr:g}"
            repeat(run, TUNING_SEEDS[LONG], RESULTS / "unet-loss-rates.json", label)


def losses():
    """Four losses: missed pixels, false alarms, and how far the probabilities can be trusted."""
    loss_rates()
    path = RESULTS / "unet-loss-rates.json"
    for seed in SEEDS:
        for name, loss_fn in LOSSES.items():
            run = partial(loss_measures, loss_fn=loss_fn, lr=best_rate(name, path))
            repeat(run, [seed], RESULTS / "unet-losses.json", name)


def loss_measures(seed, loss_fn, lr):
    """`measures`, kinds of mistakes, and for the probability of digit two curves."""
    images, masks, layers = validation_scenes()
    P = predict(trained(seed, SHORT, lr, loss_fn=loss_fn), images)
    predicted, digit, p = P.argmax(dim=1), masks > 0, 1 - P[:, 0]
    values = measures(predicted, masks, layers) | {"rate": lr}
    values["missed"] = (predicted == 0)[digit].float().mean()
    values["false alarms"] = (predicted > 0)[~digit].float().mean()
    for threshold in [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98]:
        values[f"missed at {threshold}"] = (p <= threshold)[digit].float().mean()
        values[f"false alarms at {threshold}"] = (p > threshold)[~digit].float().mean()
    for name, q in [("", p), ("corrected ", corrected(P))]:
        values[f"{name}gap"] = calibration_gap(q, digit)
    tenth = (10 * p).long().clamp(max=9)
    for k in range(10):
        inside = tenth == k
        values[f"said {k}"] = p[inside].mean().nan_to_num()
        values[f"true {k}"] = digit[inside].float().mean().nan_to_num()
    return values


def corrected(P, background=BACKGROUND):
    """Probability of digit after the weight of the background is divided out again."""
    return 1 - P[:, 0] / background / (P[:, 0] / background + 1 - P[:, 0])


def calibration_gap(p, digit, bins=10):
    """Mean distance between probability and share of digits, over the pixels (N, H, W)."""
    tenth = (bins * p).long().clamp(max=bins - 1)
    gap = 0
    for k in range(bins):
        inside = tenth == k
        gap += (p[inside].sum() - digit[inside].sum()).abs()
    return gap / p.numel()


def elastic():
    """Training on 10 or 30 scenes, as they are, shifted, or deformed anew at each step."""
    lr = best_rate(f"concatenate, {LONG} steps")
    for seed in SEEDS:
        for n in N_SCENES:
            for name, points in WARPS.items():
                run = partial(few_scenes, n=n, points=points, lr=lr)
                repeat(run, [seed], RESULTS / "unet-elastic.json", f"{name}, {n} scenes")


def few_scenes(seed, n, points, lr, steps=LONG):
    images, masks, _ = scenes(*digits_below_5()[0], n=n, seed=200 + seed)
    return measured(seed=seed, steps=steps, lr=lr, scene_batches=drawn_again(images, masks, points))


def drawn_again(images, masks, points):
    """Batches drawn at random from a few scenes, without end."""
    while True:
        chosen = torch.randint(len(images), (BATCH_SIZE,))
        X, y = images[chosen], masks[chosen]
        yield warp(X, y, points) if points else (X, y)


EXPERIMENTS = {
    "rates": rates,
    "skips": skips,
    "skips-long": partial(skips, steps=LONG),
    "loss-rates": loss_rates,
    "losses": losses,
    "elastic": elastic,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], default=[])
    keep_freed_memory()
    for name in parser.parse_args().names or EXPERIMENTS:
        EXPERIMENTS[name]()
