"""Count what the course holds (lessons, cells, wrong answers), and write it into paper/paper.md."""

import ast
import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAPER = REPOSITORY / "paper" / "paper.md"
BETWEEN = (
    "<!-- written by tools/evidence.py -->\n",
    "<!-- end of what tools/evidence.py writes -->",
)


def counted():
    """Name -> number, from the files."""
    notebooks = [load(path) for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))]
    code = [
        cell for notebook in notebooks for cell in notebook["cells"] if cell["cell_type"] == "code"
    ]
    tags = [cell["metadata"].get("tags", []) for cell in code]
    wrong = [answers(path) for path in sorted((REPOSITORY / "tests/wrong_answers").glob("*.py"))]
    return {
        "lessons": len(notebooks),
        "code cells": len(code),
        "ignored": sum("nbval-ignore-output" in tag for tag in tags),
        "exercises": sum("exercise" in tag for tag in tags),
        "wrong answers": sum(sum(one.values()) for one in wrong),
        "experiments": len(list((REPOSITORY / "results").glob("*.json"))),
    }


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def answers(path):
    """Exercise -> how many wrong answers the tests hold against it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WRONG":
            return {
                key.value: len(value.elts) for key, value in zip(node.value.keys, node.value.values)
            }
    raise ValueError(f"{path} has no WRONG")


def text(n):
    """The paragraph for the paper."""
    strict = n["code cells"] - n["ignored"]
    return (
        f"There are {n['lessons']} lessons with {n['code cells']} code cells. The output of "
        f"{strict} of them is compared strictly; the other {n['ignored']} train or measure time, "
        f"and asserts guard what the prose says of them. {n['exercises']} exercises check "
        f"themselves, and the tests hold {n['wrong answers']} wrong answers against them, at least "
        f"three for each exercise. {n['experiments']} experiments too long for a page are stored "
        "with their results, from scripts that repeat them.\n"
    )


def main():
    before, after = PAPER.read_text(encoding="utf-8").split(BETWEEN[0])
    _, after = after.split(BETWEEN[1])
    new = before + BETWEEN[0] + text(counted()) + BETWEEN[1] + after
    if "--check" in sys.argv:
        sys.exit(new != PAPER.read_text(encoding="utf-8"))
    PAPER.write_text(new, encoding="utf-8", newline="\n")
    print(text(counted()))


if __name__ == "__main__":
    main()
