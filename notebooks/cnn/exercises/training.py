"""The exercises of the lesson on training: gradient, step, learning rate, baseline, saved file."""

import copy
import math
import tempfile
from pathlib import Path

import torch
from torch import nn

from cnn.exercises.checking import (
    Wrong,
    call,
    compare,
    difference,
    exercise,
    predict,
    same,
    show,
    show_call,
)

W_GRAD = "w.grad after backward() was called twice"


@exercise(
    hints=[
        "Forward first: p, q, r, s and the loss. Write each value down.",
        "Then backward, from the loss: dL/ds = 2 (s - t). For each node before it, multiply by the"
        " derivative of one operation: a product gives the *other* factor, a sum gives 1, and a"
        " ReLU gives 1 where its input is positive.",
        "The step is w - lr * gradient. And `backward` adds to what is in `.grad` already.",
    ],
    why="Every gradient of this course is found in this way: one small derivative for each"
    " operation, multiplied along the path from the loss. `backward` does it for a million"
    " parameters in one pass.",
    misconceptions={
        "square": "the derivative of (s - t)² is 2 (s - t), with the factor 2.",
        "chain": "that is the derivative of one operation alone. It has to be multiplied by what"
        " comes from the loss.",
        "path": "the way from the loss to this parameter leads through the product v r, so the"
        " factor v belongs to it.",
        "uphill": "this step follows the gradient, and the loss would grow. The step goes against"
        " it.",
        "accumulation": "`backward` does not replace what is in `.grad`: it adds to it.",
    },
)
def gradients(predictions, draw):
    x, w, b, v, t = 4.0, 0.5, 1.0, -2.0, -4.0
    r = max(w * x + b, 0)
    ds = 2 * (v * r - t)
    names = ("gradient of v", "gradient of b", "gradient of w")
    truth = dict(zip(names, (ds * r, ds * v, ds * v * x)))
    dw = truth["gradient of w"]
    truth |= {"w after one step with lr 0.01": w - 0.01 * dw, W_GRAD: 2 * dw}
    mistakes = {
        "square": {name: truth[name] / 2 for name in names},
        "chain": dict(zip(names, (r, v, v * x))),
        "path": dict(zip(names[1:], (ds, ds * x))),
        "uphill": {"w after one step with lr 0.01": w + 0.01 * dw},
        "accumulation": {W_GRAD: dw},
    }
    predict(_with_decimals(predictions), truth, mistakes)


def _with_decimals(predictions):
    """A dictionary with its whole numbers as decimal ones: -12 is as good as -12.0 here."""
    if not isinstance(predictions, dict):
        return predictions
    return {name: float(x) if type(x) is int else x for name, x in predictions.items()}


@exercise(
    hints=[
        "Four things, in this order: the loss of the batch, no old gradients, new gradients, a"
        " step.",
        "`loss_fn(model(X), y)`, `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`.",
        "`loss.item()` is the number to return.",
    ],
    why="These lines are all of training, in every framework and for every network of this course."
    " The rest is bookkeeping.",
    misconceptions={
        "gradients": "the gradients of earlier batches are still in it: `backward` adds to them.",
        "order": "the step comes before the new gradients, or after they were cleared. It uses"
        " what `.grad` holds at that moment.",
        "logits": "the loss does a softmax itself. It wants the logits as the model gives them.",
    },
)
def step(function, draw):
    model = nn.Linear(4, 3)
    data = [(draw.normal(6, 4), draw.integers(3, 6)) for _ in range(3)]
    got, right = _trained(function, model, data), _trained(_step, model, data)
    ways = [
        ("gradients", _keeping),
        ("order", _too_early),
        ("order", _cleared),
        ("logits", _squashed),
    ]
    for number, (now, due) in enumerate(zip(got, right), start=1):
        if same(now, due):
            continue
        about = next((name for name, way in ways if same(got, _trained(way, model, data))), None)
        if not same(now[0], due[0]):
            what = f"it returned the loss {show(now[0])}; it should be {show(due[0])}."
        else:
            what = f"the weight {difference(now[1], due[1]).replace('returned', 'is now')}"
        raise Wrong(f"Step {number} of 3: {what}", about)


