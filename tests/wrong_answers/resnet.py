"""Wrong answers to the exercises on residual networks, by the misconception each comes from."""

NORM = """
def my_batch_norm(X, eps=1e-5):
    dims = {}
    centred = X - X.mean(dim=dims, keepdim=True)
    variance = X.var(dim=dims, keepdim=True, correction={})
    return centred / {}
"""
ROOT = "(variance + eps).sqrt()"

BLOCK = """
def block_output(in_channels, height, width, out_channels, stride):
    shape = ({}, {}, {})
    return shape, "projection" if {} else "identity"
"""
SIZES = "(height - 1) // stride + 1", "(width - 1) // stride + 1"
DIFFERS = "stride != 1 or in_channels != out_channels"

WEIGHT = """
def copying_weight(channels):
    weight = torch.zeros(channels, {}, 3, 3)
    for c in range(channels):
        weight[{}] = {}
    return weight
"""

STACK = """
import math


def stack_gradient(slopes):
    return {}
"""

WRONG = {
    "batch_norm": [
        ("the batch counts", NORM.format("(2, 3)", 0, ROOT)),
        ("places count", NORM.format("0", 0, ROOT)),
        ("channels are separate", NORM.format("(0, 1, 2, 3)", 0, ROOT)),
        ("variance and its root", NORM.format("(0, 2, 3)", 0, "(variance + eps)")),
        ("which variance", NORM.format("(0, 2, 3)", 1, ROOT)),
    ],
    "block_output": [
        ("adding and concatenating", BLOCK.format("in_channels + out_channels", *SIZES, DIFFERS)),
        (
            "rounding up",
            BLOCK.format("out_channels", "height // stride", "width // stride", DIFFERS),
        ),
        (
            "stride changes the shape too",
            BLOCK.format("out_channels", *SIZES, "in_channels != out_channels"),
        ),
        ("channels change the shape too", BLOCK.format("out_channels", *SIZES, "stride != 1")),
        ("identity where it fits", BLOCK.format("out_channels", *SIZES, "True")),
    ],
    "copying_weight": [
        ("channels stay apart", WEIGHT.format("channels", ":, c, 1, 1", 1)),
        ("the middle", WEIGHT.format("channels", "c, c, 0, 0", 1)),
        ("copying and averaging", WEIGHT.format("channels", "c, c", "1 / 9")),
        ("one kernel for each pair", WEIGHT.format("1", "c, 0, 1, 1", 1)),
    ],
    "stack_gradient": [
        ("each block has its shortcut", STACK.format("1 + math.prod(slopes)")),
        ("the chain rule multiplies", STACK.format("1 + sum(slopes)")),
        ("the shortcut gives a one", STACK.format("math.prod(slopes)")),
        ("the shortcut is no average", STACK.format("math.prod((1 + a) / 2 for a in slopes)")),
    ],
}
