"""Render the website (`_site/`) and the Markdown edition (`_markdown/`) with Quarto.

Whatever the pages say of the series (its order, titles, minutes, figures) is read from notebooks/.
It needs no package beside Python's own, so that publishing need not install PyTorch.
"""

import base64
import html
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cell_kinds
import papers
import photo_runtime
import polish
import teaching
import try_site

REPOSITORY = Path(__file__).resolve().parents[1]
NEEDED = (1, 7)
SITE, MARKDOWN = REPOSITORY / "_site", REPOSITORY / "_markdown"
GENERATED = REPOSITORY / "site" / "lessons"

# What the card of each lesson in images/series.svg shows, by the lesson's file name without number.
PICTURES = {
    "data": "A page of handwritten digits.",
    "convolution": "A kernel on a handwritten nine, and the map of its edges.",
    "training": "A nine, the maps of two layers, and the ten scores that come out.",
    "generalisation": "The loss falls to zero on the training digits; on the validation digits it"
    " falls, then rises. A mark where it is lowest says: stop here.",
    "features": "A nine, six maps of its strokes and edges, and the nine again with an orange spot"
    " on the part that matters most.",
    "robustness": "A nine six times: as it is, shifted, turned, smaller, bolder and noisy.",
    "resnet": "Maps of three layers, with shortcuts past them.",
    "unet": "A scene of digits, and the same scene with a colour for each class.",
    "vit": "A nine in sixteen patches that attend to each other.",
    "photographs": "A photograph of a cat, and coloured filters of the network that looks at it.",
    "scaling": "Two processes, each with its own digits, that average their gradients.",
}

NO_QUARTO = f"""\
`make site` needs Quarto {".".join(map(str, NEEDED))} or newer, and {{found}}.
Install it in one of these ways, then run `make site` again:
  - an installer for Linux, macOS or Windows: https://quarto.org/docs/get-started/
  - without administrator rights: the .tar.gz from the same page, unpacked, its bin/ on PATH
  - conda:    conda install -c conda-forge quarto
  - Homebrew: brew install --cask quarto
The notebooks themselves need no Quarto: `make lab` opens them."""


@dataclass
class Lesson:
    """What the pages of the site tell about one notebook."""

    path: Path
    title: str
    goals: list[str]
    minutes: str

    @property
    def address(self):
        return f"notebooks/{self.path.name}"

    @property
    def number(self):
        return self.path.stem.partition("-")[0]

    @property
    def name(self):
        """The name without the number: that of its exercises and of its figures."""
        return self.path.stem.partition("-")[2]

    @property
    def in_short(self):
        """What the README's table says that a reader will do, or else the first goal."""
        readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
        row = re.search(rf"\({re.escape(self.address)}\) \| (.+?) \|", readme)
        return row[1] if row else self.goals[0]


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def notebooks():
    """The notebooks of the series, in order."""
    return sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def read_lesson(path):
    """A Lesson from a notebook."""
    cells = read_json(path)["cells"]
    first = "".join(cells[0]["source"])
    goals = re.findall(r"^- (.+(?:\n  .+)*)", first, re.M)
    return Lesson(
        path,
        re.search(r"^# (?:\d\d · )?(.+)$", first, re.M)[1],
        [" ".join(goal.split()).rstrip(";.") for goal in goals],
        " ".join(re.search(r"\*\*Time\*\*: ([^.]+)\.", first)[1].split()),
    )


def lessons():
    """All notebooks of the series, in order."""
    return [read_lesson(path) for path in notebooks()]


def repo_url():
    """The public address of the repository, from the one place that holds it."""
    config = (REPOSITORY / "_quarto.yml").read_text(encoding="utf-8")
    return re.search(r"^ +repo-url: (\S+)", config, re.M)[1]


def pages_url(url=None):
    """The GitHub Pages of the repository, where notebooks find the demos."""
    owner, name = (url or repo_url()).rstrip("/").split("/")[-2:]
    return f"https://{owner}.github.io/{name}/"


def site_url():
    """Where the site will stand: `SITE_URL`, or the GitHub Pages of the repository."""
    return os.environ.get("SITE_URL") or pages_url()


