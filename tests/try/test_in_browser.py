"""Try it here in a real Chromium: exercises, forms, what is kept, and all that can fail."""

import contextlib
import importlib
import json
import os
import re
import shutil
import time

import pytest
import try_pages
import try_site
from browser import served

LESSONS = dict(try_site.lessons())
EXERCISES = [
    (name, cell["exercise"], cell["id"])
    for name, lesson in LESSONS.items()
    for cell in lesson["cells"]
    if cell["exercise"] and cell["id"] not in lesson["forms"]
]
SOME = EXERCISES[:: max(1, len(EXERCISES) // 8)]  # a good part; each lesson is in test_engine.py
SECONDS = 90  # to wait for on a busy machine


@pytest.fixture(scope="module")
def site(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("try") / "some" / "where"
    try_pages.write(folder)
    return folder


@pytest.fixture(scope="module")
def address(site):
    with served(site.parent.parent) as address:
        yield address + "some/where/"


class Cell:
    """One cell of an open page, as a reader uses it."""

    def __init__(self, page, cell_id):
        self.page, self.at = page, f"document.getElementById({json.dumps(cell_id)})"

    def run(self, script):
        return self.page.run(f"(cell => {script})({self.at})")

    def wait(self, script, seconds=SECONDS):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(script):
                return found
            self.page.wait(0.1)
        raise AssertionError((script, self.run("cell.innerText")))

    def open(self):
        self.run("cell.querySelector('.try-open').click()")
        self.wait("cell.querySelector('.try-panel') !== null", 30)
        return self

    def write(self, text):
        self.wait("cell.querySelector('.cm-content, textarea') !== null", 30)
        self.run("cell.querySelector('.cm-content, textarea').focus()")
        select = {"key": "a", "code": "KeyA", "modifiers": 2, "windowsVirtualKeyCode": 65}
        self.page.call("Input.dispatchKeyEvent", type="keyDown", **select)
        self.page.call("Input.dispatchKeyEvent", type="keyUp", **select)
        self.page.call("Input.insertText", text=text)

    def go(self):
        self.run("cell.querySelector('.try-go').click()")

    def said(self):
        return self.wait("cell.querySelector('.try-output').innerText.trim()")

    def answer(self, text=None):
        self.wait("!cell.querySelector('.try-go').disabled")
        if text is not None:
            self.write(text)
        self.run("cell.querySelector('.try-output').replaceChildren()")
        self.go()
        return self.said()


@pytest.fixture
def opened(tab, address):
    """A function that opens a lesson with an empty storage, and gives one of its cells."""

    def open_(name, cell_id, keep=False):
        tab.open(f"{address}notebooks/{name}.html", settle=0.2)
        if not keep:
            tab.run("localStorage.clear()")
            tab.open(f"{address}notebooks/{name}.html", settle=0.2)
        return Cell(tab, cell_id)

    return open_


def source_of(name, cell_id):
    return next(cell["source"] for cell in LESSONS[name]["cells"] if cell["id"] == cell_id)


def solution_of(name, exercise):
    path = try_site.REPOSITORY / "notebooks" / f"{name}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    place = next(i for i, c in enumerate(cells) if f"checks.{exercise}(" in "".join(c["source"]))
    after = "".join(cells[place + 1]["source"])
    return re.search(r"<summary>Solution</summary>.*?```python\n(.*?)```", after, re.S)[1]


def test_nothing_is_loaded_before_the_reader_asks(tab, address):
    tab.open(f"{address}notebooks/02-convolution.html", settle=1)
    assert [url for url in tab.requested() if "/try/" in url] == []


@pytest.mark.parametrize(("name", "exercise", "cell_id"), SOME, ids=lambda value: str(value))
def test_an_exercise(opened, name, exercise, cell_id):
    """Untouched, right, each wrong answer of the tests, an exception, and after a reload."""
    cell = opened(name, cell_id).open()
    call = source_of(name, cell_id).rstrip().splitlines()[-1]
    assert cell.answer() == "Not attempted yet."
    assert cell.answer(f"{solution_of(name, exercise)}\n{call}").startswith("Right. ")
    lesson = name.partition("-")[2]
    wrong = importlib.import_module(f"wrong_answers.{lesson}").WRONG[exercise]
    for about, source in wrong:
        said = cell.answer(f"{source}\n{call}")
        assert said.startswith("Not right yet. "), said
        assert f"\n{about.capitalize()}: " in said, (about, said)
    function = call.rpartition("(")[2].rstrip(")")
    said = cell.answer(f"def {function}(*args):\n    return 1 / 0\n{call}")
    assert "ZeroDivisionError" in said
    again = opened(name, cell_id, keep=True).open()
    assert "return 1 / 0" in again.wait("cell.querySelector('.cm-content')?.innerText")
    solved = again.page.run("document.querySelector('.try-progress').textContent")
    assert solved.strip().startswith("1 of")


def test_an_endless_loop_is_stopped(opened):
    name, _, cell_id = EXERCISES[0]
    cell = opened(name, cell_id).open()
    call = source_of(name, cell_id).rstrip().splitlines()[-1]
    function = call.rpartition("(")[2].rstrip(")")
    cell.answer()
    started = time.monotonic()
    said = cell.answer(f"def {function}(*args):\n    while True:\n        pass\n{call}")
    assert "did not finish in 10 seconds. Is there a loop that never ends?" in said
    assert 9 < time.monotonic() - started < 30
    assert "while True" in cell.run("cell.querySelector('.cm-content').innerText")
    cell.write(f"import itertools\ndef {function}(*args):\n    sum(itertools.count())\n{call}")
    cell.run("cell.querySelector('.try-output').replaceChildren()")
    cell.go()  # inside compiled code: the page ends the worker
    assert "did not finish in 10 seconds" in cell.said()
    assert cell.answer(source_of(name, cell_id)) == "Not attempted yet.", "a new worker"


def test_stop(opened):
    name, _, cell_id = EXERCISES[0]
    cell = opened(name, cell_id).open()
    cell.answer()
    cell.write("while True:\n    pass")
    cell.run("cell.querySelector('.try-output').replaceChildren()")
    cell.go()
    cell.page.wait(1)
    assert cell.page.run("1 + 1") == 2, "the page is not frozen"
    cell.run("cell.querySelector('.try-stop').click()")
    assert cell.said() == "Stopped. Your text is still there."
    assert "while True" in cell.run("cell.querySelector('.cm-content').innerText")


def form_cell():
    return next(
        (name, cell_id, form)
        for name, one in LESSONS.items()
        for cell_id, form in one["forms"].items()
    )


def test_a_form(opened):
    name, cell_id, form = form_cell()
    cell = opened(name, cell_id).open()
    fields = "[...cell.querySelectorAll('.try-form input')]"
    assert cell.run(f"{fields}.length") == len(form["fields"])
    assert cell.answer() == "Not attempted yet."

    def fill(texts):
        cell.run(
            f"{fields}.forEach((field, i) => {{ field.value = {json.dumps(texts)}[i];"
            " field.dispatchEvent(new Event('input')); })"
        )
        return cell.answer()

    right = [str(field["expected"]["value"]) for field in form["fields"]]
    said = fill([right[0], *[""] * (len(right) - 1)])
    assert said.startswith(f"Not right yet. '{form['fields'][1]['name']}' is still open.")
    assert fill(right).startswith("Right. ")
    assert "1 of" in cell.page.run("document.querySelector('.try-progress').textContent")
    again = opened(name, cell_id, keep=True).open()
    assert again.run(f"{fields}.map(field => field.value)") == right
    again.page.run("window.confirm = () => true")
    again.run("cell.querySelector('.try-link').click()")
    assert again.page.run("localStorage.getItem('cnn-course')") is None


# --- what can fail -------------------------------------------------------------------------------


@pytest.fixture
def broken(site, tmp_path, tab):
    """A copy of the site that may be damaged: its folder, and a function that opens a cell."""
    shutil.copytree(site, tmp_path / "site", copy_function=_link)
    with served(tmp_path / "site") as address:

        def open_(script=""):
            name, _, cell_id = EXERCISES[0]
            added = script and tab.call("Page.addScriptToEvaluateOnNewDocument", source=script)
            try:
                tab.open(f"{address}notebooks/{name}.html", settle=0.2)
                return Cell(tab, cell_id).open()
            finally:
                if added:
                    identifier = added["identifier"]
                    tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=identifier)

        yield tmp_path / "site" / "try", open_


def _link(source, target):
    with contextlib.suppress(OSError):
        return os.link(source, target)
    return shutil.copy2(source, target)


def replaced(path, content):
    path.unlink()
    if content is not None:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("parts/core.part", None, "The part core.part is missing on this site (404)."),
        ("parts/core.part", b"\x1f\x8b broken", "The part core.part is damaged"),
        ("parts/sizes.json", None, "This site was built without the parts that run Python."),
        ("worker.js", None, "The worker that runs Python could not be started"),
        ("boot.js", b"no script", "The worker that runs Python could not be started"),
    ],
)
def test_a_broken_part_is_named_and_the_text_is_kept(broken, part, content, words):
    folder, open_ = broken
    replaced(folder / part, content)
    cell = open_()
    said = cell.answer("my = 'text'")
    assert words in said
    assert "Your text is still there." in said
    assert "my = 'text'" in cell.run("cell.querySelector('.cm-content').innerText")


def test_without_the_editor_there_is_a_plain_field(broken):
    folder, open_ = broken
    replaced(folder / "parts" / "editor.js", None)
    cell = open_()
    cell.wait("cell.querySelector('textarea') !== null")
    assert cell.answer() == "Not attempted yet."


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("delete window.Worker; window.Worker = undefined", "blocks the worker"),
        ("window.Worker = class { constructor() { throw new Error(); } }", "blocks the worker"),
    ],
)
def test_a_blocked_worker(broken, script, words):
    _, open_ = broken
    assert words in open_(script).answer()


