"""The changes, attacks and networks of the lesson on robustness."""

import pytest
import torch
from torch import nn

from cnn.comparing import stored
from cnn.data import REPOSITORY
from cnn.robustness import (
    CHANGES,
    HeadNet,
    blurred_max_pool,
    fgsm,
    loss_gradient,
    pgd,
    project,
    rotate,
    shift,
)
from cnn.shapes import count_parameters


@pytest.fixture
def X():
    return torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10))


def test_a_shift_moves_right_and_down():
    X = torch.zeros(1, 1, 5, 5)
    X[0, 0, 1, 2] = 1
    assert shift(X, right=2, down=1)[0, 0].nonzero().tolist() == [[2, 4]]
    assert shift(X, right=-2)[0, 0].nonzero().tolist() == [[1, 0]]
    assert shift(X, down=4).sum() == 0, "what leaves is lost"


def test_a_quarter_turn_is_anticlockwise_and_exact(X):
    assert torch.allclose(rotate(X, 90.0), torch.rot90(X, 1, (2, 3)), atol=1e-5)
    assert torch.allclose(rotate(X, 0.0), X, atol=1e-5)
    angles = torch.tensor([0.0, 90, 180, 0, 90, 180])
    assert torch.allclose(rotate(X, angles)[2], torch.rot90(X[2], 2, (1, 2)), atol=1e-5)


@pytest.mark.parametrize("name", CHANGES)
def test_changes_keep_shape_and_range_and_include_no_change(name, X):
    change, amounts = CHANGES[name]
    for amount in amounts:
        changed = change(X, amount)
        assert changed.shape == X.shape
        assert changed.min() >= -1e-6
        assert changed.max() <= 1 + 1e-6
    nothing = 1 if name in ("size", "contrast left") else 0
    assert torch.allclose(change(X, nothing), X, atol=1e-5)


def test_the_heads_have_the_stated_sizes():
    assert count_parameters(HeadNet()) == 37_898
    assert count_parameters(HeadNet("average")) == count_parameters(HeadNet("max")) == 6_218
    blurred = HeadNet("average", blurred_max_pool)
    learned = sum(p.numel() for p in blurred.parameters() if p.requires_grad)
    assert learned == 6_218
    assert blurred(torch.rand(2, 1, 40, 40)).shape == (2, 10)


def test_the_attacks_stay_in_their_ball(model, X):
    y = torch.arange(6)
    for attacked in (fgsm(model, X, y, 0.1), pgd(model, X, y, 0.1, steps=7)):
        assert (attacked - X).abs().max() <= 0.1 + 1e-6
        assert attacked.min() >= 0
        assert attacked.max() <= 1
        assert not attacked.requires_grad
    far = project(X + 3, X, 0.1)
    assert torch.equal(far, (X + 0.1).clamp(max=1))


def test_the_gradient_is_that_of_the_network_that_answers(model, X):
    y = torch.arange(6)
    model.train()
    first, second = loss_gradient(model, X, y), loss_gradient(model, X, y)
    assert torch.equal(first, second), "no dropout"
    alone = loss_gradient(model, X[:1], y[:1])
    assert torch.allclose(first[:1], alone, atol=1e-6), "the other images do not matter"


def test_the_loss_grows_untargeted_and_falls_targeted(model, X):
    y = torch.arange(6)

    def loss(images):
        return nn.functional.cross_entropy(model.eval()(images), y)

    assert loss(pgd(model, X, y, 0.1)) > loss(X) > loss(pgd(model, X, y, 0.1, targeted=True))
    assert loss(fgsm(model, X, y, 0.1)) > loss(X)


FILES = sorted((REPOSITORY / "results").glob("robustness-*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stored_runs_are_repeated(path):
    n = 1 if path.stem == "robustness-rates" else 2
    for name, measured in stored(path).items():
        assert min(len(values) for values in measured.values()) >= n, name
