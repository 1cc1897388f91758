"""The parts of the teachers' page that come from the notebooks: objectives, and the exercises.

It needs no package beside Python's own: the exercises are read as text, not imported.
"""

import ast
import json
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
EXERCISES = REPOSITORY / "notebooks" / "cnn" / "exercises"


def pages(series):
    """File name -> Markdown, for the lessons of `make_site.lessons()`."""
    return {"objectives.md": objectives(series), "exercises.md": exercises(series)}


def objectives(series):
    """What a learner can do after each lesson, in the words of the notebook, and its minutes."""
    parts = [
        f"### [{lesson.number} {lesson.title}]({lesson.address})\n\n"
        f"{_time(lesson.path)}\n\n" + "".join(f"- {goal}\n" for goal in lesson.goals)
        for lesson in series
    ]
    return "\n".join(parts)


def exercises(series):
    """A table of all exercises, each linked, with the misconceptions that its check names."""
    lines = ["| Lesson | Exercise | What its check recognises |", "|---|---|---|"]
    for lesson in series:
        caught = misconceptions(lesson.name)
        for title, name in headings(lesson.path):
            names = ", ".join(caught[name]) if name else "an hour of work, with a rubric"
            shown = title.removeprefix("Exercise: ")
            lines.append(
                f"| {lesson.number} | [{shown}]({lesson.address}#{anchor(title)}) | {names} |"
            )
    return "\n".join(lines) + "\n"


def headings(path):
    """(heading, name of its check) for each exercise; of an open problem the name is None."""
    found, title = [], None
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for text in re.findall(r"^##+ (.+)$", source, re.M):
                title = text
                if text.startswith("Open problem: "):
                    found.append((text, None))
        elif check := re.search(r"^checks\.(\w+)\(", source, re.M):
            found.append((title, check[1]))
    return found


def misconceptions(name):
    """Exercise -> {misconception: what the check says of it}, of the lesson with this name."""
    path = EXERCISES / f"{name}.py"
    if not path.exists():
        return {}
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for decorator in getattr(node, "decorator_list", []):
            for argument in getattr(decorator, "keywords", []):
                if argument.arg == "misconceptions":
                    found[node.name] = ast.literal_eval(argument.value)
    return found


def anchor(heading):
    """The id that Quarto gives to a heading."""
    kept = re.sub(r"[^\w\s.-]", "", heading.lower())
    return re.sub(r"\s+", "-", kept).lstrip("0123456789.-_")


def _time(path):
    """The minutes that a notebook asks for, in the sentences of its first cell."""
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    paragraph = " ".join(re.search(r"\*\*Time\*\*: (.+?)(?:\n\n|\Z)", first, re.S)[1].split())
    sentences = re.findall(r".+?\.(?= |$)", paragraph)
    return " ".join(s.strip() for s in sentences if re.search(r"\d minutes|hour", s))
