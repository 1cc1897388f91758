import torch
import torch.nn.functional as F

from cnn.models import UNet, double_convolution
from cnn.shapes import count_parameters


def test_parameters_by_hand():
    def double(a, b):
        return 9 * a * b + 9 * b * b + 4 * b  # two kernels without bias, two batch norms

    encoder = double(1, 16) + double(16, 32) + double(32, 64)
    decoder = double(64, 32) + double(32, 16)
    up = (64 * 32 * 4 + 32) + (32 * 16 * 4 + 16)
    head = 16 * 6 + 6
    assert count_parameters(double_convolution(16, 32)) == double(16, 32)
    assert count_parameters(UNet()) == encoder + decoder + up + head
    assert count_parameters(UNet(skips=False)) == encoder + decoder + 2 * up + head


def test_shapes():
    for skips in (True, False):
        assert UNet(n_classes=3, skips=skips)(torch.rand(2, 1, 20, 28)).shape == (2, 3, 20, 28)
    assert UNet(widths=(4, 8, 16, 32))(torch.rand(2, 1, 16, 16)).shape == (2, 6, 16, 16)


def test_unet_is_this_chain_of_functions():
    torch.manual_seed(0)
    model, X = UNet().eval(), torch.rand(2, 1, 16, 16)
    fine = model.encoder[0](X)
    middle = model.encoder[1](F.max_pool2d(fine, 2))
    coarse = model.encoder[2](F.max_pool2d(middle, 2))
    joined = model.decoder[0](torch.cat([middle, model.up[0](coarse)], dim=1))
    joined = model.decoder[1](torch.cat([fine, model.up[1](joined)], dim=1))
    assert torch.allclose(model(X), model.head(joined), atol=1e-6)


def test_without_skips_all_goes_through_the_bottleneck():
    """With the bottleneck silenced, only a network with skips still sees the picture."""
    for skips in (True, False):
        torch.manual_seed(0)
        model = UNet(skips=skips).eval()
        model.up[0].weight.data.zero_()
        with torch.no_grad():
            first, second = model(torch.rand(2, 1, 16, 16))
        assert torch.allclose(first, second) != skips
