"""Render the website (`_site/`) and the Markdown edition (`_markdown/`) with Quarto.

Whatever the pages say of the series (its order, titles, minutes, figures) is read from notebooks/.
It needs no package beside Python's own, so that publishing need not install PyTorch.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NEEDED = (1, 7)
SITE, MARKDOWN = REPOSITORY / "_site", REPOSITORY / "_markdown"
GENERATED = REPOSITORY / "site" / "lessons"

# The figure on a lesson's card, by the first words of its alternative text.
COVERS = {
    "01-data": "Ten rows of thirty",
    "02-convolution": "A handwritten nine and four outputs",
    "03-training": "Two rows of ten handwritten digits",
    "04-features": "Five rows of pictures of a handwritten four",
    "05-resnet": "Four contour plots",
    "06-unet": "Two rows of eight small pictures",
    "07-vit": "Two rows, one per layer",
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
    figure: bytes
    alt: str

    @property
    def address(self):
        return f"notebooks/{self.path.name}"

    @property
    def picture(self):
        return f"site/lessons/{self.path.stem}.png"


def read_lesson(path):
    """A Lesson from a notebook; its figure is that of COVERS, or else the one closest to 2:1."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = "".join(cells[0]["source"])
    goals = re.findall(r"^- (.+(?:\n  .+)*)", first, re.M)
    figures = list(_figures(cells)) or [((REPOSITORY / "images/card.png").read_bytes(), "")]
    cover = COVERS.get(path.stem, "no figure begins like this")
    figure, alt = min(figures, key=lambda f: (not f[1].startswith(cover), abs(_aspect(f[0]) - 2)))
    return Lesson(
        path,
        re.search(r"^# (?:\d\d · )?(.+)$", first, re.M)[1],
        [" ".join(goal.split()).rstrip(";.") for goal in goals],
        " ".join(re.search(r"\*\*Time\*\*: ([^.]+)\.", first)[1].split()),
        figure,
        alt,
    )


def _figures(cells, moving=False):
    """(PNG, alternative text) of every figure; of those that move only if asked for."""
    for cell in cells:
        alt = re.search(r'^#\| fig-alt: "([^"]+)"$', "".join(cell["source"]), re.M)
        for output in cell.get("outputs", []):
            png = base64.b64decode("".join(output.get("data", {}).get("image/png", "")))
            if alt and png and (moving or b"acTL" not in png.partition(b"IDAT")[0]):
                yield png, alt[1]


def _aspect(png):
    """Width over height, from the header of a PNG."""
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    return width / height


def lessons():
    """All notebooks of the series, in order."""
    return [read_lesson(path) for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))]


def repo_url():
    """The public address of the repository, from the one place that holds it."""
    config = (REPOSITORY / "_quarto.yml").read_text(encoding="utf-8")
    return re.search(r"^ +repo-url: (\S+)", config, re.M)[1]


def site_url():
    """Where the site will stand: `SITE_URL`, or the GitHub Pages of the repository."""
    owner, name = repo_url().rstrip("/").split("/")[-2:]
    return os.environ.get("SITE_URL") or f"https://{owner}.github.io/{name}/"


def card(lesson):
    """One card of the map on the first page."""
    return f"""\
::: {{.lesson}}
![]({lesson.picture}){{fig-alt="{lesson.alt}"}}

### [{lesson.path.stem[:2]} {lesson.title}]({lesson.address})

{"".join(f"- {goal}{chr(10)}" for goal in lesson.goals[:3])}
[{lesson.minutes}]{{.minutes}}
:::
"""


def prepare(series):
    """Write what Quarto reads beside the tracked files: the cards, their figures, the address."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir(parents=True)
    for lesson in series:
        (REPOSITORY / lesson.picture).write_bytes(lesson.figure)
    cards = "\n".join(map(card, series))
    (GENERATED / "cards.md").write_text(f"::: {{.lessons}}\n{cards}:::\n", encoding="utf-8")
    local = f"website:\n  site-url: {site_url()}\nrepository: {repo_url()}\n"
    (REPOSITORY / "_quarto.yml.local").write_text(local)


def finish(series):
    """Add what Quarto does not write: llms.txt, search without a server, the edition's place."""
    shutil.rmtree(MARKDOWN / SITE.name, ignore_errors=True)
    for name in ["index.html", "404.md", "sitemap.xml", "robots.txt", "notebooks/*.ipynb"]:
        for file in MARKDOWN.glob(name):
            file.unlink()
    for page in MARKDOWN.rglob("*.md"):
        page.write_text(plain(page.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copytree(MARKDOWN, SITE / "markdown", dirs_exist_ok=True)
    data = (SITE / "search.json").read_text(encoding="utf-8")
    (SITE / "search-data.js").write_text(f"window.searchData = {data};\n", encoding="utf-8")
    (SITE / "llms.txt").write_text(llms_txt(series), encoding="utf-8")
    (SITE / ".nojekyll").touch()


def plain(markdown):
    """A page of the Markdown edition without the wrappers of bibliography entries."""
    text = re.sub(r"^(<div id=\"ref.*>|</div>)\n\n?", "", markdown.lstrip("\n"), flags=re.M)
    return re.sub(r"<summary>\s*(.*?)\s*</summary>", r"<summary>\1</summary>", text, flags=re.S)


def llms_txt(series):
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
    lines += ["", "## Reference", ""]
    lines += ["- [Glossary](markdown/glossary.md)", "- [References](markdown/references.md)"]
    lines += ["- [At an HPC centre](markdown/hpc/index.md)", "- [About](markdown/about.md)"]
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
    for folder, options in [
        (SITE, ["--to", "html"]),
        (MARKDOWN, ["--to", "gfm", "--output-dir", MARKDOWN.name]),
    ]:
        shutil.rmtree(folder, ignore_errors=True)
        done = subprocess.run([quarto, "render", *options], cwd=REPOSITORY)
        if done.returncode:
            sys.exit(done.returncode)
    finish(series)
    print(f"Open {SITE / 'index.html'}; the Markdown edition is in {MARKDOWN}")


if __name__ == "__main__":
    main()
