"""Wrong answers to the exercises on features, by the misconception each comes from."""

SHARES = "shares = {{'twice g_x': {}, 'Laplacian': {}, 'one row': {}, 'Sobel': {}}}"

PAIR = """
def pair_purity(responses, labels, n):
    top = {}
    counts = torch.stack([(top == digit).sum(dim=0) for digit in range(10)])
    return {}
"""
STRONGEST = "labels[responses.topk(n, dim=0).indices]"
PAIR_SHARE = "counts.topk(2, dim=0).values.sum(dim=0) / n"

GAP = """
def completeness_gap(model, X, target, attributions):
    outputs, blank = {}, {}
    difference = (outputs - blank).gather(1, target[:, None]).squeeze(1)
    return {}
"""
LOGITS, BLANK = "model(X)", "model(torch.zeros_like(X))"
GAP_OF_EACH = "attributions.sum(dim=(1, 2)) - difference"

ERASE = """
def erase(X, scores, n):
    scores = {}.flatten(1)
    return X.flatten(1).scatter(1, scores.topk(n, dim=1).indices, 0).view_as(X)
"""
INK_ONLY = "scores.masked_fill(X[:, 0] <= 0.3, -torch.inf)"

PRECISION = """
def precision_in(maps, region, n):
    places = {}.flatten(1).topk(n, dim=1).indices
    found = region.flatten()[places].float()
    return {}
"""

WRONG = {
    "edge_shares": [
        ("the length of a kernel", SHARES.format("4.0", "0.0", "1 / 3", "8 / 9")),
        ("edges in words", SHARES.format("1.0", "1.0", "1 / 3", "8 / 9")),
        ("the square is missing", SHARES.format("1.0", "0.0", "(1 / 3) ** 0.5", "8 / 9")),
        ("the square is missing", SHARES.format("1.0", "0.0", "1 / 3", "(8 / 9) ** 0.5")),
    ],
    "pair_purity": [
        ("one class", PAIR.format(STRONGEST, "counts.amax(dim=0) / n")),
        (
            "each unit for itself",
            PAIR.format(
                "labels[responses.mean(dim=1).topk(n).indices][:, None]"
                ".expand(n, responses.shape[1])",
                PAIR_SHARE,
            ),
        ),
        (
            "the strongest inputs",
            PAIR.format("labels[responses.argsort(dim=0)[:n]]", PAIR_SHARE),
        ),
        ("a share", PAIR.format(STRONGEST, "counts.topk(2, dim=0).values.sum(dim=0).float()")),
    ],
    "completeness_gap": [
        ("the baseline", GAP.format(LOGITS, "0", GAP_OF_EACH)),
        (
            "logits and probabilities",
            GAP.format(f"{LOGITS}.softmax(dim=1)", f"{BLANK}.softmax(dim=1)", GAP_OF_EACH),
        ),
        (
            "each image for itself",
            GAP.format(LOGITS, BLANK, "attributions.sum() - difference.sum()"),
        ),
        (
            "size and sign",
            GAP.format(LOGITS, BLANK, "attributions.abs().sum(dim=(1, 2)) - difference"),
        ),
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
    "precision_in": [
        (
            "each image for itself",
            "def precision_in(maps, region, n):\n"
            "    places = maps.flatten().topk(n).indices\n"
            "    return region.expand_as(maps).flatten()[places].float().mean()",
        ),
        ("size and sign", PRECISION.format("maps.abs()", "found.mean(dim=1)")),
        ("precision and recall", PRECISION.format("maps", "found.sum(dim=1) / region.sum()")),
        (
            "rank and mass",
            "def precision_in(maps, region, n):\n"
            "    values, places = maps.flatten(1).topk(n, dim=1)\n"
            "    inside = (values * region.flatten()[places]).sum(dim=1)\n"
            "    return inside / values.sum(dim=1)",
        ),
    ],
}
