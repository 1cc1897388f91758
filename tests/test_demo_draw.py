"""The page "Draw a digit": its export, its forward pass in Node, and the page in a real browser."""

import base64
import io
import json
import math
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import browser, find_browser, served
from PIL import Image

from cnn import export
from cnn.data import as_tensors, load_mnist
from cnn.models import CNN

REPOSITORY = Path(__file__).parents[1]
DEMOS = REPOSITORY / "demos"
VECTORS = REPOSITORY / "tests" / "vectors"
MAX_FIRST_LOAD = 3_000_000

# --- the export ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def test_set():
    return as_tensors(load_mnist(train=False))


def stored_tensors(folder):
    """The parameters in weights.bin, as cnn.export stored them."""
    manifest = json.loads((folder / "weights.json").read_text())
    values = torch.from_numpy(np.fromfile(folder / "weights.bin", "<f2").astype("f4"))
    sizes = [math.prod(tensor["shape"]) for tensor in manifest["tensors"]]
    parts = zip(manifest["tensors"], values.split(sizes))
    return {tensor["name"]: part.view(tensor["shape"]) for tensor, part in parts}


@pytest.fixture(scope="module")
def stored_model():
    model = CNN().eval()
    model.load_state_dict(stored_tensors(DEMOS))
    return model


def test_the_stored_weights_give_the_stored_logits(stored_model, test_set):
    X, y = test_set
    logits = export.logits_of(stored_model, X[:1000])
    expected = torch.from_numpy(np.fromfile(VECTORS / "network.bin", "<f4")).view(2, 1000, 10)
    assert (logits - expected[0]).abs().max() < 1e-4, "float32 sums in another order"
    assert (logits.argmax(dim=1) == y[:1000]).float().mean() > 0.97


def test_the_report_counts(test_set):
    y = torch.tensor([0, 1, 2, 3])
    logits = torch.full((4, 10), -10.0)
    logits[range(4), [0, 1, 2, 4]] = torch.tensor([10.0, 10, -9.5, 10])
    report = export.quality(logits, y)
    assert report["digits"] == 4
    assert (report["wrong"], report["accuracy"]) == (1, 75.0)
    assert (report["unsure"], report["unsure_and_wrong"]) == (1, 0)


def test_export_writes_what_the_page_reads(tmp_path, monkeypatch, test_set):
    X, y = test_set[0][:300], test_set[1][:300]
    monkeypatch.setattr(export, "LOWEST_ACCURACY", 0)
    monkeypatch.setattr(export, "FIRST_DIGITS", 7)
    torch.manual_seed(0)
    model = CNN()
    export.export(model, X, y, tmp_path / "demos", tmp_path / "vectors")
    for name, tensor in stored_tensors(tmp_path / "demos").items():
        assert torch.equal(tensor, model.state_dict()[name].half().float()), name
    digits = json.loads((tmp_path / "demos" / "digits.json").read_text())["digits"]
    pixels = np.fromfile(tmp_path / "demos" / "digits.bin", "u1").reshape(-1, 28, 28)
    assert len(digits) == len(pixels) == 7 + export.WRONG_DIGITS
    for digit, image in zip(digits, pixels):
        assert digit["label"] == y[digit["index"]]
        assert np.array_equal(image / np.float32(255), X[digit["index"], 0])
    assert all(digit["label"] != digit["prediction"] for digit in digits[7:])
    picture = np.asarray(Image.open(tmp_path / "demos" / "draw.png").convert("L"), dtype=float)
    assert picture.std() > 10


def test_the_still_picture_is_the_one_of_today(stored_model, test_set, tmp_path):
    export.still_picture(stored_model, test_set[0][:1]).savefig(tmp_path / "draw.png", dpi=110)
    pictures = [Image.open(folder / "draw.png").convert("L") for folder in (DEMOS, tmp_path)]
    stored, fresh = (np.asarray(picture, dtype=float) for picture in pictures)
    assert stored.shape == fresh.shape
    assert np.abs(stored - fresh).mean() < 1, "run `python -m cnn.export` in notebooks/"


