"""The page "Draw a digit", in a browser."""

import json
import math
from itertools import pairwise

import handwriting
import pytest
import torch
from demo_pages import DEMOS, DRAW, look_at
from visitor import (
    focus,
    focus_by_keyboard,
    open_page,
    press,
    push,
    tap,
    text_of,
    touch,
    trouble,
    wait_for,
)

STROKES = handwriting.ROUND


@pytest.fixture
def demo(page, address):
    """The page, opened at desktop width in light colours."""
    page.media(prefers_color_scheme="light")
    open_page(page, address, DRAW)
    return page


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
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=left + x * width,
            y=top + y * width,
            button=button,
            buttons=int(kind != "mouseReleased"),
            clickCount=1,
        )

    for stroke in handwriting.placed(strokes, size, dx, dy):
        mouse("mousePressed", *stroke[0])
        for point in along(stroke):
            mouse("mouseMoved", *point)
        mouse("mouseReleased", *stroke[-1])


def test_it_starts_with_a_digit_that_it_reads(demo):
    assert answer(demo) == "7"
    assert "label is 7: right" in text_of(demo, "#reason")
    assert demo.run("document.querySelectorAll('.maps canvas').length") == 4


def test_ten_digits_drawn_by_hand_are_read(demo):
    placed = [(0.95, 0, 0), (0.6, 0.15, -0.1), (0.8, -0.1, 0.08)]
    read = []
    for digit, strokes in STROKES.items():
        push(demo, "clear")
        draw(demo, strokes, *placed[digit % 3])
        read.append(answer(demo))
    right = sum(read[digit] == str(digit) for digit in range(10))
    assert right >= 8, read


@pytest.mark.parametrize("style", handwriting.STYLES)
def test_small_digits_are_read_like_large_ones(demo, style):
    """In a corner and in the middle, drawn with the mouse."""
    digits = range(list(handwriting.STYLES).index(style) % 2, 10, 2)
    read = {}
    for size in (0.28, 0.12):
        for digit in digits:
            push(demo, "clear")
            draw(demo, handwriting.STYLES[style][digit], size, *handwriting.place(digit, size))
            read[digit, size] = answer(demo)
    wrong = {key: said for key, said in read.items() if said != str(key[0])}
    assert len(wrong) <= 1, wrong


def test_a_dot_is_too_small(demo):
    push(demo, "clear")
    draw(demo, [[(0.5, 0.5), (0.51, 0.5)]])
    assert answer(demo) is None
    assert "Too small" in text_of(demo, "#verdict")
    assert "cannot say" in text_of(demo, "#reason")


def pointers(page, *events):
    """Send pointer events to the pad: (type, id, kind, x, y), places as parts of its side."""
    left, top, width = pad_box(page)
    for kind, pointer, device, x, y in events:
        about = {
            "pointerId": pointer,
            "pointerType": device,
            "isPrimary": pointer < 10,
            "clientX": left + x * width,
            "clientY": top + y * width,
            "bubbles": True,
            "button": 0,
        }
        page.run(f"pad.dispatchEvent(new PointerEvent('{kind}', {json.dumps(about)}))")


def seven(pointer, device):
    points = list(along(STROKES[7][0]))
    kinds = ["pointerdown", *["pointermove"] * (len(points) - 1)]
    return [(kind, pointer, device, *point) for kind, point in zip(kinds, points)]


def test_a_pen_draws_while_a_palm_rests_on_the_paper(demo):
    """Pointers that no finger made cannot be captured: setPointerCapture throws for them."""
    push(demo, "clear")
    pointers(demo, ("pointerdown", 2, "touch", 0.9, 0.9), ("pointermove", 2, "touch", 0.9, 0.95))
    pointers(demo, *seven(3, "pen"), ("pointermove", 2, "touch", 0.8, 0.9))
    pointers(demo, ("pointerup", 3, "pen", 0.4, 0.8), ("pointerup", 2, "touch", 0.8, 0.9))
    assert answer(demo) == "7", "nothing of the palm is left"


