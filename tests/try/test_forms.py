"""Fields in the page, checked in JavaScript: the same words as the check of the notebook."""

import contextlib
import json
import random
import shutil
import subprocess

import pytest
import try_forms

FORMS = json.loads(try_forms.FORMS.read_text(encoding="utf-8"))
ALL = [(lesson, name) for lesson, forms in FORMS.items() for name in forms]
KINDS = ["7", "7.5", "text", "(1, 2)", "[1, 2, 3]", "True", "10**13", "-3", "1e-9", "1_000_000"]


def test_the_stored_forms_are_those_of_the_checks():
    assert try_forms.text(try_forms.forms()) == try_forms.FORMS.read_text(encoding="utf-8")


def test_most_exercises_that_ask_for_numbers_or_names_have_a_form():
    assert {"header", "shapes", "losses"} <= {name for _, name in ALL}


def python_of(text, words):
    """What a reader types in a field, as Python."""
    if words:
        return text
    with contextlib.suppress(Exception):
        return eval(text)
    return text


def typed(value):
    return value if isinstance(value, str) else repr(value)


def attempts_of(lesson, name):
    """Lists of texts: untouched, right, known mistakes, each field wrong in each way, half done."""
    form = FORMS[lesson][name]
    keys = [field["name"] for field in form["fields"]]
    truth = {field["name"]: plain(field["expected"]) for field in form["fields"]}
    found = [[""] * len(keys), [typed(truth[key]) for key in keys]]
    found += [
        [typed(attempt[key]) for key in keys]
        for attempt in try_forms.attempts(lesson, name, truth)
        if all(not callable(v) for v in attempt.values())
    ]
    source = random.Random(0)
    for i in range(len(keys)):
        for text in [*KINDS, "", typed(next(iter(truth.values())))]:
            texts = [typed(truth[other]) for other in keys]
            texts[i] = text
            found.append(texts)
        for mistake in form["fields"][i]["mistakes"]:
            for value in mistake["values"]:
                texts = [typed(truth[other]) for other in keys]
                texts[i] = typed(plain(value))
                found.append(texts)
    source.shuffle(found)
    return found


def plain(value):
    if value["type"] in ("tuple", "list"):
        return {"tuple": tuple, "list": list}[value["type"]](map(plain, value["value"]))
    return value["value"]


@pytest.fixture(scope="module")
def replies():
    if not shutil.which("node"):
        pytest.skip("node, which runs the JavaScript, is not on PATH")
    jobs = [
        {"form": FORMS[lesson][name], "attempts": attempts_of(lesson, name)} for lesson, name in ALL
    ]
    file = try_forms.REPOSITORY / "tests" / "js" / "forms_replies.mjs"
    done = subprocess.run(["node", file], input=json.dumps(jobs), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(ALL, json.loads(done.stdout)))


@pytest.mark.parametrize(("lesson", "name"), ALL)
def test_the_page_says_what_the_notebook_says(lesson, name, replies):
    import importlib

    form = FORMS[lesson][name]
    exercise = getattr(importlib.import_module(f"cnn.exercises.{lesson}"), name)
    exercise.n_shown = 0
    for texts, reply in zip(attempts_of(lesson, name), replies[lesson, name]):
        attempt = {}
        for field, text in zip(form["fields"], texts):
            words = field["expected"]["type"] == "str"
            attempt[field["name"]] = python_of(text, words) if text else ...
        assert reply == exercise.reply(attempt), texts


READ = {
    "12 + 60_000 * 5 * 4": ("int", 1_200_012),
    "1,200,012": ("int", 1_200_012),
    "(1, 32, 7, 7)": ("tuple", None),
    "1, 32, 7, 7": ("tuple", None),
    "math.log(100)": ("float", 4.605170185988092),
    "log(2)": ("float", 0.6931471805599453),
    "1/2": ("float", 0.5),
    "2**10": ("int", 1024),
    "−3": ("int", -3),
    "alert(1)": ("str", "alert(1)"),
    "import os": ("str", "import os"),
    "((((": ("str", "(((("),
    "1 2 3": ("str", "1 2 3"),
}


def test_what_is_typed_is_read_as_python_would():
    if not shutil.which("node"):
        pytest.skip("node, which runs the JavaScript, is not on PATH")
    code = (
        'import { readValue } from "./site/try/forms.js";'
        f"const texts = {json.dumps(list(READ))};"
        "console.log(JSON.stringify(texts.map((text) => readValue(text, null))))"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code],
        cwd=try_forms.REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for (text, (kind, value)), found in zip(READ.items(), json.loads(done.stdout)):
        assert found["type"] == kind, text
        if value is not None:
            assert found["value"] == pytest.approx(value) if kind != "str" else value
