"""The convolution explorer: its numbers against PyTorch's, and the page in a browser."""

import itertools
import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
import torch.nn.functional as F
from browser import browser, find_browser, served

from cnn import export_explore
from cnn.export import ExportError
from cnn.figures import convolution as figures
from cnn.shapes import output_size

REPOSITORY = Path(__file__).parents[1]
DEMOS = REPOSITORY / "demos"
RANGES = {"N": (3, 28), "F": (1, 7), "S": (1, 5), "P": (0, 4), "D": (1, 4)}

# --- the numbers, in Node ------------------------------------------------------------------------


def random_case(source, op):
    """Settings in the ranges of the page, an image and a kernel; in half of them whole numbers."""
    N, F_, S, P, D = (source.randint(*limits) for limits in RANGES.values())
    N = source.choice([N, source.randint(3, 9)])
    whole = source.random() < 0.5

    def values(n):
        rows = torch.randn(n, n, generator=torch.Generator().manual_seed(source.getrandbits(32)))
        rows = (5 * rows).round() + 0.0 if whole else rows.double()
        return rows.tolist()

    settings = {"F": F_, "P": P, "S": S, "D": D}
    return {
        "op": op,
        "image": values(N),
        "kernel": values(F_),
        "settings": settings,
        "whole": whole,
    }


@pytest.fixture(scope="module")
def asked():
    """What Node is asked: 600 random cases, sizes, kernels, and places on the colour scales."""
    source = random.Random(0)
    return {
        "cases": [random_case(source, op) for op in ("conv", "pool") for _ in range(300)],
        "sizes": list(itertools.product(range(1, 13), range(1, 6), range(3), (1, 2, 3), (1, 2, 3))),
        "F": list(range(1, 8)),
        "places": [i / 255 for i in range(256)],
    }


@pytest.fixture(scope="module")
def answer(asked):
    """What demos/convolution.js makes of it."""
    if not shutil.which("node"):
        pytest.skip("node, which runs the JavaScript, is not on PATH")
    command = ["node", str(REPOSITORY / "tests" / "js" / "convolution.mjs")]
    question = json.dumps(asked)
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.replace('"-inf"', "-Infinity"))


def by_torch(op, image, kernel, settings):
    """The same in PyTorch, float64 (size, size)."""
    X = torch.tensor(image, dtype=torch.float64)[None, None]
    look = {"padding": settings["P"], "stride": settings["S"], "dilation": settings["D"]}
    if op == "pool":
        return F.max_pool2d(X, settings["F"], **look)[0, 0]
    return F.conv2d(X, torch.tensor(kernel, dtype=torch.float64)[None, None], **look)[0, 0]


def times_read(N, settings):
    """How many windows read each pixel, as the gradient of a sum."""
    image = torch.zeros(1, 1, N, N, requires_grad=True)
    ones = torch.ones(1, 1, settings["F"], settings["F"])
    look = {"padding": settings["P"], "stride": settings["S"], "dilation": settings["D"]}
    F.conv2d(image, ones, **look).sum().backward()
    return image.grad[0, 0]


def test_outputs_equal_those_of_torch(asked, answer):
    """Whole numbers exactly; others within the rounding of 64-bit sums in another order."""
    compared = {"conv": 0, "pool": 0}
    refused = {"conv": 0, "pool": 0}
    for case, found in zip(asked["cases"], answer["cases"], strict=True):
        whole = case.pop("whole")
        try:
            expected = by_torch(**case)
        except RuntimeError:
            assert "error" in found, case["settings"]
            refused[case["op"]] += 1
            continue
        output = torch.tensor(found["output"], dtype=torch.float64)
        assert output.shape == expected.shape
        if whole or case["op"] == "pool":
            assert torch.equal(output, expected), case["settings"]
        else:
            torch.testing.assert_close(output, expected, rtol=1e-13, atol=1e-13)
        times = times_read(len(case["image"]), case["settings"])
        assert torch.equal(torch.tensor(found["times"]).float(), times), case["settings"]
        compared[case["op"]] += 1
    assert min(compared.values()) > 100
    assert min(refused.values()) > 20, "settings that do not fit must be among them"


