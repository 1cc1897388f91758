import importlib.util
from pathlib import Path

import nbformat
import notebook_checks
import pytest
import torch
import torch.nn.functional as F

from cnn.comparing import stored
from cnn.models import (
    ResidualBlock,
    ResNet,
    residual_blocks,
    with_pre_activation,
    with_scaled_branches,
    with_silent_branches,
)
from cnn.shapes import count_parameters

REPOSITORY = Path(__file__).parents[1]
SHARED = [
    "errors_without_blocks",
    "training_loss",
    "train_until",
    "refresh_averages",
    "filter_norms",
    "random_direction",
    "losses_at",
]


def load_experiment():
    """The script of the long runs as a module."""
    path = REPOSITORY / "tools" / "experiments" / "resnet.py"
    spec = importlib.util.spec_from_file_location("experiments_resnet", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


experiment = load_experiment()


def test_parameters_by_hand():
    def block(c_in, c_out):  # two convolutions without bias, two batch norms
        return 9 * c_in * c_out + 9 * c_out**2 + 4 * c_out

    stem, dense = 9 * 8 + 16, 32 * 10 + 10
    stages = sum(block(c // (2 if c > 8 else 1), c) + 2 * block(c, c) for c in (8, 16, 32))
    projections = (8 * 16 + 2 * 16) + (16 * 32 + 2 * 32)
    assert count_parameters(ResNet(20, shortcut=False)) == stem + stages + dense
    assert count_parameters(ResNet(20)) == stem + stages + dense + projections


@pytest.mark.parametrize("depth", [8, 20, 44])
def test_depth_counts_the_layers_with_weights(depth):
    layers = [
        layer
        for layer in ResNet(depth, shortcut=False).modules()
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))
    ]
    assert len(layers) == depth


@pytest.mark.parametrize("depth", [2, 7, 21])
def test_impossible_depth(depth):
    with pytest.raises(ValueError, match="depth"):
        ResNet(depth)


@pytest.mark.parametrize("size", [14, 28])
def test_shapes(size):
    X = torch.rand(2, 1, size, size)
    assert ResNet(8)(X).shape == (2, 10)
    assert torch.nn.Sequential(*list(ResNet(8))[:4])(X).shape == (2, 8, size, size)
    assert ResidualBlock(1, 6, stride=2)(X).shape == (2, 6, size // 2, size // 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_block_is_this_chain_of_functions(stride):
    torch.manual_seed(0)
    block, x = ResidualBlock(4, 4 * stride, stride), torch.randn(3, 4, 6, 6)
    conv1, _, _, conv2, _ = block.residual

    def norm(z):
        return F.batch_norm(z, None, None, training=True)

    residual = norm(F.conv2d(x, conv1.weight, stride=stride, padding=1)).relu()
    residual = norm(F.conv2d(residual, conv2.weight, padding=1))
    shortcut = x
    if stride == 2:
        shortcut = norm(F.conv2d(x, block.shortcut[0].weight, stride=2))
    assert torch.allclose(block(x), (residual + shortcut).relu(), atol=1e-5)
    plain = ResidualBlock(4, 4 * stride, stride, shortcut=False)
    plain.residual = block.residual
    assert torch.allclose(plain(x), residual.relu(), atol=1e-5)


def test_block_with_a_silent_residual_is_the_identity():
    block, x = ResidualBlock(4, 4), torch.rand(2, 4, 5, 5)
    torch.nn.init.zeros_(block.residual[-1].weight)
    assert torch.equal(block.train()(x), x)
    assert torch.equal(block.eval()(x), x)


def test_he_initialisation():
    torch.manual_seed(0)
    for layer in ResNet(20, width=16).modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.weight.numel() > 2000:
            expected = (2 / layer.weight[0].numel()) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.06)


def test_pre_activation_is_this_chain_of_functions():
    torch.manual_seed(0)
    model, x = with_pre_activation(ResNet(8)), torch.randn(3, 8, 6, 6)
    block = model[4][0]
    _, _, conv1, _, _, conv2 = block.residual

    def activated(z):
        return F.batch_norm(z, None, None, training=True).relu()

    residual = F.conv2d(activated(x), conv1.weight, stride=2, padding=1)
    residual = F.conv2d(activated(residual), conv2.weight, padding=1)
    expected = residual + F.conv2d(x, block.shortcut.weight, stride=2)
    assert torch.allclose(block(x), expected, atol=1e-5)
    assert count_parameters(model) == count_parameters(ResNet(8)) - 16 - 96 - 2 * (8 + 16) + 64
    assert model(torch.randn(2, 1, 14, 14)).shape == (2, 10)


def test_silent_branches_leave_the_shortcuts():
    torch.manual_seed(0)
    model, x = with_silent_branches(ResNet(20)), torch.rand(2, 8, 7, 7)
    assert len(residual_blocks(model)) == 9
    assert torch.equal(model[3](x), x)


def test_scaled_branches():
    torch.manual_seed(0)
    model, x = with_scaled_branches(ResNet(20)), torch.rand(2, 8, 7, 7)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())
    block = model[3][1]
    conv1, _, _, conv2, _ = block.residual
    branch = F.conv2d(F.conv2d(x, conv1.weight, padding=1).relu(), conv2.weight, padding=1)
    assert torch.allclose(block(x), (x + branch / 3).relu(), atol=1e-5)


def test_the_long_runs_use_the_functions_of_the_page():
    page = nbformat.read(REPOSITORY / "notebooks" / "07-resnet.ipynb", as_version=4)
    assert notebook_checks.definitions_match(page, [experiment], SHARED) == []


def test_results_are_complete():
    stored_runs = [
        (experiment.RUNS, experiment.LONG),
        (experiment.CHANGES, experiment.CHANGED),
        (experiment.AROUND, ["plain 44", "residual 44"]),
    ]
    for path, names in stored_runs:
        runs = stored(path)
        assert runs.keys() == set(names)
        for run in runs.values():
            assert {len(values) for values in run.values()} == {len(experiment.SEEDS)}
