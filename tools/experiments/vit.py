"""The long experiments of the lesson on vision transformers; the page draws what they write.

    python tools/experiments/vit.py              # all of them; goes on where it was stopped
    python tools/experiments/vit.py controls     # one of them

Each writes results/vit-NAME.json, with one run for each seed. A learning rate is chosen with the
seeds of TUNING, and the runs that the page shows have the seeds of SEEDS. Accuracies are in percent
of the first 6,000 validation images; the test set is not used. About 45 minutes on one core.
"""

import copy
import math
import sys
from functools import partial
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from cnn.comparing import repeat  # noqa: E402
from cnn.data import as_tensors, batches, load_mnist, split_train_validation  # noqa: E402
from cnn.models import (  # noqa: E402
    MeanPoolViT,
    MultiHeadAttention,
    PostNormBlock,
    RegisterViT,
    ViT,
    small_cnn,
    small_mlp,
)
from cnn.training import keep_freed_memory  # noqa: E402

SEEDS = [0, 1, 2, 3, 4]
TUNING = [100, 101]
RATES = [1.5e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2, 4.8e-2]
P, D = 16, 32  # patches and features of ViT()


def result_file(name):
    return REPOSITORY / "results" / f"vit-{name}.json"


# Training


def plain_loss(model, X, y):
    return F.cross_entropy(model(X), y)


def adamw(model, lr):
    return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05, fused=True)


