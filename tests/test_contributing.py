"""What contributors, teachers and journals read: it names what exists, and its numbers hold."""

import json
import re
import subprocess
import sys
from pathlib import Path

import course
import evidence
import pytest
import yaml
from torch import nn

from cnn import shapes

REPOSITORY = Path(__file__).parents[1]
FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def read(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_contributing_names_what_exists():
    text = read("CONTRIBUTING.md")
    assert len(text.split()) < 650, "one page"
    for name in re.findall(r"`((?:tools|tests|notebooks|results)/[\w./-]*)[ `]", text):
        assert (REPOSITORY / name).exists(), name
    for command in re.findall(r"`make ([\w-]+)`", text):
        assert command in course.COMMANDS
    for path in re.findall(r"\]\(([^)h][^)]*)\)", text):
        assert (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms(path):
    """What GitHub asks of a form: names, and fields of its kinds with ids of their own."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    for field in form["body"]:
        assert field["type"] in {"input", "textarea", "dropdown", "checkboxes"}
        assert field["attributes"]["label"]
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_there_is_a_form_for_each_kind_of_problem():
    assert {path.stem for path in FORMS} == {"access", "exercise", "statement"}


def test_the_paper_counts_right():
    done = subprocess.run([sys.executable, REPOSITORY / "tools" / "evidence.py", "--check"])
    assert done.returncode == 0, "run tools/evidence.py"


def test_the_counts_are_those_of_the_tests():
    n = evidence.counted()
    assert n["lessons"] == len(list((REPOSITORY / "notebooks").glob("*.ipynb")))
    assert n["wrong answers"] >= 3 * n["exercises"]
    assert 0 < n["ignored"] < n["code cells"]


def test_each_stored_result_has_its_script():
    for path in (REPOSITORY / "results").glob("*.json"):
        lesson = path.stem.partition("-")[0]
        assert (REPOSITORY / "tools" / "experiments" / f"{lesson}.py").exists(), path.name


def test_the_paper_cites_what_is_in_the_bibliography():
    keys = set(re.findall(r"^@\w+\{([\w:-]+),", read("references.bib"), re.M))
    cited = set(re.findall(r"\[@([\w:-]+)\]", read("paper/paper.md")))
    assert len(cited) >= 4
    assert cited <= keys


def test_the_paper_has_the_fields_that_the_journal_reads():
    head = yaml.safe_load(read("paper/paper.md").split("---")[1])
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= head.keys()
    assert (REPOSITORY / "paper" / head["bibliography"]).exists()


def test_zenodo():
    record = json.loads(read(".zenodo.json"))
    citation = yaml.safe_load(read("CITATION.cff"))
    assert record["title"] == citation["title"]
    assert record["upload_type"] == "lesson"
    assert [one["name"] for one in record["creators"]] == [
        one.get("name") or f"{one['family-names']}, {one['given-names']}"
        for one in citation["authors"]
    ]
    assert record["keywords"] == citation["keywords"]


def answer(number):
    """The text of the answer that the key of the survey calls right."""
    text = " ".join(read("paper/survey.md").split())
    letter = re.search(rf"Right are .*?\b{number} ([A-D])\b", text)[1]
    question = re.search(
        rf" {number}\. (?!I can)(?=[^.]*[?.:]).*?\(A\).*?(?= {number + 1}\. |$)",
        text.partition("## Questions")[2],
    )[0]
    return re.search(rf"\({letter}\) (.+?)(?= \([B-D]\)|$)", question)[1].strip(" .")


def test_the_key_of_the_survey():
    """The questions with a number, computed."""
    layer = nn.Conv2d(32, 64, kernel_size=3)
    weights = sum(parameter.numel() for parameter in layer.parameters())
    computed = [
        shapes.output_size(28, 3, P=1),
        shapes.output_size(28, 3, S=2),
        layer.out_channels,
        weights,
    ]
    for number, value in enumerate(computed, start=1):
        assert answer(number) == f"{value:,}"
    assert answer(5).startswith("logits")
    assert answer(7) == "on average somewhat less"
