import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnn.models import CNN
from cnn.shapes import count_parameters, multiply_adds, output_size, receptive_field, walk


@pytest.mark.parametrize(
    ("N", "F_", "P", "S", "D", "expected"),
    [
        (28, 3, 0, 1, 1, 26),
        (28, 3, 1, 1, 1, 28),
        (28, 2, 0, 2, 1, 14),
        (224, 7, 3, 2, 1, 112),  # the first layer of ResNet
        (227, 11, 0, 4, 1, 55),  # the first layer of AlexNet
        (8, 3, 0, 2, 1, 3),  # 2.5 + 1, rounded down
        (7, 3, 0, 1, 2, 3),
        (5, 5, 0, 3, 1, 1),
    ],
)
def test_output_size_by_hand(N, F_, P, S, D, expected):
    assert output_size(N, F_, P, S, D) == expected
    image, weight = torch.zeros(1, 1, N, N), torch.zeros(1, 1, F_, F_)
    assert F.conv2d(image, weight, stride=S, padding=P, dilation=D).shape[-1] == expected
    if P <= F_ // 2:  # all that max-pooling accepts
        assert F.max_pool2d(image, F_, stride=S, padding=P, dilation=D).shape[-1] == expected


def test_output_size_of_a_kernel_that_does_not_fit():
    with pytest.raises(ValueError, match="spans 9 pixels does not fit into 8"):
        output_size(8, 5, D=2)
    assert output_size(8, 5, P=1, D=2) == 2, "with padding it fits"


def test_output_size_on_a_grid():
    """Equal to F.conv1d for each of 432 settings, refusals included."""
    grid = itertools.product((5, 6, 9), (1, 2, 3, 5), (0, 1, 2), (1, 2, 3), (1, 2, 3, 4))
    for N, F_, P, S, D in grid:
        image, weight = torch.zeros(1, 1, N), torch.zeros(1, 1, F_)
        if D * (F_ - 1) + 1 > N + 2 * P:
            with pytest.raises(ValueError, match="does not fit"):
                output_size(N, F_, P, S, D)
        else:
            result = F.conv1d(image, weight, stride=S, padding=P, dilation=D)
            assert output_size(N, F_, P, S, D) == result.shape[-1], (N, F_, P, S, D)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], 1),
        ([(3, 1)], 3),
        ([(3, 1), (3, 1)], 5),
        ([(3, 2), (3, 1)], 7),
        ([(3, 1), (3, 1), (2, 2), (3, 1)], 10),
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)], 15),
    ],
)
def test_receptive_field_by_gradient(layers, expected):
    assert receptive_field(layers) == expected
    image = torch.zeros(1, 1, 41, requires_grad=True)
    X = image
    for kernel_size, stride, *dilation in layers:
        ones = torch.ones(1, 1, kernel_size)
        X = F.conv1d(X, ones, stride=stride, dilation=dilation[0] if dilation else 1)
    X[0, 0, X.shape[-1] // 2].backward()
    reached = image.grad[0, 0].nonzero().flatten()
    assert reached.max() - reached.min() + 1 == expected


def test_counts_by_hand():
    conv = nn.Conv2d(3, 8, kernel_size=5)
    assert count_parameters(conv) == 8 * 3 * 25 + 8
    assert multiply_adds(conv, (1, 8, 10, 12)) == 10 * 12 * 8 * 3 * 25
    assert multiply_adds(nn.Conv2d(4, 8, 3, groups=2), (1, 8, 5, 5)) == 25 * 8 * 2 * 9
    dense = nn.Linear(7, 2)
    assert count_parameters(dense) == 16
    assert multiply_adds(dense, (1, 2)) == 14
    assert multiply_adds(nn.ReLU(), (1, 8, 5, 5)) == 0


def test_frozen_parameters_do_not_count():
    layer = nn.Linear(7, 2)
    layer.weight.requires_grad_(False)
    assert count_parameters(layer) == 2


def test_walk_goes_into_nested_stacks():
    inner = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    model = nn.Sequential(inner, nn.Linear(3, 2))
    X = torch.randn(5, 4)
    steps = list(walk(model, X))
    assert [type(layer).__name__ for layer, _ in steps] == ["Linear", "ReLU", "Linear"]
    assert [tuple(output.shape) for _, output in steps] == [(5, 3), (5, 3), (5, 2)]
    assert torch.equal(steps[-1][1], model(X))


def test_walk_through_the_cnn():
    X = torch.rand(2, 1, 28, 28)
    model = CNN().eval()
    shapes = [tuple(output.shape[1:]) for _, output in walk(model, X)]
    assert (32, 26, 26) in shapes
    assert (64, 24, 24) in shapes
    assert (64, 12, 12) in shapes
    assert shapes[-1] == (10,)