def _trained(way, model, data):
    """(loss, weights) after each of the steps that `way` takes on a copy of the model."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return [
        (call(way, model, X, y, nn.CrossEntropyLoss(), optimizer), model.weight.detach().clone())
        for X, y in data
    ]


def _step(model, X, y, loss_fn, optimizer, squash=False, keep=False):
    outputs = model(X)
    loss = loss_fn(outputs.softmax(dim=1) if squash else outputs, y)
    if not keep:
        optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _keeping(*args):
    return _step(*args, keep=True)


def _squashed(*args):
    return _step(*args, squash=True)


def _too_early(model, X, y, loss_fn, optimizer):
    loss = loss_fn(model(X), y)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def _cleared(model, X, y, loss_fn, optimizer):
    return loss_fn(model(X), y).item()


@exercise(
    hints=[
        "Take the mean over the seeds for each rate, then the rate with the smallest mean.",
        "A run that failed has the loss `nan`, and so has a mean that contains it. No number is"
        " smaller than `nan`, and `nan` is not smaller than any number, so `min` may return it:"
        " leave such rates out first.",
        "`math.isfinite(mean)` tells which means are numbers.",
    ],
    why="A rate can be the best with one seed by luck, and a rate that fails with one seed of three"
    " is too close to the limit. The mean over seeds shows the first, and nan the second.",
    misconceptions={
        "lucky seed": "this rate has the smallest single loss. With the other seeds it is worse"
        " than another rate.",
        "failed run": "one run at this rate failed. The mean of the others leaves out just what"
        " speaks against it.",
        "not a number": "this rate has a loss of nan. `min` returned it, because no number is"
        " smaller than nan.",
        "loss": "this is the smallest mean loss. The rate that belongs to it is asked for.",
    },
)
def choose_rate(function, draw):
    def right(val_losses):
        means = _finite_means(val_losses)
        return min(means, key=means.get)

    mistakes = {
        "lucky seed": _lowest_loss,
        "failed run": _best_of_survivors,
        "not a number": lambda val_losses: next(iter(val_losses)),
        "loss": lambda val_losses: min(_finite_means(val_losses).values()),
    }
    compare(function, right, [(_a_sweep(draw),) for _ in range(3)], mistakes)


def _finite_means(val_losses):
    means = {lr: sum(losses) / len(losses) for lr, losses in val_losses.items()}
    return {lr: mean for lr, mean in means.items() if math.isfinite(mean)}


def _survivors(losses):
    return [loss for loss in losses if math.isfinite(loss)]


def _lowest_loss(val_losses):
    return min(val_losses, key=lambda lr: min(_survivors(val_losses[lr])))


def _best_of_survivors(val_losses):
    return min(
        val_losses,
        key=lambda lr: sum(_survivors(val_losses[lr])) / len(_survivors(val_losses[lr])),
    )


def _a_sweep(draw):
    """Losses of three seeds at five rates: two that fail, a lucky one, the best, a worse one."""
    failed, survived, lucky, best, worse = draw.sample([0.001, 0.003, 0.01, 0.03, 0.1], 5)
    near = [draw.uniform(0, 0.05) for _ in range(15)]
    rows = [
        (failed, [2.3 + near[0], math.nan, 2.3 + near[1]]),
        (survived, [0.2 + near[2], 0.2 + near[3], math.nan]),
        (lucky, [0.1 + near[4], 0.8 + near[5], 0.9 + near[6]]),
        (best, [0.3 + near[7], 0.4 + near[8], 0.3 + near[9]]),
        (worse, [0.7 + near[10], 0.6 + near[11], 0.7 + near[12]]),
    ]
    return dict([rows[0], *draw.sample(rows[1:], 4)])


@exercise(
    hints=[
        "Write the number of parameters of `MLP(hidden)` as a formula. A dense layer from n to m"
        " units has n m weights and m biases, and there are three of them.",
        "784 h + h, then h h + h, then 10 h + 10, with h for the hidden units.",
        "Try every h up to a few thousand and keep the one whose size is nearest: `min` with a"
        " `key`.",
    ],
    why="A comparison says something about the kind of network only if nothing simpler explains it."
    " More parameters would be such an explanation, and equal sizes rule it out.",
    misconceptions={
        "biases": "each unit has a bias too: a dense layer has n m + m parameters.",
        "second layer": "there are two hidden layers, and the weights between them, h times h, are"
        " most of the network.",
        "nearest": "this is the largest network that is not larger than the other. One unit more"
        " comes closer.",
    },
)
def hidden_units(function, draw):
    def size(hidden):
        return hidden**2 + 796 * hidden + 10

    def nearest(sizes, n):
        return min(range(1, 4000), key=lambda hidden: abs(sizes(hidden) - n))

    mistakes = {
        "biases": lambda n: nearest(lambda hidden: hidden**2 + 794 * hidden, n),
        "second layer": lambda n: nearest(lambda hidden: 795 * hidden + 10, n),
        "nearest": lambda n: max(hidden for hidden in range(1, 4000) if size(hidden) <= n),
    }
    cases = [(size(draw.randint(500, 2000)) - draw.randint(5, 300),) for _ in range(3)]
    compare(function, lambda n: nearest(size, n), cases, mistakes)


@exercise(
    hints=[
        "`torch.load(path, weights_only=True)` gives the state_dict, and"
        " `model.load_state_dict(...)` puts it into the network.",
        "The network comes in training mode. And it takes a batch: `image[None]` is a batch of"
        " one.",
        "Softmax over the ten logits; `max` gives the probability, `argmax` the digit. `.item()`"
        " makes numbers of them.",
    ],
    why="Weights without the network that they belong to are numbers without names, and a network"
    " that was loaded but left in training mode gives another answer each time. Neither raises an"
    " error.",
    misconceptions={
        "weights": "this is the answer of the new network: what is in the file was never put into"
        " it.",
        "dropout": "the network is still in training mode, so dropout removes parts of it while it"
        " answers.",
        "logit": "this is the largest logit. A probability comes out of a softmax.",
    },
)
def ask(function, draw):
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            path = Path(folder) / "weights.pt"
            new, trained = _a_reader(draw), _a_reader(draw)
            torch.save(trained.state_dict(), path)
            _ask_once(function, new, trained, path, draw.normal(1, 28, 28))


def _ask_once(function, new, trained, path, image):
    got = call(function, copy.deepcopy(new), path, image)
    due = _answer(trained.eval(), image)
    if same(got, due):
        return
    _, logit = _answer(trained, image, softmax=False)
    mistakes = {
        "weights": [_answer(new.eval(), image), _answer(new.train(), image)],
        "dropout": [_answer(trained.train(), image)],
        "logit": [(due[0], logit)],
    }
    about = next(
        (name for name, answers in mistakes.items() if any(same(got, a) for a in answers)), None
    )
    raise Wrong(f"{show_call(function, (new, path, image))} {difference(got, due)}", about)


@torch.no_grad()
def _answer(model, image, softmax=True):
    logits = model(image[None])[0]
    values = logits.softmax(dim=0) if softmax else logits
    return values.argmax().item(), values.max().item()


def _a_reader(draw):
    """A network in training mode whose dropout drops everything, so that only biases answer."""
    model = nn.Sequential(nn.Dropout(1.0), nn.Flatten(), nn.Linear(784, 10))
    with torch.no_grad():
        model[2].weight.copy_(0.1 * draw.normal(10, 784))
        model[2].bias.copy_(draw.normal(10))
    return model
