"""Wrong answers to the exercises on the U-Net, by the misconception each comes from."""

DECODE = """
def decode(X, encoded, ups, stages):
    for up, stage, skip in zip(ups, stages, {}):
        X = {}
    return X
"""

UP = """
def up_size(n, kernel_size, stride, padding):
    return {}
"""

UNWEIGHTED = """
def unweighted(P, weight):
    Q = {}
    return {}
"""

GAP = """
def gap_weight(distances, w0, sigma):
    near = distances.sort(dim=0).values[:2]
    return 1 + w0 * torch.exp({} / (2 * sigma**2))
"""

WRONG = {
    "decode": [
        (
            "fine before coarse",
            DECODE.format("encoded", "stage(torch.cat([skip, up(X)], dim=1))"),
        ),
        (
            "which comes first",
            DECODE.format("encoded[::-1]", "stage(torch.cat([up(X), skip], dim=1))"),
        ),
        ("half of the channels", DECODE.format("encoded[::-1]", "stage(skip + up(X))")),
        (
            "before the up-convolution",
            DECODE.format("encoded[::-1]", "stage(up(torch.cat([skip, X], dim=1)))"),
        ),
        ("half of the channels", DECODE.format("encoded[::-1]", "stage(up(X))")),
    ],
    "up_size": [
        ("times the stride", UP.format("n * stride")),
        ("one stamp too many", UP.format("n * stride + kernel_size - 2 * padding")),
        ("padding cuts off", UP.format("(n - 1) * stride + kernel_size + 2 * padding")),
        ("the way down", UP.format("(n + 2 * padding - kernel_size) // stride + 1")),
    ],
    "unweighted": [
        (
            "times the weight",
            UNWEIGHTED.format("P * weight[:, None, None]", "Q / Q.sum(dim=1, keepdim=True)"),
        ),
        ("no longer probabilities", UNWEIGHTED.format("P / weight[:, None, None]", "Q")),
        ("along the rows", UNWEIGHTED.format("P / weight", "Q / Q.sum(dim=1, keepdim=True)")),
        ("over the pixels", UNWEIGHTED.format("P / weight[:, None, None]", "Q / Q.sum()")),
    ],
    "gap_weight": [
        ("the nearest only", GAP.format("-(near[0] ** 2)")),
        ("all objects", GAP.format("-(distances.sum(dim=0) ** 2)")),
        ("squared apart", GAP.format("-(near ** 2).sum(dim=0)")),
        ("large for wide gaps", GAP.format("near.sum(dim=0) ** 2")),
    ],
}