def test_no_webassembly(broken):
    folder, open_ = broken
    old = (folder / "worker.js").read_bytes()
    replaced(folder / "worker.js", old + b"\ndelete globalThis.WebAssembly;")
    assert "no WebAssembly" in open_().answer()


def test_no_storage(broken):
    _, open_ = broken
    cell = open_("Object.defineProperty(window, 'localStorage', {get() { throw new Error(); }})")
    assert "Your browser keeps nothing for this site" in cell.run("cell.innerText")
    assert cell.answer() == "Not attempted yet."


def test_memory_exhausted(opened):
    name, _, cell_id = EXERCISES[0]
    cell = opened(name, cell_id).open()
    said = cell.answer("import numpy as np\nkept = [np.ones(10**8) for _ in range(100)]")
    assert "memory of this page is exhausted" in said
    assert cell.answer(source_of(name, cell_id)) == "Not attempted yet."


# --- how it looks and reads ----------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(opened, tab, axe, width, scheme):
    tab.resize(width)
    tab.media(prefers_color_scheme=scheme)
    name, _, cell_id = EXERCISES[0]
    cell = opened(name, cell_id).open()
    cell.answer()
    form_name, form_id, _ = form_cell()
    if form_name == name:
        Cell(tab, form_id).open().answer()
    assert axe(tab) == []
    assert tab.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    output = cell.run("cell.querySelector('.try-output').getAttribute('role')")
    assert output == "status", "what it says is announced"
    tab.resize(1280)
