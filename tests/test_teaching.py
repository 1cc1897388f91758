"""The teachers' page: its generated parts, its links, and the sums of its minutes."""

import re
from pathlib import Path

import make_site
import nbformat
import pytest
import teaching

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "teaching.qmd").read_text(encoding="utf-8")
SERIES = make_site.lessons()


def test_every_lesson_has_its_objectives():
    text = teaching.objectives(SERIES)
    assert text.count("\n- ") == sum(len(lesson.goals) for lesson in SERIES)
    for lesson in SERIES:
        assert f"({lesson.address})" in text
        assert lesson.minutes in text


@pytest.mark.parametrize("lesson", SERIES, ids=lambda lesson: lesson.path.stem)
def test_the_table_holds_every_exercise(lesson):
    found = teaching.headings(lesson.path)
    named = {name for _, name in found if name}
    assert named == teaching.misconceptions(lesson.name).keys()
    rows = [row for row in teaching.exercises([lesson]).splitlines() if lesson.address in row]
    assert len(rows) == len(found)
    for _, name in found:
        if name:
            caught = ", ".join(teaching.misconceptions(lesson.name)[name])
            assert any(row.endswith(f" | {caught} |") for row in rows)


def test_pages_are_what_the_page_includes():
    included = set(re.findall(r"include site/lessons/(\S+)", PAGE))
    assert included == teaching.pages(SERIES).keys()


def test_anchors_as_pandoc_makes_them():
    assert teaching.anchor("Exercise: the loss of ...?") == "exercise-the-loss-of-..."
    assert teaching.anchor("1. Softmax before `CrossEntropyLoss`") == (
        "softmax-before-crossentropyloss"
    )
    assert teaching.anchor("Exercise: how far must the digit move?") == (
        "exercise-how-far-must-the-digit-move"
    )


def test_links_to_headings_exist():
    anchors = set()
    for lesson in SERIES:
        for cell in nbformat.read(lesson.path, as_version=4).cells:
            if cell.cell_type == "markdown":
                for title in re.findall(r"^##+ (.+)$", cell.source, re.M):
                    anchors.add(f"{lesson.address}#{teaching.anchor(title)}")
    links = set(re.findall(r"\]\((notebooks/[^)]+#[^)]+)\)", PAGE))
    assert len(links) > 5
    assert links <= anchors


def test_the_minutes_add_up():
    half = re.search(r"## Half a day(.*?)^## ", PAGE, re.S | re.M)[1]
    assert sum(map(int, re.findall(r"^\| (\d+) \|", half, re.M))) == 4 * 60
    days = re.search(r"## Two days(.*?)^## ", PAGE, re.S | re.M)[1]
    for day in "12":
        assert sum(map(int, re.findall(rf"^\| {day} \| (\d+) \|", days, re.M))) == 6 * 60


def test_no_package_is_needed():
    source = (REPOSITORY / "tools" / "teaching.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:import|from) (\w+)", source, re.M)) == {
        "ast",
        "json",
        "re",
        "pathlib",
    }
