"""cnn.fast: what is faster must still be the same."""

import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from torch import nn

from cnn import fast
from cnn.models import CNN
from cnn.shapes import count_parameters
from cnn.training import keep_freed_memory


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_random_bits_are_uniform_and_independent_of_each_other(bits):
    torch.manual_seed(0)
    n, values = 256_001, 2**bits
    numbers = fast.random_bits(n, bits).long()
    assert numbers.shape == (n,)
    n_bytes = 8 * math.ceil(n * bits / 64)
    for apart in (1, n_bytes):  # neighbours; two parts of the same byte
        pairs = values * numbers[apart:] + numbers[:-apart]
        counts = pairs.bincount(minlength=values**2)
        expected, freedom = len(pairs) / values**2, values**2 - 1
        chi_squared = ((counts - expected) ** 2 / expected).sum().item()
        assert abs(chi_squared - freedom) < 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_dropout_gives_zero_or_the_value_over_one_minus_p(p):
    torch.manual_seed(0)
    X = torch.rand(100, 1000) + 1
    dropped = fast.FastDropout(p)(X)
    kept = dropped != 0
    assert torch.allclose(dropped[kept], X[kept] / (1 - p))
    error = 5 * math.sqrt(p * (1 - p) / X.numel())
    assert abs(kept.float().mean().item() - (1 - p)) < error


@pytest.mark.parametrize("p", [1 / 2, 1 / 4, 1 / 16])
def test_dropout_keeps_exactly_that_part_of_all_numbers(p, monkeypatch):
    every_number = torch.arange(256, dtype=torch.uint8)
    monkeypatch.setattr(fast, "random_bits", lambda n, bits: every_number[:n] & (2**bits - 1))
    assert (fast.FastDropout(p)(torch.ones(256)) != 0).sum() == 256 * (1 - p)


