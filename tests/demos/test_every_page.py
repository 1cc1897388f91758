"""What every page of demos/ must be: private, small, operable, honest when it cannot run."""

import base64
import io
from itertools import product

import numpy as np
import pytest
from browser import served
from demo_pages import DEMOS, PAGES
from PIL import Image
from visitor import background, click, open_page, press, problems, text_of, trouble

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 24, 30)"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

every_page = pytest.mark.parametrize("demo", PAGES, ids=lambda demo: demo.name)
every_state = pytest.mark.parametrize(
    ("demo", "state"),
    [
        pytest.param(demo, state, id=f"{demo.name}-{state.name}")
        for demo in PAGES
        for state in demo.states
    ],
)


# --- as it is -------------------------------------------------------------------------------------


@every_page
def test_it_asks_no_other_host_and_loads_little(page, address, demo):
    open_page(page, address, demo)
    assert [u for u in page.requested() if not u.startswith((address, "data:"))] == []
    least, most = demo.bytes
    assert least < page.received_bytes() < most
    assert page.run("document.getElementById('trouble').hidden")


@every_page
def test_it_shows_the_same_below_any_path(page, address, copy, demo):
    seen = []
    for below in (address, copy[1]):
        open_page(page, below, demo)
        seen.append(text_of(page, "main"))
        assert page.run("document.getElementById('trouble').hidden")
    assert seen[0] == seen[1]


@every_page
def test_it_works_from_a_server_of_demos_alone(page, demo):
    with served(DEMOS) as alone:
        open_page(page, alone, demo)
        assert [u for u in page.requested() if not u.startswith((alone, "data:"))] == []
        assert page.run("document.getElementById('trouble').hidden")
        assert problems(page) == []


@every_page
def test_its_links_lead_somewhere(page, address, demo):
    open_page(page, address, demo)
    links = page.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert [link for link in links if not (DEMOS / link.partition("?")[0]).exists()] == []


@pytest.mark.parametrize("width", [320, 360, 640, 768, 1280])
@every_state
def test_nothing_sticks_out(page, address, demo, state, width):
    page.resize(width)
    open_page(page, address, demo, state)
    assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), product([320, 1280], ["light", "dark"]))
@every_state
def test_axe_finds_no_violation(page, address, axe, demo, state, width, scheme):
    page.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.resize(width)
    open_page(page, address, demo, state)
    assert axe(page, {"runOnly": RULES}) == []


@every_page
def test_every_control_is_reached_with_tab(page, address, demo):
    open_page(page, address, demo)
    reached = set()
    for _ in range(45):
        press(page, "Tab")
        reached.add(page.run("document.activeElement.id || document.activeElement.name"))
    assert set(demo.controls.split()) - reached == set()


# --- colours and motion ---------------------------------------------------------------------------


@every_page
def test_the_theme_is_the_one_of_the_site(page, address, demo):
    open_page(page, address, demo)
    assert background(page) == LIGHT
    page.run("localStorage.setItem('quarto-color-scheme', 'alternate')")
    open_page(page, address, demo)
    assert background(page) == DARK
    click(page, "#theme")
    assert background(page) == LIGHT
    assert page.run("localStorage.getItem('quarto-color-scheme')") == "default"
    page.media(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    page.run("localStorage.removeItem('quarto-color-scheme')")
    open_page(page, address, demo)
    assert background(page) == DARK


@every_page
def test_light_and_dark(page, address, demo):
    brightness = {}
    for scheme in ("light", "dark"):
        page.media(prefers_color_scheme=scheme)
        open_page(page, address, demo)
        shot = base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"])
        brightness[scheme] = np.asarray(Image.open(io.BytesIO(shot)).convert("L")).mean()
    assert brightness["light"] > brightness["dark"] + 50


@every_page
def test_nothing_moves_for_those_who_want_less_motion(page, address, demo):
    open_page(page, address, demo)
    assert page.run("document.getAnimations().length") == 0


# --- where something is missing -------------------------------------------------------------------


@pytest.mark.parametrize("demo", [d for d in PAGES if d.still], ids=lambda demo: demo.name)
def test_without_javascript_a_picture_stands_there(page, address, demo):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(address + demo.file)
        tree = page.call("Accessibility.getFullAXTree")["nodes"]
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert address + demo.still in page.requested()
    assert [u for u in page.requested() if u.endswith((".bin", ".json"))] == []
    names = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "image"]
    assert len(names) == 1
    assert names[0].startswith(demo.still_alt)
    assert len(names[0]) > 60


@every_page
def test_opened_from_a_folder_it_says_what_to_do(tab, demo):
    tab.open((DEMOS / demo.file).as_uri())
    assert "python3 -m http.server" in trouble(tab)


LOSABLE = [(demo, lost) for demo in PAGES for lost in demo.losable.split()]


@pytest.mark.parametrize(("demo", "lost"), LOSABLE, ids=[f"{d.name}-{f}" for d, f in LOSABLE])
def test_a_lost_file_is_reported(tab, copy, demo, lost):
    folder, address = copy
    (folder / lost).unlink()
    open_page(tab, address, demo)
    assert len(trouble(tab)) > 40
    if lost.endswith(".js"):
        assert "could not be loaded" in text_of(tab, "#trouble")
