"""How an exercise answers: an attempt goes in, and what to tell the reader comes out.

The exercises themselves, as data and functions, stand in `cnn.exercises`. A notebook calls one with
what the reader has written: `checks.shapes(predictions)`. Nothing in the code of a reader stops the
notebook: exceptions and endless loops are reported. An endless loop is stopped after `LIMIT` s
by a signal, which Linux and macOS have, in the main thread, where notebooks run. On Windows, and
inside one long call of compiled code, stop the kernel by hand. What the reader's code prints is
kept up to `CHARACTERS`, and the settings of PyTorch that it changes are put back.
"""

import contextlib
import copy
import dis
import inspect
import io
import math
import random
import reprlib
import signal
import textwrap
import threading
import traceback

import numpy as np
import torch

LIMIT = 10  # seconds for one attempt
CHARACTERS = 400  # of what the reader's code prints, and of its messages
LARGEST, MOST_NUMBERS = 10**12, 10**7  # no answer is a larger number, or a larger tensor


class Wrong(Exception):
    """What is wrong with an attempt; `about` names the misconception behind it, where it shows."""

    def __init__(self, message, about=None):
        super().__init__(message)
        self.about = about


class TooLong(BaseException):
    """Time is up. Not an Exception, so that an `except Exception` in a loop does not stop it."""


class Draw(random.Random):
    """Random numbers and tensors for fresh cases, apart from PyTorch's own random state."""

    def __init__(self, seed=None):
        super().__init__(seed)  # without a seed, from the operating system
        self.generator = torch.Generator().manual_seed(self.getrandbits(63))

    def normal(self, *shape):
        """Normal values in this shape."""
        return torch.randn(shape, generator=self.generator)

    def integers(self, high, *shape):
        """Whole numbers from 0 to high - 1 in this shape."""
        return torch.randint(high, shape, generator=self.generator)


