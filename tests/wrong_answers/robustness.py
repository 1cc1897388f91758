"""Wrong answers to the exercises on robustness, by the misconception each comes from."""

SHIFT = """
def smallest_shift(layers):
    return {}
"""

RIGHT_BOUNDS = {
    "FGSM, a pixel of 0.5": 0.2,
    "FGSM, a pixel of 0.9": 0.1,
    "PGD with 40 steps": 0.2,
    "PGD with 5 steps": 0.1,
    "L2 length of FGSM": 5.6,
}


def bounds(**changed):
    places = dict(zip(("middle", "bright", "many", "few", "length"), RIGHT_BOUNDS))
    changed = {places[name]: value for name, value in changed.items()}
    return f"bounds = {RIGHT_BOUNDS | changed}"


PROJECT = """
def project_l2(changed, X, epsilon):
    step = changed - X
    length = step.flatten(1).norm(dim=1)[:, None, None, None]
    return {}
"""

NOISE = """
def fair_noise(X, epsilon):
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
    "bounds": [
        ("steps without a bound", bounds(many=0.8)),
        ("epsilon is always used up", bounds(few=0.2)),
        ("an image stays an image", bounds(bright=0.2)),
        ("one pixel and all pixels", bounds(length=0.2)),
        ("lengths add up", bounds(length=784 * 0.2)),
    ],
    "project_l2": [
        ("pixel by pixel", PROJECT.format("(X + step.clamp(-epsilon, epsilon)).clamp(0, 1)")),
        (
            "one length for all images",
            PROJECT.format("(X + step * min(1, epsilon / step.norm().item())).clamp(0, 1)"),
        ),
        ("always on the surface", PROJECT.format("(X + epsilon * step / length).clamp(0, 1)")),
        (
            "always on the surface",
            PROJECT.format("(X + epsilon * step / (length + 1e-12)).clamp(0, 1)"),
        ),
        (
            "the ball around zero",
            PROJECT.format(
                "(changed * (epsilon / changed.flatten(1).norm(dim=1)).clamp(max=1)"
                ".view(-1, 1, 1, 1)).clamp(0, 1)"
            ),
        ),
        (
            "an image stays an image",
            PROJECT.format("X + step * (epsilon / length).clamp(max=1)"),
        ),
        (
            "nothing to divide by",
            PROJECT.format("(X + step / length * length.clamp(max=epsilon)).clamp(0, 1)"),
        ),
    ],
    "fair_noise": [
        (
            "a normal number has no bound",
            NOISE.format("(X + epsilon * torch.randn_like(X)).clamp(0, 1)"),
        ),
        (
            "smaller than the attack",
            NOISE.format("(X + epsilon * (2 * torch.rand_like(X) - 1)).clamp(0, 1)"),
        ),
        (
            "one sign for a whole image",
            NOISE.format("(X + epsilon * torch.randn(len(X), 1, 1, 1).sign()).clamp(0, 1)"),
        ),
        (
            "one pattern for all images",
            NOISE.format("(X + epsilon * torch.randn_like(X[:1]).sign()).clamp(0, 1)"),
        ),
        (
            "an image stays an image",
            NOISE.format("X + epsilon * torch.randn_like(X).sign()"),
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
