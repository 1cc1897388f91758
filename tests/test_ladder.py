"""tools/ladder.py: each rung does the same work, and is timed fairly."""

import multiprocessing
from itertools import pairwise

import ladder
import pytest
import torch
from torch import nn

from cnn.models import CNN


def test_multiply_adds_by_hand():
    forward = 32 * 26 * 26 * 9 + 64 * 24 * 24 * 32 * 9 + 9216 * 128 + 128 * 10
    both = 3 * forward - 32 * 26 * 26 * 9
    assert ladder.training_multiply_adds(CNN(), torch.zeros(1, 1, 28, 28)) == (forward, both)


def test_time_in_turns_leaves_out_the_warm_up():
    calls = []
    works = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = ladder.time_in_turns(works, rounds=2)
    assert set(seconds) == {"a", "b"}
    assert [len(times) for times in seconds.values()] == [2, 2]
    assert calls == ["a", "b"] * 3


def test_a_ratio_is_taken_within_each_round():
    seconds = {"a": [1, 10, 3], "b": [2, 20, 3]}
    assert ladder.ratio_in_turns(seconds, "b", to="a") == (2, 1.5, 2)


def test_spread_by_hand():
    assert ladder.spread([5, 1, 2, 4, 3]) == (3, 2, 4)


def test_works_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.ReLU(), nn.Linear(8, 5))
    forward, backward = ladder.layer_works(model, torch.zeros(10, 1, 4, 4))
    assert [type(work.layer).__name__ for work in forward] == ["Conv2d", "ReLU", "Linear"]
    assert [work.multiply_adds for work in forward] == [10 * 8 * 9, 0, 10 * 8 * 5]
    assert [work.multiply_adds for work in backward] == [10 * 8 * 9, 0, 2 * 10 * 8 * 5]
    assert [work.numbers for work in forward] == [160 + 20 + 80, 80 + 80, 80 + 45 + 50]
    assert [work.numbers for work in backward] == [80 + 160 + 40, 80 + 160, 50 + 160 + 90]


def test_roofline_takes_the_slower_side_of_each_work():
    works = [ladder.Work(None, 100, 1), ladder.Work(None, 10, 50)]
    assert ladder.roofline_seconds(works, rate=10, bandwidth=20, bytes_per_number=2) == 10 + 5


def test_per_second():
    assert 0 < ladder.per_second("sum(values)", 3, values=[1, 2, 3]) < 1e10


def test_workers_stay_for_the_next_epoch():
    setup = ladder.Setup("", workers=1)
    slice_ = ladder.Slice(setup, Digits(), range(4), range(2))
    slice_()
    first = {worker.pid for worker in multiprocessing.active_children()}
    slice_()
    assert {worker.pid for worker in multiprocessing.active_children()} == first


def test_where_right_is_what_is_counted():
    torch.manual_seed(0)
    slice_ = ladder.Slice(ladder.Setup("", True), Digits(), range(8), range(8))
    X, y = next(slice_.validation())
    right = ladder.where_right(slice_.setup, slice_.model, X, y, batch_size=3)
    assert right.shape == (8,)
    assert right.sum() == ladder.count_right(slice_.setup, slice_.model, slice_.validation)


def test_each_rung_changes_one_thing():
    rungs = ladder.ladder()
    assert len({rung.name for rung in rungs}) == len(rungs)
    for below, rung in pairwise(rungs):
        changed = [a != b for a, b in zip(below[1:], rung[1:])]
        assert sum(changed) <= 1, rung.name


def test_micro_batches_pay_only_beyond_the_spread():
    ones = [1.0, 1.0, 1.0, 1.0]
    assert ladder.micro_batches_that_pay({1: ones, 2: [0.9, 0.9, 1.1, 1.1], 4: ones}) == 1
    assert ladder.micro_batches_that_pay({1: ones, 2: [0.9] * 4, 4: [0.8] * 4}) == 4
    assert ladder.ladder(4)[-1].micro_batches == 4


class Digits(torch.utils.data.Dataset):
    """Eight images that stand for MNIST."""

    data = torch.arange(8 * 28 * 28).view(8, 28, 28).remainder(251).to(torch.uint8)
    targets = torch.arange(8)

    def __getitem__(self, index):
        return self.data[index][None].float() / 255, int(self.targets[index])

    def __len__(self):
        return 8


@pytest.mark.parametrize("from_tensors", [False, True])
def test_both_loaders_give_the_same_images(from_tensors):
    setup = ladder.Setup("", from_tensors=from_tensors)
    X, y = next(ladder.image_loader(setup, Digits(), [5, 2, 7])())
    assert sorted(y.tolist()) == [2, 5, 7]
    assert torch.allclose(X, Digits.data[y][:, None].float() / 255)


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_micro_batches_make_the_same_step(micro_batches):
    def network():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    whole = ladder.Slice(ladder.Setup("", True, network=network), Digits(), range(8), range(2))
    parts = ladder.Slice(
        ladder.Setup("", True, network=network, micro_batches=micro_batches),
        Digits(),
        range(8),
        range(2),
    )
    X, y = next(whole.training())
    n_right = {ladder.optimizer_step(w.setup, w.model, w.optimizer, X, y) for w in (whole, parts)}
    assert len(n_right) == 1
    gradients = [[p.grad for p in work.model.parameters()] for work in (whole, parts)]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients))


def test_counting_while_training_sees_every_image_once():
    setup = ladder.Setup("", True, count_in_training=True, network=CNN)
    right, right_of_others = ladder.Slice(setup, Digits(), list(range(6)), [6, 7])()
    assert 0 <= right <= 6
    assert 0 <= right_of_others <= 2