def test_sizes_and_refusals_are_those_of_cnn_shapes(asked, answer):
    for numbers, found in zip(asked["sizes"], answer["sizes"], strict=True):
        try:
            expected = output_size(*numbers)
        except ValueError as error:
            expected = {"error": str(error)}
        assert found == expected


def test_kernels_are_those_of_the_lesson(answer):
    names = {name.partition(" ")[0]: kernel for name, kernel in figures.KERNELS.items()}
    assert list(names) == list(answer["kernels"])
    for name, kernels in answer["kernels"].items():
        torch.testing.assert_close(torch.tensor(kernels[2]).float(), names[name])
        for F_, kernel in enumerate(kernels, start=1):
            total = torch.tensor(kernel, dtype=torch.float64).sum().item()
            assert torch.tensor(kernel).shape == (F_, F_)
            assert total == pytest.approx(1 if name == "blur" else 0)


@pytest.mark.parametrize("name", ["Greys", "PuOr_r"])
def test_colours_are_those_of_matplotlib(asked, answer, name):
    expected = mpl.colormaps[name](asked["places"], bytes=True)[:, :3].astype(int)
    difference = abs(torch.tensor(answer["colours"][name]) - torch.tensor(expected))
    assert difference.max() <= 1


def test_what_readers_type_and_what_the_address_says():
    if not shutil.which("node"):
        pytest.skip("node, which runs the JavaScript, is not on PATH")
    command = ["node", "--test", str(REPOSITORY / "tests" / "js" / "convolution-numbers.test.mjs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# --- what the page is made of --------------------------------------------------------------------


def stored():
    return json.loads((DEMOS / "explore-data.json").read_text())


def test_data_are_those_of_the_digits_and_the_exported_network():
    digits = [digit | {"corner": list(digit["corner"])} for digit in export_explore.ten_digits()]
    assert stored()["digits"] == digits
    assert stored()["learned"] == export_explore.learned_kernels(DEMOS)


def test_the_nine_is_the_one_of_the_figures():
    nine = stored()["digits"][9]
    image = torch.tensor([[int(tenths, 16) / 10 for tenths in row] for row in nine["rows"]])
    row, column = nine["corner"]
    torch.testing.assert_close(image[row : row + 8, column : column + 8], figures.crop())


def test_the_still_picture_is_the_figure_of_the_lesson():
    assert (DEMOS / "explore.svg").read_bytes() == (
        REPOSITORY / "images" / "convolution-step.svg"
    ).read_bytes()


@pytest.mark.parametrize("name", ["math.woff", "math-licence.txt"])
def test_the_font_of_formulas_is_that_of_the_site(name):
    """A copy, so that the pages also work from a server of demos/ alone."""
    assert (DEMOS / name).read_bytes() == (REPOSITORY / "site" / name).read_bytes()


def test_export_without_weights_says_what_to_do(tmp_path):
    with pytest.raises(ExportError, match=r"no usable weights.*python -m cnn\.export"):
        export_explore.export(tmp_path)


def test_files_name_no_other_host():
    for name in ("explore.html", "explore.css", "explore.js", "explore-settings.js", "common.css"):
        text = (DEMOS / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|[\"'(]//", text), name


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address():
    with served(DEMOS) as address:
        yield address + "explore.html"


@pytest.fixture(scope="module")
def tab():
    if not find_browser():
        pytest.skip("no Chromium is on PATH")
    with browser() as page:
        yield page


@pytest.fixture
def page(tab):
    """The tab at desktop width, in light colours, without motion; errors in it fail the test."""
    tab.media(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    tab.resize(1280)
    tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
    tab.events.clear()
    yield tab
    assert errors(tab) == []


def errors(page):
    thrown = [e["params"] for e in page.events if e["method"] == "Runtime.exceptionThrown"]
    logged = [e["params"]["entry"] for e in page.events if e["method"] == "Log.entryAdded"]
    return thrown + [entry["text"] for entry in logged if entry["level"] == "error"]


def text_of(page, selector):
    return page.run(f"document.querySelector({json.dumps(selector)}).textContent.trim()")


def numbers_in(page, name):
    """The numbers that a grid shows, in rows; None for an empty cell."""
    script = (
        f"[...document.querySelectorAll('#{name} > div')].map(row =>"
        " [...row.children].map(cell => cell.value ?? cell.textContent))"
    )
    return [
        [float(text.replace("−", "-")) if text else None for text in row]
        for row in page.run(script)
    ]


def centre(page, selector):
    script = (
        f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
        " return [b.x + b.width / 2, b.y + b.height / 2] })"
        f"(document.querySelector({json.dumps(selector)}))"
    )
    return page.run(script)


def click(page, selector):
    x, y = centre(page, selector)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def tap(page, selector):
    x, y = centre(page, selector)
    page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])


KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, "Enter": 13}


def press(page, key, times=1):
    look = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS.get(key, 32)}
    if key in ("Enter", " "):
        look["text"] = "\r" if key == "Enter" else " "
    for _ in range(times):
        for kind in ("keyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, **look)


def type_text(page, text):
    page.call("Input.insertText", text=text)


def computed(page):
    """The numbers of the output in reading order, None where it is not computed yet."""
    return [value for line in numbers_in(page, "output") for value in line]


def cell(name, row, column):
    return f'#{name} .cell[data-row="{row}"][data-column="{column}"]'


def query_of(page):
    """The settings in the address, which follows a little later."""
    page.wait(0.4)
    return dict(pair.split("=") for pair in page.run("location.search")[1:].split("&"))


def shown(expected):
    """Numbers as the page shows them: two decimals."""
    return [[round(value, 2) + 0.0 for value in row] for row in expected.tolist()]


def test_it_starts_with_the_figure_of_the_lesson(page, address):
    page.open(address)
    assert numbers_in(page, "input") == shown(figures.crop().double())
    assert numbers_in(page, "kernel") == figures.EDGE.tolist()
    assert numbers_in(page, "output") == shown(figures.convolve(figures.crop(), figures.EDGE))
    outside = [url for url in page.requested() if not url.startswith(address.rpartition("/")[0])]
    assert [url for url in outside if not url.startswith("data:")] == []
    assert page.received_bytes() < 150_000


@pytest.mark.parametrize(
    ("query", "settings"),
    [
        ("N=5&P=1", {"padding": 1}),
        ("N=8&S=2", {"stride": 2}),
        ("N=7&D=2", {"dilation": 2}),
        ("N=9&S=3&P=2&D=2", {"stride": 3, "padding": 2, "dilation": 2}),
    ],
)
def test_links_show_what_torch_computes(page, address, query, settings):
    page.open(f"{address}?{query}")
    N = int(re.search(r"N=(\d+)", query)[1])
    expected = figures.convolve(figures.crop(N), figures.EDGE, **settings)
    assert numbers_in(page, "output") == shown(expected.double())
    assert text_of(page, "#output-size") == f"{len(expected)} × {len(expected)}"
    assert text_of(page, "#formula .out") == str(len(expected))


def test_max_pooling(page, address):
    page.open(f"{address}?op=pool&N=8&F=2&S=2&at=1,2")
    expected = F.max_pool2d(figures.crop()[None, None].double(), 2)[0, 0]
    assert numbers_in(page, "output") == shown(expected)
    assert text_of(page, "#sum") == "the largest of 0.7, 0.8, 0, 0 is 0.8"
    assert page.run("document.getElementById('kernel').offsetParent === null")


def test_products_add_up_to_the_output_at_every_step(page, address):
    page.open(f"{address}?N=6&P=1&S=2")
    output = numbers_in(page, "output")
    page.run("document.getElementById('start').click()")
    for place in range(len(output) ** 2):
        row, column = divmod(place, len(output))
        assert sum(map(sum, numbers_in(page, "products"))) == pytest.approx(output[row][column])
        answer = text_of(page, "#sum b").removeprefix("= ").replace("−", "-")
        assert float(answer) == output[row][column]
        empty = [value is None for value in computed(page)]
        assert empty == [i > place for i in range(len(output) ** 2)]
        assert text_of(page, "#place-text") == f"Window {place + 1} of {len(empty)}"
        if place + 1 < len(empty):
            page.run("document.getElementById('step').click()")
            assert text_of(page, "#live").startswith(f"Window {place + 2} of {len(empty)}, row")
    assert page.run("document.getElementById('step').disabled")


def test_pixels_that_no_window_reads_are_marked(page, address):
    page.open(f"{address}?N=8&S=2")
    never = figures.times_read(8, kernel_size=3, stride=2) == 0
    marked = page.run(
        "[...document.querySelectorAll('#input .cell')].map(c => c.classList.contains('unread'))"
    )
    assert marked == never.flatten().tolist()
    pattern = f"getComputedStyle(document.querySelector('{cell('input', 7, 7)}')).backgroundImage"
    assert "gradient" in page.run(pattern), "a pattern, not only a colour"
    assert f"never read: {never.sum()} of 64 pixels" in text_of(page, "#input-note")
    assert "5 / 2 leaves 1" in text_of(page, "#size-text")


def test_sliders_by_keyboard(page, address):
    page.open(address)
    for name, key in [("N", "ArrowRight"), ("F", "ArrowLeft"), ("S", "ArrowRight")]:
        page.run(f"document.getElementById('{name}').focus()")
        press(page, key)
    page.run("document.getElementById('P').focus()")
    press(page, "ArrowRight", 2)
    page.run("document.getElementById('D').focus()")
    press(page, "ArrowRight")
    query = query_of(page)
    assert [query[name] for name in RANGES] == ["9", "2", "2", "2", "2"]
    size = output_size(9, 2, P=2, S=2, D=2)
    assert text_of(page, "#output-size") == f"{size} × {size}"
    steps = text_of(page, "#formula").replace(" ", "")
    assert "=⌊9+2·2−2·(2−1)−12⌋+1" in steps
    assert steps.endswith(f"+1={size}")


def test_the_output_by_keyboard(page, address):
    page.open(address)
    page.run("document.getElementById('output').focus()")
    press(page, "ArrowDown", 3)
    press(page, "ArrowRight")
    assert query_of(page)["at"] == "3,1"
    active = page.run("document.getElementById('output').getAttribute('aria-activedescendant')")
    label = page.run(f"document.getElementById('{active}').ariaLabel")
    assert label == "row 4, column 2: −1.5"
    assert text_of(page, "#live").endswith("the sum of 9 products is −1.5")


def test_every_control_is_reached_with_tab(page, address):
    page.open(address)
    reached = []
    for _ in range(45):
        press(page, "Tab")
        reached.append(page.run("document.activeElement.id || document.activeElement.name"))
    wanted = ["theme", "output", "start", "play", "place", "op", *RANGES, "input-choice", "crop"]
    assert [name for name in [*wanted, "kernel-choice", "reset"] if name not in reached] == []


def test_pointing_at_an_output_pixel_shows_its_window(page, address):
    page.open(address)
    x, y = centre(page, cell("output", 2, 3))
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert query_of(page)["at"] == "2,3"
    frame = page.run(
        "(f => [f.style.left, f.style.top, f.style.width])"
        "(document.querySelector('#input-frames .window'))"
    )
    assert frame == ["37.5%", "25%", "37.5%"]  # column 3 and row 2 of 8, 3 wide


def test_touch(page, address):
    page.resize(360)
    page.call("Emulation.setTouchEmulationEnabled", enabled=True)
    page.open(address)
    tap(page, cell("output", 4, 2))
    assert query_of(page)["at"] == "4,2"
    tap(page, "#step")
    assert query_of(page)["at"] == "4,3"
    tap(page, "input[value=pool]")
    assert query_of(page)["op"] == "pool"


def test_typed_numbers(page, address):
    page.open(f"{address}?N=4")
    click(page, cell("input", 0, 0))
    type_text(page, "2")
    press(page, "ArrowRight")
    type_text(page, "−0,5")
    press(page, "ArrowDown")
    type_text(page, "1/4")
    press(page, "Enter")
    image = figures.crop(4).double()
    image[0, 0], image[0, 1], image[1, 1] = 2, -0.5, 0.25
    assert numbers_in(page, "input") == shown(image)
    assert page.run("document.getElementById('input-choice').value") == "own"
    click(page, cell("kernel", 1, 1))
    type_text(page, "3")
    press(page, "Enter")
    kernel = figures.EDGE.clone().double()
    kernel[1, 1] = 3
    assert numbers_in(page, "output") == shown(figures.convolve(image, kernel))
    assert page.run("document.getElementById('kernel-choice').value") == "own"

    page.wait(0.4)
    page.open(address + page.run("location.search"))
    assert numbers_in(page, "input") == shown(image), "the address carries them"
    assert numbers_in(page, "kernel") == kernel.tolist()


def test_a_typed_word_is_refused(page, address):
    page.open(f"{address}?N=4")
    before = numbers_in(page, "output")
    click(page, cell("input", 0, 0))
    type_text(page, "dark")
    press(page, "Enter")
    assert "“dark” is not a number" in text_of(page, "#problems")
    assert page.run(f"document.querySelector('{cell('input', 0, 0)}').ariaInvalid === 'true'")
    assert numbers_in(page, "output") == before


def test_kernels_to_choose(page, address):
    page.open(f"{address}?N=6&F=5")
    for name, F_ in [("blur", 5), ("all", 5), ("learned-7", 3)]:
        page.run(
            f"(s => {{ s.value = '{name}'; s.dispatchEvent(new Event('change')) }})"
            "(document.getElementById('kernel-choice'))"
        )
        assert query_of(page)["kernel"] == name
        assert query_of(page)["F"] == str(F_)
    assert numbers_in(page, "kernel") == stored()["learned"][7]


def test_play_pause_and_less_motion(page, address):
    page.open(address)
    page.wait(1.6)
    assert None not in computed(page), "nothing moves by itself"

    page.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    page.open(address)
    page.wait(1.6)
    output = computed(page)
    assert None in output
    assert output[1] is not None
    assert text_of(page, "#live") == "", "a walk is not read aloud"
    assert text_of(page, "#play") == "Pause"
    click(page, "#play")
    place = text_of(page, "#place-text")
    page.wait(1)
    assert text_of(page, "#place-text") == place
    click(page, "#play")
    page.wait(1)
    assert text_of(page, "#place-text") != place, "it goes on"
    page.open(f"{address}?at=1,1")
    page.wait(1)
    assert text_of(page, "#place-text") == "Window 8 of 36", "a link to a step stays there"


def test_play_ends_at_the_last_window(page, address):
    page.open(f"{address}?N=4")
    click(page, "#play")
    page.wait(4)
    assert text_of(page, "#place-text") == "Window 4 of 4"
    assert text_of(page, "#play") == "Play"


def test_the_address_carries_all_settings(page, address):
    query = "?op=conv&N=9&F=2&S=2&P=1&D=3&input=4&kernel=horizontal&corner=5,7&at=2,1"
    page.open(address + query)
    grids = [numbers_in(page, name) for name in ("input", "kernel", "products", "output")]
    page.run("document.getElementById('step').click()")
    page.run("document.getElementById('back').click()")
    page.wait(0.4)
    assert page.run("location.search") == query
    page.open(address + page.run("location.search"))
    assert [numbers_in(page, name) for name in ("input", "kernel", "products", "output")] == grids


def test_the_shown_part_of_a_digit_moves(page, address):
    page.open(address)
    page.run("document.getElementById('crop').focus()")
    press(page, "ArrowDown", 2)
    press(page, "ArrowLeft")
    assert query_of(page)["corner"] == "8,10"
    rows = stored()["digits"][9]["rows"]
    assert numbers_in(page, "input")[0] == [int(tenths, 16) / 10 for tenths in rows[8][10:18]]


def test_wrong_addresses_are_explained(page, address):
    page.open(f"{address}?N=99&S=x&kernel=none&at=7,0&colour=red")
    said = text_of(page, "#problems")
    for part in ("N=99", "from 3 to 28", "S=x", "kernel=none", "at=7,0", "6 × 6", "colour"):
        assert part in said
    assert numbers_in(page, "output") == shown(figures.convolve(figures.crop(), figures.EDGE))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("N=3&F=5", "a kernel that spans 5 pixels does not fit into 3"),
        ("N=5&F=3&D=4&P=1", "a kernel that spans 9 pixels does not fit into 7"),
        ("op=pool&F=3&P=2", "padding of at most half the kernel, 1, not 2"),
    ],
)
def test_settings_without_an_output(page, address, query, words):
    page.open(f"{address}?{query}")
    assert words in text_of(page, "#no-output")
    assert page.run("document.getElementById('play').disabled")
    page.run("document.getElementById('output').focus()")
    press(page, "ArrowDown")
    page.run("document.getElementById('N').focus()")
    for name in ("N", "F", "P", "D"):
        page.run(
            f"(e => {{ e.value = {dict(N=8, F=3, P=0, D=1)[name]};"
            f" e.dispatchEvent(new Event('input')) }})(document.getElementById('{name}'))"
        )
    assert page.run("document.getElementById('no-output').hidden")
    assert text_of(page, "#output-size") == "6 × 6"


