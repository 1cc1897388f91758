"""Wrong answers to the exercises on convolution, by the misconception each comes from."""

SHAPES = """
predictions = {{
    "Conv2d(1, 8, kernel_size=5)": {},
    "Conv2d(1, 8, kernel_size=3, padding=1)": {},
    "Conv2d(1, 8, kernel_size=3, stride=2)": {},
}}
"""
CHOICES = 'choices = {{"odd kernel": {}, "even kernel": {}}}'
LAYER = """
def layer_by_hand(picture, weight, bias):
    maps = []
    for o in range(len(weight)):
        results = [convolve_by_hand(picture[c], weight[{}]) for c in range(len(picture))]
        {}
    return torch.stack(maps)
"""
POOLING = """
predictions = {{
    "inputs of the dense layer": {},
    "its parameters": {},
    "receptive field of an input": {},
}}
"""

WRONG = {
    "shapes": [
        ("padding", SHAPES.format("(16, 8, 24, 24)", "(16, 8, 27, 27)", "(16, 8, 13, 13)")),
        ("floor", SHAPES.format("(16, 8, 24, 24)", "(16, 8, 28, 28)", "(16, 8, 14, 14)")),
        ("channels", SHAPES.format("(16, 1, 24, 24)", "(16, 1, 28, 28)", "(16, 1, 13, 13)")),
        ("off by one", SHAPES.format("(16, 8, 23, 23)", "(16, 8, 27, 27)", "(16, 8, 12, 12)")),
    ],
    "halving": [
        ("padding", CHOICES.format("(5, 4, 2)", "(4, 2, 2)")),
        ("floor", CHOICES.format("(3, 0, 2)", "(2, 0, 2)")),
        ("padding", CHOICES.format("(3, 1, 2)", "(2, 1, 2)")),
        ("stride", CHOICES.format("(1, 0, 2)", "(2, 0, 2)")),
        ("stride", CHOICES.format("(3, 1, 2)", "(2, 8, 3)")),
    ],
    "layer_by_hand": [
        ("channels", LAYER.format("o, c", "maps += [result + bias[o] for result in results]")),
        ("mean", LAYER.format("o, c", "maps.append(torch.stack(results).mean(dim=0) + bias[o])")),
        ("bias", LAYER.format("o, c", "maps.append(sum(result + bias[o] for result in results))")),
        ("order", LAYER.format("c, o", "maps.append(sum(results) + bias[o])")),
    ],
    "second_pooling": [
        ("channels", POOLING.format("32 * 6 * 6", "32 * 6 * 6 * 128 + 128", "8")),
        ("area", POOLING.format("64 * 12 * 6", "64 * 12 * 6 * 128 + 128", "8")),
        ("bias", POOLING.format("64 * 6 * 6", "64 * 6 * 6 * 128", "8")),
        ("receptive field", POOLING.format("64 * 6 * 6", "64 * 6 * 6 * 128 + 128", "12")),
    ],
}
