"""The convolution explorer, in a browser."""

import re

import pytest
import torch.nn.functional as F
from demo_pages import DEMOS, EXPLORE, State
from stored import explored
from visitor import (
    centre,
    choose,
    click,
    focus,
    open_page,
    point,
    press,
    push,
    tap,
    text_of,
    trouble,
    type_text,
)

from cnn.figures import convolution as figures
from cnn.shapes import output_size

RANGES = ("N", "K", "S", "P", "D")


def go(page, address, query=""):
    """Open the page with a query in its address."""
    open_page(page, address, EXPLORE, State(query=query))


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
    go(page, address)
    assert numbers_in(page, "input") == shown(figures.crop().double())
    assert numbers_in(page, "kernel") == figures.EDGE.tolist()
    assert numbers_in(page, "output") == shown(figures.convolve(figures.crop(), figures.EDGE))


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
    go(page, address, f"?{query}")
    N = int(re.search(r"N=(\d+)", query)[1])
    expected = figures.convolve(figures.crop(N), figures.EDGE, **settings)
    assert numbers_in(page, "output") == shown(expected.double())
    assert text_of(page, "#output-size") == f"{len(expected)} × {len(expected)}"
    assert text_of(page, "#formula .out") == str(len(expected))


def test_max_pooling(page, address):
    go(page, address, "?op=pool&N=8&K=2&S=2&at=1,2")
    expected = F.max_pool2d(figures.crop()[None, None].double(), 2)[0, 0]
    assert numbers_in(page, "output") == shown(expected)
    assert text_of(page, "#sum") == "the largest of 0.7, 0.8, 0, 0 is 0.8"
    assert page.run("document.getElementById('kernel').offsetParent === null")


def test_products_add_up_to_the_output_at_every_step(page, address):
    go(page, address, "?N=6&P=1&S=2")
    output = numbers_in(page, "output")
    push(page, "start")
    for place in range(len(output) ** 2):
        row, column = divmod(place, len(output))
        assert sum(map(sum, numbers_in(page, "products"))) == pytest.approx(output[row][column])
        answer = text_of(page, "#sum b").removeprefix("= ").replace("−", "-")
        assert float(answer) == output[row][column]
        empty = [value is None for value in computed(page)]
        assert empty == [i > place for i in range(len(output) ** 2)]
        assert text_of(page, "#place-text") == f"Window {place + 1} of {len(empty)}"
        if place + 1 < len(empty):
            push(page, "step")
            assert text_of(page, "#live").startswith(f"Window {place + 2} of {len(empty)}, row")
    assert page.run("document.getElementById('step').disabled")


def test_pixels_that_no_window_reads_are_marked(page, address):
    go(page, address, "?N=8&S=2")
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
    go(page, address)
    for name, key in [("N", "ArrowRight"), ("K", "ArrowLeft"), ("S", "ArrowRight")]:
        focus(page, name)
        press(page, key)
    focus(page, "P")
    press(page, "ArrowRight", 2)
    focus(page, "D")
    press(page, "ArrowRight")
    query = query_of(page)
    assert [query[name] for name in RANGES] == ["9", "2", "2", "2", "2"]
    size = output_size(9, 2, P=2, S=2, D=2)
    assert text_of(page, "#output-size") == f"{size} × {size}"
    steps = text_of(page, "#formula").replace(" ", "")
    assert "=⌊9+2·2−2·(2−1)−12⌋+1" in steps
    assert steps.endswith(f"+1={size}")


def test_the_output_by_keyboard(page, address):
    go(page, address)
    focus(page, "output")
    press(page, "ArrowDown", 3)
    press(page, "ArrowRight")
    assert query_of(page)["at"] == "3,1"
    active = page.run("document.getElementById('output').getAttribute('aria-activedescendant')")
    label = page.run(f"document.getElementById('{active}').ariaLabel")
    assert label == "row 4, column 2: −1.5"
    assert text_of(page, "#live").endswith("the sum of 9 products is −1.5")


def test_pointing_at_an_output_pixel_shows_its_window(page, address):
    go(page, address)
    point(page, cell("output", 2, 3))
    assert query_of(page)["at"] == "2,3"
    frame = page.run(
        "(f => [f.style.left, f.style.top, f.style.width])"
        "(document.querySelector('#input-frames .window'))"
    )
    assert frame == ["37.5%", "25%", "37.5%"]  # column 3 and row 2 of 8, 3 wide


