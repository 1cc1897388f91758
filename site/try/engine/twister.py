"""The random numbers of PyTorch's CPU generator, bit by bit, from NumPy's Mersenne Twister.

The algorithms are those of PyTorch's ATen/native/cpu/DistributionTemplates.h and
ATen/core/DistributionsHelper.h; the tests hold them against PyTorch itself.
"""

import math

import numpy as np


class Twister:
    """What the stand-in draws from; its methods are named like those of a NumPy Generator."""

    def __init__(self, seed=0):
        self.double = False  # whether float64 is asked for, which takes 64 bits for a number
        self.seed(seed)

    def seed(self, seed):
        self.bits = np.random.RandomState(int(seed) & 0xFFFFFFFF)._bit_generator
        self.left = None  # normal numbers come in pairs; the second one of a pair

    @property
    def state(self):
        return {"bits": self.bits.state, "left": self.left}

    @state.setter
    def state(self, state):
        self.bits.state, self.left = state["bits"], state["left"]

    def raw(self, n):
        """n whole numbers of 32 bits."""
        return np.asarray(self.bits.random_raw(n), dtype=np.uint64)

    def raw64(self, n):
        pairs = self.raw(2 * n).reshape(n, 2)
        return (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]

    def _unit(self, n, double):
        if double:
            return (self.raw64(n) & np.uint64(2**53 - 1)).astype(np.float64) * 2.0**-53
        return (self.raw(n) & np.uint64(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)

    def random(self, shape=()):
        return self._unit(_size(shape), self.double).reshape(shape)

    def uniform(self, low=0.0, high=1.0, size=()):
        low, high = np.float32(low), np.float32(high)
        return (self._unit(_size(size), False) * (high - low) + low).reshape(size)

    def standard_normal(self, size=()):
        n = _size(size)
        if n < 16:
            return np.array([self._one() for _ in range(n)]).reshape(size)
        values = self._unit(n, self.double)
        whole = n // 16 * 16
        values[:whole] = _box_muller(values[:whole])
        if whole < n:
            values[-16:] = _box_muller(self._unit(16, self.double))
        return values.reshape(size)

    def normal(self, mean=0.0, std=1.0, size=()):
        return self.standard_normal(size) * std + mean

    def _one(self):
        if self.left is not None:
            value, self.left = self.left, None
            return value
        angle, other = self._unit(2, True) * np.array([2 * math.pi, 1])
        radius = math.sqrt(-2 * math.log1p(-other))
        self.left = radius * math.sin(angle)
        return radius * math.cos(angle)

    def integers(self, low, high=None, size=(), **_):
        low, high = (0, low) if high is None else (low, high)
        span = int(high) - int(low)
        draw = self.raw64 if span >= 2**28 else self.raw
        drawn = draw(_size(size)) % np.uint64(span)
        return (drawn.astype(np.int64) + int(low)).reshape(size)

    def permutation(self, n):
        """PyTorch's randperm."""
        if not np.isscalar(n):
            return np.asarray(n)[self.permutation(len(n))]
        order = list(range(n))
        steps = (self.raw(n - 1) % np.arange(n, 1, -1, dtype=np.uint64)).tolist() if n > 1 else []
        for i, step in enumerate(steps):
            order[i], order[i + step] = order[i + step], order[i]
        return np.array(order, dtype=np.int64)

    def epoch(self, n):
        """The order in which a DataLoader that shuffles goes through n samples."""
        self.raw64(1)  # the seed for its workers
        return Twister(int(self.raw64(1)[0]) % 2**63).permutation(n)

    def __getattr__(self, name):
        """Distributions that are not PyTorch's number for number."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(np.random.default_rng(int(self.raw(1)[0])), name)


def _size(shape):
    return int(np.prod(shape, dtype=np.int64))


def _box_muller(uniform):
    blocks = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(-2 * np.log(1 - blocks[:, 0]))
    angle = uniform.dtype.type(2 * math.pi) * blocks[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
