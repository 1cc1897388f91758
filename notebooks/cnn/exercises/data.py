"""The exercises of the lesson on data: tensors, parts, batches, shuffling, standardising."""

import torch
from torch.utils.data import Subset
from torchvision.transforms import ToTensor

from cnn.exercises.checking import Wrong, call, compare, exercise, predict, same


@exercise(
    hints=[
        "`ToTensor` does three things. Each of them is one method or one operator on a tensor.",
        "Convert to float before you divide. What is the largest value that a byte can hold?",
        "`unsqueeze(1)` puts an axis of length 1 behind the first one.",
    ],
    why="Converted once, the whole set is one tensor, and no picture needs a call of its own."
    " Whatever meets the network later must go through exactly the same steps.",
    misconceptions={
        "channels": "the channel axis is missing. A layer wants (N, C, H, W), also when C is 1.",
        "order": "in PyTorch the channels come before height and width, not last.",
        "range": "floats are to lie in [0, 1]: 0 for paper, 1 for full ink.",
        "scale": "divide by what a byte can hold, 255. Dividing by the largest value found makes"
        " the same grey a different number in another batch.",
    },
)
def to_batch(convert, draw):
    def right(pictures):
        return torch.stack([ToTensor()(picture.numpy()) for picture in pictures])

    def pictures(brightest):
        return draw.integers(brightest, draw.randint(3, 6), draw.randint(4, 6), 7).to(torch.uint8)

    mistakes = {
        "channels": lambda x: x.float() / 255,
        "order": lambda x: x.unsqueeze(-1).float() / 255,
        "range": lambda x: x.unsqueeze(1).float(),
        "scale": lambda x: x.unsqueeze(1).float() / x.max(),
    }
    compare(convert, right, [(pictures(100),), (pictures(256),)], mistakes)


@exercise(
    hints=[
        "A `Subset` has two attributes. Which of them belongs to this part alone?",
        "`part.dataset.data` is the tensor of all images. Index it with what makes the part a"
        " part.",
    ],
    why="Code that reads `part.dataset.data` trains on the validation images without any error,"
    " and then reports a score that is too good.",
    misconceptions={
        "subset": "`.dataset` is the whole set. All parts share it, so this gives away the other"
        " part.",
        "first ones": "a part was drawn at random. Its images are not the first ones of the set.",
        "order": "the images are the right ones, but in the order of the file: their labels come"
        " in the order of the part.",
    },
)
def images_of(function, draw):
    mistakes = {
        "subset": lambda part: part.dataset.data,
        "first ones": lambda part: part.dataset.data[: len(part)],
        "order": lambda part: part.dataset.data[sorted(part.indices)],
    }

    def right(part):
        return torch.stack([part[place] for place in range(len(part))])

    compare(function, right, [(_part(draw),) for _ in range(3)], mistakes)


