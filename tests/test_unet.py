import importlib
from pathlib import Path

import nbformat
import notebook_checks as checks
import pytest
import torch
import torch.nn.functional as F

from cnn.comparing import stored
from cnn.models import UNet, double_convolution, join
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
    assert count_parameters(UNet(skips="none")) == encoder + decoder + 2 * up + head
    fewer = 9 * 32 * 32 + 9 * 16 * 16  # one of two sets of input channels at each level
    assert count_parameters(UNet(skips="add")) == encoder + decoder + up + head - fewer


def test_shapes():
    for skips in ("concatenate", "add", "none", ["none", "add"]):
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
    for skips in ("concatenate", "add", "none"):
        torch.manual_seed(0)
        model = UNet(skips=skips).eval()
        model.up[0].weight.data.zero_()
        with torch.no_grad():
            first, second = model(torch.rand(2, 1, 16, 16))
        assert torch.allclose(first, second) == (skips == "none")


def test_join_crops_the_middle():
    skip, X = torch.arange(36.0).view(1, 1, 6, 6), torch.ones(1, 1, 2, 4)
    middle = skip[..., 2:4, 1:5]
    assert torch.equal(join(skip, X, "add"), middle + 1)
    assert torch.equal(join(skip, X, "concatenate"), torch.cat([middle, X], dim=1))
    assert join(skip, X, "none") is X


@pytest.mark.parametrize(("size", "expected"), [(572, 388), (188, 4)])
def test_valid_network_of_the_paper(size, expected):
    model = UNet(widths=(1,) * 5, padding=0)
    assert model(torch.zeros(1, 1, size, size)).shape == (1, 6, expected, expected)


def test_valid_and_padded_agree_inside():
    torch.manual_seed(0)
    padded, valid, X = UNet().eval(), UNet(padding=0).eval(), torch.rand(1, 1, 64, 64)
    valid.load_state_dict(padded.state_dict())
    with torch.no_grad():
        inside = valid(X[..., 2:-2, 2:-2])  # so that the max-pools use the same blocks
        assert torch.allclose(inside, padded(X)[..., 22:-22, 22:-22], atol=1e-5)


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("experiments.unet")


def test_the_script_measures_what_the_notebook_defines(script):
    path = Path(__file__).parents[1] / "notebooks" / "08-unet.ipynb"
    shared = ["iou", "where_iou", "digit_or_arc", "what_accuracy", "predict", "train"]
    shared += ["dice_loss", "warp"]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and any(f"def {name}(" in cell.source for name in shared)
    ]
    assert checks.definitions_match(notebook, [script], shared) == []


def test_a_perfect_answer_and_a_warp_of_zero(script):
    masks = torch.randint(6, (2, 8, 8))
    images = torch.rand(2, 1, 8, 8)
    assert script.dice_loss(100.0 * F.one_hot(masks, 6).movedim(3, 1), masks) < 1e-5
    same_images, same_masks = script.warp(images, masks, pixels=0.0)
    assert torch.allclose(same_images, images, atol=1e-4)
    assert torch.equal(same_masks, masks)


def test_weights_are_divided_out(script):
    P = torch.tensor([0.5, 0.5, 0, 0, 0, 0]).view(1, 6, 1, 1)
    assert torch.isclose(script.corrected(P, background=0.25), torch.tensor(0.2)).all()


def test_every_comparison_has_its_seeds(script):
    runs = stored(script.RESULTS / "unet-skips.json")
    for steps in (script.SHORT, script.LONG):
        for name in script.SKIPS:
            assert len(runs[f"{name}, {steps} steps"]["iou"]) == len(script.SEEDS)
