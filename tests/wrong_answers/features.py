"""Wrong answers to the exercises on features, by the misconception each comes from."""

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

ERASE = """
def erase(X, scores, n):
    scores = {}.flatten(1)
    return X.flatten(1).scatter(1, scores.topk(n, dim=1).indices, 0).view_as(X)
"""
INK_ONLY = "scores.masked_fill(X[:, 0] <= 0.3, -torch.inf)"

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
    "erase": [
        ("empty paper", ERASE.format("scores")),
        (
            "each image for itself",
            "def erase(X, scores, n):\n"
            f"    best = {INK_ONLY}.flatten().topk(n).indices\n"
            "    return X.flatten().scatter(0, best, 0).view_as(X)",
        ),
        ("the highest scores", ERASE.format("(-scores).masked_fill(X[:, 0] <= 0.3, -torch.inf)")),
        ("size and sign", ERASE.format("scores.abs().masked_fill(X[:, 0] <= 0.3, -torch.inf)")),
    ],
}
