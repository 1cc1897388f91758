"""Wrong answers to the exercises on robustness, by the misconception each comes from."""

SHIFT = """
def smallest_shift(layers):
    return {}
"""

STEP = """
def targeted_step(model, X, wanted, epsilon):
    X = X.clone().requires_grad_()
    F.cross_entropy(model(X), {}).backward()
    return {}
"""

RIGHT_UNDER_ALL = """
def right_under_all(model, changed, y):
    {}
    with torch.no_grad():
        answers = torch.stack([model(X).argmax(dim=1) == y for X in changed]).float()
    return {}.item()
"""

WRONG = {
    "smallest_shift": [
        ("convolutions just move", SHIFT.format("1")),
        ("strides multiply", SHIFT.format("sum(stride for _, stride in layers)")),
        ("the largest stride decides", SHIFT.format("max(stride for _, stride in layers)")),
        (
            "seeing and stepping",
            "from cnn.shapes import receptive_field\n" + SHIFT.format("receptive_field(layers)"),
        ),
    ],
    "targeted_step": [
        (
            "with and against the gradient",
            STEP.format("wanted", "(X + epsilon * X.grad.sign()).detach().clamp(0, 1)"),
        ),
        (
            "sign and size",
            STEP.format("wanted", "(X - epsilon * X.grad * len(X)).detach().clamp(0, 1)"),
        ),
        ("an image stays an image", STEP.format("wanted", "X.detach() - epsilon * X.grad.sign()")),
        (
            "which class",
            STEP.format(
                "model(X).argmax(dim=1)", "(X + epsilon * X.grad.sign()).detach().clamp(0, 1)"
            ),
        ),
    ],
    "right_under_all": [
        ("the mean of the versions", RIGHT_UNDER_ALL.format("model.eval()", "answers.mean()")),
        (
            "the worst version",
            RIGHT_UNDER_ALL.format("model.eval()", "answers.mean(dim=1).min()"),
        ),
        ("any and all", RIGHT_UNDER_ALL.format("model.eval()", "answers.amax(dim=0).mean()")),
        ("dropout", RIGHT_UNDER_ALL.format("pass", "answers.amin(dim=0).mean()")),
    ],
}
