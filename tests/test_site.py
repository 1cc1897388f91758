"""The website: its sources without Quarto, and what Quarto makes of them where it is installed.

That notebooks hold Markdown that the site can show, and that their figures are described, is
checked in test_notebooks.py.
"""

import base64
import functools
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import make_site
import numpy as np
import pytest
import stamp
import yaml
from browser import browser, find_browser, served
from fontTools.ttLib import TTFont
from PIL import Image

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
PAGES = sorted([*REPOSITORY.glob("*.qmd"), *(REPOSITORY / "hpc").glob("*.qmd")])
DEMOS = [REPOSITORY / "demos" / f"{name}.html" for name in ("draw", "explore", "photo", "train")]
CONFIG = yaml.safe_load((REPOSITORY / "_quarto.yml").read_text())
FONT = REPOSITORY / "site" / "math.woff"
MAX_PAGE = 1_500_000

# --- without Quarto ------------------------------------------------------------------------------


def sidebar_files(items):
    """The files of a sidebar, in order, with globs expanded as Quarto does: by file name."""
    for item in items:
        item = {"href": item} if isinstance(item, str) else item
        contents = item.get("contents", [])
        if isinstance(contents, str):
            yield from sorted(REPOSITORY.glob(contents))
        else:
            yield from sidebar_files(contents)
        if "href" in item:
            yield REPOSITORY / item["href"]


def test_sidebar_holds_every_notebook_once_and_in_order():
    files = list(sidebar_files(CONFIG["website"]["sidebar"]["contents"]))
    assert [file for file in files if file.suffix == ".ipynb"] == NOTEBOOKS
    pages = [page for page in PAGES if page.name != "404.qmd"]
    assert sorted(file for file in files if file.suffix == ".qmd") == pages


def test_every_page_is_rendered():
    rendered = {file for glob in CONFIG["project"]["render"] for file in REPOSITORY.glob(glob)}
    assert rendered == {*NOTEBOOKS, *PAGES}


def headings(source):
    """The headings of Markdown, outside of code blocks."""
    text = re.sub(r"^( *)(```|~~~).*?^ *\2", "", source, flags=re.M | re.S)
    return re.findall(r"^#+ +(.+?)(?: *\{.*\})?$", text, re.M)


def anchor(heading):
    """The id that GitHub gives a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def figures_in(cells):
    """The alternative text of every PNG that the cells put out."""
    for cell in cells:
        alt = re.search(r'^#\| fig-alt: "([^"]+)"$', "".join(cell["source"]), re.M)
        for output in cell.get("outputs", []):
            if alt and "image/png" in output.get("data", {}):
                yield alt[1]


def source_of(path):
    """The Markdown of a page or a notebook."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def links_in(source):
    text = re.sub(r"^```.*?^```", "", source, flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.name)
