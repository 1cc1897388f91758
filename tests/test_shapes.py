import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnn.models import CNN, ResidualBlock, double_convolution
from cnn.shapes import count_parameters, multiply_adds, output_size, receptive_field, walk


@pytest.mark.parametrize(
    ("H", "K", "P", "S", "D", "expected"),
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
def test_output_size_by_hand(H, K, P, S, D, expected):
    assert output_size(H, K, P, S, D) == expected
    image, weight = torch.zeros(1, 1, H, H), torch.zeros(1, 1, K, K)
    assert F.conv2d(image, weight, stride=S, padding=P, dilation=D).shape[-1] == expected
    if P <= K // 2:  # all that max-pooling accepts
        assert F.max_pool2d(image, K, stride=S, padding=P, dilation=D).shape[-1] == expected


def test_output_size_of_a_kernel_that_does_not_fit():
    with pytest.raises(ValueError, match="spans 9 pixels does not fit into 8"):
        output_size(8, 5, D=2)
    assert output_size(8, 5, P=1, D=2) == 2, "with padding it fits"


def test_output_size_on_a_grid():
    """Equal to F.conv1d for each of 432 settings, refusals included."""
    grid = itertools.product((5, 6, 9), (1, 2, 3, 5), (0, 1, 2), (1, 2, 3), (1, 2, 3, 4))
    for H, K, P, S, D in grid:
        image, weight = torch.zeros(1, 1, H), torch.zeros(1, 1, K)
        if D * (K - 1) + 1 > H + 2 * P:
            with pytest.raises(ValueError, match="does not fit"):
                output_size(H, K, P, S, D)
        else:
            result = F.conv1d(image, weight, stride=S, padding=P, dilation=D)
            assert output_size(H, K, P, S, D) == result.shape[-1], (H, K, P, S, D)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"S": -1}, "S must be a whole number of at least 1, not -1"),
        ({"S": 0}, "S must be"),
        ({"S": 1.5}, "S must be a whole number of at least 1, not 1.5"),
        ({"S": 2.0}, "S must be"),
        ({"S": "2"}, "S must be a whole number of at least 1, not '2'"),
        ({"S": (2, 2)}, "S must be"),
        ({"D": 0}, "D must be"),
        ({"D": -2}, "D must be"),
        ({"K": 0}, "K must be"),
        ({"K": None}, "K must be"),
        ({"P": -1}, "P must be a whole number of at least 0, not -1"),
        ({"P": 0.5}, "P must be"),
        ({"H": 28.5}, "H must be a whole number of at least 1, not 28.5"),
        ({"H": 0}, "H must be"),
        ({"H": float("nan")}, "H must be"),
    ],
)
def test_output_size_refuses_what_no_layer_accepts(values, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        output_size(**{"H": 28, "K": 3} | values)


@pytest.mark.parametrize("layer", [(0, 1), (3, 0), (3, -1), (3, 1, 0), (3, 1.5), (3.0, 1)])
def test_receptive_field_refuses_what_no_layer_accepts(layer):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        receptive_field([(3, 1), layer])


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


def measured_multiply_adds(layer, X):
    """Multiply-adds for one sample as PyTorch's own counter sees them."""
    with FlopCounterMode(display=False) as counter:
        layer(X)
    return counter.get_total_flops() // 2 // len(X)  # it counts a multiply-add as two


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv1d(3, 6, 5), (2, 3, 20), 16 * 6 * 3 * 5),
        (nn.Conv1d(4, 8, 3, stride=2, groups=4), (2, 4, 21), 10 * 8 * 1 * 3),
        (nn.Conv2d(3, 6, (3, 5), padding=1), (2, 3, 9, 9), 9 * 7 * 6 * 3 * 15),
        (nn.Conv2d(8, 8, 3, dilation=2, groups=8), (2, 8, 9, 9), 25 * 8 * 1 * 9),
        (nn.Conv3d(2, 4, 3), (2, 2, 5, 6, 7), 3 * 4 * 5 * 4 * 2 * 27),
        (nn.Linear(64, 10), (1, 64), 640),
        (nn.Linear(64, 10), (1, 17, 64), 17 * 640),
        (nn.Linear(64, 10, bias=False), (3, 4, 5, 64), 4 * 5 * 640),
        (nn.Linear(1, 1), (1, 1), 1),
    ],
    ids=str,
)
def test_multiply_adds_is_what_pytorch_counts(layer, shape, expected):
    X = torch.zeros(shape)
    assert multiply_adds(layer, layer(X).shape) == expected == measured_multiply_adds(layer, X)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose1d(2, 2, 2),
        nn.ConvTranspose2d(2, 2, 2),
        nn.ConvTranspose3d(2, 2, 2),
        nn.MultiheadAttention(8, 2),
        nn.Bilinear(2, 2, 2),
        nn.LSTM(4, 4),
        nn.Embedding(4, 4),
        nn.TransformerEncoderLayer(8, 2),
        nn.Sequential(nn.Linear(4, 4)),
        double_convolution(1, 2),
        ResidualBlock(4, 4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_multiply_adds_without_a_rule_is_an_error(layer):
    with pytest.raises(TypeError, match=f"no rule .* {type(layer).__name__}$"):
        multiply_adds(layer, (1, 8, 8, 8))


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm2d(8), nn.GroupNorm(2, 8), nn.PReLU(8), nn.MaxPool2d(2), nn.Flatten()],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_without_a_matrix_multiply_nothing(layer):
    assert multiply_adds(layer, (1, 8, 5, 5)) == 0


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Conv2d(1, 8, 3), (8, 5, 5)), (nn.Linear(7, 2), (2,))]
)
def test_multiply_adds_wants_the_batch_axis(layer, shape):
    with pytest.raises(ValueError, match="lacks an axis"):
        multiply_adds(layer, shape)


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


def test_walk_runs_each_layer_once():
    """In training mode a batch norm that ran twice would have counted two batches."""
    norm, dropout = nn.BatchNorm1d(4), nn.Dropout(0.5)
    model = nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(4, 4), norm), dropout), nn.ReLU())
    X = torch.randn(64, 4)
    steps = list(walk(model, X))
    assert norm.num_batches_tracked == 1
    outputs = {layer: output for layer, output in steps}
    assert torch.equal(steps[-1][1], outputs[dropout].relu()), "the zeros that the step shows"
    assert [type(layer).__name__ for layer in outputs] == [
        "Linear",
        "BatchNorm1d",
        "Dropout",
        "ReLU",
    ]


def test_walk_passes_empty_stacks():
    X = torch.randn(5, 4)
    assert list(walk(nn.Sequential(), X)) == []
    (step,) = walk(nn.Sequential(nn.Sequential(), nn.ReLU()), X)
    assert torch.equal(step[1], X.relu())


def test_walk_through_the_cnn():
    X = torch.rand(2, 1, 28, 28)
    model = CNN().eval()
    shapes = [tuple(output.shape[1:]) for _, output in walk(model, X)]
    assert (32, 26, 26) in shapes
    assert (64, 24, 24) in shapes
    assert (64, 12, 12) in shapes
    assert shapes[-1] == (10,)
