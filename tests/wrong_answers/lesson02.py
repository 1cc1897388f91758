"""Wrong answers to the exercises of notebook 02, by the misconception each comes from."""

SHAPES = """
predictions = {{
    "Conv2d(1, 8, kernel_size=5)": {},
    "Conv2d(1, 8, kernel_size=3, padding=1)": {},
    "Conv2d(1, 8, kernel_size=3, stride=2)": {},
}}
"""

WRONG = {
    "shapes": [
        ("padding", SHAPES.format("(16, 8, 24, 24)", "(16, 8, 27, 27)", "(16, 8, 13, 13)")),
        ("floor", SHAPES.format("(16, 8, 24, 24)", "(16, 8, 28, 28)", "(16, 8, 14, 14)")),
        ("channels", SHAPES.format("(16, 1, 24, 24)", "(16, 1, 28, 28)", "(16, 1, 13, 13)")),
        ("off by one", SHAPES.format("(16, 8, 23, 23)", "(16, 8, 27, 27)", "(16, 8, 12, 12)")),
    ],
}