def panels():
    """Where the cards of images/series.svg are: its size, and (x, y, width, height) by lesson."""
    svg = (REPOSITORY / "images" / "series.svg").read_text(encoding="utf-8")
    boxes = {}
    for slug, path in re.findall(r'<g id="card-([^"]+)">\s*<path d="([^"]+)"', svg):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", path)]
        (left, right), (top, bottom) = [(min(n), max(n)) for n in (numbers[::2], numbers[1::2])]
        boxes[slug] = left, top, right - left, bottom - top
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    return (width, height), boxes


def picture(slug):
    """The drawing on the card of a lesson, without the words above and below it, as HTML."""
    (whole, _), boxes = panels()
    x, y, width, height = boxes[slug]
    x, y, width, height = x + 0.02 * width, y + 0.17 * height, 0.96 * width, 0.7 * height
    style = f"width: {whole / width:.2%}; left: {-x / width:.2%}; top: {-y / height:.2%}"
    ratio = f"aspect-ratio: {width:.1f} / {height:.1f}"
    image = f'<img src="images/series.svg" alt="{PICTURES[slug]}" loading="lazy" style="{style}">'
    return f'<div class="panel" style="{ratio}">{image}</div>'


def digit(entry=7):
    """The pixels of a test digit, a nine: the window on the first page moves over them."""
    with (REPOSITORY / "demos" / "shared" / "digits.bin").open("rb") as file:
        file.seek(784 * entry)
        pixels = base64.b64encode(file.read(784)).decode()
    return f'```{{=html}}\n<span hidden data-digit="{pixels}"></span>\n```\n'


def card(lesson):
    """One card of the map on the first page."""
    minutes = lesson.minutes.removesuffix(" on two CPU cores")
    goals = "\n".join(f"- {goal};" for goal in lesson.goals[:2])
    return f"""\
::: {{.lesson}}
```{{=html}}
{picture(lesson.name)}
```

### [{lesson.number} {lesson.title}]({lesson.address})

[You will be able to]{{.can}}

{goals.removesuffix(";")}.

[{minutes}]{{.minutes}}
:::
"""


def total(series):
    """How many lessons there are, and how long they take to read."""
    minutes = sum(int(re.match(r"\d+", lesson.minutes)[0]) for lesson in series)
    return (
        f"{len(series)} lessons in order, about {round(minutes / 60)} hours to read. "
        "The times to run are for two CPU cores.\n"
    )


def line(lesson):
    """One line of the list of lessons in the Markdown edition."""
    return f"- [{lesson.number} {lesson.title}]({lesson.address}): {lesson.in_short}\n"