def test_links_and_anchors_resolve(page):
    made_by_the_build = {"markdown/index.md", "llms.txt"}
    for link in set(links_in(source_of(page))) - made_by_the_build:
        if re.match(r"\w+:", link):
            continue
        file, _, name = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if name:
            assert name in map(anchor, headings(source_of(target))), link


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.name)
def test_no_sign_is_invisible(page):
    """A backslash that Python took, as in "\\frac" without r"", leaves a control character."""
    assert re.findall(r".*[\x00-\x09\x0b-\x1f\x7f].*", source_of(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_describe_their_images(page):
    assert all(len(alt) > 60 for alt in re.findall(r'!\[.*?fig-alt="(.*?)"', source_of(page)))


def test_glossary_is_sorted_and_linked():
    source = source_of(REPOSITORY / "glossary.qmd")
    terms = headings(source.partition("---\n\n")[2])
    assert terms == sorted(terms, key=str.lower)
    assert len(terms) == len(set(terms))
    entries = re.split(r"^## ", source, flags=re.M)[1:]
    assert [entry for entry in entries if "](notebooks/" not in entry] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_paper_is_in_the_bibliography(path):
    known = (REPOSITORY / "references.bib").read_text(encoding="utf-8")
    papers = r"https://(?:arxiv\.org/abs|doi\.org|jmlr\.org/papers|distill\.pub)/([^)\s]+)"
    assert [name for name in re.findall(papers, source_of(path)) if name not in known] == []


def test_templates_ask_no_other_host():
    sources = [f for f in (REPOSITORY / "site").iterdir() if f.suffix in {".html", ".lua", ".scss"}]
    for file in [*sources, REPOSITORY / "_quarto.yml"]:
        text = re.sub(r"repo-url: .*", "", file.read_text(encoding="utf-8"))
        found = re.findall(r"""(?:src=|href=|url\(|@import)\s*["']?(?:https?:)?//\S*""", text)
        assert found == [], file.name


def variables(theme):
    source = (REPOSITORY / "site" / f"{theme}.scss").read_text()
    return dict(re.findall(r"^\$([\w-]+): (#\w{6});", source, re.M))


def contrast(one, other):
    """The contrast ratio of WCAG 2.2 between two colours such as "#ffffff"."""

    def luminance(colour):
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(theme):
    colours = variables(theme)
    for ground in (colours["body-bg"], colours["surface"]):
        for name in ("body-color", "body-secondary-color", "link-color", "sidebar-fg", "footer-fg"):
            assert contrast(colours[name], ground) >= 4.5, name
        assert contrast(colours["focus"], ground) >= 3
        assert contrast(colours["control"], ground) >= 3
    for ground in (colours["code-block-bg"], colours["test-bg"]):
        for name in ("body-color", "code-keyword", "code-string", "code-number", "code-comment"):
            assert contrast(colours[name], ground) >= 4.5, name


def test_contrast_of_known_pairs():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#838383", "#ffffff") == pytest.approx(3.79, abs=0.01)


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.name
)
def test_workflows_are_pinned(path):
    workflow = yaml.safe_load(path.read_text())
    assert True in workflow, "YAML reads the key `on` as true"
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert re.search(r"@[0-9a-f]{40}$", step.get("uses", "@" + 40 * "0")), step
            if "quarto-actions" in step.get("uses", ""):
                version = tuple(map(int, step["with"]["version"].split(".")))
                assert version[:2] >= make_site.NEEDED


def test_lessons_are_read_from_the_notebooks():
    series = make_site.lessons()
    assert [lesson.path for lesson in series] == NOTEBOOKS
    for lesson in series:
        assert len(lesson.goals) >= 3
        assert "to read" in lesson.minutes
        assert "to run" in lesson.minutes
        assert lesson.in_short


def test_every_lesson_has_its_card_and_the_words_for_it():
    _, boxes = make_site.panels()
    assert boxes.keys() == make_site.PICTURES.keys(), "draw it in cnn/figures/cards.py"
    slugs = [lesson.name for lesson in make_site.lessons()]
    assert [slug for slug in boxes if slug in slugs] == slugs, "in the order of the lessons"


def test_the_picture_of_a_lesson_is_cut_out_of_the_series():
    (width, height), boxes = make_site.panels()
    assert list(boxes.values()) == sorted(boxes.values(), key=lambda box: (box[1], box[0]))
    for slug, (x, y, box_width, box_height) in boxes.items():
        assert x >= 0 <= y
        assert x + box_width <= width
        assert y + box_height <= height
        assert f'alt="{make_site.PICTURES[slug]}"' in make_site.picture(slug)


def test_demos_are_read_from_their_pages():
    assert [demo.path for demo in make_site.demos()] == DEMOS
    for demo in make_site.demos():
        assert demo.title
        assert len(demo.description) > 60
        assert "<" not in demo.text


def test_demos_are_in_the_sidebar_and_on_the_first_page():
    files = list(sidebar_files(CONFIG["website"]["sidebar"]["contents"]))
    assert [file for file in files if file.suffix == ".html"] == DEMOS
    first = links_in(source_of(REPOSITORY / "index.qmd"))
    assert {f"demos/{demo.name}" for demo in DEMOS} <= set(first)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_to_demos(path):
    """A notebook is read in places that hold no demos/, so it links to where the site stands."""
    links = [link for link in links_in(source_of(path)) if "demos/" in link]
    for link in links:
        assert link.startswith(make_site.pages_url()), link
        assert (REPOSITORY / urlsplit(link.removeprefix(make_site.pages_url())).path).exists(), link


def test_the_address_is_read_as_stamp_reads_it():
    assert make_site.repo_url() == stamp.repo_url()


def test_the_site_has_one_address(monkeypatch):
    monkeypatch.delenv("SITE_URL", raising=False)
    monkeypatch.setattr(make_site, "repo_url", lambda: "https://github.com/ada/course")
    assert make_site.site_url() == "https://ada.github.io/course/"
    monkeypatch.setenv("SITE_URL", "https://example.org/")
    assert make_site.site_url() == "https://example.org/"


def test_without_quarto_it_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"(?s)none is on PATH.*conda install.*brew install"):
        make_site.find_quarto()