class _Pictures:
    """A data set that, like MNIST, has its images in `data`."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, place):
        return self.data[place]


def _part(draw):
    n = draw.randint(12, 20)
    indices = draw.sample(range(n), n // 2)
    while indices == sorted(indices):
        draw.shuffle(indices)
    return Subset(_Pictures(draw.integers(256, n, 3, 3).to(torch.uint8)), indices)


@exercise(
    hints=[
        "How often do 512 images fit into 12,000, and what becomes of those that are left?",
        "Every sample is used once in an epoch, so the last batch holds what remains: 12,000 minus"
        " all the full batches.",
        "A batch of one-channel images has four axes, (N, C, H, W), also when it is the last.",
    ],
    why="A loop that assumes batches of equal size drops these images, stops at the last batch, or"
    " averages wrongly. The lesson on training weights the loss by the size of the batch for this reason.",
    misconceptions={
        "floor": "rounding down leaves the last images out. They make one more batch, a smaller"
        " one.",
        "last batch": "12,000 is not a multiple of 512, so the last batch is not full.",
        "channels": "a grey image has one channel, and its axis stays in the shape of the batch.",
    },
)
def batch_sizes(predictions, draw):
    sizes = [len(batch) for batch in torch.arange(12_000).split(512)]
    keys = ["batches of 1,000", "batches of 512", "images in the last of these", "its shape"]
    truth = dict(zip(keys, [12, len(sizes), sizes[-1], (sizes[-1], 1, 28, 28)]))
    mistakes = {
        "floor": {keys[1]: 12_000 // 512},
        "last batch": {keys[2]: 512, keys[3]: (512, 1, 28, 28)},
        "channels": {keys[3]: (sizes[-1], 28, 28)},
    }
    predict(predictions, truth, mistakes)


@exercise(
    hints=[
        "The mean and the standard deviation are learned from data. From which data may you learn?",
        "Compute two numbers from `X_training`, and use these two for both parts.",
        "Subtract first, then divide by `X_training.std()`.",
    ],
    why="Any number that comes from data is part of the model. Fitted on validation images too, it"
    " has seen what it will be judged by.",
    misconceptions={
        "leak": "the validation images took part in the mean and the standard deviation.",
        "own mean": "validation images are standardised by numbers of their own. A brighter"
        " picture would be made to look like all others, and a single picture could not be treated"
        " at all.",
        "variance": "divide by the standard deviation σ, not by the variance σ².",
        "order": "subtract the mean from the values first, and then divide.",
    },
)
def standardise(function, draw):
    def by(mean, std):
        return lambda a, b: ((a - mean(a, b)) / std(a, b), (b - mean(a, b)) / std(a, b))

    def joint(a, b):
        return torch.cat([a, b])

    right = by(lambda a, b: a.mean(), lambda a, b: a.std())
    mistakes = {
        "leak": by(lambda a, b: joint(a, b).mean(), lambda a, b: joint(a, b).std()),
        "own mean": lambda a, b: ((a - a.mean()) / a.std(), (b - b.mean()) / b.std()),
        "variance": by(lambda a, b: a.mean(), lambda a, b: a.var()),
        "order": lambda a, b: (a - a.mean() / a.std(), b - a.mean() / a.std()),
    }
    cases = [(draw.normal(20, 1, 2, 2) * 3 + 5, draw.normal(10, 1, 2, 2) + 8) for _ in range(3)]
    by_n = by(lambda a, b: a.mean(), lambda a, b: a.std(correction=0))  # as NumPy does it
    compare(function, right, cases, mistakes, also=[by_n])


@exercise(
    hints=[
        "Draw one random order of the numbers 0 to N − 1, and index with it.",
        "`torch.randperm(len(X))` is such an order. How many of them do you need for two tensors?",
    ],
    why="Shuffle images without their labels and every shape still fits, nothing stops, and the"
    " network learns nothing: its loss stays near log 10.",
    misconceptions={
        "shuffle": "images and labels have lost each other. One order must serve for both.",
        "replacement": "some samples come twice and others are missing. An epoch uses each one"
        " once.",
        "in order": "the samples stand where they stood.",
        "seed": "two calls give the same order. Then every epoch has the same batches.",
    },
)
def shuffled(function, draw):
    n = draw.randint(40, 60)
    X = torch.arange(n * 4.0).view(n, 1, 2, 2)
    y = draw.integers(10, n)
    orders = []
    for _ in range(3):
        result = call(function, X, y)
        if not isinstance(result, tuple) or len(result) != 2:
            raise Wrong("It should return two tensors: return X_new, y_new.")
        X_new, y_new = result
        if not (_is_like(X_new, X) and _is_like(y_new, y)):
            raise Wrong(f"X {tuple(X.shape)} and y {tuple(y.shape)} should keep shape and type.")
        orders.append((X_new[:, 0, 0, 0] / 4).long())
        places = orders[-1].tolist()
        if sorted(places) != list(range(n)):
            missing = n - len(set(places))
            raise Wrong(f"Of {n} samples {missing} are missing afterwards.", "replacement")
        if not same(X_new, X[orders[-1]]):
            raise Wrong("The pixels of an image are not what they were.")
        parted = (y_new != y[orders[-1]]).sum().item()
        if parted:
            raise Wrong(f"Of {n} images {parted} come with another label than before.", "shuffle")
        if places == list(range(n)):
            raise Wrong(
                "Sample 0 is still the first one, sample 1 the second, and so on.", "in order"
            )
    if torch.equal(orders[0], orders[1]):
        raise Wrong(f"Two calls both begin with the samples {orders[0][:4].tolist()}.", "seed")


def _is_like(new, old):
    return isinstance(new, torch.Tensor) and (new.shape, new.dtype) == (old.shape, old.dtype)
