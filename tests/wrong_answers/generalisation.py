"""Wrong answers to the exercises on generalisation, by the misconception each comes from."""

from cnn.exercises.generalisation import CAUSES


def diagnoses(**changed):
    return f"diagnoses = {CAUSES | changed}"


RIGHT_LOOPS = """
def train(model, X, y, optimizer):
    model.train()
    total = 0
    for X_batch, y_batch in zip(X.split(64), y.split(64)):
        loss = F.cross_entropy(model(X_batch), y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y_batch)
    return total / len(y)


def sgd(model, X, y):
    return train(model, X, y, torch.optim.SGD(model.parameters(), lr=0.05))


def adam(model, X, y):
    return train(model, X, y, torch.optim.Adam(model.parameters(), lr=0.002))


def shuffled(model, X, y):
    order = torch.randperm(len(X))
    return sgd(model, X[order], y[order])


repaired = {"loop 1": sgd, "loop 2": sgd, "loop 3": adam, "loop 4": shuffled, "loop 5": sgd}
repaired["loop 6"] = sgd
"""


def left_as_it_was(number):
    """All loops are right but one, which is that of the page."""
    return RIGHT_LOOPS + f'repaired["loop {number}"] = loop_{number}'


STOP = """
def early_stopping(val_losses, patience):
    best = 1
    for epoch, loss in enumerate(val_losses, start=1):
        if loss < val_losses[best - 1]:
            best = epoch
        if epoch - best {}:
            return {}, epoch
    return {}, len(val_losses)
"""

PAIRED = """
def paired_difference(first_right, second_right):
    difference = {} * (first_right.float() - second_right.float())
    return difference.mean().item(), {}
"""
ERROR = "(difference.std() / len(difference) ** 0.5).item()"

WRONG = {
    "diagnoses": [
        ("flat is not slow", diagnoses(A="learning rate too low")),
        ("a floor is not a slow run", diagnoses(E="learning rate too low")),
        ("training loss alone", diagnoses(D="nothing")),
        ("jump at the first steps", diagnoses(G="learning rate too high")),
    ],
    "repaired": [
        ("old gradients", left_as_it_was(1)),
        ("logits", left_as_it_was(2)),
        ("a new optimizer", left_as_it_was(3)),
        ("pairs", left_as_it_was(4)),
        ("last batch", left_as_it_was(5)),
        ("mode", left_as_it_was(6)),
    ],
    "early_stopping": [
        ("the last weights", STOP.format("== patience", "epoch", "len(val_losses)")),
        (
            "a look into the future",
            STOP.format(
                "== patience",
                "1 + val_losses.index(min(val_losses))",
                "1 + val_losses.index(min(val_losses))",
            ),
        ),
        (
            "lower than before",
            "def early_stopping(val_losses, patience):\n"
            "    rises, best = 0, 1\n"
            "    for epoch in range(2, len(val_losses) + 1):\n"
            "        loss = val_losses[epoch - 1]\n"
            "        rises = rises + 1 if loss >= val_losses[epoch - 2] else 0\n"
            "        best = epoch if loss < val_losses[best - 1] else best\n"
            "        if rises == patience:\n"
            "            return best, epoch\n"
            "    return best, len(val_losses)",
        ),
        ("one too many", STOP.format("> patience", "best", "best")),
    ],
    "paired_difference": [
        (
            "independent tests",
            "def paired_difference(first_right, second_right):\n"
            "    a, b = first_right.float().mean(), second_right.float().mean()\n"
            "    variance = (a * (1 - a) + b * (1 - b)) / len(first_right)\n"
            "    return (100 * (a - b)).item(), (100 * variance**0.5).item()",
        ),
        ("the direction", PAIRED.format("-100", ERROR)),
        ("percentage points", PAIRED.format("1", ERROR)),
        ("spread and error", PAIRED.format("100", "difference.std().item()")),
    ],
}
