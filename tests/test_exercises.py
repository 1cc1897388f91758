"""Each exercise as a reader meets it: the stub, the solution, and wrong answers on purpose."""

import ast
import contextlib
import functools
import importlib
import io
import random
import re
import signal
import sys
import time
from pathlib import Path

import nbformat
import notebook_checks as rules
import numpy as np
import pytest
import torch

from cnn.exercises import checking

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def lesson_of(path):
    """The name of a lesson, without the number that gives its place."""
    return path.stem.partition("-")[2]


def lesson_module(path):
    return importlib.import_module(f"cnn.exercises.{lesson_of(path)}")


def lesson_exercises(path):
    found = vars(lesson_module(path)).items()
    return {name: value for name, value in found if isinstance(value, checking.Exercise)}


def wrong_answers(path):
    return importlib.import_module(f"wrong_answers.{lesson_of(path)}").WRONG


def series():
    """(name of the exercise, its notebook's path) for all lessons."""
    for path in NOTEBOOKS:
        with contextlib.suppress(ModuleNotFoundError):
            yield from ((name, path) for name in lesson_exercises(path))


ALL = list(series())
IDS = [f"{lesson_of(path)}-{name}" for name, path in ALL]


@functools.cache
def read(path):
    return nbformat.read(path, as_version=4)


def cell_of(notebook, name):
    """The exercise's cell, and the text that follows it."""
    cells = [cell for cell in notebook.cells if f"checks.{name}(" in cell.source]
    assert len(cells) == 1, f"{name} stands in {len(cells)} cells"
    return cells[0], notebook.cells[notebook.cells.index(cells[0]) + 1].source


@functools.cache
def surroundings(path):
    """What a reader's code can use: the imports and definitions of the notebook."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    namespace = {}
    for cell in rules.code_cells(read(path))[1:]:
        if "exercise" not in cell.metadata.get("tags", []):
            for node in ast.parse(cell.source).body:
                if isinstance(node, kinds):
                    with contextlib.suppress(NameError):  # a default that is computed in a cell
                        exec(compile(ast.Module([node], []), "<notebook>", "exec"), namespace)
    return namespace


def said(source, namespace):
    """What a cell with this source prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<cell>", "exec"), namespace)
    return printed.getvalue()


@pytest.fixture(params=ALL, ids=IDS)
def met(request):
    """One exercise: object, cell, text after it, and what else its check needs."""
    name, path = request.param
    cell, after = cell_of(read(path), name)
    found = lesson_exercises(path)[name]
    found.n_shown = 0
    call = ast.unparse(ast.parse(cell.source).body[-1])
    return {
        "name": name,
        "exercise": found,
        "cell": cell,
        "call": call,
        "after": after,
        "namespace": dict(surroundings(path)),
        "wrong": wrong_answers(path)[name],
    }


def test_the_stub_is_not_attempted(met):
    reply = said(met["cell"].source, met["namespace"])
    assert reply.startswith("Not attempted yet.\nHint 1 of ")
    assert reply == met["cell"].outputs[0].text


def test_the_solution_passes(met):
    """Several times, since the cases are random; and it is the code of the page."""
    solution = re.search(r"<summary>Solution</summary>.*?```python\n(.*?)```", met["after"], re.S)
    reply = ""
    for _ in range(5):
        reply = said(f"{solution[1]}\n{met['call']}", met["namespace"])
        assert reply.startswith("Right. "), reply
    assert len(reply) > 60, "it says why it matters"


def test_wrong_answers_are_named(met):
    named = [about for about, _ in met["wrong"]]
    assert len(set(named)) >= 3
    assert set(named) == met["exercise"].misconceptions.keys(), "each misconception is proved"
    for about, source in met["wrong"]:
        for _ in range(3):
            reply = said(f"{source}\n{met['call']}", met["namespace"])
            assert reply.startswith("Not right yet. "), (about, reply)
            assert f"\n{about.capitalize()}: " in reply, (about, reply)