def test_touch(page, address):
    page.resize(360)
    page.call("Emulation.setTouchEmulationEnabled", enabled=True)
    go(page, address)
    tap(page, *centre(page, cell("output", 4, 2)))
    assert query_of(page)["at"] == "4,2"
    tap(page, *centre(page, "#step"))
    assert query_of(page)["at"] == "4,3"
    tap(page, *centre(page, "input[value=pool]"))
    assert query_of(page)["op"] == "pool"


def test_typed_numbers(page, address):
    go(page, address, "?N=4")
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
    go(page, address, page.run("location.search"))
    assert numbers_in(page, "input") == shown(image), "the address carries them"
    assert numbers_in(page, "kernel") == kernel.tolist()


def test_a_typed_word_is_refused(page, address):
    go(page, address, "?N=4")
    before = numbers_in(page, "output")
    click(page, cell("input", 0, 0))
    type_text(page, "dark")
    press(page, "Enter")
    assert "“dark” is not a number" in text_of(page, "#problems")
    assert page.run(f"document.querySelector('{cell('input', 0, 0)}').ariaInvalid === 'true'")
    assert numbers_in(page, "output") == before


def test_kernels_to_choose(page, address):
    go(page, address, "?N=6&K=5")
    for name, K in [("blur", 5), ("all", 5), ("learned-7", 3)]:
        choose(page, "kernel-choice", name)
        assert query_of(page)["kernel"] == name
        assert query_of(page)["K"] == str(K)
    assert numbers_in(page, "kernel") == explored()["learned"][7]


def test_play_pause_and_less_motion(page, address):
    go(page, address)
    page.wait(1.6)
    assert None not in computed(page), "nothing moves by itself"

    page.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    go(page, address)
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
    go(page, address, "?at=1,1")
    page.wait(1)
    assert text_of(page, "#place-text") == "Window 8 of 36", "a link to a step stays there"


def test_play_ends_at_the_last_window(page, address):
    go(page, address, "?N=4")
    click(page, "#play")
    page.wait(4)
    assert text_of(page, "#place-text") == "Window 4 of 4"
    assert text_of(page, "#play") == "Play"


def test_the_address_carries_all_settings(page, address):
    query = "?op=conv&N=9&K=2&S=2&P=1&D=3&input=4&kernel=horizontal&corner=5,7&at=2,1"
    go(page, address, query)
    grids = [numbers_in(page, name) for name in ("input", "kernel", "products", "output")]
    push(page, "step")
    push(page, "back")
    page.wait(0.4)
    assert page.run("location.search") == query
    go(page, address, page.run("location.search"))
    assert [numbers_in(page, name) for name in ("input", "kernel", "products", "output")] == grids


def test_the_shown_part_of_a_digit_moves(page, address):
    go(page, address)
    focus(page, "crop")
    press(page, "ArrowDown", 2)
    press(page, "ArrowLeft")
    assert query_of(page)["corner"] == "8,10"
    rows = explored()["digits"][9]["rows"]
    assert numbers_in(page, "input")[0] == [int(tenths, 16) / 10 for tenths in rows[8][10:18]]


def test_wrong_addresses_are_explained(page, address):
    go(page, address, "?N=99&S=x&kernel=none&at=7,0&colour=red")
    said = text_of(page, "#problems")
    for part in ("N=99", "from 3 to 28", "S=x", "kernel=none", "at=7,0", "6 × 6", "colour"):
        assert part in said
    assert numbers_in(page, "output") == shown(figures.convolve(figures.crop(), figures.EDGE))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("N=3&K=5", "a kernel that spans 5 pixels does not fit into 3"),
        ("N=5&K=3&D=4&P=1", "a kernel that spans 9 pixels does not fit into 7"),
        ("op=pool&K=3&P=2", "padding of at most half the kernel, 1, not 2"),
    ],
)
def test_settings_without_an_output(page, address, query, words):
    go(page, address, f"?{query}")
    assert words in text_of(page, "#no-output")
    assert page.run("document.getElementById('play').disabled")
    focus(page, "output")
    press(page, "ArrowDown")
    focus(page, "N")
    for name, value in {"N": 8, "K": 3, "P": 0, "D": 1}.items():
        choose(page, name, value)
    assert page.run("document.getElementById('no-output').hidden")
    assert text_of(page, "#output-size") == "6 × 6"


def test_from_a_folder_the_picture_stands_in(tab):
    tab.open((DEMOS / EXPLORE.file).as_uri())
    assert tab.run("document.querySelector('.without-script img').offsetParent !== null")


def test_damaged_data_are_explained(tab, copy):
    folder, address = copy
    (folder / "explore" / "data.json").write_text('{"digits": [')
    open_page(tab, address, EXPLORE)
    assert "make export" in trouble(tab)
