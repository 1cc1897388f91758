"""The page "Your own photograph": its network against PyTorch, its messages, and what it loads."""

import base64
import io
import re

import numpy as np
import onnxruntime
import photo_runtime
import pytest
import torch
from demo_pages import DEMOS, PHOTO
from PIL import Image
from torchvision.transforms import v2
from visitor import open_page, problems, push, text_of, wait_for

from cnn.photographs import CATEGORIES, FILES, photograph, preprocess, pretrained

LOGITS, PROBABILITY = 0.3, 0.05  # how far the network in 8 bits may be from PyTorch's


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return pretrained()


@pytest.fixture(scope="module")
def session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(DEMOS / "photo" / "network.onnx", options)


@pytest.fixture(scope="module")
def runtime():
    if not photo_runtime.provide():
        pytest.skip("ONNX Runtime Web cannot be fetched here")


@pytest.mark.parametrize("name", FILES)
def test_in_eight_bits_it_answers_as_pytorch_does(name, model, session):
    X = preprocess(photograph(name))[None]
    with torch.no_grad():
        due = model(X)[0]
        maps = torch.nn.Sequential(*list(model)[:9])(X)[0]  # (1280, 7, 7)
    found = session.run(["logits", "classes", "stage8"], {"image": X.numpy()})
    logits, classes, last = (torch.from_numpy(values)[0] for values in found)
    logits = logits.flatten()
    assert (logits - due).abs().max() < LOGITS
    assert (logits.softmax(dim=0) - due.softmax(dim=0)).abs().max() < PROBABILITY
    assert due[logits.argmax()] > due.max() - LOGITS, "the same answer, or one as probable"
    assert last.shape == maps.shape
    c = due.argmax()
    by_hand = (model[12].weight[c, :, None, None] * maps).sum(dim=0)
    agreement = np.corrcoef(by_hand.detach().flatten(), classes[c].flatten())[0, 1]
    assert agreement > 0.98, "its map of a class is Grad-CAM"


def test_it_is_small():
    assert (DEMOS / "photo" / "network.onnx").stat().st_size < 5_000_000


def give(page, content, name, kind):
    """Choose a file with this content on the page."""
    text = base64.b64encode(content).decode()
    page.run(
        f"(async () => {{ const bytes = Uint8Array.from(atob('{text}'), c => c.charCodeAt(0));"
        f" const list = new DataTransfer(); list.items.add(new File([bytes], '{name}',"
        f" {{type: '{kind}'}})); const e = document.getElementById('file');"
        " e.files = list.files; e.dispatchEvent(new Event('change')); })()"
    )


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("name", ["cat", "coffee", "camera", "retina"])
def test_the_browser_says_what_pytorch_says(page, address, model, name):
    image = photograph(name)
    if max(image.shape) > 700:  # small enough to be handed over in a line
        image = v2.functional.resize(image, [600], antialias=True)
    with torch.no_grad():
        due = model(preprocess(image)[None])[0].softmax(dim=0)
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "PNG")
    open_page(page, address, PHOTO)
    give(page, file.getvalue(), "a.png", "image/png")
    wait_for_answer(page)
    said = re.findall(r"[:,] ([^,:]+?) ([\d.]+) %", text_of(page, "#status"))
    assert len(said) == 5
    assert CATEGORIES[due.argmax()] == said[0][0] or due[CATEGORIES.index(said[0][0])] > (
        due.max() - PROBABILITY
    )
    for category, percent in said:
        assert abs(float(percent) / 100 - due[CATEGORIES.index(category)]) < PROBABILITY + 0.01
    assert "orange" in page.run("document.getElementById('picture').getAttribute('aria-label')")


def wait_for_answer(page):
    for _ in range(10):
        try:
            return wait_for(page, "document.querySelector('.class')")
        except AssertionError:
            continue
    raise AssertionError(text_of(page, "#status"))


def test_a_wrong_file_gives_a_message(page, address):
    open_page(page, address, PHOTO)
    give(page, b"no picture", "notes.txt", "text/plain")
    wait_for(page, "document.getElementById('status').textContent")
    assert text_of(page, "#status").startswith("“notes.txt” is not a picture")
    assert not [url for url in page.requested() if "onnx" in url or "ort" in url], (
        "nothing is loaded"
    )


def test_without_the_runtime_it_says_so(tab, copy):
    folder, address = copy
    for file in (folder / "photo" / "ort").glob("*"):
        file.unlink()
    open_page(tab, address, PHOTO)
    push(tab, "example")
    wait_for(tab, "document.getElementById('status').textContent.startsWith('The network could')")
    assert "make site" in text_of(tab, "#status")
    assert len(problems(tab)) > 0, "and the console has the reason"
