"""The exercises of the lesson on data: headers, parts, batches, shuffling, standardising."""

import torch
from torch.utils.data import Subset

from cnn.exercises.checking import Wrong, call, compare, exercise, predict, same


@exercise(
    hints=[
        "The third byte of the signature is the type of the values, and the fourth is the number of"
        " axes.",
        "After the signature comes one number of four bytes for each axis. You have met `0000ea60`"
        " before.",
        "The file is its header, and after it rows × columns values. Count the bytes of both.",
    ],
    why="A reader that takes the wrong type or starts at the wrong byte still gets numbers, and"
    " they mean nothing. The size of the file is a check that costs nothing.",
    misconceptions={
        "signature": "the last byte of the signature says how many axes there are. The signature"
        " itself is not one of them.",
        "value type": "the third byte is `0d`, not `08`: these values are not single bytes.",
        "no header": "the header is part of the file, before the values.",
        "length of the header": "16 bytes are the header for three axes. It has four bytes for the"
        " signature and four for each axis.",
    },
)
def header(predictions, draw):
    keys = ["axes", "rows", "columns", "bytes of one value", "bytes of the file"]
    values = 60_000 * 5
    truth = dict(zip(keys, [2, 60_000, 5, 4, 12 + 4 * values]))
    mistakes = {
        "signature": {keys[0]: 3},
        "value type": {keys[3]: 1, keys[4]: 12 + values},
        "no header": {keys[4]: 4 * values},
        "length of the header": {keys[4]: 16 + 4 * values},
    }
    predict(predictions, truth, mistakes)


@exercise(
    hints=[
        "A `Subset` has two attributes. Which of them belongs to this part alone?",
        "`part.dataset.data` is the tensor of all images, and `part.dataset.targets` that of all"
        " labels.",
        "A list of indices as the index of a tensor picks these rows, in this order. Do it twice.",
    ],
    why="Code that reads `part.dataset.data` trains on the validation images without any error,"
    " and then reports a score that is too good.",
    misconceptions={
        "subset": "`.dataset` is the whole set. All parts share it, so this gives away the other"
        " part.",
        "first ones": "a part was drawn at random. Its samples are not the first ones of the set.",
        "order": "the images are the right ones, but in the order of the file. The part has an"
        " order of its own.",
        "labels": "the images are right, but they come with the labels of other images.",
    },
)
def members_of(function, draw):
    def by(indices_of_images, indices_of_labels):
        return lambda part: (
            part.dataset.data[indices_of_images(part)],
            part.dataset.targets[indices_of_labels(part)],
        )

    def own(part):
        return part.indices

    def first(part):
        return slice(len(part))

    def in_order(part):
        return sorted(part.indices)

    mistakes = {
        "subset": by(lambda part: slice(None), lambda part: slice(None)),
        "first ones": by(first, first),
        "order": by(in_order, in_order),
        "labels": by(own, first),
    }
    compare(function, by(own, own), [(_part(draw),) for _ in range(3)], mistakes)


class _Pictures:
    """A data set that, like MNIST, has its images in `data` and its labels in `targets`."""

    def __init__(self, data, targets):
        self.data, self.targets = data, targets

    def __len__(self):
        return len(self.data)

    def __getitem__(self, place):
        return self.data[place], int(self.targets[place])


def _part(draw):
    n = draw.randint(12, 20)
    indices = draw.sample(range(n), n // 2)
    while indices == sorted(indices):
        draw.shuffle(indices)
    images = draw.integers(256, n, 3, 3).to(torch.uint8)
    return Subset(_Pictures(images, draw.integers(10**6, n)), indices)


@exercise(
    hints=[
        "Three things have to change: the order of the axes, the type, and the range.",
        "`permute` names for each axis of the result the axis of the input that it comes from.",
        "Convert to float before you divide. What is the largest value that a byte can hold?",
    ],
    why="Whatever meets a network later must go through exactly the same steps. A batch whose shape"
    " fits but whose pixels were mixed up raises no error.",
    misconceptions={
        "reshape": "`reshape` and `view` give the right shape to the wrong numbers: they deal them"
        " out in the order of memory. Moving an axis is a job for `permute`.",
        "order": "the channels are still last. PyTorch wants (N, C, H, W).",
        "height and width": "the pictures lie on their side: height and width have changed places.",
        "range": "floats are to lie in [0, 1], so one step is missing.",
        "scale": "divide by what a byte can hold, 255. Dividing by the largest value found makes"
        " the same colour a different number in another batch.",
    },
)
def to_batch(convert, draw):
    def arrays(brightest):
        shape = draw.randint(3, 6), draw.randint(5, 6), 7, 3
        return draw.integers(brightest, *shape).to(torch.uint8)

    def moved(x):
        return x.permute(0, 3, 1, 2).float()

    def reshaped(x):
        n, height, width, _ = x.shape
        return x.reshape(n, 3, height, width).float() / 255

    mistakes = {
        "reshape": reshaped,
        "order": lambda x: x.float() / 255,
        "height and width": lambda x: x.permute(0, 3, 2, 1).float() / 255,
        "range": moved,
        "scale": lambda x: moved(x) / x.max(),
    }
    cases = [(arrays(100),), (arrays(256),)]
    compare(convert, lambda x: moved(x) / 255, cases, mistakes)


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
    why="If images are shuffled without their labels, every shape still fits and no error stops the"
    " program, but there is nothing left to learn from.",
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
