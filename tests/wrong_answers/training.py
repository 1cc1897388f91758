"""Wrong answers to the exercises on training, by the misconception each comes from."""

GRADIENTS = """
predictions = {{
    "gradient of v": {},
    "gradient of b": {},
    "gradient of w": {},
    "w after one step with lr 0.01": {},
    "w.grad after backward() was called twice": {},
}}
"""
STEP = """
def step(model, X, y, loss_fn, optimizer):
    {}
    return loss.item()
"""
CHOOSE_RATE = """
def choose_rate(val_losses):
    {}
"""
HIDDEN_UNITS = """
def hidden_units(n_parameters):
    def size(hidden):
        return {}

    {}
"""
ASK = """
@torch.no_grad()
def ask(model, path, image):
    {}
    return {}
"""
NEAREST = "return min(range(1, 4000), key=lambda hidden: abs(size(hidden) - n_parameters))"
LOAD = "model.load_state_dict(torch.load(path, weights_only=True)); "
ANSWER = "p.argmax().item(), p.max().item()"

WRONG = {
    "gradients": [
        ("square", GRADIENTS.format("-2 * 3", "-2 * -2", "-2 * -2 * 4", "0.5 - 0.16", "32")),
        ("square", GRADIENTS.format("-12", "8", "16", "0.5 - 0.16", "32")),
        ("chain", GRADIENTS.format("3", "1", "4", "0.46", "8")),
        ("path", GRADIENTS.format("-12", "-4", "-16", "0.66", "-32")),
        ("uphill", GRADIENTS.format("-12", "8", "32", "0.5 + 0.32", "64")),
        ("accumulation", GRADIENTS.format("-12", "8", "32", "0.18", "32")),
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
    "choose_rate": [
        (
            "lucky seed",
            CHOOSE_RATE.format("""
    rows = [(loss, lr) for lr, losses in val_losses.items() for loss in losses]
    rows = [row for row in rows if row[0] == row[0]]
    return min(rows)[1]"""),
        ),
        (
            "failed run",
            CHOOSE_RATE.format("""
    means = {lr: torch.tensor(losses).nanmean() for lr, losses in val_losses.items()}
    return min(means, key=means.get)"""),
        ),
        (
            "not a number",
            CHOOSE_RATE.format("""
    return min(val_losses, key=lambda lr: sum(val_losses[lr]) / len(val_losses[lr]))"""),
        ),
        (
            "not a number",
            CHOOSE_RATE.format("""
    best_lr, best_mean = None, None
    for lr, losses in val_losses.items():
        mean = sum(losses) / len(losses)
        if best_lr is None or mean < best_mean:
            best_lr, best_mean = lr, mean
    return best_lr"""),
        ),
        (
            "loss",
            CHOOSE_RATE.format("""
    means = [sum(losses) / len(losses) for losses in val_losses.values()]
    return min(mean for mean in means if math.isfinite(mean))"""),
        ),
    ],
    "hidden_units": [
        ("biases", HIDDEN_UNITS.format("784 * hidden + hidden**2 + 10 * hidden", NEAREST)),
        ("second layer", HIDDEN_UNITS.format("785 * hidden + 10 * hidden + 10", NEAREST)),
        (
            "nearest",
            HIDDEN_UNITS.format(
                "hidden**2 + 796 * hidden + 10",
                """
    hidden = 1
    while size(hidden + 1) <= n_parameters:
        hidden += 1
    return hidden""",
            ),
        ),
    ],
    "ask": [
        ("weights", ASK.format("model.eval(); p = model(image[None]).softmax(dim=1)", ANSWER)),
        (
            "weights",
            ASK.format("torch.load(path); p = model(image[None]).softmax(dim=1)", ANSWER),
        ),
        ("dropout", ASK.format(LOAD + "p = model(image[None]).softmax(dim=1)", ANSWER)),
        ("logit", ASK.format(LOAD + "p = model.eval()(image[None])", ANSWER)),
    ],
}
