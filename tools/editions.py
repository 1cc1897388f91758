"""Make the sets that a teacher hands out, from the notebooks, into _editions.

The name begins with _, so that Quarto takes nothing in it for a page of the site.

student/       the course with open exercises; solutions and the answers to questions are out
solutions/     the course with each exercise solved
assignments/   for each lesson a notebook with its exercises alone, and the tests with which
               otter-grader grades it: they call the same checks as the lesson
"""

import argparse
import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
from make_site import lessons
from stamp import bootstrap, repo_url

REPOSITORY = Path(__file__).resolve().parents[1]
FOLD = r"<details><summary>({})</summary>(.*?)</details>\n*"
BADGE = r"\*\*\[▶ Open in Colab\].*\n*"  # Colab would open the edition with the solutions
LAST_HINT = "The solution is folded below this cell."

TEST = '''\
"""Calls the check of the lesson, as the cell of the exercise does."""

import importlib

from otter.test_files import test_case

OK_FORMAT = False
name = "{name}"
points = 1


@test_case()
def check({attempt}):
    if {attempt} is None:
        raise AssertionError("{attempt} is not there: its cell failed, or it was renamed.")
    lesson = importlib.import_module("cnn.exercises.{lesson}")
    reply = lesson.{name}.reply({attempt})
    if not reply.startswith("Right."):
        raise AssertionError(reply)
'''

README = """\
{text}

Made from {url} by `python tools/editions.py`. Code: MIT; text and figures: CC BY 4.0; see LICENSE.
"""
STUDENT = (
    "The course with open exercises. Install `requirements.txt`, and open `notebooks/` in Jupyter."
)
SOLUTIONS = "The course with each exercise solved. Run a solved cell, and its check says `Right`."
ASSIGNMENTS = """\
Hand out a notebook together with the folder `cnn`. For Gradescope or for your own computer make the
autograder of a lesson with otter-grader (`pip install otter-grader`), in this folder:

    otter generate -t tests/02-convolution -r requirements.txt --no-environment \\
      -o autograders/02-convolution.zip cnn
    otter run -a autograders/02-convolution.zip path/to/submission.ipynb

In the course, `python tools/editions.py --otter otter` does the first for all lessons. Each
exercise gives one point. Learners can read the checks in `cnn/exercises`, and like every autograder
that runs in the process of the submission this one trusts it: for work that counts, look at the
code as well."""


def folded(text, summary):
    """(summary, content) of each folded part whose summary matches the pattern."""
    return re.findall(FOLD.format(summary), text, re.S)


def without(text, summary):
    """The text without the folded parts whose summary matches the pattern."""
    return re.sub(FOLD.format(summary), "", text, flags=re.S).rstrip("\n")


def exercises(notebook):
    """Each exercise: its cell, text before and after, solution, name of the check and attempt."""
    found = []
    for before, cell, after in zip(notebook.cells, notebook.cells[1:], notebook.cells[2:]):
        if "exercise" in cell.metadata.get("tags", []):
            call = cell.source.splitlines()[-1]
            name, attempt = re.fullmatch(r"checks\.(\w+)\((\w+)\)", call).groups()
            code = re.search(r"```python\n(.*?)\n```", folded(after.source, "Solution")[0][1], re.S)
            heading = re.search(r"^##+ Exercise: .*", before.source, re.M | re.S)
            found.append(
                SimpleNamespace(
                    cell=cell,
                    after=after,
                    task=heading[0],
                    solution=code[1].rstrip(),
                    call=call,
                    name=name,
                    attempt=attempt,
                )
            )
    return found