def test_the_hints_follow_one_another(met):
    about, source = met["wrong"][0]
    n = len(met["exercise"].hints)
    assert n >= 2
    for number in [*range(1, n + 1), n]:
        reply = said(f"{source}\n{met['call']}", met["namespace"])
        assert f"\nHint {number} of {n}: " in reply, about
    assert "last hint" in reply


def test_the_page_shows_the_same_hints(met):
    hints = re.search(r"<summary>Hints</summary>(.*?)</details>", met["after"], re.S)[1]
    shown = [" ".join(hint.split()) for hint in re.split(r"^\d+\. ", hints, flags=re.M)[1:]]
    assert shown == met["exercise"].hints


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def attempt(*args):\n    return 1 / 0", "ZeroDivisionError"),
        ("def attempt(*args):\n    return None or [][1]", "IndexError"),
        ("def attempt(*args):\n    raise SystemExit", "SystemExit"),
        ("def attempt(*args):\n    return attempt(*args)", "RecursionError"),
        ("attempt = 'forty-two'", ""),
        ("attempt = {}", ""),
        ("attempt = None", ""),
    ],
)
def test_nothing_escapes(met, code, words):
    reply = said(f"{code}\nreply = exercise(attempt)", {"exercise": met["exercise"]})
    assert reply.startswith("Not right yet. ")
    takes_a_function = "def " in met["cell"].source
    if takes_a_function:
        assert words in reply


def test_every_exercise_is_on_its_page_and_has_wrong_answers():
    for path in {path for _, path in ALL}:
        called = {
            name
            for cell in rules.code_cells(read(path))
            for name in re.findall(r"\bchecks\.(\w+)\(", cell.source)
        }
        assert called == lesson_exercises(path).keys() == wrong_answers(path).keys(), path.stem


# The mechanism


@pytest.fixture
def doubled():
    """An exercise about doubling a number."""

    @checking.exercise(
        hints=["first", "second"], why="It matters.", misconceptions={"square": "not squared."}
    )
    def check(answer, draw):
        cases = [(draw.randrange(3, 99),) for _ in range(5)]
        checking.compare(answer, lambda n: 2 * n, cases, {"square": lambda n: n * n})

    return check


@pytest.mark.parametrize(
    "source",
    [
        "def attempt(n): ...",
        "def attempt(n):\n    '''Text.'''\n    ...",
        "def attempt(n):\n    '''Text.'''",
        "def attempt(n):\n    pass",
        "def attempt(n):\n    return ...",
        "attempt = ...",
        "attempt = [..., ...]",
        "attempt = {'a': ...}",
    ],
)
def test_stubs(doubled, source):
    namespace = {}
    exec(source, namespace)
    for _ in range(2):
        assert doubled.reply(namespace["attempt"]) == "Not attempted yet.\nHint 1 of 2: first"


@pytest.mark.parametrize("value", [4, None, "", [], {}, [1, ...], lambda n: 0, lambda n: [..., n]])
def test_not_stubs(value):
    assert not checking.is_untouched(value)


def test_right(doubled):
    assert doubled.reply(lambda n: n + n) == "Right. It matters."


def test_a_constant_is_wrong(doubled):
    assert doubled.reply(lambda n: 6).startswith("Not right yet. <lambda>(")


def test_the_case_is_shown_and_the_mistake_named(doubled):
    def attempt(n):
        return n * n

    reply = doubled.reply(attempt)
    numbers = re.search(r"attempt\((.+)\) returned (.+); it should be (.+)\.", reply).groups()
    n, got, due = (int(number.replace(",", "")) for number in numbers)
    assert (got, due) == (n * n, 2 * n)
    assert "\nSquare: not squared.\nHint 1 of 2: first" in reply