def test_an_old_quarto_is_refused(tmp_path, monkeypatch):
    old = tmp_path / "quarto"
    old.write_text("#!/bin/sh\necho 1.3.450\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(SystemExit, match=r"needs Quarto 1\.7 or newer, and .*quarto is 1\.3\.450"):
        make_site.find_quarto()
    old.write_text("#!/bin/sh\necho 1.10.2\n")
    assert make_site.find_quarto() == str(old)


# --- with Quarto ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """The built site: (folder of the copy, what the build printed). Built once."""
    if not shutil.which("quarto"):
        pytest.skip("quarto is not on PATH")
    folder = tmp_path_factory.mktemp("build")
    files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(files, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if not name.startswith("data/") and (REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    done = subprocess.run(
        [sys.executable, "tools/make_site.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"SITE_URL": "https://example.org/course/"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


@pytest.fixture(scope="session")
def site(build):
    return build[0] / "_site"


@pytest.fixture(scope="session")
def markdown(build):
    return build[0] / "_markdown"


@pytest.fixture(scope="session")
def address(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="session")
def page(site):
    if not find_browser():
        pytest.skip("no Chromium is on PATH")
    with browser() as page:
        yield page


@pytest.fixture
def screen(page):
    """The page at desktop width in the light theme."""
    page.media(prefers_color_scheme="light")
    page.resize(1280)
    return page


def html_pages():
    """The pages as the site names them."""
    for file in [*PAGES, *NOTEBOOKS]:
        yield file.relative_to(REPOSITORY).with_suffix(".html").as_posix()


def readable_pages():
    """All but 404, whose links are those of the published site."""
    return [name for name in html_pages() if name != "404.html"]


class Tags(HTMLParser):
    """Collects ids, links and images of a page."""

    def __init__(self, file):
        super().__init__()
        self.ids, self.targets, self.images = set(), [], []
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("id"):
            self.ids.add(attributes["id"])
        if tag == "img":
            self.images.append(attributes)
        for name in ("href", "src", "srcset"):
            if attributes.get(name):
                self.targets.append(attributes[name])


@functools.cache
def tags(file):
    """The Tags of a page of the build, read once."""
    return Tags(file)


def test_build_warns_of_nothing(build):
    assert [line for line in build[1].splitlines() if "WARN" in line or "ERROR" in line] == []


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.stem)
def test_demo_is_part_of_the_site(build, site, demo):
    page = Tags(site / "demos" / demo.name)
    for target in page.targets:
        parts = urlsplit(target)
        if parts.path and not parts.scheme:
            file = site / "demos" / unquote(parts.path)
            file = file / "index.html" if file.is_dir() else file
            assert file.exists(), target
    for file in (build[0] / "demos").rglob("*.*"):
        if file.suffix in {".css", ".js", ".bin", ".json", ".png", ".svg"}:
            copied = site / file.relative_to(build[0])
            assert file.name == "package.json" or copied.read_bytes() == file.read_bytes()
    published = f"https://example.org/course/demos/{demo.name}"
    assert f"<loc>{published}</loc>" in (site / "sitemap.xml").read_text()
    assert f'<meta property="og:url" content="{published}">' in page.source
    found = json.loads((site / "search.json").read_text(encoding="utf-8"))
    assert [entry["href"] for entry in found].count(f"demos/{demo.name}") == 1
    assert f"(demos/{demo.name})" in (site / "llms.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.stem)
def test_demo_runs_on_the_site(screen, address, demo):
    screen.open(f"{address}demos/{demo.name}", settle=2)
    assert [url for url in screen.requested() if not url.startswith((address, "data:"))] == []
    assert screen.run("document.querySelector('#trouble').hidden")
    screen.run("document.querySelector('#theme').click()")
    dark = "getComputedStyle(document.body).backgroundColor"
    colour = screen.run(dark)
    screen.open(address + "index.html")
    assert screen.run(dark) == colour, "the site takes over the colours chosen here"
    screen.run("localStorage.clear()")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_site_links_to_its_own_demos(site, path):
    wanted = [link for link in links_in(source_of(path)) if "demos/" in link]
    here = [t for t in Tags(site / "notebooks" / f"{path.stem}.html").targets if "demos/" in t]
    ours = [link.replace(make_site.pages_url(), "../") for link in wanted]
    assert set(ours) <= set(here)
    assert [link for link in here if urlsplit(link).scheme] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises_can_be_tried(site, path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    ids = [cell["id"] for cell in cells if "exercise" in cell["metadata"].get("tags", [])]
    targets = Tags(site / "notebooks" / f"{path.stem}.html").targets
    colab = [t.partition("#scrollTo=")[2] for t in targets if "#scrollTo=" in t]
    assert colab == ids


def test_every_page_is_there(site):
    assert [name for name in html_pages() if not (site / name).exists()] == []
    locations = re.findall(r"<loc>(.*?)</loc>", (site / "sitemap.xml").read_text())
    pages = {location.removeprefix("https://example.org/course/") for location in locations}
    assert pages >= {name for name in readable_pages() if not name.endswith("index.html")}


@pytest.mark.parametrize("name", readable_pages())
def test_internal_links_and_anchors_resolve(site, name):
    for target in tags(site / name).targets:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc or target == "#":
            continue
        file = (site / name).parent / unquote(parts.path) if parts.path else site / name
        file = file / "index.html" if file.is_dir() else file
        assert file.exists(), target
        if parts.fragment and file.suffix == ".html":
            assert unquote(parts.fragment) in tags(file).ids, target


def test_the_404_page_works_at_any_depth(site):
    for target in Tags(site / "404.html").targets:
        if not urlsplit(target).scheme and not target.startswith("#"):
            assert target.startswith("/course/"), target
            assert (site / target.removeprefix("/course/").split("#")[0]).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lesson_page(build, site, path):
    page = Tags(site / "notebooks" / f"{path.stem}.html")
    assert f"../notebooks/{path.name}" in page.targets, "download"
    source = build[0] / "notebooks" / path.name
    assert (site / "notebooks" / path.name).read_bytes() == source.read_bytes()
    assert any(t.startswith("https://colab.research.google.com/") for t in page.targets)
    assert any(t.endswith(f"/blob/main/notebooks/{path.name}") for t in page.targets)
    figures = [image for image in page.images if "figure-html" in image["src"]]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert len(figures) == len(list(figures_in(cells)))
    for image in figures:
        assert len(image["alt"]) > 60
        assert image["width"].isdigit()
        assert image["height"].isdigit()
    assert all(image["loading"] == "lazy" for image in figures[1:])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_font_has_every_sign_of_the_formulas(site, path):
    signs = set()
    page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
    for formula in re.findall(r"<math.*?</math>", page, re.S):
        shown = re.sub(r"<annotation.*?</annotation>", "", formula, flags=re.S)
        signs |= set(html.unescape(re.sub(r"<[^>]+>|\s", "", shown)))
    assert signs - {chr(code) for code in TTFont(FONT).getBestCmap()} == set()


@pytest.mark.parametrize("name", readable_pages())
def test_in_a_browser(screen, site, address, name):
    """No request leaves the host, nothing fails, the page is light and does not jump."""
    for start in (address, site.as_uri() + "/"):
        screen.open(start + name)
        outside = [url for url in screen.requested() if not url.startswith((start, "data:"))]
        assert outside == []
        if start == address:
            shift = screen.run(
                "new Promise(done => { let sum = 0;"
                " new PerformanceObserver(list => list.getEntries().forEach(e => sum += e.value))"
                ".observe({type: 'layout-shift', buffered: true});"
                " setTimeout(() => done(sum), 200) })"
            )
            assert shift < 0.02
            assert screen.received_bytes() < MAX_PAGE
            logged = [
                e["params"]["entry"] for e in screen.events if e["method"] == "Log.entryAdded"
            ]
            assert [entry["text"] for entry in logged if entry["level"] == "error"] == []
        thrown = [e for e in screen.events if e["method"] == "Runtime.exceptionThrown"]
        assert thrown == []


@pytest.mark.parametrize("name", readable_pages())
@pytest.mark.parametrize("width", [360, 640], ids=["phone", "zoomed to 200 percent"])
def test_nothing_sticks_out_of_a_narrow_page(screen, address, name, width):
    screen.resize(width)
    screen.open(address + name)
    assert screen.run("document.documentElement.scrollWidth") <= width


def test_the_menu_fits_on_a_phone(screen, address):
    screen.resize(360)
    screen.open(address + "notebooks/02-convolution.html")
    screen.run("document.querySelector('.quarto-btn-toggle').click()")
    screen.wait(1)
    box = "document.querySelector('#quarto-sidebar')"
    assert 300 < screen.run(box + ".getBoundingClientRect().width") <= 360
    assert screen.run(box + ".scrollWidth") <= 360


def test_a_search_opens_what_is_folded(screen, address):
    screen.open(address + "notebooks/02-convolution.html")
    closed = "[...document.querySelectorAll('details')].filter(box => !box.open)"
    before = screen.run(closed + ".length")
    word = screen.run(closed + ".at(-1).lastElementChild.textContent.match(/[a-z]{5,}/)[0]")
    screen.open(address + "notebooks/02-convolution.html?q=" + word)
    assert screen.run(closed + ".length") < before


@pytest.mark.parametrize("name", readable_pages())
def test_light_and_dark(screen, address, name):
    shots = {}
    for scheme in ("light", "dark"):
        screen.media(prefers_color_scheme=scheme)
        screen.open(address + name)
        shot = base64.b64decode(screen.call("Page.captureScreenshot", format="png")["data"])
        shots[scheme] = np.asarray(Image.open(io.BytesIO(shot)).convert("L"), dtype=float)
        assert shots[scheme].std() > 10, "an empty page"
    assert shots["light"].mean() > shots["dark"].mean() + 50
    assert shots["light"][:, -5:].mean() > 200, "the paper, where no figure stands"
    assert shots["dark"][:, -5:].mean() < 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", readable_pages())
def test_axe_finds_no_violation(screen, address, axe, name, scheme):
    screen.media(prefers_color_scheme=scheme)
    screen.open(address + name)
    assert axe(screen) == []


@pytest.mark.parametrize("from_folder", [False, True], ids=["server", "folder"])
def test_search_finds_a_term(screen, site, address, from_folder):
    screen.open((site.as_uri() + "/" if from_folder else address) + "index.html")
    screen.run("document.querySelector('#quarto-search input').focus()")
    screen.call("Input.insertText", text="receptive field")
    for _ in range(50):
        found = screen.run("document.querySelector('.search-panel').textContent")
        if "receptive field" in found.lower():
            break
        screen.wait(0.2)
    assert "Convolution" in found


def test_moving_pictures_stand_still_where_less_motion_is_asked_for(screen, site, address):
    moving = [name for name in readable_pages() if (site / name).read_text().count('"motion"')]
    assert moving, "the series has an animation"
    state = (
        "[document.querySelector('.motion img').currentSrc,"
        " document.querySelector('.motion-button').textContent]"
    )
    for choice, still in [("reduce", True), ("no-preference", False)]:
        screen.media(prefers_reduced_motion=choice)
        screen.open(address + moving[0])
        screen.run("document.querySelector('.motion img').loading = 'eager'")
        for pressed in (False, True):
            if pressed:
                screen.run("document.querySelector('.motion-button').click()")
            screen.wait(0.5)
            source, text = screen.run(state)
            assert source.endswith("-still.png") == (still != pressed)
            assert text.split()[0] == ("Play" if still != pressed else "Stop")
    still = next(site.rglob("*-still.png"))
    assert Image.open(still).convert("L").getextrema() != (0, 0)
    assert getattr(Image.open(still), "n_frames", 1) == 1


LESSON = "notebooks/02-convolution.html"


def test_first_page_is_light_and_begins_with_the_pad(screen, address):
    screen.call("Network.clearBrowserCache")
    screen.open(address + "index.html", settle=1)
    assert screen.received_bytes() < 600_000
    assert not [url for url in screen.requested() if "weights" in url or "demos/" in url]
    box = "document.querySelector('#pad').getBoundingClientRect()"
    assert screen.run(f"{box}.bottom") < 800, "in sight without scrolling"


def draw(page, points):
    """Draw one stroke on the pad of the first page; points in shares of its sides."""
    corner = page.run(
        "(() => { const box = document.querySelector('#pad').getBoundingClientRect();"
        " return [box.left, box.top, box.width, box.height] })()"
    )
    for i, (x, y) in enumerate(points):
        place = {"x": corner[0] + x * corner[2], "y": corner[1] + y * corner[3]}
        kind = "mousePressed" if i == 0 else "mouseMoved"
        page.call(
            "Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **place
        )
    page.call(
        "Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, **place
    )


ONE = [(0.5, 0.2 + 0.03 * i) for i in range(21)]


def test_the_pad_reads_what_is_drawn_before_and_after_the_network_is_there(screen, address):
    screen.open(address + "index.html")
    for _ in range(2):
        draw(screen, ONE)
        for _ in range(100):
            if "reads" in screen.run("document.querySelector('#verdict').textContent"):
                break
            screen.wait(0.2)
        assert screen.run("document.querySelector('#verdict').textContent") == "It reads 1"
        assert screen.run("document.querySelector('#bars .best b').textContent") == "1"
        screen.run("document.querySelector('#clear').click()")
        screen.wait(0.3)
        assert "Nothing" in screen.run("document.querySelector('#verdict').textContent")


def test_the_pad_says_that_the_network_is_missing(screen, address):
    screen.call("Network.setBlockedURLs", urls=["*weights.bin"])
    screen.open(address + "index.html")
    draw(screen, ONE)
    screen.wait(1.5)
    screen.call("Network.setBlockedURLs", urls=[])
    assert "could not be loaded" in screen.run("document.querySelector('#verdict').textContent")
    screen.events.clear()


def test_the_window_moves_and_can_be_stopped(screen, address):
    screen.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    screen.open(address + "index.html", settle=1)
    picture = "document.querySelector('#window-input').toDataURL()"
    screen.run("document.querySelector('#window-demo').scrollIntoView()")
    screen.wait(0.5)
    before = screen.run(picture)
    screen.wait(0.5)
    assert screen.run(picture) != before
    screen.run("document.querySelector('#window-button').click()")
    screen.wait(0.3)
    before = screen.run(picture)
    screen.wait(0.5)
    assert screen.run(picture) == before
    screen.media(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    screen.open(address + "index.html", settle=1)
    before = screen.run(picture)
    screen.wait(0.5)
    assert screen.run(picture) == before
    screen.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")


LINES = """(() => {
  const range = document.createRange(), lengths = [];
  for (const p of document.querySelectorAll("main section > p")) {
    if (p.textContent.length < 300 || p.querySelector("math, code, .margin-note")) continue;
    const lines = new Map(), walker = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) for (let i = 0; i < walker.currentNode.length; i++) {
      range.setStart(walker.currentNode, i); range.setEnd(walker.currentNode, i + 1);
      const y = Math.round(range.getBoundingClientRect().bottom / 14);
      lines.set(y, (lines.get(y) ?? 0) + 1);
    }
    lengths.push(...[...lines.values()].slice(0, -1));
  }
  return lengths })()"""


@pytest.mark.parametrize("width", [1440, 2560])
def test_lines_have_the_length_that_reads_well(screen, address, width):
    screen.resize(width)
    screen.open(address + "notebooks/04-generalisation.html", settle=1)
    lengths = screen.run(LINES)
    assert 62 <= np.mean(lengths) <= 75
    assert max(lengths) < 84
    box = screen.run(
        "(() => { const side = document.querySelector('#quarto-sidebar').getBoundingClientRect(),"
        " toc = document.querySelector('#quarto-margin-sidebar').getBoundingClientRect();"
        " return [side.left, innerWidth - toc.right] })()"
    )
    assert abs(box[0] - box[1]) < 40, "in the middle of the screen"


CODE_SHARE = """(() => {
  let sum = 0;
  for (const code of document.querySelectorAll(".cell-code"))
    if (!code.closest("details:not([open])")) sum += code.getBoundingClientRect().height;
  return sum / document.querySelector("main").getBoundingClientRect().height })()"""
CODE_IS_THE_SUBJECT = {"11-scaling"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_code_is_less_than_a_third_of_a_lesson(screen, address, path):
    screen.open(f"{address}notebooks/{path.stem}.html")
    screen.run("document.querySelectorAll('main img').forEach(image => image.loading = 'eager')")
    share = screen.run(CODE_SHARE)
    assert share < (0.42 if path.stem in CODE_IS_THE_SUBJECT else 0.315)


def test_each_part_of_a_lesson_is_marked(site):
    page = (site / LESSON).read_text(encoding="utf-8")
    for part in (
        'class="goals"',
        'class="concept"',
        'class="question"',
        'class="option right"',
        'class="option wrong"',
        "Code of this figure, ",
        'class="tested"',
        '<section id="key-points"',
        'class="cell exercise"',
        'class="margin-note"',
    ):
        assert part in page, part
    checks = "Checked: 2 assertions hold"
    assert checks in (site / "notebooks" / "04-generalisation.html").read_text(encoding="utf-8")


def test_a_term_is_explained_on_focus_and_on_hover(screen, address):
    screen.open(address + LESSON)
    screen.run("document.querySelector('a.term').focus()")
    shown = screen.run("document.querySelector('#hint').textContent")
    assert len(shown) > 30
    assert screen.run("document.activeElement.getAttribute('aria-describedby')") == "hint"
    screen.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    assert screen.run("document.querySelector('#hint').hidden")
    over = "new PointerEvent('pointerenter', {pointerType: 'mouse'})"
    screen.run(f"[...document.querySelectorAll('a.term')].at(-1).dispatchEvent({over})")
    assert not screen.run("document.querySelector('#hint').hidden")
    assert screen.run("document.querySelectorAll('a.term:not([data-says])').length") == 0


def test_shapes_are_those_of_the_comments(screen, address):
    screen.open(address + "notebooks/03-training.html")
    screen.wait(1)
    shapes = screen.run("[...document.querySelectorAll('.shaped')].map(e => e.dataset.shape)")
    assert len(shapes) > 10
    text = screen.run("document.querySelector('main').textContent")
    assert all(shape in text for shape in shapes)
    screen.run(
        "document.querySelector('.shaped')"
        ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    assert shapes[0] in screen.run("document.querySelector('#hint').textContent")


@pytest.mark.parametrize("query", ["dilation formula", "formula dilation", "batch norm evaluation"])
def test_search_takes_words_in_any_order(screen, address, query):
    screen.open(address + "index.html")
    screen.run("document.querySelector('#quarto-search input').focus()")
    screen.call("Input.insertText", text=query)
    screen.wait(1.5)
    links = screen.run("[...document.querySelectorAll('.search-panel a')].map(a => a.textContent)")
    assert links
    assert all(
        all(word[:6] in links[0].lower() for word in ("dilation",))
        for _ in [0]
        if "dilation" in query
    )
    lefts = screen.run(
        "[...new Set([...document.querySelectorAll('.search-panel .what')]"
        ".map(e => Math.round(e.getBoundingClientRect().left)))]"
    )
    assert len(lefts) == 1, "aligned"


def test_search_says_that_it_has_no_index(screen, address):
    screen.call("Network.setBlockedURLs", urls=["*search.json"])
    screen.open(address + "index.html")
    screen.run("document.querySelector('#quarto-search input').focus()")
    screen.call("Input.insertText", text="kernel")
    screen.wait(1)
    screen.call("Network.setBlockedURLs", urls=[])
    assert "cannot load" in screen.run("document.querySelector('.search-panel').textContent")


def test_the_search_index_has_no_formula_twice(site):
    index = (site / "search.json").read_text(encoding="utf-8")
    assert not re.search(r"\\\\frac|\\\\lfloor|\\\\mathbf", index)


def test_colours_follow_another_tab(screen, address):
    screen.open(address + "index.html")
    event = "new StorageEvent('storage', {key: 'quarto-color-scheme', newValue: '%s'})"
    for choice, body in [("alternate", "quarto-dark"), ("default", "quarto-light")]:
        screen.run(f"dispatchEvent({event % choice})")
        assert screen.run(f"document.body.classList.contains('{body}')")


def test_figures_and_formulas_on_a_phone(screen, address):
    """The smallest type of the figures is 8 points, which is 11 pixels at their natural width."""
    screen.resize(360)
    screen.open(address + LESSON, settle=1)
    shrunk = screen.run(
        "[...document.querySelectorAll('.cell figure img')]"
        ".filter(e => e.getBoundingClientRect().width < Number(e.getAttribute('width')) - 1)"
        ".map(e => e.src)"
    )
    assert shrunk == []
    cut = screen.run(
        "[...document.querySelectorAll('.formula')].filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".filter(e => e.tabIndex < 0 || getComputedStyle(e).backgroundImage === 'none').length"
    )
    assert cut == 0


@pytest.mark.parametrize(
    "name", [LESSON, "notebooks/03-training.html", "index.html", "glossary.html"]
)
def test_targets_are_large_enough_on_a_phone(screen, address, axe, name):
    screen.resize(360)
    screen.open(address + name)
    assert axe(screen, {"runOnly": ["target-size"]}) == []


def test_paper_is_light_and_nothing_is_cut(screen, address):
    screen.media(prefers_color_scheme="dark")
    screen.open(address + "notebooks/03-training.html")
    screen.run("dispatchEvent(new Event('beforeprint'))")
    screen.call("Emulation.setEmulatedMedia", media="print")
    screen.resize(700)
    style = "getComputedStyle(document.querySelector('%s')).%s"
    assert screen.run(style % ("body", "backgroundColor")) == "rgb(255, 255, 255)"
    assert screen.run(style % ("main section > p", "color")) == "rgb(0, 0, 0)"
    for gone in ("#quarto-sidebar", ".lesson-bar a", ".code-copy-button", ".try"):
        assert screen.run(style % (gone, "display")) == "none", gone
    wide = (
        "[...document.querySelectorAll('main pre')]"
        ".filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 2).length"
    )
    assert screen.run(wide) == 0
    screen.call("Emulation.setEmulatedMedia", media="")
    screen.run("dispatchEvent(new Event('afterprint'))")
    assert screen.run("document.body.classList.contains('quarto-dark')")


def test_sections_of_the_sidebar_fold_with_the_keyboard(screen, address):
    screen.open(address + "index.html", settle=1)
    arrow = "document.querySelector('.sidebar-item-toggle')"
    screen.run(f"{arrow}.focus()")
    assert screen.run(f"document.activeElement === {arrow}")
    screen.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r")
    screen.wait(1)
    assert screen.run(f"{arrow}.getAttribute('aria-expanded')") == "false"


def test_from_a_folder_the_page_says_so_and_follows_the_reader(screen, site):
    screen.open(site.as_uri() + "/" + LESSON)
    assert "from a folder" in screen.run("document.querySelector('.offline').textContent")
    first = screen.run("document.querySelector('#TOC .active')?.textContent")
    screen.run("scrollTo(0, document.body.scrollHeight)")
    screen.wait(0.5)
    assert screen.run("document.querySelector('#TOC .active').textContent") != first
    errors = [e["params"]["entry"] for e in screen.events if e["method"] == "Log.entryAdded"]
    assert [entry["text"] for entry in errors if entry["level"] == "error"] == []


@pytest.mark.parametrize("name", list(html_pages()))
def test_pages_say_what_they_are_about(site, name):
    page = (site / name).read_text(encoding="utf-8")
    if name != "404.html":
        described = re.search(r'<meta name="description" content="([^"]+)">', page)[1]
        assert f'<meta property="og:description" content="{described}">' in page
        picture = re.search(
            r'<meta property="og:image" content="https://example.org/course/([^"]+)">', page
        )
        assert picture, name
        assert Image.open(site / picture[1]).size == (1200, 630)


# --- the Markdown edition ------------------------------------------------------------------------


def without_code(markdown):
    text = re.sub(r"^ *``` ?\w*\n.*?^ *```$", "", markdown, flags=re.M | re.S)
    return re.sub(r"^ {4}.*$|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", "", text, flags=re.M | re.S)


def markdown_pages():
    names = [page.relative_to(REPOSITORY).with_suffix(".md") for page in [*PAGES, *NOTEBOOKS]]
    return [name.as_posix() for name in names if name.name != "404.md"]


def test_markdown_edition_is_complete(markdown):
    assert sorted(p.relative_to(markdown).as_posix() for p in markdown.rglob("*.md")) == sorted(
        markdown_pages()
    )


@pytest.mark.parametrize("name", markdown_pages())
def test_markdown_page_is_plain(markdown, name):
    text = (markdown / name).read_text(encoding="utf-8")
    assert text.startswith("# ")
    prose = without_code(text)
    for leftover in (r"^:::", r"\{[#.]", r"\{\{<", r"\?meta", r"data-fig", r"^@\w+-"):
        assert not re.search(leftover, prose, re.M), leftover
    assert re.findall(r"<(?!/?(?:details|summary)\b)/?[a-z][a-z0-9]*[ >]", prose) == []


@pytest.mark.parametrize("name", markdown_pages())
def test_markdown_links_resolve(markdown, name):
    text = (markdown / name).read_text(encoding="utf-8")
    for link in links_in(text):
        if re.match(r"\w+:", link):
            continue
        file, _, wanted = link.partition("#")
        target = (markdown / name).parent / unquote(file) if file else markdown / name
        assert target.exists(), link
        assert target.suffix != ".ipynb", link
        if wanted:
            assert wanted in map(anchor, headings(target.read_text(encoding="utf-8"))), link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_markdown_keeps_figures_and_outputs(markdown, path):
    text = (markdown / "notebooks" / f"{path.stem}.md").read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    images = re.findall(r"^!\[(.{60,})\]\((\S+)\)$", text, re.M)
    assert len(images) == len(list(figures_in(cells)))
    letters = re.sub(r"\W", "", text)
    for cell in cells:
        caption = re.search(r'^#\| fig-cap: "([^"]+)"$', "".join(cell["source"]), re.M)
        assert not caption or re.sub(r"\W", "", caption[1]) in letters
        source = [
            line for line in "".join(cell["source"]).splitlines() if not line.startswith("#|")
        ]
        if cell["cell_type"] == "code":
            assert "\n".join(source).strip() in text
        for output in cell.get("outputs", []):
            for line in "".join(output.get("text", [])).splitlines():
                assert line.rstrip() in text


def test_llms_txt_lists_every_lesson(site):
    text = (site / "llms.txt").read_text(encoding="utf-8")
    links = links_in(text)
    assert [f"markdown/notebooks/{path.stem}.md" for path in NOTEBOOKS] == links[: len(NOTEBOOKS)]
    assert all((site / link).exists() for link in links)
