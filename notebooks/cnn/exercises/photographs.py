"""The exercises of the lesson on photographs: costs, input, modes of a network, patches apart."""

import copy

import torch
from torch import nn

from cnn.exercises.checking import Wrong, call, compare, difference, exercise, same, show


@exercise(
    hints=[
        "Take the two layers one after the other. In the depthwise one, each filter reads a single"
        " channel. In the pointwise one, the kernel is a single pixel.",
        "A filter has kernel_size² · (channels that it reads) weights. The depthwise layer has"
        " in_channels filters and the pointwise one out_channels.",
        "The sum is kernel_size² · in_channels + in_channels · out_channels.",
    ],
    why="An ordinary convolution multiplies these numbers with each other: kernel_size² ·"
    " in_channels · out_channels. Taken apart, filtering in the plane and mixing the channels cost"
    " their sum, which is about kernel_size² times less where there are many channels.",
    misconceptions={
        "one filter for all": "each channel has a depthwise kernel of its own, so that layer has"
        " kernel_size² weights for *each* channel.",
        "groups forgotten": "a depthwise filter reads one channel, not all of them. That is what"
        " `groups=in_channels` says.",
        "nothing is mixed": "the pointwise layer is missing. Without it no output channel would"
        " know of another input channel.",
        "not taken apart": "this is the ordinary convolution, which filters and mixes in one step.",
    },
)
def separable_weights(attempt, draw):
    cases = [(32, 64, 3)]
    for kernel_size in (3, 5, 7):
        cases.append((draw.randrange(8, 100), draw.randrange(100, 300), kernel_size))
    compare(
        attempt,
        lambda c_in, c_out, k: k * k * c_in + c_in * c_out,
        cases,
        {
            "one filter for all": lambda c_in, c_out, k: k * k + c_in * c_out,
            "groups forgotten": lambda c_in, c_out, k: k * k * c_in * c_in + c_in * c_out,
            "nothing is mixed": lambda c_in, c_out, k: k * k * c_in,
            "not taken apart": lambda c_in, c_out, k: k * k * c_in * c_out,
        },
    )


@exercise(
    hints=[
        "Three things are to be changed: the order of the axes, the type, and the range.",
        "`permute(2, 0, 1)` brings the channels to the front. Bytes must become floats before"
        " anything is subtracted, since 100 - 127 is no byte.",
        "`(image.permute(2, 0, 1).float() - 127) / 128`.",
    ],
    why="None of the wrong versions stops with an error, and most still give a plausible answer"
    " for a clear picture. How a network was fed in training belongs to its weights, like the"
    " names of its classes.",
    misconceptions={
        "wrong normalisation": "0 to 1 is what many networks take, and this one does not. Black"
        " must become -0.99 and white 1.",
        "numbers of another network": "mean 0.485, 0.456, 0.406 belongs to the weights of"
        " torchvision. Each network has its own numbers.",
        "rows and columns swapped": "`permute(2, 1, 0)` or `.T` turns the picture on its side, by a"
        " mirror at the diagonal. Height comes before width.",
        "blue before red": "the order of the channels was turned round. That is the order of"
        " OpenCV, and here the file has red first.",
        "bytes overflow": "bytes were subtracted as bytes, so that all below 127 became large"
        " numbers. Convert to float first.",
    },
)
def to_input(attempt, draw):
    images = [draw.integers(256, *shape).to(torch.uint8) for shape in [(2, 3, 3), (3, 5, 3)]]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def right(image):
        return (image.permute(2, 0, 1).float() - 127) / 128

    compare(
        attempt,
        right,
        [(image,) for image in images],
        {
            "wrong normalisation": lambda image: image.permute(2, 0, 1).float() / 255,
            "numbers of another network": lambda image: (
                (image.float() / 255 - mean) / std
            ).permute(2, 0, 1),
            "rows and columns swapped": lambda image: right(image).transpose(1, 2),
            "blue before red": lambda image: right(image).flip(0),
            "bytes overflow": lambda image: (image.permute(2, 0, 1) - 127) / 128,
        },
    )


def _small(draw):
    """A network with batch norm and dropout that has seen one batch."""
    torch.manual_seed(draw.randrange(10**6))
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()
    )
    network(draw.normal(8, 3, 4, 4))
    return network


@exercise(
    hints=[
        "The network comes in training mode. What do batch norm and dropout do there?",
        "Three things are needed: `network.eval()`, no gradients, and at the end the mode that the"
        " network had before.",
        "`was = network.training`, then `network.eval()`, then `with torch.no_grad():` compute,"
        " then `network.train(was)`.",
    ],
    why="In training mode the features of an image depend on the other images of its batch, and"
    " each call moves the running averages. Both would go unnoticed: the shapes are right, and a"
    " linear layer learns something from such features too.",
    misconceptions={
        "forgotten eval()": "the network was in training mode. Batch norm used the mean of this"
        " batch, and dropout erased half of the values. `torch.no_grad()` changes neither.",
        "gradients kept": "the features carry the history of all layers along. It costs memory,"
        " and a later `backward()` would go through the network.",
        "mode not put back": "afterwards the network is in another mode than before. Whoever"
        " trains it further trains without dropout, and does not know it.",
    },
)
def features_of(attempt, draw):
    for mode in (True, False):
        network, X = _small(draw).train(mode), draw.normal(4, 3, 4, 4)
        untouched = copy.deepcopy(network)
        got = call(_named(attempt, "features_of"), network, X)
        due = copy.deepcopy(untouched).eval()(X).detach()
        moved = not same(network[1].running_mean, untouched[1].running_mean)
        if moved or not same(got, due):
            about = "forgotten eval()" if moved else None
            raise Wrong(f"features_of(network, X) {difference(got, due)}", about)
        if got.requires_grad:
            raise Wrong("The features ask for gradients.", "gradients kept")
        if network.training is not mode:
            words = "training" if network.training else "evaluation"
            raise Wrong(f"The network is left in {words} mode.", "mode not put back")