def test_an_endless_loop_is_stopped(doubled, monkeypatch):
    monkeypatch.setattr(checking, "LIMIT", 0.2)

    def endless(n):
        while True:
            pass

    def stubborn(n):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGALRM)
    for attempt in (endless, stubborn):
        reply = doubled.reply(attempt)
        assert "did not finish in 0.2 seconds" in reply
        assert attempt.__name__ in reply
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_without_the_signal_there_is_no_limit(doubled, monkeypatch):
    monkeypatch.delattr(signal, "setitimer")
    assert doubled.reply(lambda n: n + n).startswith("Right.")


def test_a_keyboard_interrupt_passes(doubled):
    def interrupted(n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doubled.reply(interrupted)


@pytest.mark.parametrize("decorator", ["", "@torch.no_grad()\n"])
def test_the_line_of_an_exception(doubled, tmp_path, decorator):
    file = tmp_path / "answer.py"
    file.write_text(f"{decorator}def attempt(n):\n    return n / 0\n")
    namespace = {"torch": torch}
    exec(compile(file.read_text(), file, "exec"), namespace)
    reply = doubled.reply(namespace["attempt"])
    assert "stopped at `return n / 0` with ZeroDivisionError: division by zero" in reply


def test_types_shapes_and_values():
    t = torch.zeros(2, 3)
    assert "a decimal number" in checking.difference(4.0, 4)
    assert "a Tensor" in checking.difference([1], torch.tensor([1]))
    assert "shape (3, 2); (2, 3)" in checking.difference(t.T, t)
    assert "torch.int64; torch.float32" in checking.difference(t.long(), t)
    wrong = t.clone()
    wrong[1, 2] = 0.5
    assert checking.difference(wrong, t) == "returned 0.5 at [1, 2]; it should be 0."


def test_same():
    assert checking.same(torch.tensor(0.5), 0.5)
    assert checking.same((2, 3), [2, 3])
    assert checking.same(torch.Size([2, 3]), (2, 3))
    assert not checking.same(14.0, 14)
    assert not checking.same(True, 1)
    assert not checking.same(torch.zeros(2), torch.zeros(3))


def test_changed_input_print_and_none(doubled):
    with pytest.raises(checking.Wrong, match="changed its input"):
        checking.call(lambda t: t.add_(1), torch.zeros(3))
    with pytest.raises(checking.Wrong, match="changed its input"):
        checking.call(lambda values: values.append(1) or values, [1, 2])

    def prints(n):
        print(2 * n)

    reply = doubled.reply(prints)
    assert "returned None" in reply
    assert "Your code printed: " in reply


def test_the_random_state_is_left_alone(doubled):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    doubled.reply(lambda n: 2 * n + int(torch.rand(1)))
    assert torch.equal(torch.rand(2), expected)


def test_cases_are_fresh():
    assert (
        checking.Draw().integers(10**9, 4).tolist() != checking.Draw().integers(10**9, 4).tolist()
    )
    assert torch.equal(checking.Draw(7).normal(3), checking.Draw(7).normal(3))
    assert checking.Draw(7).random() == checking.Draw(7).random()


def test_called_without_an_argument(doubled):
    assert doubled.reply(...).startswith("Not attempted yet.")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        doubled()
    assert printed.getvalue().startswith("Not attempted yet.")


def print_without_end(n):
    while True:
        print(n, end=" ")


def complain_without_end(n):
    while True:
        sys.stderr.write("no line break ")


def long_message(n):
    raise ValueError("x" * 10**6)


def unreadable_message(n):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    raise Odd


def long_name(n):
    raise type("E" * 10**5, (Exception,), {})


@pytest.mark.parametrize(
    "attempt",
    [
        print_without_end,
        complain_without_end,
        long_message,
        unreadable_message,
        long_name,
        lambda n: print(list(range(100_000))),
        lambda n: 10**4000,
        lambda n: "x" * 10**6,
        lambda n: list(range(10**6)),
        lambda n: type("T" * 10**5, (), {})(),
    ],
)
def test_replies_stay_short(doubled, monkeypatch, attempt):
    monkeypatch.setattr(checking, "LIMIT", 0.3)
    reply = doubled.reply(attempt)
    assert reply.startswith("Not right yet.")
    assert len(reply) < 3 * checking.CHARACTERS


def test_little_of_what_is_printed_is_kept_while_collecting():
    printed = checking.Printed()
    for _ in range(10_000):
        print("123", file=printed, end=" ")
    assert len(printed.text) == checking.CHARACTERS + 1
    assert printed.first_lines().endswith(" ...")


def leave_no_grad(n):
    torch.set_grad_enabled(False)
    return 2 * n


def leave_double(n):
    torch.set_default_dtype(torch.float64)
    return 2 * n


def leave_device(n):
    torch.set_default_device("meta")
    return 2 * n


def leave_random(n):
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    return 2 * n


def leave_deterministic(n):
    torch.use_deterministic_algorithms(True)
    torch.autograd.set_detect_anomaly(True)
    return 2 * n


@pytest.mark.parametrize(
    "attempt", [leave_no_grad, leave_double, leave_device, leave_random, leave_deterministic]
)
def test_settings_do_not_leak_out_of_a_check(doubled, attempt):
    def settings():
        return [get() for get, _ in checking.SETTINGS]

    def drawn():
        return torch.rand(2).tolist(), random.random(), np.random.rand()

    before = settings()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    expected = drawn()
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    assert doubled.reply(attempt).startswith("Right."), "nor into the rest of the check"
    assert settings() == before
    assert drawn() == expected


def test_settings_do_not_leak_into_the_check():
    checking.call(leave_no_grad, 3)
    assert torch.is_grad_enabled()


@pytest.fixture
def of_a_size():
    """An exercise whose check builds something of the size that the reader names."""
    built = []

    @checking.exercise(hints=["first"], why="It matters.", misconceptions={}, largest=100)
    def check(sizes, draw):
        built.append(sizes)
        torch.zeros(sizes["side"], sizes["side"])

    return check, built


@pytest.mark.parametrize("size", [101, 20_001, -20_001, 10**400, 1e300, float("inf"), [[10**9]]])
def test_an_answer_is_bounded_before_anything_is_computed(of_a_size, size):
    check, built = of_a_size
    reply = check.reply({"side": size})
    assert "far too large here" in reply
    assert built == []
    assert check.reply({"side": 100}).startswith("Right.")


def test_too_many_answers(of_a_size):
    check, built = of_a_size
    assert "far more" in check.reply({"side": list(range(10**6))})
    assert "far more" in check.reply({"side": torch.zeros(1).expand(10**9)})
    assert built == []


def test_a_result_that_only_looks_large(doubled):
    reply = doubled.reply(lambda n: torch.zeros(1).expand(10**12))
    assert "far more than is asked for" in reply


def test_another_convention_is_right_too():
    """Dividing by n instead of n - 1, as NumPy does."""
    standardise = importlib.import_module("cnn.exercises.data").standardise
    for correction in (0, 1):

        def attempt(a, b):
            mean, std = a.mean(), a.std(correction=correction)  # noqa: B023
            return (a - mean) / std, (b - mean) / std

        assert standardise.reply(attempt).startswith("Right."), correction


def test_a_prediction_left_open():
    truth = {"a": 1, "b": (2, 3)}
    with pytest.raises(checking.Wrong, match="'b' is still open"):
        checking.predict({"a": 1, "b": ...}, truth)
    with pytest.raises(checking.Wrong, match="Keep the dictionary"):
        checking.predict({"a": 1}, truth)
    with pytest.raises(checking.Wrong, match=r"'b': it is not \(2, 4\)") as wrong:
        checking.predict({"a": 1, "b": (2, 4)}, truth, {"off": {"b": (2, 4)}})
    assert wrong.value.about == "off"
    assert "3" not in str(wrong.value)
    checking.predict({"a": 1, "b": (2, 3)}, truth)