def open_edition(notebook):
    """For students: no solution; of a question only the answers to choose from. In place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(BADGE, "", cell.source)
            text = without(text, "Solution")
            cell.source = re.sub(FOLD.format(r"[A-E]\. [^<]*"), r"- \1\n", text, flags=re.S)
    return notebook


def solved_edition(notebook):
    """For teachers: the solution instead of each stub, and its output left to a run. In place."""
    for exercise in exercises(notebook):
        exercise.cell.source = f"{exercise.solution}\n\n\n{exercise.call}"
        exercise.cell.outputs, exercise.cell.execution_count = [], None
        exercise.after.source = without(exercise.after.source, "Hints|Solution")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(BADGE, "", cell.source)
    return notebook


def assignment(notebook, lesson, url):
    """A notebook with the exercises of a lesson alone, and {check: source of its otter test}.

    Args:
        notebook: of the lesson; it stays as it is.
        lesson: the name of the lesson, such as "convolution".
        url: the address of the repository.
    """
    cell, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    found = exercises(notebook)
    title = notebook.cells[0].source.splitlines()[0]
    cells = [
        text(
            f"{title}: exercises\n\nReplace each `...` and run the cell: its check tells you "
            f"whether it is right, and gives hints. Nothing else needs to change. "
            f"The lesson itself is in\n<{url}>."
        ),
        cell(bootstrap(url)),
        text("## What the exercises use\n\nImports, and functions from the lesson."),
        cell(used_by(notebook, [f"{e.cell.source}\n{e.solution}" for e in found])),
    ]
    tests = {}
    for exercise in found:
        attempt, stub = exercise.attempt, exercise.cell.source
        if [e.attempt for e in found].count(attempt) > 1:  # each needs a name that lasts to the end
            attempt = f"{exercise.name}_{attempt}"
            stub = re.sub(rf"\b{exercise.attempt}\b", attempt, stub)
        task = re.sub(r"\A#+", "##", exercise.task)
        cells += [text(task), cell(stub, metadata={"tags": ["exercise"]})]
        tests[exercise.name] = TEST.format(name=exercise.name, attempt=attempt, lesson=lesson)
    for number, one in enumerate(cells, start=1):
        one.id = f"cell-{number:02}"
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata), tests


def used_by(notebook, sources):
    """All imports of a notebook, and those of its functions and classes that the sources use."""
    imports, definitions = [], []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code[1:]:  # without the bootstrap cell
        lines = cell.source.splitlines()
        for node in ast.parse(cell.source).body:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            source = "\n".join(lines[first - 1 : node.end_lineno])
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports.append(source)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not is_exercise(cell):
                definitions.append((node.name, source))
    wanted = set().union(*(names(source) for source in sources))
    while True:
        used = [source for name, source in definitions if name in wanted]
        more = wanted.union(*(names(source) for source in used))
        if more == wanted:
            return "\n\n\n".join(["\n".join(dict.fromkeys(imports)), *used])
        wanted = more


def is_exercise(cell):
    return "exercise" in cell.metadata.get("tags", [])


def names(source):
    """The names that a source reads."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def copy_package(folder, with_solution):
    """The helper package; with no solution below a cell, the last hint says nothing of it."""
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "notebooks" / "cnn", folder / "cnn", ignore=unwanted)
    if not with_solution:
        path = folder / "cnn" / "exercises" / "checking.py"
        code = path.read_text(encoding="utf-8")
        if LAST_HINT not in code:
            raise SystemExit(
                f"{path.name} does not say {LAST_HINT!r} any more: change editions.py."
            )
        path.write_text(code.replace(f" {LAST_HINT}", ""), encoding="utf-8")


def copy_course(folder, with_solution):
    """What the notebooks need beside themselves: package, data, stored results, requirements."""
    copy_package(folder / "notebooks", with_solution)
    archives = REPOSITORY / "data" / "MNIST" / "raw"
    (folder / "data" / "MNIST" / "raw").mkdir(parents=True)
    for path in archives.glob("*.gz"):
        shutil.copy(path, folder / "data" / "MNIST" / "raw")
    shutil.copytree(REPOSITORY / "results", folder / "results")
    for name in ("requirements.txt", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    shutil.copy(REPOSITORY / "data" / "README.md", folder / "data")


def write_editions(to):
    """Write all three sets into the folder, which must not exist yet."""
    url = repo_url()
    student, solutions, work = (to / n for n in ("student", "solutions", "assignments"))
    copy_course(student, with_solution=False)
    copy_course(solutions, with_solution=False)
    copy_package(work, with_solution=False)
    needed = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").partition("# to open")[0]
    (work / "requirements.txt").write_text(needed.rstrip() + "\n", encoding="utf-8")
    shutil.copy(REPOSITORY / "LICENSE", work)
    for folder, text in [(student, STUDENT), (solutions, SOLUTIONS), (work, ASSIGNMENTS)]:
        (folder / "README.md").write_text(README.format(text=text, url=url), encoding="utf-8")
    for lesson in lessons():
        file = lesson.path.name
        nbformat.write(open_edition(read(lesson.path)), student / "notebooks" / file)
        nbformat.write(solved_edition(read(lesson.path)), solutions / "notebooks" / file)
        notebook, tests = assignment(read(lesson.path), lesson.name, url)
        nbformat.write(notebook, work / file)
        (work / "tests" / lesson.path.stem).mkdir(parents=True)
        for name, source in tests.items():
            (work / "tests" / lesson.path.stem / f"{name}.py").write_text(source, encoding="utf-8")


def read(path):
    return nbformat.read(path, as_version=4)


def make_autograders(work, otter):
    """An autograder for each lesson, with the program otter."""
    (work / "autograders").mkdir()
    for tests in sorted((work / "tests").iterdir()):
        output = work / "autograders" / f"{tests.name}.zip"
        command = [otter, "generate", "-t", f"tests/{tests.name}", "-r", "requirements.txt"]
        command += ["--no-environment", "-o", str(output.resolve()), "cnn"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"otter generate failed for {tests.name}:\n{done.stderr}")
        print(f"{output}: {len(list(tests.glob('*.py')))} exercises")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=REPOSITORY / "_editions")
    parser.add_argument("--otter", help="the program otter, to make the autograders with it")
    arguments = parser.parse_args()
    ours = arguments.to / ".made-by-editions"
    if arguments.to.exists() and any(arguments.to.iterdir()) and not ours.exists():
        sys.exit(f"{arguments.to} holds something else. Name another folder (--to).")
    shutil.rmtree(arguments.to, ignore_errors=True)
    arguments.to.mkdir(parents=True)
    ours.touch()
    write_editions(arguments.to)
    for name in ("student", "solutions", "assignments"):
        print(f"{name}: {arguments.to / name}")
    if arguments.otter:
        otter = shutil.which(arguments.otter)
        if not otter:
            sys.exit(f"There is no program {arguments.otter}. To get it: pip install otter-grader")
        make_autograders(arguments.to / "assignments", str(Path(otter).absolute()))


if __name__ == "__main__":
    main()