STATES = ["", "?N=28&P=2&kernel=all&at=3,3", "?F=7&D=1&kernel=blur&at=0,0", "?N=3&F=5", "?N=1"]
STATES += ["?op=pool&N=9&F=2&S=2", "?N=12&S=3&P=1&kernel=learned-3&at=1,1"]


@pytest.mark.parametrize("query", STATES)
@pytest.mark.parametrize("width", [320, 640])
def test_nothing_sticks_out_of_a_narrow_page(page, address, query, width):
    page.resize(width)
    page.open(address + query, settle=0.3)
    assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
@pytest.mark.parametrize("query", STATES)
def test_axe_finds_no_violation(page, address, axe, query, width, scheme):
    page.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.resize(width)
    page.open(address + query, settle=0.3)
    axe_finds_nothing(page, axe)


def axe_finds_nothing(page, axe):
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    assert axe(page, rules) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_start_page(page, address, axe, scheme):
    page.media(prefers_color_scheme=scheme)
    page.resize(320)
    page.open(address.replace("explore.html", "index.html"))
    assert page.run("document.documentElement.scrollWidth") <= 320
    links = page.run("[...document.querySelectorAll('main h2 a')].map(a => a.getAttribute('href'))")
    assert [link for link in links if not (DEMOS / link).exists()] == []
    axe_finds_nothing(page, axe)