class Printed(io.TextIOBase):
    """Takes what is printed, and keeps the beginning of it."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text[: CHARACTERS + 1 - len(self.text)]
        return len(text)

    def first_lines(self, n=5):
        return "\n  ".join(shortened(self.text).splitlines()[:n])


class Exercise:
    """One exercise: call it with an attempt, and it prints what to say about it."""

    def __init__(self, check, hints, why, misconceptions, largest=LARGEST):
        self.check, self.hints, self.why = check, hints, why
        self.misconceptions, self.largest = misconceptions, largest
        self.n_shown = 0

    def __call__(self, attempt=...):
        paragraphs = self.reply(attempt).split("\n")
        print("\n".join(textwrap.fill(p, 92, subsequent_indent="  ") for p in paragraphs))

    def reply(self, attempt):
        """The answer to an attempt: Not attempted yet, Not right yet, or Right, and more."""
        if is_untouched(attempt):
            self.n_shown = max(self.n_shown, 1)
            return f"Not attempted yet.\n{self._hint(1)}"
        printed = Printed()
        streams = (contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed))
        try:
            with streams[0], streams[1], time_limit(LIMIT), own_random_state(), own_settings():
                check_size(attempt, self.largest)
                self.check(attempt, Draw())
        except Wrong as wrong:
            return self._correction(wrong, printed)
        except TooLong:
            return self._correction(Wrong(_too_long("The check")), printed)
        except Exception as error:
            return self._correction(Wrong(f"The check cannot use this: {_named(error)}"), printed)
        return f"Right. {self.why}"

    def _correction(self, wrong, printed):
        lines = [f"Not right yet. {wrong}"]
        if wrong.about:
            lines.append(f"{wrong.about.capitalize()}: {self.misconceptions[wrong.about]}")
        if printed.text:
            lines.append("Your code printed: " + printed.first_lines())
        last = self.n_shown >= len(self.hints)
        self.n_shown = min(self.n_shown + 1, len(self.hints))
        lines.append(self._hint(self.n_shown))
        if last:
            lines.append("That was the last hint. The solution is folded below this cell.")
        return "\n".join(lines)

    def _hint(self, number):
        return f"Hint {number} of {len(self.hints)}: {self.hints[number - 1]}"


def exercise(hints, why, misconceptions, largest=LARGEST):
    """Make an Exercise of a function check(attempt, draw) that raises Wrong.

    Args:
        hints: what to say to each further attempt, the first also before any attempt.
        why: why it matters, said when the attempt is right.
        misconceptions: name -> what to say to a reader whose attempt shows it.
        largest: where the check builds something of the size that the reader names, the largest
            number that it can take; larger ones are wrong before anything is computed from them.
    """
    return lambda check: Exercise(check, hints, why, misconceptions, largest)


def is_untouched(attempt):
    """Whether this is still the stub: `...`, only such values, or a function without a body."""
    if isinstance(attempt, dict):
        attempt = list(attempt.values())
    if isinstance(attempt, (list, tuple)):
        return bool(attempt) and all(value is ... for value in attempt)
    if inspect.isfunction(attempt):
        returns_a_constant = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
        instructions = list(dis.get_instructions(attempt))
        values = [i.argval for i in instructions if i.opname in ("LOAD_CONST", "RETURN_CONST")]
        return {i.opname for i in instructions} <= returns_a_constant and values[-1] in (None, ...)
    return attempt is ...


@contextlib.contextmanager
def time_limit(seconds):
    """Raise TooLong when the time is up; without a limit where there is no such signal."""
    can_interrupt = hasattr(signal, "setitimer")
    if not can_interrupt or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum, frame):
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again each second, if a bare except hid it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def own_random_state():
    """A fresh random state of PyTorch inside, and all old ones back afterwards."""
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    torch.default_generator.seed()
    try:
        yield
    finally:
        for restore, state in zip(
            (torch.set_rng_state, random.setstate, np.random.set_state), states
        ):
            restore(state)


SETTINGS = [  # of PyTorch, which hold for all code that runs later
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_default_dtype, torch.set_default_dtype),
    (lambda: torch.get_default_device().type, torch.set_default_device),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
]


@contextlib.contextmanager
def own_settings():
    """What is changed inside, such as the default dtype, is put back afterwards."""
    before = [get() for get, _ in SETTINGS]
    try:
        yield
    finally:
        for (get, restore), value in zip(SETTINGS, before):
            if get() != value:
                restore(value)


def check_size(attempt, largest):
    """Wrong if an answer, or a number anywhere in it, is larger than any that can be right."""
    attempt = list(attempt.values()) if isinstance(attempt, dict) else _plain(attempt)
    if isinstance(attempt, (list, tuple, set, range)):
        if len(attempt) > 1000:
            raise Wrong(f"{len(attempt):,} values are far more than are asked for here.")
        for value in attempt:
            check_size(value, largest)
    elif isinstance(attempt, torch.Tensor) and attempt.numel() > MOST_NUMBERS:
        raise Wrong(f"{show(attempt)} is far more than is asked for here.")
    elif isinstance(attempt, (int, float)) and abs(attempt) > largest:
        raise Wrong(f"{show(attempt)} is far too large here.")


def call(function, *args):
    """The result of the reader's function; Wrong if it fails, changes its input or gives None."""
    if not callable(function):
        raise Wrong(f"A function is needed here, and this is {show(function)}.")
    shown, before = show_call(function, args), [_copied(argument) for argument in args]
    try:
        with own_settings():
            result = function(*args)
    except TooLong:
        raise Wrong(_too_long(shown)) from None
    except (Exception, SystemExit) as error:
        place = _line_of(function, error)
        raise Wrong(f"{shown} stopped{place} with {_named(error)}") from None
    if any(old is not None and not same(new, old) for new, old in zip(args, before)):
        raise Wrong(
            f"{shown} changed its input. Whoever calls it still needs that: make a new one."
        )
    if result is None:
        raise Wrong(f"{shown} returned None. Does it end with `return`?")
    check_size(result, math.inf)
    return result


def compare(function, right, cases, mistakes=None, also=()):
    """Hold the reader's function against `right` on all cases; Wrong shows one that differs.

    Args:
        cases: a tuple of arguments for each call.
        mistakes: misconception -> function that gives what this misconception leads to.
        also: other functions that are right, such as another usual convention.
    """
    results = [(args, call(function, *args), right(*args)) for args in cases]
    if any(all(same(got, other(*given)) for given, got, _ in results) for other in also):
        return
    for args, got, expected in results:
        if not same(got, expected):
            about = next(
                (
                    name
                    for name, mistake in (mistakes or {}).items()
                    if all(same(other, mistake(*given)) for given, other, _ in results)
                ),
                None,
            )
            raise Wrong(f"{show_call(function, args)} {difference(got, expected)}", about)


