"""Wrong answers to the exercises on photographs, by the misconception each comes from."""

WEIGHTS = """
def separable_weights(in_channels, out_channels, kernel_size):
    return {}
"""

INPUT = """
def to_input(image):
    {}
"""

FEATURES = """
def features_of(network, X):
    {}
"""

MODE = """
def train_mode(model):
    {}
"""

CLEAN = """
def clean_test(train, test, size):
    gap = (test[:, None] - train[None]).abs()
    return ~({}).any(dim=1)
"""

WRONG = {
    "separable_weights": [
        ("one filter for all", WEIGHTS.format("kernel_size**2 + in_channels * out_channels")),
        (
            "groups forgotten",
            WEIGHTS.format("kernel_size**2 * in_channels**2 + in_channels * out_channels"),
        ),
        ("nothing is mixed", WEIGHTS.format("kernel_size**2 * in_channels")),
        ("not taken apart", WEIGHTS.format("kernel_size**2 * in_channels * out_channels")),
    ],
    "to_input": [
        ("wrong normalisation", INPUT.format("return image.permute(2, 0, 1).float() / 255")),
        (
            "numbers of another network",
            INPUT.format(
                "mean = torch.tensor([0.485, 0.456, 0.406])\n"
                "    std = torch.tensor([0.229, 0.224, 0.225])\n"
                "    return ((image / 255 - mean) / std).permute(2, 0, 1)"
            ),
        ),
        (
            "rows and columns swapped",
            INPUT.format("return (image.permute(2, 1, 0).float() - 127) / 128"),
        ),
        (
            "blue before red",
            INPUT.format("return (image.flip(2).permute(2, 0, 1).float() - 127) / 128"),
        ),
        ("bytes overflow", INPUT.format("return (image.permute(2, 0, 1) - 127) / 128")),
    ],
    "features_of": [
        ("forgotten eval()", FEATURES.format("return network(X).detach()")),
        ("forgotten eval()", FEATURES.format("with torch.no_grad():\n        return network(X)")),
        (
            "gradients kept",
            FEATURES.format(
                "was = network.training\n    network.eval()\n    Y = network(X)\n"
                "    network.train(was)\n    return Y"
            ),
        ),
        (
            "mode not put back",
            FEATURES.format("network.eval()\n    with torch.no_grad():\n        return network(X)"),
        ),
    ],
    "train_mode": [
        ("frozen batch norm", MODE.format("model.train()")),
        ("frozen batch norm", MODE.format("return model.train()")),
        ("all in evaluation", MODE.format("model.eval()")),
        (
            "every batch norm",
            MODE.format(
                "model.train()\n    for layer in model.modules():\n"
                "        if isinstance(layer, nn.BatchNorm2d):\n            layer.eval()"
            ),
        ),
        ("more than batch norm", MODE.format("model.train()\n    model[0].eval()")),
    ],
    "clean_test": [
        ("leakage between patches", CLEAN.format("(gap == 0).all(dim=2)")),
        ("one axis is enough", CLEAN.format("(gap < size).any(dim=2)")),
        ("centres inside", CLEAN.format("(gap < size / 2).all(dim=2)")),
        ("touching", CLEAN.format("(gap <= size).all(dim=2)")),
    ],
}