def test_a_pointer_that_was_lost_does_not_keep_the_pad(demo):
    push(demo, "clear")
    pointers(demo, ("pointerdown", 4, "touch", 0.5, 0.5))
    push(demo, "clear")
    pointers(demo, *seven(5, "touch"), ("pointerup", 5, "touch", 0.4, 0.8))
    assert answer(demo) == "7"
    push(demo, "clear")
    draw(demo, STROKES[0])
    assert answer(demo) == "0", "the mouse draws too"


def test_undo_in_the_middle_of_a_stroke(demo):
    push(demo, "clear")
    pointers(demo, *seven(6, "touch"))
    assert answer(demo) == "7"
    push(demo, "undo")
    pointers(demo, ("pointermove", 6, "touch", 0.2, 0.2), ("pointerup", 6, "touch", 0.2, 0.2))
    assert answer(demo) is None


def test_the_inspected_number_follows_the_drawing(demo):
    push(demo, "clear")
    draw(demo, STROKES[1])
    answer(demo)
    one = demo.run("['map', 'row', 'column'].map(n => document.getElementById(`place-${n}`).value)")
    push(demo, "clear")
    draw(demo, STROKES[0])
    answer(demo)
    assert one != demo.run(
        "['map', 'row', 'column'].map(n => document.getElementById(`place-${n}`).value)"
    )
    assert max(numbers_in(demo, "patch")) > 0.5, "it does not explain blank paper"


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
    assert "label" not in text_of(demo, "#reason")
    push(demo, "undo")
    assert answer(demo) == "7"
    assert probabilities(demo) == before[0]


def test_the_probabilities_are_the_networks(demo, stored_model, test_set):
    with torch.no_grad():
        logits = stored_model(test_set[0][:3])
    for i in range(3):
        shown = demo.run("[...document.querySelectorAll('#bars .logit')].map(e => e.textContent)")
        assert shown == [f"{z:.1f}".replace("-", "−") for z in logits[i].tolist()]
        push(demo, "next")
        answer(demo)


def test_digits_that_it_gets_wrong(demo):
    for _ in range(5):
        push(demo, "wrong")
        said = answer(demo)
        reason = text_of(demo, "#reason")
        assert "wrong" in reason
        assert f"label is {said}:" not in reason


def test_it_says_when_it_guesses(demo):
    manifest = json.loads((DEMOS / "draw" / "weights.json").read_text())["test"]
    seen = set()
    for _ in range(12):
        push(demo, "wrong")
        answer(demo)
        largest = max(float(p.strip("<> %")) for p in probabilities(demo))
        guesses = "guessing" in text_of(demo, "#verdict")
        assert guesses == (largest < 100 * manifest["sure"])
        seen.add(guesses)
    assert seen == {True, False}
    assert f"{manifest['unsure']} of 10,000" in text_of(demo, "#honest")


def test_an_empty_drawing_is_no_digit(demo):
    push(demo, "clear")
    assert answer(demo) is None
    assert "Nothing is drawn" in text_of(demo, "#verdict")
    assert "answers all the same" in text_of(demo, "#reason")


def test_without_the_steps_a_small_digit_in_the_corner_is_not_read(demo):
    read = {False: 0, True: 0}
    for digit, strokes in STROKES.items():
        push(demo, "clear")
        draw(demo, strokes, 0.5, -0.2, -0.2)
        for left_out in (False, True):
            if demo.run("raw.checked") != left_out:
                push(demo, "raw")
            read[left_out] += answer(demo) == str(digit)
        assert "left out" in text_of(demo, "#step-scaled-text")
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
    assert values["map"] == 12
    row, column = values["row"], values["column"]
    patch = test_set[0][0, 0, row : row + 3, column : column + 3]
    kernel = weight[values["map"], 0]
    assert numbers_in(demo, "patch") == pytest.approx(patch.flatten().tolist(), abs=0.0051)
    assert numbers_in(demo, "kernel") == pytest.approx(kernel.flatten().tolist(), abs=0.0051)
    products = (patch * kernel).flatten().tolist()
    assert numbers_in(demo, "products") == pytest.approx(products, abs=0.0051)
    total = sum(products) + bias[values["map"]].item()
    assert f"that is {total:.3f}".rstrip("0").replace("-", "−") in text_of(demo, "#formula")