def train_steps(
    model, X, y, lr, steps=375, warm_up=0.1, optimizer=adamw, loss_of=plain_loss, batch_size=128
):
    """Train for a number of steps: warm-up for a share of them, then a cosine to zero."""
    optimizer = optimizer(model, lr)
    rising = max(1, int(warm_up * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / rising, 1) * (1 + math.cos(math.pi * k / steps)) / 2
    )
    model.train()
    done = 0
    while done < steps:
        for X_batch, y_batch in batches(X, y, batch_size, shuffle=True):
            loss = loss_of(model, X_batch, y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            if done == steps:
                break


@torch.no_grad()
def right(model, X, y):
    """Where the model answers right, bool (N,)."""
    model.eval()
    return torch.cat([model(part).argmax(dim=1) for part in X.split(1000)]) == y


def percent(answers):
    return 100 * answers.double().mean().item()


def accuracy(model, X, y):
    return percent(right(model, X, y))


class Data:
    """The images of the lesson, and the same with shuffled patches or pixels."""

    def __init__(self):
        mnist = load_mnist()
        training, validation = split_train_validation(mnist)
        X, self.y = as_tensors(mnist, training.indices)
        X_val, self.y_val = as_tensors(mnist, validation.indices[:6000])
        self.train, self.val = {"original": X}, {"original": X_val}
        generator = torch.Generator().manual_seed(1)
        patches = torch.randperm(P, generator=generator)
        pixels = torch.randperm(28 * 28, generator=generator)
        for part in (self.train, self.val):
            part["shuffled patches"] = shuffle_patches(part["original"], patches)
            part["shuffled pixels"] = part["original"].flatten(1)[:, pixels].view(-1, 1, 28, 28)


def shuffle_patches(X, order, size=7):
    """Images (N, 1, 28, 28) with their patches in another order."""
    patches = F.unfold(X, size, stride=size)
    return F.fold(patches[..., order], 28, size, stride=size)


# Controls: what is built in, with a learning rate of its own for each network


def fit(data, network, images, lr, seed, n=48_000, measure=None, **training):
    """Train one network; its accuracy on new images and on those it was trained on."""
    torch.manual_seed(seed)
    model = network()
    start = copy.deepcopy(model) if measure else None
    first = seed % len(SEEDS) * n if n * len(SEEDS) <= 48_000 else 0
    X, y = data.train[images][first : first + n], data.y[first : first + n]
    train_steps(model, X, y, lr, **training)
    measured = {
        "validation": accuracy(model, data.val[images], data.y_val),
        "training": accuracy(model, X[:6000], y[:6000]),
    }
    return measured | (measure(model, start, data) if measure else {})


def tuned(data, path, name, network, images="original", rates=RATES, seeds=TUNING, **training):
    """The rate with the best mean over the seeds for tuning."""

    def mean(lr):
        experiment = partial(tune, data, network, images, lr, training)
        runs = repeat(experiment, seeds, path, f"{name}, rate {lr:g}")
        return runs["validation"].mean().item()

    rates = list(rates)
    while (best := max(rates, key=mean)) == rates[-1]:  # at the end of the list: try more
        rates.append(2 * rates[-1])
    return best


def tune(data, network, images, lr, training, seed):
    return fit(data, network, images, lr, seed, **training)


def best_and_rest(
    data, path, name, network, images="original", rates=RATES, seeds=TUNING, **training
):
    """Choose a rate, then run the seeds of the page with it."""
    lr = tuned(data, path, name, network, images, rates, seeds, **training)
    run_seeds(data, path, name, network, images, lr, **training)
    return lr


def run_seeds(data, path, name, network, images, lr, **training):
    def experiment(seed):
        return {"lr": lr} | fit(data, network, images, lr, seed, **training)

    repeat(experiment, SEEDS, path, name)


def bag():
    return ViT(positions=False)


NETWORKS = {"ViT": ViT, "CNN": small_cnn, "MLP": small_mlp, "ViT without positions": bag}
SAME_PROBLEM = [("ViT", "shuffled patches"), ("MLP", "shuffled pixels")]


def rate_of(data, name, images="original"):
    """The rate of a network for one kind of images, from two seeds, of the quick MLP from five."""
    images = "original" if (name, images) in SAME_PROBLEM else images
    seeds = range(100, 105) if name == "MLP" else TUNING
    path = result_file("controls")
    return tuned(data, path, f"{name}, {images}", NETWORKS[name], images, seeds=seeds)


def controls(data):
    """Four networks on images as they are, with shuffled patches and with shuffled pixels."""
    for name, kinds in {
        "ViT": ["original", "shuffled patches", "shuffled pixels"],
        "CNN": ["original", "shuffled patches", "shuffled pixels"],
        "MLP": ["original", "shuffled pixels"],
        "ViT without positions": ["original"],
    }.items():
        for images in kinds:
            lr = rate_of(data, name, images)
            path = result_file("controls")
            run_seeds(data, path, f"{name}, {images}", NETWORKS[name], images, lr)


# Erasing: what happens when patch tokens are taken out


def attention_weights(model, X):
    """Weights of every layer, mean over the heads: (layers, N, T, T)."""
    with torch.no_grad():
        model.eval()(X)
    return torch.stack([block.attention.weights.mean(dim=1) for block in model.blocks])


def rollout(weights):
    """Attention of all layers multiplied, half of each step the skip connection: (N, T, T)."""
    total = torch.eye(weights.shape[-1])
    for layer in weights:
        total = (layer + torch.eye(layer.shape[-1])) / 2 @ total
    return total


def without(model, X, scores, k=2):
    """Logits when the k patch tokens with the largest scores (N, P) are not there."""
    kept = scores.argsort(dim=1, descending=True)[:, k:]  # (N, P - k)
    kept = torch.cat([torch.zeros_like(kept[:, :1]), 1 + kept], dim=1)  # and the class token
    tokens = model.tokens(X).gather(1, kept[..., None].expand(-1, -1, D))
    return model.head(model.norm(model.blocks(tokens)[:, 0]))


PAIRS = torch.combinations(torch.arange(P))  # (120, 2)


def matched_pair(ink, scores):
    """Pairs with nearly the ink of the top two, but none of them: scores (N, P), gap (N,)."""
    top = scores.topk(2, dim=1).indices  # (N, 2)
    shared = (PAIRS[None, :, :, None] == top[:, None, None]).flatten(2).any(dim=2)  # (N, 120)
    gap = (ink[:, PAIRS].sum(dim=2) - ink.gather(1, top).sum(dim=1, keepdim=True)).abs()
    best = gap.masked_fill(shared, float("inf")).min(dim=1)
    return torch.zeros_like(ink).scatter(1, PAIRS[best.indices], 1.0), best.values


def input_gradient(model, X):
    """Absolute gradient of the top logit, summed over each patch: (N, P)."""
    X = X.clone().requires_grad_()
    model.eval()(X).amax(dim=1).sum().backward()
    return F.avg_pool2d(X.grad.abs(), 7).flatten(1)


@torch.no_grad()
def one_by_one(model, X):
    """How much the probability of the answer falls without each patch alone: (N, P)."""
    answer = model.eval()(X).argmax(dim=1, keepdim=True)
    whole = model(X).softmax(dim=1).gather(1, answer)
    single = torch.eye(P).unbind()
    left = [
        without(model, X, s.expand(len(X), -1), 1).softmax(dim=1).gather(1, answer) for s in single
    ]
    return whole - torch.cat(left, dim=1)


def rank_correlation(a, b):
    """Spearman's correlation of the rows of a and b (N, P), mean over the rows."""
    a, b = (Z.argsort(dim=1).argsort(dim=1).double() for Z in (a, b))
    a, b = (Z - Z.mean(dim=1, keepdim=True) for Z in (a, b))
    return F.cosine_similarity(a, b, dim=1).mean().item()


def judge(model, X, y):
    """Accuracy without two patches, chosen in several ways, and how much ink those held."""
    weights = attention_weights(model, X)
    ink = F.avg_pool2d(X, 7).flatten(1)  # (N, P)
    last = weights[-1][:, 0, 1:]
    matched, gap = matched_pair(ink, last)
    generator = torch.Generator().manual_seed(0)
    choices = {
        "random": torch.rand(ink.shape, generator=generator),
        "attended": last,
        "attended, first layer": weights[0][:, 0, 1:],
        "rollout": rollout(weights)[:, 0, 1:],
        "matched": matched,
        "attended, another image": last.roll(1, dims=0),
        "rollout, another image": rollout(weights)[:, 0, 1:].roll(1, dims=0),
        "least attended": -last,
        "most ink": ink,
        "gradient": input_gradient(model, X),
        "one by one": one_by_one(model, X),
    }
    measured = {"nothing": accuracy(model, X, y)}
    answers = {}
    for name, scores in choices.items():
        with torch.no_grad():
            answers[name] = without(model, X, scores).argmax(dim=1) == y
        measured[name] = percent(answers[name])
        chosen = ink.gather(1, scores.topk(2, dim=1).indices).sum(dim=1)
        measured[f"ink, {name}"] = 100 * (chosen / ink.sum(dim=1)).mean().item()
        measured[f"correlation, {name}"] = rank_correlation(scores, choices["one by one"])
    close = gap < 0.02 * ink.sum(dim=1)
    measured["matched closely"] = percent(close)
    measured["attended where matched"] = percent(answers["attended"][close])
    measured["matched where matched"] = percent(answers["matched"][close])
    return measured


def dropping_loss(model, X, y):
    """Two patch tokens of each image, chosen at random, are not there."""
    return F.cross_entropy(without(model, X, torch.rand(len(X), P)), y)


def erasing(data):
    """Does the attention of the class token find the patches that matter?"""
    lr = rate_of(data, "ViT")
    for name, loss_of in [("ViT", plain_loss), ("trained with tokens missing", dropping_loss)]:

        def experiment(seed, loss_of=loss_of):
            torch.manual_seed(seed)
            model = ViT()
            train_steps(model, data.train["original"], data.y, lr, loss_of=loss_of)
            return judge(model, data.val["original"], data.y_val)

        repeat(experiment, SEEDS, result_file("erasing"), name)


# Parts: which of them matter


def post_norm(depth=2):
    model = ViT(depth=depth)
    model.blocks = nn.Sequential(*[PostNormBlock() for _ in range(depth)])
    return model


class UnscaledAttention(MultiHeadAttention):
    """Attention whose scores are not divided by the root of d."""

    def forward(self, X):
        N, T, width = X.shape
        d = width // self.heads
        QKV = self.to_qkv(X).view(N, T, 3, self.heads, d)
        Q, K, V = QKV.permute(2, 0, 3, 1, 4)
        weights = (Q @ K.transpose(-2, -1)).softmax(dim=-1)
        self.weights = weights.detach()
        return self.project((weights @ V).transpose(1, 2).flatten(2))


def unscaled():
    model = ViT()
    for block in model.blocks:
        scaled = block.attention.state_dict()
        block.attention = UnscaledAttention(D, block.attention.heads)
        block.attention.load_state_dict(scaled)
    return model


def small_start():
    model = ViT()
    model.positions.data /= 10  # standard deviation 0.02, as in the reference
    model.class_token.data /= 10
    return model


class Stem(nn.Sequential):
    """Three convolutions in place of the patch embedding: (N, 1, 28, 28) to (N, 16, D)."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 4, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, D, 3, stride=2, padding=1),
            nn.Flatten(2),
        )

    def forward(self, X):
        return super().forward(X).transpose(1, 2)


def with_stem():
    model = ViT()
    model.embedding = Stem()
    return model


def sgd(model, lr):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def adam(model, lr):
    return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0, fused=True)


def look_inside(model, start, data):
    """Favourite places, lengths of tokens, and what the position embeddings have become."""
    X = data.val["original"]
    weights = attention_weights(model, X)[-1][:, 0]  # (N, T)
    patches = weights[:, 1 : 1 + P]
    favourite = patches.argmax(dim=1).bincount(minlength=P)
    ink = F.avg_pool2d(X, 7).flatten(1).mean(dim=0)
    with torch.no_grad():
        lengths = model.blocks(model.tokens(X))[:, 1 : 1 + P].norm(dim=2)  # (N, P)
    learned, before = model.positions[0, 1:].detach(), start.positions[0, 1:].detach()
    places = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))
    near = torch.cdist(places, places) == 1
    far = torch.cdist(places, places) > 1
    added = F.cosine_similarity(*(Z - before for Z in (learned[:, None], learned)), dim=-1)
    whole = F.cosine_similarity(learned[:, None], learned, dim=-1)
    return {
        "favourite": 100 * favourite.max().item() / len(X),
        "ink of favourite": (ink[favourite.argmax()] / ink.mean()).item(),
        "attention on patches": 100 * patches.sum(dim=1).mean().item(),
        "attention on class token": 100 * weights[:, 0].mean().item(),
        "longest over median": (lengths.amax(dim=1) / lengths.median(dim=1).values).mean().item(),
        "cosine with start": F.cosine_similarity(learned, before, dim=1).mean().item(),
        "added, neighbours": added[near].mean().item(),
        "added, others": added[far].mean().item(),
        "positions, neighbours": whole[near].mean().item(),
        "positions, others": whole[far].mean().item(),
    }


def parts(data):
    """The network of the page with one thing changed."""
    path = result_file("parts")
    lr = rate_of(data, "ViT")
    run = partial(run_seeds, data, path)
    run("unchanged", ViT, "original", lr, measure=look_inside)
    run("registers", RegisterViT, "original", lr, measure=look_inside)
    run("positions from 0.02", small_start, "original", lr, measure=look_inside)
    run("no weight decay", ViT, "original", lr, optimizer=adam)
    run("scores not scaled", unscaled, "original", lr)
    choose = partial(
        best_and_rest, data, path, rates=[3e-3, 6e-3, 1.2e-2, 2.4e-2], seeds=TUNING[:1]
    )
    choose("mean pooling", MeanPoolViT)
    choose("no warm-up", ViT, warm_up=0)
    choose("SGD with momentum", ViT, rates=[0.003, 0.01, 0.03, 0.1, 0.3], optimizer=sgd)
    choose("convolutional stem", with_stem)


def norms(data):
    """Pre- and post-norm in six blocks, with and without warm-up, at several rates, 100 steps."""
    networks = {"pre-norm": partial(ViT, depth=6), "post-norm": partial(post_norm, 6)}
    for seed in SEEDS:
        for (name, network), warm_up, lr in product(
            networks.items(), (0.1, 0.0), (3e-3, 6e-3, 1.2e-2)
        ):
            label = f"{name}, {'warm-up' if warm_up else 'no warm-up'}, rate {lr:g}"
            experiment = partial(fit, data, network, "original", lr, steps=100, warm_up=warm_up)
            repeat(experiment, [seed], result_file("norms"), label)


# Data


def hunger(data):
    """Networks on fewer images for 375 steps, and for 1,000; `controls` has the others."""
    plan = [("original", n, 375) for n in (1000, 6000)]
    plan += [("shuffled pixels", 1000, 375), ("original", 1000, 1000), ("original", 48_000, 1000)]
    for images, n, steps in plan:
        for name in ("ViT", "CNN", "MLP"):
            if name == "MLP" and images != "original":
                continue  # the same problem under other names
            lr = rate_of(data, name, images)
            label = f"{name}, {n} images, {steps} steps"
            label += ", shuffled pixels" * (images != "original")
            path = result_file("data")
            run_seeds(data, path, label, NETWORKS[name], images, lr, n=n, steps=steps)


def move(X):
    """Each image (N, 1, 28, 28) turned by up to 12 degrees, scaled by 10 %, shifted by 2 pixels."""
    turn = math.radians(12) * (2 * torch.rand(len(X)) - 1)
    scale = 1 + 0.1 * (2 * torch.rand(len(X)) - 1)
    matrix = torch.zeros(len(X), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale * turn.cos()
    matrix[:, 0, 1] = scale * turn.sin()
    matrix[:, 1, 0] = -scale * turn.sin()
    matrix[:, :, 2] = 2 / 14 * (2 * torch.rand(len(X), 2) - 1)
    return F.grid_sample(
        X, F.affine_grid(matrix, X.shape, align_corners=False), align_corners=False
    )


def moving_loss(model, X, y):
    return F.cross_entropy(model(move(X)), y)


def mixup_loss(model, X, y):
    """Moved, and each image a blend of two, with the labels in the same proportion."""
    X = move(X)
    share = torch.distributions.Beta(0.8, 0.8).sample()
    other = torch.randperm(len(X))
    logits = model(share * X + (1 - share) * X[other])
    return share * F.cross_entropy(logits, y) + (1 - share) * F.cross_entropy(logits, y[other])


class TeacherLoss:
    """Moved, and half of the loss asks for the answer of a trained CNN instead of the label."""

    def __init__(self, teacher):
        self.teacher = teacher.eval()

    def __call__(self, model, X, y):
        X = move(X)
        with torch.no_grad():
            answer = self.teacher(X).argmax(dim=1)
        logits = model(X)
        return (F.cross_entropy(logits, y) + F.cross_entropy(logits, answer)) / 2


def augmentation(data, n=1000, steps=1000):
    """Can other training take the place of data? A ViT and a CNN on 1,000 images."""
    path = result_file("augmentation")
    rates = {name: rate_of(data, name) for name in ("ViT", "CNN")}
    run = partial(run_seeds, data, path, n=n, steps=steps)
    run("CNN, moved", small_cnn, "original", rates["CNN"], loss_of=moving_loss)
    for name, loss_of in [
        ("moved", moving_loss),
        ("moved and mixed", mixup_loss),
    ]:
        run(f"ViT, {name}", ViT, "original", rates["ViT"], loss_of=loss_of)

    def taught(seed):
        torch.manual_seed(seed)
        teacher, part = small_cnn(), slice(seed * n, (seed + 1) * n)
        X, y = data.train["original"][part], data.y[part]
        train_steps(teacher, X, y, rates["CNN"], steps, loss_of=moving_loss)
        loss_of = TeacherLoss(teacher)
        return fit(data, ViT, "original", rates["ViT"], seed, n=n, steps=steps, loss_of=loss_of)

    repeat(taught, SEEDS, path, "ViT, moved, with a teacher")


EXPERIMENTS = [controls, erasing, parts, hunger, augmentation, norms]


def main(names):
    keep_freed_memory()
    data = Data()
    for experiment in EXPERIMENTS:
        if not names or experiment.__name__ in names:
            experiment(data)


if __name__ == "__main__":
    main(sys.argv[1:])