def prepare(series):
    """Write what Quarto reads beside the tracked files: parts of pages, and the addresses."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir(parents=True)
    parts = teaching.pages(series) | {
        "cards.md": "\n".join(map(card, series)),
        "sum.md": total(series),
        "digit.md": digit(),
        "list.md": "".join(map(line, series)),
    }
    for name, text in parts.items():
        (GENERATED / name).write_text(text, encoding="utf-8")
    cells = {path.stem: cell_kinds.kinds(read_json(path)) for path in notebooks()}
    bibliography = (REPOSITORY / "references.bib").read_text(encoding="utf-8")
    for name, data in [("cells.json", cells), ("papers.json", papers.read_papers(bibliography))]:
        (GENERATED / name).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    local = f"website:\n  site-url: {site_url()}\nrepository: {repo_url()}\npages: {pages_url()}\n"
    (REPOSITORY / "_quarto.yml.local").write_text(local)


@dataclass
class Demo:
    """What the pages of the site tell about one page of demos/."""

    path: Path
    title: str
    description: str
    text: str

    @property
    def address(self):
        return f"demos/{self.path.name}"


def read_demo(path):
    """A Demo from its HTML: title, description, and the words that stand in it."""
    source = path.read_text(encoding="utf-8")
    body = re.sub(r"<[^>]+>", " ", re.search(r"<main>(.*)</main>", source, re.S)[1])
    return Demo(
        path,
        html.unescape(re.search(r"<title>([^<·]+)", source)[1].strip()),
        html.unescape(re.search(r'<meta name="description" content="([^"]+)"', source)[1]),
        html.unescape(" ".join(body.split())),
    )


def demos():
    """The pages that compute in the browser."""
    pages = sorted((REPOSITORY / "demos").glob("*.html"))
    return [read_demo(path) for path in pages if path.name != "index.html"]


# What the pages that are no lesson are about, for searches and where a link is shared.
DESCRIPTIONS = {
    "index.html": "A course on convolutional networks in PyTorch, from a pixel to the vision"
    " transformer, in which everything is run. Draw a digit, and watch a network read it.",
    "about.html": "What the course is, how its numbers are checked, its licences, and how to"
    " cite it.",
    "glossary.html": "The words of convolutional networks, each defined once and linked to the"
    " lesson that teaches it.",
    "references.html": "The papers on convolutional networks that the course builds on, each with"
    " a link to it.",
    "teaching.html": "Plans for half a day and for two days, objectives, and where learners of"
    " convolutional networks get stuck.",
    "hpc/index.html": "The course at a computing centre: offline, under Slurm or PBS, on one node"
    " or on many.",
    "404.html": "This page does not exist.",
}
CARD_SHOWS = (
    "A handwritten nine, a 3 by 3 kernel over it, and the map of its vertical edges, beside the"
    " title of the course."
)


def about_pages(series):
    """By page: its description, the address of its picture, and what the picture shows."""
    about = {
        name: (text, site_url() + "images/card.png", CARD_SHOWS)
        for name, text in DESCRIPTIONS.items()
    }
    for lesson in series:
        text = f"{lesson.title}. You will be able to {goals_in_short(lesson.goals)}."
        picture = REPOSITORY / "images" / "cards" / f"{lesson.name}.png"
        shows = PICTURES[lesson.name] if picture.exists() else CARD_SHOWS
        file = f"cards/{picture.name}" if picture.exists() else "card.png"
        name = f"notebooks/{lesson.path.stem}.html"
        about[name] = (text, f"{site_url()}images/{file}", shows)
    return about


def goals_in_short(goals, length=170):
    """As many of the goals, without their Markdown, as a description has room for."""
    plain_goals = [re.sub(r"[*`$]|\[([^]]*)\]\([^)]*\)", r"\1", goal) for goal in goals]
    text = plain_goals[0]
    for goal in plain_goals[1:]:
        if len(text) + len(goal) > length:
            break
        text += "; " + goal
    return text


def finish(series, pages):
    """Add what Quarto does not write: llms.txt, the demos, search without a server, the edition."""
    shutil.rmtree(MARKDOWN / SITE.name, ignore_errors=True)
    unused = ["index.html", "404.md", "sitemap.xml", "robots.txt", "notebooks/*.ipynb"]
    files = [file for name in unused for file in MARKDOWN.glob(name)]
    files += [f for f in MARKDOWN.glob("demos/*.*") if f.suffix not in {".png", ".svg"}]
    for file in files:
        file.unlink()
    for folder in MARKDOWN.glob("demos/*/"):
        shutil.rmtree(folder)
    for page in MARKDOWN.rglob("*.md"):
        page.write_text(plain(page.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copytree(MARKDOWN, SITE / "markdown", dirs_exist_ok=True)
    polish.polish(SITE, about_pages(series))
    for demo in pages:
        add_to_site(demo)
    data = (SITE / "search.json").read_text(encoding="utf-8")
    (SITE / "search-data.js").write_text(f"window.searchData = {data};\n", encoding="utf-8")
    (SITE / "llms.txt").write_text(llms_txt(series, pages), encoding="utf-8")
    (SITE / ".nojekyll").touch()


def add_to_site(demo):
    """Put a demo into the sitemap and the search, and give its links a preview."""
    url = site_url() + demo.address
    sitemap = (SITE / "sitemap.xml").read_text(encoding="utf-8")
    entry = f"  <url>\n    <loc>{url}</loc>\n  </url>\n</urlset>"
    (SITE / "sitemap.xml").write_text(sitemap.replace("</urlset>", entry), encoding="utf-8")

    search = json.loads((SITE / "search.json").read_text(encoding="utf-8"))
    entry = {"title": demo.title, "section": "", "href": demo.address, "text": demo.text}
    (SITE / "search.json").write_text(
        json.dumps([*search, entry], ensure_ascii=False, indent=0), encoding="utf-8"
    )

    properties = {"og:title": demo.title, "og:description": demo.description, "og:url": url}
    properties["og:image"] = site_url() + "images/card.png"
    tags = [
        f'<meta property="{name}" content="{html.escape(value)}">\n'
        for name, value in properties.items()
    ]
    tags.append('<meta name="twitter:card" content="summary_large_image">\n')
    page = (SITE / demo.address).read_text(encoding="utf-8")
    page = page.replace("</head>", "".join(tags) + "</head>", 1)
    page = with_course(page)
    (SITE / demo.address).write_text(page, encoding="utf-8")


def with_course(page):
    """A page of demos/ with links to the rendered lessons, to the reference, and the search."""
    page = re.sub(r'(href="\.\./notebooks/[\w-]+)\.ipynb"', r'\1.html"', page)
    more = [("index.html#the-series", "Lessons"), ("glossary.html", "Glossary")]
    links = "".join(f'\n    <a href="../{address}">{text}</a>' for address, text in more)
    search = '<div id="quarto-search"></div>\n  <button id="theme"'
    script = '<script defer src="../site/search.js"></script>\n</head>'
    page = page.replace('<a href="../">Course</a>', f'<a href="../">Course</a>{links}', 1)
    page = page.replace('<button id="theme"', search, 1).replace("</head>", script, 1)
    return page.replace("<html ", '<html data-root="../" ', 1)


def plain(markdown):
    """A page of the Markdown edition without the wrappers of bibliography entries."""
    text = re.sub(r"^(<div id=\"ref.*>|</div>)\n\n?", "", markdown.lstrip("\n"), flags=re.M)
    return re.sub(r"<summary>\s*(.*?)\s*</summary>", r"<summary>\1</summary>", text, flags=re.S)


def llms_txt(series, pages):
    """The pages as Markdown, listed for language models (https://llmstxt.org)."""
    lines = ["# Convolutional networks that run", ""]
    lines += [
        "> A course on convolutional networks in PyTorch, as a series of executed notebooks.",
        "",
    ]
    lines += ["## Lessons", ""]
    for lesson in series:
        page = f"markdown/notebooks/{lesson.path.stem}.md"
        lines.append(f"- [{lesson.title}]({page}): {'; '.join(lesson.goals)}")
    lines += ["", "## Pages that compute in the browser", ""]
    lines += [f"- [{demo.title}]({demo.address}): {demo.description}" for demo in pages]
    lines += ["", "## Reference", ""]
    lines += ["- [Glossary](markdown/glossary.md)", "- [References](markdown/references.md)"]
    lines += [
        "- [At an HPC centre](markdown/hpc/index.md)",
        "- [For teachers](markdown/teaching.md)",
    ]
    lines += ["- [About](markdown/about.md)"]
    return "\n".join(lines) + "\n"


def find_quarto():
    """The path of a quarto that is new enough, or an exit that says how to get one."""
    quarto = shutil.which("quarto")
    if not quarto:
        sys.exit(NO_QUARTO.format(found="none is on PATH"))
    version = subprocess.run([quarto, "--version"], capture_output=True, text=True).stdout.strip()
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < NEEDED:
        sys.exit(NO_QUARTO.format(found=f"{quarto} is {version or 'broken'}"))
    return quarto


def main():
    quarto, series = find_quarto(), lessons()
    prepare(series)
    photo_runtime.provide()
    runs = try_site.prepare()
    for folder, options in [
        (SITE, ["--to", "html"]),
        (MARKDOWN, ["--to", "gfm", "--output-dir", MARKDOWN.name]),
    ]:
        shutil.rmtree(folder, ignore_errors=True)
        done = subprocess.run([quarto, "render", *options], cwd=REPOSITORY)
        if done.returncode:
            sys.exit(done.returncode)
    finish(series, demos())
    try_site.finish(SITE, runs)
    print(f"Open {SITE / 'index.html'}; the Markdown edition is in {MARKDOWN}")


if __name__ == "__main__":
    main()
