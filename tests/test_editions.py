"""The sets for teachers: what is out, what is solved, and the autograder on three submissions."""

import contextlib
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import editions
import make_site
import nbformat
import pytest
import stamp

REPOSITORY = Path(__file__).parents[1]
LESSONS = make_site.lessons()
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@each_lesson
def test_the_student_edition_gives_nothing_away(lesson):
    original = editions.read(lesson.path)
    text = text_of(editions.open_edition(editions.read(lesson.path)))
    assert not editions.folded(text, "Solution")
    assert "**Right.**" not in text
    assert "**No.**" not in text
    for exercise in editions.exercises(original):
        assert exercise.solution not in text
    answers = re.findall(r"<summary>([A-E]\. [^<]*)</summary>", text_of(original))
    assert answers
    for answer in answers:
        assert f"- {answer}\n" in text, "the answers to choose from stay"
    for summary in ("Hints", "Rubric"):
        assert len(editions.folded(text, summary)) == len(
            editions.folded(text_of(original), summary)
        )
    assert text.count("<details>") == text.count("</details>")
    assert not re.search(r"\n{4}", text)


@each_lesson
def test_the_student_edition_keeps_the_code(lesson):
    original = editions.read(lesson.path)
    edition = editions.open_edition(editions.read(lesson.path))
    assert len(edition.cells) == len(original.cells)
    for before, after in zip(original.cells, edition.cells):
        if before.cell_type == "code":
            assert after == before


@each_lesson
def test_the_solution_edition_solves_every_exercise(lesson):
    original = editions.read(lesson.path)
    stubs = {exercise.cell.source for exercise in editions.exercises(original)}
    notebook = editions.solved_edition(editions.read(lesson.path))
    found = [cell for cell in notebook.cells if editions.is_exercise(cell)]
    assert found
    for cell in found:
        assert cell.source not in stubs
        assert cell.source.splitlines()[-1].startswith("checks.")
    on_paper = len(editions.folded(text_of(original), "Solution")) - len(found)
    assert len(editions.folded(text_of(notebook), "Solution")) == on_paper, "these stay folded"
    nbformat.validate(notebook)


def said(source, namespace):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<cell>", "exec"), namespace)
    return printed.getvalue()


