import pytest
import torch
import torch.nn.functional as F

from cnn.models import ResidualBlock, ResNet
from cnn.shapes import count_parameters


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
