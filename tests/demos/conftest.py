"""A browser, a server of the pages, and what they are compared with."""

import shutil

import pytest
from browser import served
from demo_pages import DEMOS, REPOSITORY
from stored import stored_tensors
from visitor import problems

from cnn.data import as_tensors, load_mnist
from cnn.models import CNN


@pytest.fixture
def page(tab):
    """The tab at desktop width, in light colours, without motion; a report fails the test."""
    tab.media(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    tab.resize(1280)
    tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
    tab.events.clear()
    yield tab
    tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
    assert problems(tab) == []


@pytest.fixture(scope="module")
def address():
    """The address of the folder demos/, served with the whole repository."""
    with served(REPOSITORY) as address:
        yield address + "demos/"


@pytest.fixture
def copy(tmp_path):
    """A copy of demos/ that may be damaged, and its address, some folders below the root."""
    shutil.copytree(DEMOS, tmp_path / "a" / "demos")
    with served(tmp_path) as address:
        yield tmp_path / "a" / "demos", address + "a/demos/"


@pytest.fixture(scope="module")
def test_set():
    return as_tensors(load_mnist(train=False))


@pytest.fixture(scope="module")
def stored_model():
    model = CNN().eval()
    model.load_state_dict(stored_tensors(DEMOS / "draw"))
    return model