def test_dropout_masks_the_gradient_as_the_value():
    X = torch.ones(64, 8, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    dropped = fast.FastDropout(0.25)(X)
    dropped.sum().backward()
    assert torch.equal(X.grad, dropped.detach())
    assert 0 < (X.grad == 0).sum() < X.numel()


def test_dropout_does_nothing_when_the_network_is_used():
    X = torch.rand(3, 5)
    assert fast.FastDropout(0.5).eval()(X) is X


@pytest.mark.parametrize("p", [0.3, 1, -0.25])
def test_dropout_refuses_what_a_few_bits_cannot_do(p):
    with pytest.raises(ValueError, match="1/2, 1/4 or 1/16"):
        fast.FastDropout(p)


def test_flattening_by_channels_last_is_the_dense_layer_with_reordered_columns():
    torch.manual_seed(0)
    usual, quick = CNN().double().eval(), fast.FastCNN().double().eval()
    weights = usual.state_dict()
    weights["7.weight"] = weights["7.weight"].view(128, 64, 12, 12).permute(0, 2, 3, 1).flatten(1)
    own = dict(zip(quick.state_dict(), weights.values(), strict=True))
    quick.load_state_dict(own)
    X = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    assert torch.allclose(usual(X), quick(X), atol=1e-12)


def test_flattening_channels_last_copies_nothing():
    X = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    flat = fast.FlattenChannelsLast()(X)
    assert flat.data_ptr() == X.data_ptr()
    assert torch.equal(flat.view(2, 4, 5, 3).permute(0, 3, 1, 2), X)


def test_parameters():
    assert count_parameters(fast.FastCNN()) == count_parameters(CNN()) == 1_199_882
    convolutions = 16 * 25 + 16 * 16 * 9 + 32 * 16 * 9 + 32 * 32 * 9
    norms = 2 * (16 + 16 + 32 + 32)
    dense = 32 * 36 * 10 + 10
    assert count_parameters(fast.QuickNet()) == convolutions + norms + dense == 28_250
    convolutions = 16 * 25 + 32 * 16 * 9 + 64 * 32 * 9 + 64 * 64 * 9
    norms = 2 * (16 + 32 + 64 + 64)
    dense = 64 * 25 * 10 + 10
    assert count_parameters(fast.QuickNet(fast.FOR_99_5)) == convolutions + norms + dense == 76_666


def test_schedule_by_hand():
    parts = [fast.schedule(step, 10, 0.2) for step in range(10)]
    assert parts == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_quick_training_learns_and_repeats():
    torch.manual_seed(0)
    y = torch.arange(512) % 10
    X = torch.randn(10, 1, 28, 28)[y] + 0.1 * torch.randn(512, 1, 28, 28)
    recipe = fast.Recipe(batch_size=64, epochs=2)
    model, seconds = fast.train_quickly(X, y, recipe, seed=1)
    again, _ = fast.train_quickly(X, y, recipe, seed=1)
    assert seconds > 0
    assert fast.percent_right(model, X, y) > 90
    assert torch.allclose(model[0].weight, again[0].weight, atol=1e-3)


def test_batches_move_until_the_calm_part(monkeypatch):
    moves = []

    def window(X, crop, down=0, right=0):
        moves.append((down, right))
        return X[:, :, crop:-crop, crop:-crop]

    monkeypatch.setattr(fast, "window", window)
    X, y = torch.rand(160, 1, 28, 28), torch.arange(160) % 10
    fast.train_quickly(X, y, fast.FOR_99_5._replace(batch_size=16, groups=8, epochs=1))
    assert set(moves[: 7 * 8]) == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert set(moves[7 * 8 :]) == {(0, 0)}
    assert len(moves) == 10 * 8


def test_window_moves_down_and_right():
    X = torch.arange(36.0).view(1, 1, 6, 6)
    assert fast.window(X, crop=2).tolist() == [[[[14, 15], [20, 21]]]]
    assert fast.window(X, 2, down=1, right=-2).tolist() == [[[[18, 19], [24, 25]]]]


def test_prepare():
    X = torch.tensor([0.1307, 0.1307 + 0.3081])
    assert torch.allclose(fast.prepare(X), torch.tensor([0.0, 1.0]), atol=1e-6)


def test_percent_right_looks_through_the_window():
    class Corner(nn.Module):
        """Answers 1 where the first pixel of the window is white, else 0."""

        def forward(self, X):
            white = (X[:, 0, 0, 0] > 0).float()
            return torch.stack([1 - white, white], dim=1)

    X = torch.zeros(4, 1, 28, 28)
    X[0, 0, 4, 4] = 1  # the first pixel, with a crop of 4
    X[1, 0, 0, 0] = 1  # outside the window
    y = torch.tensor([1, 0, 0, 1])
    assert fast.percent_right(Corner(), X, y, fast.FOR_99_5) == 75


def page_faults_of_an_array():
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def kept_and_returned():
    """Page faults of an array (kept, handed back), twice; None with another C library."""
    if not keep_freed_memory():
        assert not fast.return_freed_memory()
        return None
    faults = []
    for _ in range(2):
        keep_freed_memory()
        kept = min(page_faults_of_an_array() for _ in range(6))
        assert fast.return_freed_memory()
        faults.append((kept, page_faults_of_an_array()))
    return faults


def test_memory_is_kept_and_handed_back_again():
    """In a process of its own: what other tests have left on the heap would count as well."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as own:
        faults = own.submit(kept_and_returned).result()
    if faults is None:
        pytest.skip("another C library than glibc")
    for kept, returned in faults:
        assert kept < returned / 10


def test_small_network():
    model = fast.small_network()
    assert count_parameters(model) == (8 * 25 + 8) + (16 * 8 * 25 + 16) + (256 * 10 + 10) == 5994
    assert model(torch.rand(3, 1, 28, 28)).shape == (3, 10)


def test_sgd_steps_use_each_image_once_in_an_epoch(monkeypatch):
    seen = []
    torch.manual_seed(0)
    model = nn.Linear(1, 2)
    model.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].flatten().tolist()))
    X, y = torch.arange(10.0).view(10, 1), torch.arange(10) % 2
    fast.sgd_steps(model, X, y, batch_size=5, lr=0.01, steps=4)
    assert [len(batch) for batch in seen] == [5] * 4
    for epoch in (seen[:2], seen[2:]):
        assert sorted(epoch[0] + epoch[1]) == X.flatten().tolist()
    assert seen[:2] != seen[2:]
