"""Wrong answers to the exercises of the lesson on features, by the misconception each comes from."""

SALIENCY = """
def winning_saliency(model, X):
    X = X.clone().requires_grad_()
    {}.backward()
    return {}
"""
SIZE = "X.grad[:, 0].abs()"

GRAD_CAM = """
def grad_cam_map(maps, gradients):
    weights = {}
    return {}
"""
MEAN = "gradients.mean(dim=(2, 3), keepdim=True)"

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

WRONG = {
    "winning_saliency": [
        (
            "logits and probabilities",
            SALIENCY.format("model(X).softmax(dim=1).max(dim=1).values.sum()", SIZE),
        ),
        ("one logit of each image", SALIENCY.format("model(X).sum()", SIZE)),
        ("size and sign", SALIENCY.format("model(X).max(dim=1).values.sum()", "X.grad[:, 0]")),
        (
            "gradient times input",
            SALIENCY.format("model(X).max(dim=1).values.sum()", "(X * X.grad).abs()[:, 0]"),
        ),
    ],
    "grad_cam_map": [
        ("one weight for each map", GRAD_CAM.format("gradients", "(weights * maps).sum(1).relu()")),
        (
            "channels and places",
            GRAD_CAM.format(
                "gradients.mean(dim=1, keepdim=True)", "(weights * maps).sum(dim=1).relu()"
            ),
        ),
        ("keep the positive last", GRAD_CAM.format(MEAN, "(weights * maps).relu().sum(dim=1)")),
        ("evidence against", GRAD_CAM.format(MEAN, "(weights * maps).sum(dim=1)")),
    ],
    "smallest_shift": [
        ("convolutions just move", SHIFT.format("1")),
        ("strides multiply", SHIFT.format("sum(stride for _, stride in layers)")),
        ("the largest stride decides", SHIFT.format("max(stride for _, stride in layers)")),
        ("seeing and stepping", SHIFT.format("receptive_field(layers)")),
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
}