def predict(predictions, truth, mistakes=None):
    """Hold predictions, a dictionary, against the truth; Wrong names one, not the truth itself.

    Args:
        mistakes: misconception -> {name of the prediction: what this misconception leads to}.
    """
    if not isinstance(predictions, dict) or predictions.keys() != truth.keys():
        raise Wrong("Keep the dictionary with its keys, and replace each ... by your prediction.")
    for name, expected in truth.items():
        got = predictions[name]
        if got is ...:
            raise Wrong(f"{name!r} is still open.")
        if type(_plain(got)) is not type(expected) and not same(got, expected):
            raise Wrong(
                f"{name!r}: {show(got)} is {_kind(got)}, and the answer is {_kind(expected)}."
            )
        if not same(got, expected):
            about = next(
                (
                    about
                    for about, values in (mistakes or {}).items()
                    if name in values and same(got, values[name])
                ),
                None,
            )
            raise Wrong(f"{name!r}: it is not {show(got)}.", about)


def same(a, b):
    """Equal: tensors in shape, type and nearly in value; floats nearly; all else exactly."""
    if isinstance(b, torch.Tensor):
        alike = isinstance(a, torch.Tensor) and (a.shape, a.dtype) == (b.shape, b.dtype)
        return alike and torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)
    a = _plain(a)
    if isinstance(b, (list, tuple)):
        return isinstance(a, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, float):
        return isinstance(a, (int, float)) and math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-6)
    return type(a) is type(b) and a == b


def difference(got, expected):
    """How a result differs from what is due, in words that follow the call."""
    got = got if isinstance(expected, torch.Tensor) else _plain(got)
    if _kind(got) != _kind(expected):
        return f"returned {_kind(got)}, {show(got)}; {_kind(expected)} is due."
    if isinstance(expected, tuple) and len(got) == len(expected):
        place = next(i for i, pair in enumerate(zip(got, expected)) if not same(*pair))
        return f"(value {place + 1} of {len(got)}) {difference(got[place], expected[place])}"
    if not isinstance(expected, torch.Tensor):
        return f"returned {show(got)}; it should be {show(expected)}."
    if got.shape != expected.shape:
        return f"returned the shape {tuple(got.shape)}; {tuple(expected.shape)} is due."
    if got.dtype != expected.dtype:
        return f"returned values of type {got.dtype}; {expected.dtype} is due."
    place = (~torch.isclose(got, expected, rtol=1e-4, atol=1e-5)).nonzero()[0].tolist()
    value, due = (tensor[tuple(place)].item() for tensor in (got, expected))
    return f"returned {value:.4g} at {place}; it should be {due:.4g}."


def show(value):
    """A value as a reader would recognise it, short."""
    if isinstance(value, torch.Tensor):
        if value.ndim == 1 and len(value) <= 8:
            return f"tensor([{', '.join(f'{number:.3g}' for number in value.tolist())}])"
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, float):
        return f"{value:.5g}"
    if type(value) is int:
        return f"{value:,}" if abs(value) < 10**15 else f"a number of {value.bit_length():,} bits"
    if isinstance(value, (bool, str, list, tuple, dict, type(None))):
        return reprlib.repr(value)
    return shortened(str(getattr(value, "__name__", type(value).__name__)), 40)


def shortened(text, n=None):
    """The beginning of a text, of n characters or as many as are kept of what is printed."""
    n = n or CHARACTERS
    return text if len(text) <= n else text[:n] + " ..."


def _named(error):
    """An exception as Python reports it, short."""
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be read)"
    return f"{shortened(type(error).__name__, 40)}: {shortened(text)}"


def show_call(function, args):
    """The call as the reader would type it."""
    return f"{show(function)}({', '.join(map(show, args))})"


def _kind(value):
    names = {int: "a whole number", float: "a decimal number", bool: "True or False"}
    return names.get(type(value), f"a {shortened(type(value).__name__, 40)}")


def _plain(value):
    """A tensor or NumPy value without axes as a Python number."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _copied(argument):
    """A copy of what a function could change by mistake; None for all else."""
    if isinstance(argument, torch.Tensor):
        return argument.detach().clone()
    return copy.deepcopy(argument) if isinstance(argument, (list, dict)) else None


def _line_of(function, error):
    """Where in the reader's code the exception arose."""
    file = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    return f" at `{shortened(lines[-1], 100)}`" if lines and lines[-1] else ""


def _too_long(what):
    return f"{what} did not finish in {LIMIT} seconds. Is there a loop that never ends?"