def test_the_theme_is_the_one_of_the_site(page, address):
    ground = "getComputedStyle(document.body).backgroundColor"
    page.open(address)
    assert page.run(ground) == "rgb(255, 255, 255)"
    page.run("localStorage.setItem('quarto-color-scheme', 'alternate')")
    page.open(address)
    assert page.run(ground) == "rgb(20, 24, 30)"
    click(page, "#theme")
    assert page.run(ground) == "rgb(255, 255, 255)"
    assert page.run("localStorage.getItem('quarto-color-scheme')") == "default"
    page.media(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    page.run("localStorage.removeItem('quarto-color-scheme')")
    page.open(address)
    assert page.run(ground) == "rgb(20, 24, 30)"


def test_without_javascript_a_picture_stands_in(page, address):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(address)
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert any(url.endswith("explore.svg") for url in page.requested())
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    names = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "image"]
    assert [name[:18] for name in names] == ["A handwritten nine"]


def test_from_a_folder_it_says_what_to_do(tab):
    tab.open(DEMOS.as_uri() + "/explore.html")
    assert "python3 -m http.server" in text_of(tab, "#trouble")
    assert not tab.run("document.getElementById('trouble').hidden")
    assert tab.run("document.querySelector('.without-script img').offsetParent !== null")


@pytest.mark.parametrize("lost", ["explore-data.json", "convolution.js", "explore.js"])
def test_a_lost_file_is_reported_on_the_page(tab, tmp_path, lost):
    shutil.copytree(DEMOS, tmp_path / "demos", ignore=shutil.ignore_patterns("*.bin", lost))
    with served(tmp_path / "demos") as address:
        tab.open(address + "explore.html")
        assert not tab.run("document.getElementById('trouble').hidden")
        assert len(text_of(tab, "#trouble")) > 40


def test_damaged_data_are_reported_on_the_page(tab, tmp_path):
    shutil.copytree(DEMOS, tmp_path / "demos", ignore=shutil.ignore_patterns("*.bin"))
    (tmp_path / "demos" / "explore-data.json").write_text('{"digits": [')
    with served(tmp_path / "demos") as address:
        tab.open(address + "explore.html")
        assert "python -m cnn.export_explore" in text_of(tab, "#trouble")