def test_an_untrained_network_is_not_exported(test_set, tmp_path):
    with pytest.raises(
        export.ExportError, match=r"reads .* % of the test digits.*Run the lesson on training"
    ):
        export.export(CNN(), test_set[0][:100], test_set[1][:100], tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_damaged_file_is_explained(tmp_path):
    path = tmp_path / "cnn.pt"
    with pytest.raises(
        export.ExportError, match=r"(?s)no trained network at .*Run the lesson on training"
    ):
        export.trained_network(path)
    path.write_bytes(b"no weights")
    with pytest.raises(
        export.ExportError, match=r"(?s)does not hold the CNN.*Run the lesson on training"
    ):
        export.trained_network(path)
    torch.save(torch.nn.Linear(2, 3).state_dict(), path)
    with pytest.raises(export.ExportError, match="does not hold the CNN"):
        export.trained_network(path)
    with pytest.raises(SystemExit, match=r"Error: .*does not hold the CNN"):
        export.main(["--weights", str(path)])


# --- the forward pass, in Node -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["network", "network-drawing"])
def test_in_node(name):
    if not shutil.which("node"):
        pytest.skip("node is not on PATH")
    command = ["node", "--test", f"tests/js/{name}.test.mjs"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the page, in a browser ----------------------------------------------------------------------


def arc(x, y, rx, ry, start, end, n=24):
    """Points on an ellipse, angles in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, n))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


STROKES = {  # one handwriting, on a square of side 1
    0: [arc(0.5, 0.5, 0.22, 0.33, -80, 290)],
    1: [[(0.4, 0.3), (0.52, 0.18), (0.5, 0.82)]],
    2: [[*arc(0.5, 0.34, 0.19, 0.17, -170, 40), (0.3, 0.8), (0.74, 0.78)]],
    3: [[*arc(0.47, 0.34, 0.18, 0.15, -150, 90), *arc(0.48, 0.65, 0.2, 0.17, -90, 150)]],
    4: [[(0.36, 0.2), (0.3, 0.52), (0.7, 0.5)], [(0.66, 0.2), (0.6, 0.85)]],
    5: [[(0.7, 0.2), (0.36, 0.2), (0.33, 0.48), *arc(0.48, 0.62, 0.21, 0.19, -120, 140)]],
    6: [[*arc(0.66, 0.5, 0.32, 0.36, -110, -180), *arc(0.52, 0.66, 0.17, 0.17, 180, 520)]],
    7: [[(0.27, 0.22), (0.73, 0.2), (0.5, 0.5), (0.42, 0.84)]],
    8: [[*arc(0.5, 0.34, 0.15, 0.15, 60, -240), *arc(0.5, 0.67, 0.19, 0.18, -120, 240)]],
    9: [[*arc(0.5, 0.36, 0.17, 0.16, -20, -380), (0.64, 0.6), (0.56, 0.86)]],
}


@pytest.fixture(scope="module")
def page():
    if not find_browser():
        pytest.skip("no Chromium is on PATH")
    with browser() as page:
        yield page


@pytest.fixture(scope="module")
def address():
    with served(REPOSITORY) as address:
        yield address + "demos/draw.html"


@pytest.fixture
def demo(page, address):
    """The page, opened at desktop width in light colours."""
    page.media(prefers_color_scheme="light")
    page.resize(1280)
    open_demo(page, address)
    return page


def open_demo(page, address):
    page.open(address, settle=0.2)
    wait_for(page, "document.querySelector('#verdict')?.textContent || !trouble.hidden")


def wait_for(page, condition):
    for _ in range(60):
        if page.run(f"Boolean({condition})"):
            return
        page.wait(0.1)
    raise AssertionError(f"never came true: {condition}")


def text(page, name):
    return page.run(f"document.getElementById('{name}').textContent")


def answer(page):
    """The digit that the page names, or None if nothing is drawn; after the next two frames."""
    page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.run("document.querySelector('#verdict .digit')?.textContent ?? null")


def probabilities(page):
    return page.run("[...document.querySelectorAll('#bars .percent')].map(e => e.textContent)")


def pad_box(page):
    page.run("document.getElementById('pad').scrollIntoView({block: 'center'})")
    script = (
        "(b => [b.left, b.top, b.width])(document.getElementById('paper').getBoundingClientRect())"
    )
    return page.run(script)


def along(points, step=0.04):
    """The points of a path and enough points between them."""
    for (x0, y0), (x1, y1) in pairwise(points):
        n = max(1, round(math.hypot(x1 - x0, y1 - y0) / step))
        yield from ((x0 + (x1 - x0) * k / n, y0 + (y1 - y0) * k / n) for k in range(n))
    yield points[-1]


def draw(page, strokes, size=1.0, dx=0.0, dy=0.0):
    """Draw strokes on the pad with the mouse, made smaller and moved."""
    left, top, width = pad_box(page)

    def mouse(kind, x, y, button="left"):
        x, y = dx + 0.5 + size * (x - 0.5), dy + 0.5 + size * (y - 0.5)
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=left + x * width,
            y=top + y * width,
            button=button,
            buttons=int(kind != "mouseReleased"),
            clickCount=1,
        )

    for stroke in strokes:
        mouse("mousePressed", *stroke[0])
        for point in along(stroke):
            mouse("mouseMoved", *point)
        mouse("mouseReleased", *stroke[-1])


def click(page, name):
    page.run(f"document.getElementById('{name}').click()")


def problems(page):
    """What the console or an exception reported since the page was opened."""
    page.wait(0.1)
    found = []
    for event in page.events:
        if event["method"] == "Runtime.exceptionThrown":
            found.append(event["params"])
        elif event["method"] == "Log.entryAdded":
            found.append(event["params"]["entry"]["text"])
        elif event["method"] == "Runtime.consoleAPICalled":
            found.append(event["params"]["args"])
    return found


def test_it_starts_with_a_digit_that_it_reads(demo):
    assert answer(demo) == "7"
    assert "label is 7: right" in text(demo, "reason")
    assert demo.run("document.querySelectorAll('.maps canvas').length") == 4
    assert problems(demo) == []


def test_it_asks_no_other_host_and_loads_little(demo, address):
    origin = address.removesuffix("demos/draw.html")
    assert [url for url in demo.requested() if not url.startswith((origin, "data:"))] == []
    assert 2_000_000 < demo.received_bytes() < MAX_FIRST_LOAD


def test_ten_digits_drawn_by_hand_are_read(demo):
    placed = [(0.95, 0, 0), (0.6, 0.15, -0.1), (0.8, -0.1, 0.08)]
    read = []
    for digit, strokes in STROKES.items():
        click(demo, "clear")
        draw(demo, strokes, *placed[digit % 3])
        read.append(answer(demo))
    right = sum(read[digit] == str(digit) for digit in range(10))
    assert right >= 8, read
    assert problems(demo) == []


def test_a_stroke_replaces_the_example_and_changes_everything(demo):
    def state():
        canvases = "[...document.querySelectorAll('canvas')].map(c => c.toDataURL())"
        return probabilities(demo), demo.run(canvases)

    before = state()
    draw(demo, STROKES[0])
    assert answer(demo) == "0"
    after = state()
    assert before[0] != after[0]
    changed = [a != b for a, b in zip(before[1], after[1])]
    assert sum(changed) >= 8, "paper, three steps, four stages"
    assert "label" not in text(demo, "reason")
    click(demo, "undo")
    assert answer(demo) == "7"
    assert probabilities(demo) == before[0]


def test_the_probabilities_are_the_networks(demo, stored_model, test_set):
    with torch.no_grad():
        logits = stored_model(test_set[0][:3])
    for i in range(3):
        shown = demo.run("[...document.querySelectorAll('#bars .logit')].map(e => e.textContent)")
        assert shown == [f"{z:.1f}".replace("-", "−") for z in logits[i].tolist()]
        click(demo, "next")
        answer(demo)


def test_digits_that_it_gets_wrong(demo):
    for _ in range(5):
        click(demo, "wrong")
        said = answer(demo)
        reason = text(demo, "reason")
        assert "wrong" in reason
        assert f"label is {said}:" not in reason


def test_it_says_when_it_guesses(demo):
    manifest = json.loads((DEMOS / "weights.json").read_text())["test"]
    seen = set()
    for _ in range(12):
        click(demo, "wrong")
        answer(demo)
        largest = max(float(p.strip("<> %")) for p in probabilities(demo))
        guesses = "guessing" in text(demo, "verdict")
        assert guesses == (largest < 100 * manifest["sure"])
        seen.add(guesses)
    assert seen == {True, False}
    assert f"{manifest['unsure']} of 10,000" in text(demo, "honest")


def test_an_empty_drawing_is_no_digit(demo):
    click(demo, "clear")
    assert answer(demo) is None
    assert "Nothing is drawn" in text(demo, "verdict")
    assert "answers all the same" in text(demo, "reason")


def test_without_the_steps_a_small_digit_in_the_corner_is_not_read(demo):
    read = {False: 0, True: 0}
    for digit, strokes in STROKES.items():
        click(demo, "clear")
        draw(demo, strokes, 0.5, -0.2, -0.2)
        for left_out in (False, True):
            if demo.run("raw.checked") != left_out:
                click(demo, "raw")
            read[left_out] += answer(demo) == str(digit)
        assert "left out" in text(demo, "step-scaled-text")
    assert read[False] >= read[True] + 4, read


def place_in(page, stage, x, y, scroll=True):
    """Where a place of a stage is on the screen, given in parts of its width and height."""
    return page.run(
        f"""(() => {{
          const area = document.querySelector('[aria-label^="{stage}"]');
          if ({json.dumps(scroll)}) area.scrollIntoView({{block: 'center'}});
          const box = area.getBoundingClientRect();
          return [box.left + {x} * box.width, box.top + {y} * box.height];
        }})()"""
    )


def hover(page, stage, x, y, press=False):
    left, top = place_in(page, stage, x, y)
    for kind in ["mouseMoved", *(["mousePressed", "mouseReleased"] if press else [])]:
        button = "none" if kind == "mouseMoved" else "left"
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=left,
            y=top,
            button=button,
            clickCount=int(press),
        )


def choose_stage(page, key):
    page.run(
        f"(select => {{ select.value = '{key}'; select.dispatchEvent(new Event('change')) }})"
        "(document.getElementById('place-key'))"
    )


def numbers_in(page, name):
    script = f"[...document.querySelectorAll('.{name} .cell')].map(c => c.textContent)"
    return [float(number.replace("−", "-")) for number in page.run(script)]


def test_pointing_at_a_pixel_shows_its_numbers(demo, stored_model, test_set):
    weight, bias = stored_model[0].weight.detach(), stored_model[0].bias.detach()
    hover(demo, "Convolution 1", 0.53, 0.3)
    values = {
        n: int(demo.run(f"document.getElementById('place-{n}').value"))
        for n in ("map", "row", "column")
    }
    assert values["map"] == 8
    row, column = values["row"], values["column"]
    patch = test_set[0][0, 0, row : row + 3, column : column + 3]
    kernel = weight[values["map"], 0]
    assert numbers_in(demo, "patch") == pytest.approx(patch.flatten().tolist(), abs=0.0051)
    assert numbers_in(demo, "kernel") == pytest.approx(kernel.flatten().tolist(), abs=0.0051)
    products = (patch * kernel).flatten().tolist()
    assert numbers_in(demo, "products") == pytest.approx(products, abs=0.0051)
    total = sum(products) + bias[values["map"]].item()
    assert f"that is {total:.3f}".rstrip("0").replace("-", "−") in text(demo, "formula")


def test_a_click_keeps_the_place(demo):
    hover(demo, "Convolution 2", 0.3, 0.3, press=True)
    kept = text(demo, "formula")
    assert "the other 29 together" in kept
    hover(demo, "Max-pooling", 0.7, 0.7)
    assert text(demo, "formula") == kept
    click(demo, "release")
    hover(demo, "Max-pooling", 0.7, 0.7)
    assert text(demo, "formula") != kept


def test_every_stage_is_explained(demo):
    for key, words in {
        "conv1": "9 products sum to",
        "conv2": "the other 29 together",
        "pool": "largest of the four",
        "hidden": "9,216 products",
        "logits": "Softmax",
    }.items():
        choose_stage(demo, key)
        assert words in text(demo, "formula")
    assert problems(demo) == []


KEYS = {
    " ": (32, "Space"),
    "ArrowUp": (38,),
    "ArrowDown": (40,),
    "ArrowLeft": (37,),
    "ArrowRight": (39,),
}
KEYS |= {"Tab": (9,), "PageDown": (34,), "Enter": (13,)}


def press(page, key, times=1, release=True):
    code, *name = KEYS[key]
    about = {"key": key, "code": (name or [key])[0], "windowsVirtualKeyCode": code}
    for _ in range(times):
        page.call("Input.dispatchKeyEvent", type="rawKeyDown", **about)
        if release:
            page.call("Input.dispatchKeyEvent", type="keyUp", **about)


def focus_by_keyboard(page, selector):
    for _ in range(40):
        press(page, "Tab")
        if page.run(f"document.activeElement.matches('{selector}')"):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_keyboard_alone(demo):
    focus_by_keyboard(demo, "#pad")
    assert not demo.run("document.getElementById('pen').hidden")
    press(demo, "ArrowUp", 3)
    press(demo, " ")
    assert demo.run("document.getElementById('pen').className") == "pen down"
    press(demo, "ArrowDown", 45)
    press(demo, " ")
    assert answer(demo) == "1"
    press(demo, "ArrowRight", 3)
    before = demo.run("paper.toDataURL()")
    press(demo, "ArrowLeft", 3)
    assert demo.run("paper.toDataURL()") == before, "a lifted pen draws nothing"
    focus_by_keyboard(demo, ".maps")
    press(demo, "PageDown", 3)
    press(demo, "ArrowRight", 2)
    place = demo.run(
        "['map', 'row', 'column'].map(n => document.getElementById('place-' + n).value)"
    )
    assert place != ["0", "0", "0"]
    focus_by_keyboard(demo, "#place-key")
    assert problems(demo) == []


def test_two_arrow_keys_draw_a_diagonal(demo):
    demo.run("document.getElementById('pad').focus()")
    click(demo, "clear")
    press(demo, " ")
    press(demo, "ArrowDown", release=False)
    press(demo, "ArrowRight", 20, release=False)
    assert answer(demo) is not None
    width, height = map(int, text(demo, "step-drawn-text").split(" of ")[0].split(" × "))
    assert abs(width - height) < 8
    assert width > 60


def test_touch(page, address):
    page.media(prefers_color_scheme="light")
    page.call("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        page.resize(360, 740)
        open_demo(page, address)
        click(page, "clear")
        left, top, width = pad_box(page)

        def touch(kind, *points):
            at = [{"x": left + x * width, "y": top + y * width} for x, y in points]
            page.call("Input.dispatchTouchEvent", type=kind, touchPoints=at)

        scrolled = page.run("scrollY")
        for stroke in STROKES[7]:
            touch("touchStart", stroke[0])
            for point in along(stroke):
                touch("touchMove", point)
            touch("touchEnd")
        assert answer(page) == "7"
        assert page.run("scrollY") == scrolled, "drawing does not scroll the page"
        assert pad_box(page) == [left, top, width], "the paper stays where it is"

        page.wait(0.6)  # else the tap counts as the second of a double tap
        x, y = place_in(page, "Convolution 2", 0.3, 0.5)
        page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        wait_for(page, "formula.textContent.includes('the other 29 together')")
        title = page.run("inspector.previousElementSibling.querySelector('h3').textContent")
        assert title.startswith("Convolution 2"), "the explanation is where the finger is"
        _, after = place_in(page, "Convolution 2", 0.3, 0.5, scroll=False)
        assert abs(after - y) < 2, "what is under the finger stays there"
        assert page.run("document.documentElement.scrollWidth") <= 360
    finally:
        page.call("Emulation.setTouchEmulationEnabled", enabled=False)


@pytest.mark.parametrize("width", [360, 640, 768, 1280])
def test_nothing_sticks_out(page, address, width):
    page.resize(width)
    open_demo(page, address)
    for key in ("conv1", "conv2", "pool", "hidden", "logits"):
        choose_stage(page, key)
        assert page.run("document.documentElement.scrollWidth") <= width, key


def test_reduced_motion(page, address):
    page.media(prefers_reduced_motion="reduce")
    page.resize(1280)
    open_demo(page, address)
    draw(page, STROKES[1])
    assert answer(page) == "1"
    assert page.run("document.getAnimations().length") == 0


def test_light_and_dark(page, address):
    shots = {}
    for scheme in ("light", "dark"):
        page.media(prefers_color_scheme=scheme)
        page.resize(1280)
        open_demo(page, address)
        shot = base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"])
        shots[scheme] = np.asarray(Image.open(io.BytesIO(shot)).convert("L"), dtype=float)
    assert shots["light"].mean() > shots["dark"].mean() + 50


def test_the_sites_choice_of_colours_is_followed(demo, address):
    demo.run("localStorage.setItem('quarto-color-scheme', 'alternate')")
    open_demo(demo, address)
    assert demo.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"
    demo.run("localStorage.removeItem('quarto-color-scheme')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_violation(page, address, axe, scheme, width):
    page.media(prefers_color_scheme=scheme)
    page.resize(width)
    open_demo(page, address)
    for key in ("conv1", "conv2", "pool", "logits"):
        choose_stage(page, key)
        assert axe(page) == [], key


# --- when something is missing -------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A copy of the page that may be damaged, and its address."""
    shutil.copytree(DEMOS, tmp_path / "a" / "demos")
    with served(tmp_path) as address:
        yield tmp_path / "a" / "demos", address + "a/demos/draw.html"


def test_it_works_below_any_path(page, copy):
    open_demo(page, copy[1])
    assert answer(page) == "7"


DAMAGES = {
    "missing": ("weights.bin", lambda path: path.unlink(), "is missing (the server says 404)"),
    "cut off": (
        "weights.bin",
        lambda path: path.write_bytes(b"1234"),
        "4 bytes instead of 2399764",
    ),
    "flipped": (
        "digits.bin",
        lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
        "checksum is wrong",
    ),
    "no JSON": ("weights.json", lambda path: path.write_text("<html>"), "damaged or incomplete"),
    "other network": (
        "weights.json",
        lambda path: path.write_text(path.read_text().replace("[128, 9216]", "[9216, 128]")),
        "describes another network",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_explained(page, copy, damage):
    name, spoil, message = DAMAGES[damage]
    spoil(copy[0] / name)
    page.open(copy[1])
    wait_for(page, "!document.getElementById('trouble').hidden")
    said = text(page, "trouble")
    assert message in said
    assert "Reload the page" in said
    assert "cnn.export" in said
    assert page.run("document.getElementById('demo').hidden")
    assert page.run("document.querySelector('img.still').alt.length") > 60


def test_a_missing_script_is_explained(page, copy):
    (copy[0] / "network.js").unlink()
    page.open(copy[1])
    wait_for(page, "!document.getElementById('trouble').hidden")
    assert "could not be loaded" in text(page, "trouble")


def test_opened_from_a_folder_it_says_what_to_do(page):
    page.open((DEMOS / "draw.html").as_uri())
    wait_for(page, "!document.getElementById('trouble').hidden")
    assert "http.server" in text(page, "trouble")


def test_without_javascript_a_picture_stands_there(page, address):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.resize(1280)
        page.open(address)
        assert any(url.endswith("demos/draw.png") for url in page.requested())
        assert not any(url.endswith("weights.bin") for url in page.requested())
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