def _named(attempt, name):
    """The attempt as a function that may change the network it is given, under its own name."""
    if not callable(attempt):
        raise Wrong(f"A function is needed here, and this is {show(attempt)}.")

    def function(network, X):
        return attempt(network, X)

    function.__name__ = name
    return function


@exercise(
    hints=[
        "`requires_grad = False` keeps the optimiser away from the weights. Who moves the running"
        " averages of a batch norm?",
        "`model.train()` puts every layer into training mode. Go through `model.modules()` after"
        " it, and bring single layers back with `layer.eval()`.",
        "The layers to bring back are those with `isinstance(layer, nn.BatchNorm2d)` whose"
        " `layer.weight.requires_grad` is False.",
    ],
    why="Running averages are no parameters: no optimiser sees them and no `requires_grad` stops"
    " them. In training mode each batch moves them, so a part that was to stay as it was drifts"
    " towards the few new images, and without an error.",
    misconceptions={
        "frozen batch norm": "after `model.train()` alone, the batch norms of the frozen part use"
        " and update the averages of the new batches. Their weights stay, and they do not.",
        "all in evaluation": "`model.eval()` also switches off the dropout, and the batch norm of"
        " the head, which is to learn its averages.",
        "every batch norm": "the batch norm of the head learns, and so must stay in training mode."
        " Only those whose weights are frozen go to evaluation.",
        "more than batch norm": "dropout has nothing to learn and nothing to keep. It stays as it"
        " is in training.",
    },
)
def train_mode(attempt, draw):
    def model():
        body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.2))
        deeper = nn.Sequential(body, nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)))
        deeper.requires_grad_(False)
        head = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.2))
        return nn.Sequential(deeper, head)

    def modes(model):
        """Whether each batch norm and dropout is in training mode, by name."""
        kinds = (nn.BatchNorm2d, nn.Dropout)
        return {name: m.training for name, m in model.named_modules() if isinstance(m, kinds)}

    norm = {"0.0.1": False, "0.1.1": False}
    due = modes(model()) | norm
    mistakes = {
        "frozen batch norm": modes(model()),
        "all in evaluation": modes(model().eval()),
        "every batch norm": due | {"1.1": False},
        "more than batch norm": due | {"0.0.2": False},
    }
    for start in (True, False):
        got = model().train(start)
        if not callable(attempt):
            raise Wrong(f"A function is needed here, and this is {show(attempt)}.")
        returned = _called(attempt, got)
        got = modes(returned if isinstance(returned, nn.Module) else got)
        if got != due:
            place = next((name for name in due if got.get(name) != due[name]), "a layer")
            about = next((a for a, other in mistakes.items() if got == other), None)
            mode = "training" if got.get(place) else "evaluation"
            raise Wrong(f"After train_mode(model) the layer {place} is in {mode} mode.", about)


def _called(attempt, model):
    """Call a function that changes its argument and may return nothing."""
    holder = {}

    def train_mode(model):
        holder["model"] = attempt(model)
        return True

    call(train_mode, model)
    return holder["model"]


@exercise(
    hints=[
        "Two squares share a pixel if they overlap in the rows *and* in the columns.",
        "Two stretches of the same length `size` overlap if their beginnings are less than `size`"
        " apart. `test[:, None] - train[None]` has all pairs, (n_test, n_train, 2).",
        "`near = (test[:, None] - train[None]).abs() < size`, then `near.all(dim=2)` for a pair"
        " and `.any(dim=1)` for a test patch. What is asked for is the opposite.",
    ],
    why="A test patch that shares pixels with a training patch asks what the network has seen"
    " already. On this page such patches bring several points of accuracy that would be gone on a"
    " new photograph.",
    misconceptions={
        "leakage between patches": "only patches with the very same corner were thrown out. A"
        " patch that lies one pixel beside a training patch shares nearly all of its pixels.",
        "one axis is enough": "patches were thrown out that share rows *or* columns with a"
        " training patch. They share pixels only if both overlap.",
        "centres inside": "a distance below half a patch was asked for. Patches share pixels"
        " until they are a whole patch apart.",
        "touching": "patches that touch, exactly `size` apart, share no pixel.",
    },
)
def clean_test(attempt, draw):
    def clean(near):
        return ~near.any(dim=1)

    def gap(train, test):
        return (test[:, None] - train[None]).abs()

    cases = []
    for size in (4, 6):
        train = draw.integers(30, 5, 2)
        offsets = [[1, 0], [size, 0], [0, size + 9], [size - 1, size - 1], [0, 0], [size // 2, 1]]
        test = torch.cat([train[:1] + torch.tensor(offsets), draw.integers(40, 12, 2)])
        cases.append((train, test, size))
    compare(
        attempt,
        lambda train, test, size: clean((gap(train, test) < size).all(dim=2)),
        cases,
        {
            "leakage between patches": lambda train, test, size: clean(
                (gap(train, test) == 0).all(dim=2)
            ),
            "one axis is enough": lambda train, test, size: clean(
                (gap(train, test) < size).any(dim=2)
            ),
            "centres inside": lambda train, test, size: clean(
                (gap(train, test) < size / 2).all(dim=2)
            ),
            "touching": lambda train, test, size: clean((gap(train, test) <= size).all(dim=2)),
        },
    )