@each_lesson
def test_an_assignment_has_all_that_its_exercises_need(lesson):
    """Its cells run without the lesson, and each solution in place of its stub is right."""
    original = editions.read(lesson.path)
    notebook, tests = editions.assignment(original, lesson.name, stamp.repo_url())
    nbformat.validate(notebook)
    assert "<details>" not in text_of(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    namespace = {}
    exec(code[1].source, namespace)
    attempts = [cell.source.splitlines()[-1] for cell in code[2:]]
    assert len(set(attempts)) == len(attempts) == len(tests)
    for cell, exercise in zip(code[2:], editions.exercises(original)):
        assert said(cell.source, namespace).startswith("Not attempted yet.")
        solved = said(f"{exercise.solution}\n{exercise.call}", dict(namespace))
        assert solved.startswith("Right."), solved


def test_a_function_that_the_solution_uses_is_brought_along():
    code = nbformat.v4.new_code_cell
    cells = [
        code("bootstrap = 1"),
        code("import math\n\n\ndef area(r):\n    return half() * 2 * math.pi * r * r"),
        code("@staticmethod\ndef half():\n    return 0.5\n\n\ndef unused():\n    pass"),
    ]
    used = editions.used_by(nbformat.v4.new_notebook(cells=cells), ["area(3)"])
    assert used.startswith("import math\n\n\ndef area")
    assert "@staticmethod\ndef half" in used
    assert "unused" not in used
    assert "bootstrap" not in used


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editions") / "made"
    command = [sys.executable, REPOSITORY / "tools" / "editions.py", "--to", folder]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_sets_stand_alone(made):
    """The student set has all that a notebook reads: its package finds the data beside it."""
    script = "import cnn.data as d; print(d.REPOSITORY); print(len(d.load_mnist()))"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CNN_DATA")}
    for name in ("student", "solutions"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=made / name / "notebooks",
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[0] == str((made / name).resolve())
        assert done.stdout.splitlines()[-1] == "60000"
        assert len(list((made / name / "notebooks").glob("*.ipynb"))) == len(LESSONS)
        assert "MIT" in (made / name / "README.md").read_text()
        checking = (made / name / "notebooks" / "cnn" / "exercises" / "checking.py").read_text()
        assert "That was the last hint." in checking
        assert "folded below" not in checking


def test_every_check_has_its_test(made):
    for lesson in LESSONS:
        names = {
            path.stem for path in (made / "assignments" / "tests" / lesson.path.stem).iterdir()
        }
        module = importlib.import_module(f"cnn.exercises.{lesson.name}")
        assert names == {e.name for e in editions.exercises(editions.read(lesson.path))}
        assert all(hasattr(module, name) for name in names)


def test_it_does_not_overwrite_what_is_not_its_own(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    command = [sys.executable, REPOSITORY / "tools" / "editions.py", "--to", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode
    assert "something else" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


# With otter-grader, where it is: on PATH, or as the environment variable OTTER names it.


def submission(made, folder, change):
    """The assignment of the lesson on convolution with its exercises changed; returns its path."""
    original = next(lesson for lesson in LESSONS if lesson.name == "convolution").path
    notebook = editions.read(made / "assignments" / original.name)
    cells = [cell for cell in notebook.cells if editions.is_exercise(cell)]
    for cell, exercise in zip(cells, editions.exercises(editions.read(original))):
        attempt = re.search(r"\((\w+)\)$", cell.source)[1]
        solution = re.sub(rf"\b{exercise.attempt}\b", attempt, exercise.solution)
        call = cell.source.splitlines()[-1]
        cell.source = f"{change(exercise.name, attempt, solution)}\n\n\n{call}"
    path = folder / original.name
    nbformat.write(notebook, path)
    return path


def right(name, attempt, solution):
    return solution


def wrong(name, attempt, solution):
    """Wrong in two exercises of five: a number for a function, and a changed result."""
    if name == "descend":
        return solution.replace("return kernel.detach() - ", "return kernel.detach() + ")
    if name == "one_kernel":
        return f"def {attempt}(first, second):\n    return first + second"
    return solution


def broken(name, attempt, solution):
    """Cells that do not run: a syntax error, an exception, and a loop without an end."""
    if name == "descend":
        return f"def {attempt}(:"
    if name == "shapes":
        return f"{attempt} = 1 / 0"
    if name == "layer_by_hand":
        return f"def {attempt}(picture, weight, bias):\n    while True:\n        pass"
    return solution


@pytest.fixture(scope="module")
def otter(made):
    """The program, and the autograder of the lesson on convolution."""
    program = shutil.which(os.environ.get("OTTER", "otter"))
    if not program:
        pytest.skip("otter-grader is not installed (pip install otter-grader; OTTER=path/to/otter)")
    zipped = made / "convolution.zip"
    command = [program, "generate", "-t", "tests/02-convolution", "-r", "requirements.txt"]
    command += ["--no-environment", "-o", zipped, "cnn"]
    subprocess.run(command, cwd=made / "assignments", check=True, capture_output=True)
    return program, zipped


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (right, set()),
        (wrong, {"descend", "one_kernel"}),
        (broken, {"descend", "shapes", "layer_by_hand"}),
    ],
)
def test_otter_grades(made, otter, tmp_path, change, lost):
    program, zipped = otter
    path = submission(made, tmp_path, change)
    command = [program, "run", "-a", zipped, "-o", tmp_path, "--no-logo", path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    graded = json.loads((tmp_path / "results.json").read_text())["tests"]
    scores = {test["name"]: test["score"] for test in graded if test.get("max_score")}
    exercises = editions.exercises(editions.read(REPOSITORY / "notebooks/02-convolution.ipynb"))
    assert scores == {exercise.name: float(exercise.name not in lost) for exercise in exercises}
