"""The exercises on generalisation: diagnoses, loops to repair, early stopping, a comparison."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from cnn.exercises.checking import Wrong, call, compare, exercise, predict, same, show

CAUSES = {
    "A": "labels apart from their images",
    "B": "nothing",
    "C": "learning rate too high",
    "D": "too few images",
    "E": "softmax before the loss",
    "F": "sorted by class",
    "G": "initial weights too large",
    "H": "learning rate too low",
}


@exercise(
    hints=[
        "Look at the start first: which panel does not begin at the dotted line?",
        "Compare line and dots. Where they part, the network learns something that does not carry"
        " over to new images: which panel is that? Then look at the panels that never fall.",
        "A loss that cannot fall below about 1.46 has a second softmax. A loss that stays at"
        " $\\log 10$ finds nothing to learn, or has lost it.",
    ],
    why="Each cause leaves a trace in the first minute: at the start, in the gap between line and"
    " dots, in the floor, or in single steps. The accuracy at the end shows none of them.",
    misconceptions={
        "flat is not slow": "this loss does not move at all, at a learning rate that is right for"
        " the other panels. A rate that is too low still lets it fall a little.",
        "a floor is not a slow run": "this loss fell as fast as in the sound run and then levelled"
        " off above 1.46. A low rate would fall slowly, and go on falling.",
        "training loss alone": "the line looks perfect, but the dots do not follow it: what was"
        " learned does not hold for new images.",
        "jump at the first steps": "a rate that is too high does its harm in the first steps, and"
        " begins at the dotted line like all others. Look where this one begins.",
    },
)
def diagnoses(attempt, draw):
    if isinstance(attempt, dict):
        for letter, cause in attempt.items():
            if cause is not ... and cause not in CAUSES.values():
                raise Wrong(f"{letter!r}: {show(cause)} is not one of the eight causes.")
    predict(
        attempt,
        CAUSES,
        {
            "flat is not slow": {"A": "learning rate too low"},
            "a floor is not a slow run": {"E": "learning rate too low"},
            "training loss alone": {"D": "nothing"},
            "jump at the first steps": {"G": "learning rate too high"},
        },
    )


class _Loop:
    """A training loop with settings that are right, or one that is wrong."""

    def __init__(self, adam=False, wrong=None):
        self.adam, self.wrong = adam, wrong

    def _optimizer(self, model):
        if self.adam:
            return torch.optim.Adam(model.parameters(), lr=0.002)
        return torch.optim.SGD(model.parameters(), lr=0.05)

    def __call__(self, model, X, y):
        model.train()
        optimizer, losses, sizes = self._optimizer(model), [], []
        for X_batch, y_batch in zip(X.split(64), y.split(64)):
            if self.wrong == "old gradients":
                optimizer.zero_grad = lambda: None
            if self.wrong == "a new optimizer":
                optimizer = self._optimizer(model)
            logits = model(X_batch)
            loss = F.cross_entropy(
                logits.softmax(dim=1) if self.wrong == "logits" else logits, y_batch
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if self.wrong == "mode":
                model.eval()
                loss = F.cross_entropy(model(X_batch), y_batch)
            losses.append(loss.item())
            sizes.append(1 if self.wrong == "last batch" else len(y_batch))
        return sum(a * b for a, b in zip(losses, sizes)) / sum(sizes)


@exercise(
    hints=[
        "Write each loop anew above the dictionary, such as `def right_1(model, X, y): ...`, and"
        ' name it there without parentheses: `"loop 1": right_1`. The four lines of a step are'
        " logits, loss, gradients, step.",
        "One loop keeps old gradients, one squashes its logits, one forgets what its optimizer had"
        " learned, one separates images from their labels, one averages wrongly, and one leaves the"
        " model in the wrong mode.",
        "Loop 3: an optimizer lives as long as the training. Loop 4: the same order for images and"
        " labels. Loop 5: the last batch is smaller than the others. Loop 6: what does the second"
        " step train without?",
    ],
    why="None of the six raises an error, and four of them still learn something. What finds them"
    " is knowing what each line is for, and comparing with a run that is right.",
    misconceptions={
        "old gradients": "the gradients of the batches before are still in it, because `backward`"
        " adds to them. Clear them in each step.",
        "logits": "`cross_entropy` does the softmax itself. It wants the logits as the model gives"
        " them.",
        "a new optimizer": "Adam keeps running averages. An optimizer that is made anew in each"
        " step has none, so make it once, before the loop.",
        "pairs": "images and labels must be shuffled by the same order, or each image is trained"
        " with the label of another one.",
        "last batch": "the last batch is smaller than the others. Weight its loss by the number of"
        " its samples, and divide by the number of all samples.",
        "mode": "something switches the model to evaluation, and nothing switches it back: dropout"
        " is off in the steps that follow. Measure the loss of the step itself.",
    },
)
def repaired(attempt, draw):
    names = [f"loop {number}" for number in range(1, 7)]
    if not isinstance(attempt, dict) or list(attempt) != names:
        raise Wrong("Keep the dictionary with its six keys, and replace each ... by a function.")
    for name in names:
        if attempt[name] is ...:
            raise Wrong(f"{name!r} is still open.")
    X, y = draw.normal(140, 6), draw.integers(4, 140)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 4))
    with torch.no_grad():
        model[1].weight.copy_(draw.normal(4, 6))
        X[128:] *= 30  # a last batch of 12, whose loss is far from that of the others
        y[128:] = model.eval()(X[128:]).argmin(dim=1)
    kinds = ["old gradients", "logits", "a new optimizer", "last batch", "mode"]
    for name in names:
        if name == "loop 4":
            _check_pairs(attempt[name], draw)
            continue
        adam = name == "loop 3"
        got, due = _outcome(attempt[name], model, X, y), _outcome(_Loop(adam), model, X, y)
        if same(got, due):
            continue
        about = next(
            (kind for kind in kinds if same(got, _outcome(_Loop(adam, kind), model, X, y))), None
        )
        if same(got[1:], due[1:]):
            message = f"it returned the loss {show(got[0])}; it should be {show(due[0])}."
        else:
            message = "after it the weights are not those of a right loop."
        raise Wrong(f"{name}: {message}", about)


def _outcome(loop, model, X, y):
    """(returned loss, weights after it) of a loop on a copy of the model, in training mode."""
    model = copy.deepcopy(model).train()
    torch.manual_seed(0)
    loss = call(loop, model, X, y)
    return [loss, *[p.detach().clone() for p in model.parameters()]]


def _check_pairs(loop, draw):
    """A task that a loop with right pairs learns in one epoch, and no other."""
    y = draw.integers(4, 640)
    X = 8 * F.one_hot(y, 4).float()
    model = nn.Linear(4, 4)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
    loss = call(loop, model, X, y)
    with torch.no_grad():
        share = (model(X).argmax(dim=1) == y).float().mean().item()
        late = F.cross_entropy(model(X), y).item()
    if share < 1 or late > 0.5:
        about = "pairs" if loss > 1 else None
        raise Wrong(
            "loop 4: each image of a test had its label written into it, and after an epoch the"
            f" model reads {100 * share:.0f} % of them.",
            about,
        )


@exercise(
    hints=[
        "Go through the losses in order, as the training does, and remember the best epoch so far.",
        "A loss is new best only if it is *lower than the lowest so far*, not if it is lower than"
        " the one before.",
        "Stop as soon as `epoch - best` reaches the patience. The training cannot know what would"
        " have come after.",
    ],
    why="Early stopping saves the epochs after the best one, and the weights from before the"
    " network began to overfit. But the lowest validation loss was chosen, so it is a little too"
    " good.",
    misconceptions={
        "the last weights": "the training stops late, by the length of the patience. The weights"
        " to keep are those of the best epoch, not of the last.",
        "a look into the future": "a training that has stopped never sees the later losses, so the"
        " lowest of *all* losses is not to be had.",
        "lower than before": "patience counts the epochs since the *lowest* loss. A loss that falls"
        " again, but stays above the lowest, is no progress.",
        "one too many": "patience p means that the p-th epoch in a row without a new lowest loss is"
        " the last one.",
    },
)
def early_stopping(attempt, draw):
    def right(val_losses, patience, late=0):
        best = 1
        for epoch, loss in enumerate(val_losses, start=1):
            if loss < val_losses[best - 1]:
                best = epoch
            if epoch - best == patience + late:
                return best, epoch
        return best, len(val_losses)

    def lower_than_before(val_losses, patience):
        rises, best = 0, 1
        for epoch, loss in enumerate(val_losses[1:], start=2):
            rises = rises + 1 if loss >= val_losses[epoch - 2] else 0
            if loss < val_losses[best - 1]:
                best = epoch
            if rises == patience:
                return best, epoch
        return best, len(val_losses)

    def future(val_losses, patience):
        best = min(range(len(val_losses)), key=val_losses.__getitem__) + 1
        return best, right(val_losses, patience)[1]

    patience = draw.choice([2, 3])
    fall = sorted((draw.uniform(1, 2) for _ in range(draw.choice([3, 4]))), reverse=True)
    low = fall[-1]
    saw = [low + 0.3, low + 0.2] * 3  # falls again and again, but never below the lowest
    cases = [
        ([*fall, *saw, low - 0.5, low], patience),
        ([*fall, *saw], 4),
        (fall, 2),
    ]
    compare(
        attempt,
        right,
        cases,
        {
            "the last weights": lambda v, p: (right(v, p)[1], right(v, p)[1]),
            "a look into the future": future,
            "lower than before": lower_than_before,
            "one too many": lambda v, p: right(v, p, late=1),
        },
    )


@exercise(
    hints=[
        "For each image the difference is +1, 0 or −1: subtract the two tensors as numbers, with"
        " `float()`.",
        "The difference in accuracy is the mean of these values. The standard error of a mean is"
        " the standard deviation of the values, divided by the square root of their number.",
        "Both in percentage points: times 100.",
    ],
    why="The two networks agree on most images, and those add nothing to the error bar. So a paired"
    " comparison sees differences that two separate error bars would hide.",
    misconceptions={
        "independent tests": "this adds the error bars of two accuracies as if each network had"
        " seen images of its own. They saw the same ones.",
        "the direction": "a positive difference is to say that the *first* is more accurate.",
        "percentage points": "these are shares from 0 to 1.",
        "spread and error": "this is the spread of single images. The error of their mean is"
        " smaller by the square root of their number.",
    },
)
def paired_difference(attempt, draw):
    N = 8000
    first = torch.rand(N, generator=draw.generator) < draw.uniform(0.93, 0.96)
    second = first ^ (torch.rand(N, generator=draw.generator) < draw.uniform(0.02, 0.04))

    def right(first, second, scale=100.0):
        difference = scale * (first.double() - second.double())
        return difference.mean().item(), (difference.std() / N**0.5).item()

    def independent(first, second):
        shares = [answers.double().mean().item() for answers in (first, second)]
        variance = sum(p * (1 - p) / N for p in shares)
        return 100 * (shares[0] - shares[1]), 100 * variance**0.5

    compare(
        attempt,
        right,
        [(first, second)],
        {
            "independent tests": independent,
            "the direction": lambda first, second: right(second, first),
            "percentage points": lambda first, second: right(first, second, scale=1.0),
            "spread and error": lambda first, second: (
                right(first, second)[0],
                right(first, second)[1] * N**0.5,
            ),
        },
    )
