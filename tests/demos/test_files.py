"""The files of demos/: which imports which, and what is a copy of something else."""

import re
from graphlib import TopologicalSorter

import pytest
from demo_pages import DEMOS, PAGES, REPOSITORY

NOT_ASKED = ["http://www.w3.org/2000/svg", "http://localhost:8000/demos/"]  # names, not requests
MODULES = sorted(DEMOS.glob("*/*.js"))
IMPORT = r"^import (?:\{([^}]*)\}|\* as \w+) from \"([^\"]+)\";"


def name(path):
    return path.relative_to(DEMOS).as_posix()


def imports(path):
    """(names, file) of each import of a module."""
    found = re.findall(IMPORT, path.read_text(), re.M)
    return [(re.findall(r"\w+", names), (path.parent / file).resolve()) for names, file in found]


def test_every_page_has_its_folder_and_no_file_lies_beside_the_pages():
    assert {page.file for page in PAGES} == {path.name for path in DEMOS.glob("*.html")}
    folders = {page.name for page in PAGES} - {"index"} | {"shared"}
    assert {path.name for path in DEMOS.iterdir() if path.is_dir()} == folders
    beside = {path.name for path in DEMOS.iterdir() if path.is_file()}
    stills = {page.still for page in PAGES if page.still}
    assert beside == {page.file for page in PAGES} | stills | {"package.json"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_imports_its_own_folder_and_the_shared_one(path):
    allowed = {path.parent, DEMOS / "shared"}
    statements = re.findall(r"^\s*import\b|\bimport\(", path.read_text(), re.M)
    assert len(statements) == len(imports(path)), "an import of another form"
    for names, file in imports(path):
        assert file.parent in allowed, f"{name(path)} imports {file}"
        exported = re.findall(
            r"^export (?:async )?(?:function|const|class) (\w+)", file.read_text(), re.M
        )
        assert set(names) <= set(exported), (
            f"{name(path)} imports what {name(file)} does not export"
        )


def test_imports_run_one_way():
    graph = {path: {file for _, file in imports(path)} for path in MODULES}
    TopologicalSorter(graph).prepare()  # raises CycleError
    started = {DEMOS / page.name / "page.js" for page in PAGES} | {DEMOS / "shared" / "theme.js"}
    started |= {path for path in MODULES if path.name == "worker.js"}
    used = set().union(*graph.values()) | started
    assert [name(path) for path in MODULES if path not in used] == []


@pytest.mark.parametrize("kind", ["html", "css", "js"])
def test_no_file_names_another_host(kind):
    files = sorted(DEMOS.rglob(f"*.{kind}"))
    assert files
    for path in files:
        text = path.read_text()
        for address in NOT_ASKED:
            text = text.replace(address, "")
        assert not re.search(r"https?://|[\"'(]//", text), name(path)


@pytest.mark.parametrize("copy", ["math.woff", "math-licence.txt"])
def test_the_font_of_formulas_is_that_of_the_site(copy):
    """A copy, so that the pages also work from a server of demos/ alone."""
    assert (DEMOS / "shared" / copy).read_bytes() == (REPOSITORY / "site" / copy).read_bytes()


def test_the_still_picture_is_the_figure_of_the_lesson():
    figure = REPOSITORY / "images" / "convolution-step.svg"
    assert (DEMOS / "explore.svg").read_bytes() == figure.read_bytes()
