"""The files in images/ are what cnn.figures draws today."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn.figures.__main__ import FIGURES, write_all
from cnn.figures.cards import fall, trained_network
from cnn.figures.convolution import times_read
from cnn.figures.samples import colour_picture, nine

REPOSITORY = Path(__file__).parents[1]
IMAGES = REPOSITORY / "images"
# The modules of cnn.figures: each may import those before it, and none beside it.
ORDER = [
    {"parts", "samples"},
    {
        "convolution",
        "features",
        "photographs",
        "resnet",
        "robustness",
        "scaling",
        "training",
        "unet",
        "vit",
    },
    {"cards"},
]


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_all(folder)
    return folder


def frames(path):
    image = Image.open(path)
    for i in range(image.n_frames):
        image.seek(i)
        yield np.asarray(image.convert("RGB"), dtype=int)


def test_every_file_has_its_function():
    files = {path.relative_to(IMAGES).as_posix() for path in IMAGES.rglob("*.*")}
    assert files == FIGURES.keys()


@pytest.mark.parametrize("name", FIGURES)
def test_fresh(name, redrawn):
    stored, fresh = IMAGES / name, redrawn / name
    if name.endswith(".svg"):
        same = stored.read_text() == fresh.read_text()
        assert same, f"{name} is stale: run `make figures`"
    else:
        pairs = list(zip(frames(stored), frames(fresh), strict=True))
        assert len(pairs) > 10 or "card" in name, "an animation has frames"
        assert all(np.abs(a - b).mean() < 1 for a, b in pairs), f"{name}: run `make figures`"


@pytest.mark.parametrize("name", [name for name in FIGURES if name.endswith(".svg")])
def test_svg_is_light_and_self_contained(name):
    text = (IMAGES / name).read_text()
    assert len(text) < 500_000
    assert "<text" not in text, "text must be paths, so that no font is needed"
    assert 'href="http' not in text


@pytest.mark.parametrize("name", [name for name in FIGURES if "card" in name])
def test_cards_have_the_size_that_link_previews_want(name):
    assert Image.open(IMAGES / name).size == (1200, 630)


def test_times_read_by_hand():
    assert times_read(5, kernel_size=3, stride=2)[0].tolist() == [1, 1, 2, 1, 1]
    assert times_read(4, kernel_size=3, stride=2)[0].tolist() == [1, 1, 1, 0]


def test_colour_picture_is_a_picture():
    picture = colour_picture()
    assert picture.shape == (3, 48, 48)
    assert picture.min() >= 0
    assert picture.max() <= 1
    red, _, blue = picture[:, 16, 31]
    assert red > blue, "the sun is not blue"


def test_the_cards_show_what_their_descriptions_say():
    network, losses = trained_network()
    train, val = losses.T
    assert train[-1] < 0.01, "to zero"
    assert 10 < val.argmin() < 50, "falls, then rises"
    assert val[-1] > 1.5 * val.min()
    heat = fall(network, nine(), 9)
    assert network(nine()[None, None].double()).argmax() == 9
    assert (heat > heat.max() / 2).float().mean() < 0.1, "a spot"


def figure_modules(path):
    """The modules of cnn.figures that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "cnn.figures":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("cnn.figures."):
            yield node.module.removeprefix("cnn.figures.")


def test_imports_run_one_way():
    """Shared parts, then the lessons, then what stands for the whole course, then __main__."""
    package = REPOSITORY / "notebooks" / "cnn"
    before = set()
    for modules in [{"__init__"}, *ORDER, {"__main__"}]:
        for module in modules:
            assert before.issuperset(figure_modules(package / "figures" / f"{module}.py")), module
        before |= modules
    assert before == {path.stem for path in (package / "figures").glob("*.py")}
    others = {path for path in package.rglob("*.py") if path.parent.name != "figures"}
    others -= {package / "export_explore.py"}  # which only maintainers run
    assert not [path.name for path in others if list(figure_modules(path))]
