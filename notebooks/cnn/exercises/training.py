"""The exercises of the lesson on training: the loss, the step, the measurement."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import Wrong, call, compare, difference, exercise, predict, same, show


@exercise(
    hints=[
        "The loss of one sample is minus the logarithm of the probability of the *true* class. All"
        " other probabilities only matter through that one.",
        "Whoever knows nothing gives each of 100 classes the probability 1/100.",
        "The logarithm is the natural one, `math.log`, and a probability below 1 makes it"
        " negative.",
    ],
    why="These numbers are landmarks. A first loss far from the logarithm of the number of classes"
    " is a bug, and one confident mistake costs as much as ten hesitant answers.",
    misconceptions={
        "base": "the logarithm is the natural one, to the base e, not to 10 or 2.",
        "sign": "a loss is not negative: it is *minus* the logarithm of a number below 1.",
        "accuracy": "the loss is not the share of the probability that went elsewhere, 1 − p. It"
        " grows without limit as p approaches 0.",
    },
)
def losses(predictions, draw):
    probabilities = {
        "knows nothing of 100 classes": 0.01,
        "gives the true class 1/2": 0.5,
        "gives the true class 1/1000": 0.001,
    }
    natural = {name: -math.log(p) for name, p in probabilities.items()}
    mistakes = {
        "base": {name: -math.log10(p) for name, p in probabilities.items()},
        "sign": {name: math.log(p) for name, p in probabilities.items()},
        "accuracy": {name: 1 - p for name, p in probabilities.items()},
    }
    predict(predictions, natural, mistakes)


@exercise(
    hints=[
        "Take the formula apart: the logarithm of a quotient is a difference, and one part of it"
        " is the logit of the true class, `logits[torch.arange(len(y)), y]`.",
        "What is left is the logarithm of a sum of exponentials. `exp` of a large logit is"
        " infinite, but `logits.logsumexp(dim=1)` is safe.",
        "Average over the samples at the end.",
    ],
    why="Because the softmax is inside, the loss can work with differences of logits and never"
    " overflows. That is why a network returns logits and leaves the softmax to the loss.",
    misconceptions={
        "logits": "the values go through a softmax twice. The loss takes logits and does it once.",
        "sum": "the loss is the mean over the samples, not their sum, so that it does not grow"
        " with the batch.",
        "axis": "the softmax belongs to one sample: it runs over its classes, dim=1, not over the"
        " samples of the batch.",
        "overflow": "e to the power of a large logit is too large for a float. Take the logarithm"
        " of the sum in one go.",
    },
)
def loss_of(function, draw):
    def right(logits, y):
        return F.cross_entropy(logits, y).item()

    mistakes = {
        "logits": lambda logits, y: right(logits.softmax(dim=1), y),
        "sum": lambda logits, y: right(logits, y) * len(y),
        "axis": lambda logits, y: F.nll_loss(logits.log_softmax(dim=0), y).item(),
    }
    sizes = [(draw.randint(2, 6), draw.randint(3, 6)) for _ in range(4)]
    cases = [(draw.normal(N, C), draw.integers(C, N)) for N, C in sizes]
    compare(function, right, cases, mistakes)
    logits = cases[0][0]
    y = logits.argmin(dim=1)  # far from the largest, so that rounding does not decide
    loss = call(function, 1000 * logits, y)
    if not math.isfinite(loss):
        raise Wrong(f"Right for small logits, but for logits near 1,000 it is {loss}.", "overflow")
    compare(function, right, [(1000 * logits, y)])


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
        "Two switches come first: one on the model, and one that keeps no record for gradients.",
        "Add up the right answers of all batches, and divide once, by the number of samples.",
        "Percent: from 0 to 100.",
    ],
    why="The same network gives another number when dropout is on, or when a small last batch"
    " counts as much as a full one. Neither raises an error.",
    misconceptions={
        "dropout": "it is still on, so parts of the network are missing while you measure.",
        "last batch": "the last batch is smaller than the others, so the mean of the batches is"
        " not the mean of the samples.",
        "percent": "this is a share from 0 to 1.",
    },
)
def accuracy_of(function, draw):
    def right(model, X, y, batch_size):
        return 100 * _hits(model.eval(), X, y).mean().item()

    mistakes = {
        "dropout": lambda model, X, y, n: 100 * _hits(model.train(), X, y).mean().item(),
        "last batch": lambda model, X, y, n: 100 * _mean_of_means(_hits(model.eval(), X, y), n),
        "percent": lambda *args: right(*args) / 100,
    }
    compare(function, right, [_one_wrong_at_the_end(draw) for _ in range(3)], mistakes)


def _hits(model, X, y):
    with torch.no_grad():
        return (model(X).argmax(dim=1) == y).double()


def _mean_of_means(values, batch_size):
    means = [batch.mean() for batch in values.split(batch_size)]
    return (sum(means) / len(means)).item()


def _one_wrong_at_the_end(draw):
    """A network whose dropout drops everything, and data with a last batch of one wrong sample."""
    model, batch_size = nn.Sequential(nn.Dropout(1.0), nn.Linear(4, 3)), draw.randint(8, 12)
    X = draw.normal(3 * batch_size + 1, 4)
    y = model.eval()(X).argmax(dim=1)
    y[::4] = draw.integers(3, len(y[::4]))
    y[-1] = (model(X[-1:]).argmax() + 1) % 3
    return model.train(), X, y, batch_size
