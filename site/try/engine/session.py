"""Runs cells of a lesson in the page: one namespace, the notebook's own checks, outputs as data."""

import ast
import base64
import contextlib
import io
import json
import linecache
import math
import os
import sys
import time
import traceback

import slicing

LIMIT = 10  # seconds for the code of one cell, as for an attempt in a notebook
LONGEST = 20_000  # characters of output that a page shows
CLOCK = time.perf_counter
TARGET = []  # what to call when the code of a cell says plt.show()


class Output(io.TextIOBase):
    """Collects what a cell prints, as the outputs of a notebook."""

    def __init__(self, outputs):
        self.outputs, self.left = outputs, LONGEST

    def writable(self):
        return True

    def write(self, text):
        kept = text[: self.left]
        self.left -= len(kept)
        if kept:
            if self.outputs and self.outputs[-1]["kind"] == "text":
                self.outputs[-1]["text"] += kept
            else:
                self.outputs.append({"kind": "text", "text": kept})
            if not self.left:
                self.outputs[-1]["text"] += "\n... the rest of the output is not shown"
        return len(text)


class Session:
    """The state of one lesson in one page."""

    def __init__(self, lesson):
        self.cells = lesson["cells"]  # {"id", "source", "exercise"}, in order
        self.places = {cell["id"]: place for place, cell in enumerate(self.cells)}
        self.namespace = {"__name__": "__main__"}
        self.done = {}  # key of a statement -> the objects that it bound

    def run(self, cell_id, source, texts=None, mode="names", started_own=None):
        """Run one cell with this source, and first what it needs; what the page shows of it.

        Args:
            texts: the id of a cell -> what the reader made of it.
            mode: which earlier statements to run, see slicing.needed.
            started_own: called when the reader's own code begins.
        """
        outputs = []
        started = CLOCK()
        try:
            compile(source, "<your code>", "exec")
            self._prepare(self.places[cell_id], source, texts or {}, mode)
        except BaseException as error:
            outputs.append(_failure(error, source))
            return {"outputs": outputs, "ok": False, "seconds": CLOCK() - started}
        prepared = CLOCK()
        if started_own:
            started_own()
        ok = self._execute(source, outputs)
        now = CLOCK()
        return {
            "outputs": outputs,
            "ok": ok,
            "seconds": now - prepared,
            "before": prepared - started,
        }

    def _prepare(self, place, source, texts, mode):
        earlier = []
        for cell in self.cells[1:place]:  # the first one finds the course
            if cell["exercise"]:
                continue
            text = texts.get(cell["id"], cell["source"])
            with contextlib.suppress(SyntaxError):
                earlier.append(slicing.statements(cell["id"], text))
        again = False
        for statement in slicing.needed(earlier, source, mode):
            bound = self.done.get(statement.key)
            same = bound is not None and all(self.namespace.get(k) is v for k, v in bound.items())
            if same and not again:
                continue
            if not (statement.source.lstrip().startswith(("import ", "from ", "def ", "class "))):
                again = True
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                exec(compile(statement.source, "<earlier cell>", "exec"), self.namespace)
            _close_figures()
            self.done[statement.key] = {
                name: self.namespace.get(name) for name in statement.binds if name in self.namespace
            }

    def _execute(self, source, outputs):
        """Run the reader's code; its last expression is shown, as a notebook does."""
        name = f"<your code {len(linecache.cache)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        body = ast.parse(source, name)
        last = None
        if body.body and isinstance(body.body[-1], ast.Expr):
            last = ast.Expression(body.body.pop().value)
        printed = Output(outputs)
        try:
            with (
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
                _showing(outputs),
                limited(_limit(source)),
            ):
                exec(compile(body, name, "exec"), self.namespace)
                if last is not None:
                    value = eval(compile(last, name, "eval"), self.namespace)
                    if value is not None:
                        _show_value(value, outputs)
        except BaseException as error:
            outputs.append(_failure(error, source))
            return False
        return True


def _limit(source):
    """An attempt has its limit from the check; what surrounds it gets a little more."""
    return LIMIT + 2 if "checks." in source else LIMIT


class TookTooLong(BaseException):
    """Time is up for a cell."""


