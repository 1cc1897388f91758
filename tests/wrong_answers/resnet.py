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

DIAGNOSE = """
def diagnose(shallow, deep, shallow_validation, deep_validation):
    if {}:
        return {}
    return "overfitting" if {} else "neither"
"""
WORSE = "deep[-1] > shallow[-1] + 1"
SLOPE = '"not finished" if deep[-6] - deep[-1] > 1 else "degradation"'
VALIDATION = "deep_validation > shallow_validation + 1"
FALLS = """
def diagnose(shallow, deep, shallow_validation, deep_validation):
    if deep[-6] - deep[-1] > 1:
        return "not finished"
    if deep[-1] > shallow[-1] + 1:
        return "degradation"
    return "overfitting" if deep_validation > shallow_validation + 1 else "neither"
"""

TEN = """
predictions = {{
    "output of the batch norm": {},
    "gradient": {},
    "gradient / weight": {},
}}
"""

CHANGES = """
predictions = {{
    "pre-activation": {!r},
    "gamma zero": {!r},
    "without batch norm": {!r},
    "scaled without batch norm": {!r},
}}
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
    "diagnose": [
        ("validation comes second", DIAGNOSE.format("False", SLOPE, VALIDATION)),
        ("the end of the curve", DIAGNOSE.format(WORSE, '"degradation"', VALIDATION)),
        ("falling is not failing", FALLS),
        (
            "overfitting needs a comparison",
            DIAGNOSE.format(WORSE, SLOPE, "deep_validation > deep[-1] + 1"),
        ),
        (
            "the beginning of the curve",
            DIAGNOSE.format("deep[0] > shallow[0] + 1", SLOPE, VALIDATION),
        ),
    ],
    "ten_times": [
        ("batch norm divides the size away", TEN.format(10, 0.1, 0.01)),
        ("the same output, another slope", TEN.format(1, 1, 0.01)),
        ("the weight counts too", TEN.format(1, 0.1, 0.1)),
    ],
    "interventions": [
        ("shortcuts alone are enough", CHANGES.format("same", "same", "slower", "slower")),
        ("a copy is no head start", CHANGES.format("same", "slower", "fails", "slower")),
        (
            "the order of layers matters little here",
            CHANGES.format("slower", "same", "fails", "slower"),
        ),
        (
            "batch norm can be replaced, at a price",
            CHANGES.format("same", "same", "fails", "fails"),
        ),
    ],
}
