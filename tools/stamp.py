"""Write the badge, the bootstrap cell and the links to demos/ of every notebook from `repo-url`.

The address stands in _quarto.yml.

Also drops the metadata that editors leave behind: only the kernel's name and the tags stay.
"""

import re
import sys
from pathlib import Path

import nbformat
import yaml
from make_site import pages_url

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


IN_COLAB_ALREADY = {"torch", "torchvision", "numpy", "matplotlib", "pillow", "scipy"}


def missing_in_colab():
    """What the notebooks import and Colab lacks, as `"name==version"`, from requirements.txt."""
    imported = (REPOSITORY / "requirements.txt").read_text().partition("# to open")[0]
    names = [line.split("#")[0].strip() for line in imported.splitlines()]
    wanted = [name for name in names if name and name.split("==")[0] not in IN_COLAB_ALREADY]
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


def main():
    url = repo_url()
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        nbformat.write(stamped(notebook, path.name, url), path)
        print(f"{path.name}: {url}")


if __name__ == "__main__":
    sys.exit(main())