@contextlib.contextmanager
def limited(seconds, error=TookTooLong):
    """Raise inside Python code that runs longer: a page has no signals, so look at jumps."""
    if not hasattr(sys, "monitoring"):  # before Python 3.12
        yield
        return
    end = time.perf_counter() + seconds
    events = sys.monitoring.events
    watched = events.JUMP | events.PY_START  # of each loop, and of each call

    def look(code, *_):
        nonlocal end
        if not code.co_filename.startswith("<"):  # of a package: as fast as ever, and not stopped
            return sys.monitoring.DISABLE
        now = time.perf_counter()
        if now > end:
            end = now + 1  # again each second, if a bare except hid it
            raise error
        return None

    tool = next(number for number in range(6) if sys.monitoring.get_tool(number) is None)
    sys.monitoring.use_tool_id(tool, "limit")
    for event in (events.JUMP, events.PY_START):
        sys.monitoring.register_callback(tool, event, look)
    sys.monitoring.set_events(tool, watched)
    try:
        yield
    finally:
        end = math.inf
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.free_tool_id(tool)


def use_limits():
    """Give the checks of exercises the limit that does without signals."""
    if not hasattr(sys, "monitoring"):
        return
    from cnn.exercises import checking

    checking.time_limit = lambda seconds: limited(seconds, checking.TooLong)


def _failure(error, source):
    """An exception as a notebook shows it, without the lines of the machinery."""
    if isinstance(error, TookTooLong):
        text = f"This cell did not finish in {LIMIT} seconds. Is there a loop that never ends?"
        return {"kind": "error", "text": text}
    if isinstance(error, MemoryError):
        return {"kind": "error", "text": "MemoryError: the memory of this page is exhausted."}
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith("<your code")]
    lines = [f"line {frame.lineno}: {frame.line}" for frame in own[-3:]]
    named = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError):
        lines = [f"line {error.lineno}: {(error.text or '').strip()}"]
    elif not own:
        lines = ["in an earlier cell that this one needs"]
    return {"kind": "error", "text": "\n".join([*lines, named])[:2000]}


@contextlib.contextmanager
def _showing(outputs):
    """What plt.show() shows, and what is left open at the end, goes into the outputs."""
    TARGET[:] = [lambda: _flush(outputs)]
    try:
        yield
        _flush(outputs)
    finally:
        TARGET.clear()
        _close_figures()


def _flush(outputs):
    if "matplotlib.pyplot" not in sys.modules:
        return
    import matplotlib.pyplot as plt

    for number in plt.get_fignums():
        figure = plt.figure(number)
        width, height = (round(side) for side in figure.get_size_inches() * figure.dpi)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=2 * figure.dpi, bbox_inches="tight")
        outputs.append(
            {
                "kind": "image",
                "png": base64.b64encode(file.getvalue()).decode(),
                "width": width,
                "text": f"<Figure size {width}x{height} with {len(figure.axes)} Axes>",
            }
        )
    plt.close("all")


def _close_figures():
    if "matplotlib.pyplot" in sys.modules:
        import matplotlib.pyplot as plt

        plt.close("all")


def _show_value(value, outputs):
    png = getattr(value, "png", None)
    if isinstance(png, bytes):
        outputs.append(
            {
                "kind": "image",
                "png": base64.b64encode(png).decode(),
                "width": None,
                "text": "<IPython.core.display.Image object>",
            }
        )
        return
    if type(value).__name__ == "Figure" and hasattr(value, "savefig"):
        _flush(outputs)
        return
    outputs.append({"kind": "text", "text": repr(value)[:LONGEST]})


def use_figures():
    """Figures are drawn into memory, and shown where the page says."""
    os.environ["MPLBACKEND"] = "module://page_backend"


SESSIONS = {}


def start(lesson_json):
    """Take up a lesson."""
    SESSIONS["page"] = Session(json.loads(lesson_json))


def warm_up():
    """Draw something, since the first figure takes longer than all others."""
    import matplotlib

    matplotlib.use("module://page_backend")
    from cnn import plotting

    plotting.use_course_style()
    figure, ax = plotting.plt.subplots()
    ax.set_title("0")
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
    _close_figures()


def run(cell_id, source, texts_json="{}", mode="names", started_own=None):
    """Run a cell of the lesson that was taken up; its outputs as JSON."""
    os.environ["MPLBACKEND"] = "module://page_backend"
    use_limits()
    texts = json.loads(texts_json)
    return json.dumps(SESSIONS["page"].run(cell_id, source, texts, mode, started_own))
