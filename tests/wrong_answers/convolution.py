"""Wrong answers to the exercises on convolution, by the misconception each comes from."""

STEP = """
def descend(inputs, targets, kernel, lr):
    kernel = kernel.clone().requires_grad_()
    loss = ((F.conv2d(inputs, kernel[None, None]) - targets) ** 2).{}()
    loss.backward()
    return {}
"""
SHAPES = """
predictions = {{
    "Conv2d(1, 8, kernel_size=5)": {},
    "Conv2d(1, 8, kernel_size=3, padding=1)": {},
    "Conv2d(1, 8, kernel_size=3, stride=2)": {},
    "Conv2d(1, 8, kernel_size=3, dilation=2)": {},
}}
"""
LAYER = """
def layer_by_hand(picture, weight, bias):
    maps = []
    for o in range(len(weight)):
        results = [convolve_by_hand(picture[c], weight[{}]) for c in range(len(picture))]
        {}
    return torch.stack(maps)
"""
COMBINE = """
def one_kernel(first, second):
    return {}
"""
SLIDE = "F.conv2d({}[None, None], {}[None, None], padding=2)[0, 0]"
STACK = """
predictions = {{
    "shape at the end": {},
    "parameters of the second convolution": {},
    "multiply-adds of the second convolution": {},
    "receptive field": {},
}}
"""
SHAPE, N_PARAMETERS, WORK = "(1, 32, 7, 7)", "32 * 16 * 9 + 32", "49 * 32 * 16 * 9"

WRONG = {
    "descend": [
        ("direction", STEP.format("mean", "kernel.detach() + lr * kernel.grad")),
        ("sum", STEP.format("sum", "kernel.detach() - lr * kernel.grad")),
        ("gradient", STEP.format("mean", "kernel.grad")),
        ("learning rate", STEP.format("mean", "kernel.detach() - kernel.grad")),
    ],
    "shapes": [
        (
            "padding",
            SHAPES.format("(16, 8, 24, 24)", "(16, 8, 27, 27)", "(16, 8, 13, 13)", "None"),
        ),
        (
            "floor",
            SHAPES.format("(16, 8, 24, 24)", "(16, 8, 28, 28)", "(16, 8, 14, 14)", "..."),
        ),
        (
            "channels",
            SHAPES.format("(16, 1, 24, 24)", "(16, 1, 28, 28)", "(16, 1, 13, 13)", "..."),
        ),
        (
            "off by one",
            SHAPES.format("(16, 8, 23, 23)", "(16, 8, 27, 27)", "(16, 8, 12, 12)", "..."),
        ),
        (
            "dilation",
            SHAPES.format(
                "(16, 8, 24, 24)", "(16, 8, 28, 28)", "(16, 8, 13, 13)", "(16, 8, 26, 26)"
            ),
        ),
    ],
    "layer_by_hand": [
        ("channels", LAYER.format("o, c", "maps += [result + bias[o] for result in results]")),
        ("mean", LAYER.format("o, c", "maps.append(torch.stack(results).mean(dim=0) + bias[o])")),
        ("bias", LAYER.format("o, c", "maps.append(sum(result + bias[o] for result in results))")),
        ("order", LAYER.format("c, o", "maps.append(sum(results) + bias[o])")),
    ],
    "one_kernel": [
        ("size", COMBINE.format("first @ second")),
        ("size", COMBINE.format("first * second")),
        ("flip", COMBINE.format(SLIDE.format("first", "second"))),
        ("flip", COMBINE.format(SLIDE.format("second", "first"))),
        ("mirror", COMBINE.format("stamp(first, second).flip(0, 1)")),
    ],
    "read_a_stack": [
        ("dilation", STACK.format("(1, 32, 11, 11)", N_PARAMETERS, "121 * 32 * 16 * 9", "8")),
        ("dilation", STACK.format(SHAPE, N_PARAMETERS, WORK, "8")),
        ("channels", STACK.format(SHAPE, "32 * 9 + 32", WORK, "16")),
        ("bias", STACK.format(SHAPE, "32 * 16 * 9", WORK, "16")),
        ("work", STACK.format(SHAPE, N_PARAMETERS, "169 * 32 * 16 * 9", "16")),
        ("step", STACK.format(SHAPE, N_PARAMETERS, WORK, "10")),
    ],
}
