"""Wrong answers to the exercises on the U-Net, by the misconception each comes from."""

IOU = """
def iou_from_matrix(M):
    return M.diag() / {}
"""

SPLIT = """
def split_weight(W, n_skip):
    return {}, {}
"""

UP = """
def up_size(n, kernel_size, stride, padding):
    return {}
"""

LOSS = """
def pixel_loss(logits, masks):
    losses = {}.gather(1, masks[:, None])
    return {}
"""

WRONG = {
    "iou_from_matrix": [
        ("false pixels", IOU.format("M.sum(dim=1)")),
        ("missed pixels", IOU.format("M.sum(dim=0)")),
        ("counted twice", IOU.format("(M.sum(dim=0) + M.sum(dim=1))")),
        ("all classes together", IOU.format("M.sum()")),
    ],
    "split_weight": [
        ("channels in and out", SPLIT.format("W[:n_skip]", "W[n_skip:]")),
        ("which comes first", SPLIT.format("W[:, n_skip:]", "W[:, :n_skip]")),
        ("side by side", SPLIT.format("W[:, ::2]", "W[:, 1::2]")),
        ("adding is a special case", SPLIT.format("W[:, :n_skip]", "W[:, :n_skip]")),
    ],
    "up_size": [
        ("times the stride", UP.format("n * stride")),
        ("one stamp too many", UP.format("n * stride + kernel_size - 2 * padding")),
        ("padding cuts off", UP.format("(n - 1) * stride + kernel_size + 2 * padding")),
        ("the way down", UP.format("(n + 2 * padding - kernel_size) // stride + 1")),
    ],
    "pixel_loss": [
        (
            "softmax over the classes",
            LOSS.format("logits.log_softmax(dim=-1)", "-losses.mean()"),
        ),
        (
            "logits and probabilities",
            LOSS.format("logits.softmax(dim=1).log_softmax(dim=1)", "-losses.mean()"),
        ),
        (
            "mean over pixels",
            LOSS.format("logits.log_softmax(dim=1)", "-losses.sum() / len(losses)"),
        ),
        ("minus", LOSS.format("logits.log_softmax(dim=1)", "losses.mean()")),
    ],
}