def test_a_click_keeps_the_place(demo):
    hover(demo, "Convolution 2", 0.3, 0.3, press=True)
    kept = text_of(demo, "#formula")
    assert "the other 29 together" in kept
    hover(demo, "Max-pooling", 0.7, 0.7)
    assert text_of(demo, "#formula") == kept
    push(demo, "release")
    hover(demo, "Max-pooling", 0.7, 0.7)
    assert text_of(demo, "#formula") != kept


def test_every_stage_is_explained(demo):
    for key, words in {
        "conv1": "9 products sum to",
        "conv2": "the other 29 together",
        "pool": "largest of the four",
        "hidden": "9,216 products",
        "logits": "Softmax",
    }.items():
        demo.run(look_at(key))
        assert words in text_of(demo, "#formula")


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


def test_two_arrow_keys_draw_a_diagonal(demo):
    focus(demo, "pad")
    push(demo, "clear")
    press(demo, " ")
    press(demo, "ArrowDown", release=False)
    press(demo, "ArrowRight", 20, release=False)
    assert answer(demo) is not None
    width, height = map(int, text_of(demo, "#step-drawn-text").split(" of ")[0].split(" × "))
    assert abs(width - height) < 8
    assert width > 60


def test_touch(page, address):
    page.media(prefers_color_scheme="light")
    page.call("Emulation.setTouchEmulationEnabled", enabled=True)
    page.resize(360, 740)
    open_page(page, address, DRAW)
    push(page, "clear")
    left, top, width = pad_box(page)

    scrolled = page.run("scrollY")
    for stroke in STROKES[7]:
        points = [(left + x * width, top + y * width) for x, y in along(stroke)]
        touch(page, "touchStart", points[0])
        for point in points:
            touch(page, "touchMove", point)
        touch(page, "touchEnd")
    assert answer(page) == "7"
    assert page.run("scrollY") == scrolled, "drawing does not scroll the page"
    assert pad_box(page) == [left, top, width], "the paper stays where it is"

    page.wait(0.6)  # else the tap counts as the second of a double tap
    x, y = place_in(page, "Convolution 2", 0.3, 0.5)
    tap(page, x, y)
    wait_for(page, "formula.textContent.includes('the other 29 together')")
    title = page.run("inspector.previousElementSibling.querySelector('h3').textContent")
    assert title.startswith("Convolution 2"), "the explanation is where the finger is"
    _, after = place_in(page, "Convolution 2", 0.3, 0.5, scroll=False)
    assert abs(after - y) < 2, "what is under the finger stays there"
    assert page.run("document.documentElement.scrollWidth") <= 360


def test_drawing_moves_nothing_else_for_those_who_want_less_motion(page, address):
    open_page(page, address, DRAW)
    draw(page, STROKES[1])
    assert answer(page) == "1"
    assert page.run("document.getAnimations().length") == 0


# --- when something is missing -------------------------------------------------------------------


DAMAGES = {
    "missing": ("draw/weights.bin", lambda path: path.unlink(), "is missing (the server says 404)"),
    "cut off": (
        "draw/weights.bin",
        lambda path: path.write_bytes(b"1234"),
        "4 bytes instead of 2399764",
    ),
    "flipped": (
        "shared/digits.bin",
        lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
        "checksum is wrong",
    ),
    "an empty description": (
        "draw/weights.json",
        lambda path: path.write_text("{}"),
        "does not describe weights.bin",
    ),
    "no quality": (
        "draw/weights.json",
        lambda path: path.write_text(path.read_text().replace('"test"', '"best"')),
        "describes another network",
    ),
    "no JSON": (
        "draw/weights.json",
        lambda path: path.write_text("<html>"),
        "damaged or incomplete",
    ),
    "other network": (
        "draw/weights.json",
        lambda path: path.write_text(path.read_text().replace("[128, 9216]", "[9216, 128]")),
        "describes another network",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_explained(tab, copy, damage):
    folder, address = copy
    name, spoil, message = DAMAGES[damage]
    spoil(folder / name)
    open_page(tab, address, DRAW)
    said = trouble(tab)
    assert message in said
    assert "Reload the page" in said
    assert "make export" in said
    assert tab.run("document.getElementById('demo').hidden")
    assert tab.run("document.querySelector('img.still').alt.length") > 60
