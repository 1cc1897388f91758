"""Write site/try/forms.json: what the page needs to check exercises that ask for numbers or names.

Everything comes out of the notebooks' own checks: the true values and the known mistakes are
recorded when a check calls `predict`; hints and words are copied. Run it after an exercise has
changed:

    .venv/bin/python tools/try_forms.py
"""

import ast
import contextlib
import importlib
import json
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FORMS = REPOSITORY / "site" / "try" / "forms.json"
sys.path[:0] = [str(REPOSITORY / "notebooks"), str(REPOSITORY / "tests")]
NO_WORD = "zzzz"


def stub_names(source):
    """(name of the check, the keys) of a cell whose stub is a dictionary of ...; None of others."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    called = re.search(r"\bchecks\.(\w+)\(", source)
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and called:
            keys = [getattr(key, "value", None) for key in node.value.keys]
            stubs = [isinstance(v, ast.Constant) and v.value is ... for v in node.value.values]
            if keys and all(stubs):
                return called[1], keys
    return None


def value(item):
    """A Python value as the page has it."""
    if isinstance(item, (tuple, list)):
        return {"type": type(item).__name__, "value": [value(one) for one in item]}
    if isinstance(item, float):
        item = float(f"{item:.9g}")  # computed by the check, and not the same to the last digit
    return {"type": "None" if item is None else type(item).__name__, "value": item}


def attempts(lesson, name, solution):
    """The solution, and the wrong answers that the tests know, as values."""
    found = [solution]
    wrong = importlib.import_module(f"wrong_answers.{lesson}").WRONG[name]
    for _, source in wrong:
        namespace = {}
        with contextlib.suppress(Exception):
            exec("import math\nimport torch\n" + source, namespace)
        found += [v for k, v in namespace.items() if isinstance(v, dict) and k != "__builtins__"]
    return [attempt for attempt in found if attempt.keys() == solution.keys()]


@contextlib.contextmanager
def recorded(module):
    """What `predict` is called with: a list of (truth, mistakes)."""
    calls, plain = [], module.predict

    def predict(predictions, truth, mistakes=None):
        calls.append((truth, mistakes or {}))
        return plain(predictions, truth, mistakes)

    module.predict = predict
    try:
        yield calls
    finally:
        module.predict = plain


def form(lesson, name, keys):
    """The form of one exercise, or None if its check is more than `predict`."""
    module = importlib.import_module(f"cnn.exercises.{lesson}")
    if not hasattr(module, "predict"):
        return None
    exercise = getattr(module, name)
    with recorded(module) as calls:
        for _ in range(2):
            exercise.reply({key: "?" if i else 0 for i, key in enumerate(keys)})
            exercise.reply(dict.fromkeys(keys, 0))
        if not calls:  # the check wants words that it knows
            words = [v for k, v in vars(module).items() if isinstance(v, dict) and k.isupper()]
            for known in words:
                for word in known.values():
                    exercise.reply(dict.fromkeys(keys, word))
        if not calls or calls[0][0].keys() != set(keys):
            return None
        truth = calls[0][0]
        if any(not _alike(truth, other) for other, _ in calls):
            return None  # the truth is drawn at random
        for key, word in [(k, v) for k in keys for v in truth.values() if isinstance(v, str)]:
            exercise.reply(truth | {key: word})
        for attempt in attempts(lesson, name, truth):
            exercise.reply(attempt)
            for key, given in attempt.items():
                exercise.reply(truth | {key: given})
    mistakes = {}
    for _, found in calls:
        for about, values in found.items():
            for key, given in values.items():
                held = mistakes.setdefault(key, {}).setdefault(about, [])
                if given not in held and not _same(given, truth[key]):
                    held.append(given)
    order = [about for about in exercise.misconceptions]
    fields = []
    for key in keys:
        known = sorted(mistakes.get(key, {}).items(), key=lambda item: order.index(item[0]))
        field = {"name": key, "expected": value(truth[key])}
        field["mistakes"] = [
            {"about": about, "values": [value(v) for v in values]}
            for about, values in known
            if values
        ]
        if isinstance(truth[key], float):
            reply = exercise.reply(truth | {key: 7654321})
            field["whole"] = "whole number" not in reply
        fields.append(field)
    made = {
        "name": name, "fields": fields, "hints": exercise.hints, "why": exercise.why,
        "misconceptions": exercise.misconceptions, "largest": exercise.largest,
    }  # fmt: skip
    words = [key for key in keys if isinstance(truth[key], str)]
    if words:
        said = exercise.reply(truth | {words[0]: NO_WORD}).splitlines()[0]
        if said != f"Not right yet. {words[0]!r}: it is not {NO_WORD!r}.":
            made["unknown"] = (
                said.removeprefix("Not right yet. ")
                .replace(repr(words[0]), "NAME")
                .replace(repr(NO_WORD), "VALUE")
            )
            made["choices"] = sorted({v for v in truth.values() if isinstance(v, str)})
    exercise.n_shown = 0
    return made


def _same(a, b):
    from cnn.exercises.checking import same

    return same(a, b)


def _alike(first, second):
    return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)


def forms():
    """lesson -> {id of the cell: form}, for all notebooks."""
    found = {}
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        lesson = path.stem.partition("-")[2]
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if "exercise" in cell["metadata"].get("tags", []):
                stub = stub_names("".join(cell["source"]))
                made = stub and form(lesson, *stub)
                if made:
                    found.setdefault(lesson, {})[stub[0]] = made
    return found


def text(found):
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def main():
    found = forms()
    FORMS.write_text(text(found), encoding="utf-8")
    print(", ".join(f"{lesson}: {' '.join(made)}" for lesson, made in found.items()))


if __name__ == "__main__":
    main()
