"""Wrong answers to the exercises on training, by the misconception each comes from."""

LOSSES = """
predictions = {{
    "knows nothing of 100 classes": {},
    "gives the true class 1/2": {},
    "gives the true class 1/1000": {},
}}
"""
LOSS_OF = """
def loss_of(logits, y):
    {}
    return {}
"""
STEP = """
def step(model, X, y, loss_fn, optimizer):
    {}
    return loss.item()
"""
ACCURACY_OF = """
@torch.no_grad()
def accuracy_of(model, X, y, batch_size):
    {}
    shares = []
    n_correct = 0
    for X_batch, y_batch in batches(X, y, batch_size):
        right = model(X_batch).argmax(dim=1) == y_batch
        shares.append(right.float().mean())
        n_correct += right.sum()
    return {}
"""

WRONG = {
    "losses": [
        ("base", LOSSES.format("math.log10(100)", "math.log10(2)", "3")),
        ("sign", LOSSES.format("math.log(1 / 100)", "math.log(1 / 2)", "math.log(1 / 1000)")),
        ("accuracy", LOSSES.format("0.99", "0.5", "0.999")),
    ],
    "loss_of": [
        (
            "logits",
            LOSS_OF.format(
                "p = logits.softmax(dim=1)",
                "(p.logsumexp(dim=1) - p[torch.arange(len(y)), y]).mean()",
            ),
        ),
        ("logits", LOSS_OF.format("p = logits.softmax(dim=1)", "nn.CrossEntropyLoss()(p, y)")),
        (
            "sum",
            LOSS_OF.format(
                "z = logits[torch.arange(len(y)), y]", "(logits.logsumexp(dim=1) - z).sum()"
            ),
        ),
        (
            "axis",
            LOSS_OF.format("p = logits.softmax(dim=0)", "-p[torch.arange(len(y)), y].log().mean()"),
        ),
        (
            "overflow",
            LOSS_OF.format(
                "e = logits.exp()",
                "-(e[torch.arange(len(y)), y] / e.sum(dim=1)).log().mean()",
            ),
        ),
    ],
    "step": [
        (
            "gradients",
            STEP.format("loss = loss_fn(model(X), y); loss.backward(); optimizer.step()"),
        ),
        (
            "order",
            STEP.format(
                "loss = loss_fn(model(X), y); optimizer.step(); optimizer.zero_grad();"
                " loss.backward()"
            ),
        ),
        (
            "order",
            STEP.format(
                "loss = loss_fn(model(X), y); loss.backward(); optimizer.zero_grad();"
                " optimizer.step()"
            ),
        ),
        (
            "logits",
            STEP.format(
                "loss = loss_fn(model(X).softmax(dim=1), y); optimizer.zero_grad();"
                " loss.backward();"
                " optimizer.step()"
            ),
        ),
    ],
    "accuracy_of": [
        ("dropout", ACCURACY_OF.format("", "100 * n_correct.item() / len(y)")),
        (
            "last batch",
            ACCURACY_OF.format("model.eval()", "100 * sum(shares).item() / len(shares)"),
        ),
        ("percent", ACCURACY_OF.format("model.eval()", "n_correct.item() / len(y)")),
    ],
}
