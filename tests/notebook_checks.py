"""The rules for a committed notebook, each a function from a notebook to a list of problems."""

import ast
import inspect
import re
from itertools import pairwise

from stamp import badge, bootstrap, repo_url

MAX_LINES = 30
TRAINS_OR_TIMES = {"train_network", "train_one_epoch", "fit", "backward", "perf_counter", "timeit"}
TRAINS_OR_TIMES |= {"blocked_autorange", "profile"}
IGNORES_OUTPUT = {"nbval-ignore-output", "nbval-skip"}
IGNORE_COMMENTS = ("NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP", "PYTEST_VALIDATE_IGNORE_OUTPUT")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def where(notebook, cell):
    return f"cell {notebook.cells.index(cell) + 1}"


def executed_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    expected = list(range(1, len(counts) + 1))
    return [] if counts == expected else [f"execution counts are {counts}, expected 1..n"]


def has_outputs(notebook):
    """nbval passes a notebook without stored outputs, so a cell that prints must have stored it."""
    return [
        f"{where(notebook, cell)} prints, plots or shows a value, but has no stored output"
        for cell in code_cells(notebook)
        if not cell.outputs and (_prints(cell.source) or _ends_in_a_value(cell.source))
    ]


def no_errors_or_warnings(notebook):
    return [
        f"{where(notebook, cell)} has stored {output.get('name', output.output_type)}"
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


def plain_metadata(notebook):
    """The kernel's name and nothing of the machine that ran the notebook."""
    problems = []
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        problems.append("the kernel is not python3")
    extra = set(notebook.metadata) - {"kernelspec", "language_info"}
    extra |= set(notebook.metadata.get("language_info", {})) - {"name"}
    for cell in notebook.cells:
        extra |= set(cell.metadata) - {"tags"}
    return problems + [f"metadata that nobody needs: {name}" for name in sorted(extra)]


def no_widgets(notebook):
    """GitHub shows a notebook with widget metadata as invalid; display updates fail under nbval."""
    problems = ["widget metadata"] if "widgets" in notebook.metadata else []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if any("widget" in mime for mime in output.get("data", {})):
                problems.append(f"{where(notebook, cell)} has a widget")
            if output.get("transient") or output.output_type == "update_display_data":
                problems.append(f"{where(notebook, cell)} updates a display")
    return problems


def ignored_outputs(notebook):
    """An ignored output only where the cell trains or times, and the next code cell asserts."""
    problems, cells = [], code_cells(notebook)
    for cell in cells:
        if any(comment in cell.source for comment in IGNORE_COMMENTS):
            problems.append(f"{where(notebook, cell)}: use the tag, not a comment")
        if not IGNORES_OUTPUT & set(cell.metadata.get("tags", [])):
            continue
        if "nbval-skip" in cell.metadata.tags:
            problems.append(f"{where(notebook, cell)} is skipped")
        if not _calls(cell.source) & _trainers(cells):
            problems.append(f"{where(notebook, cell)} is ignored but neither trains nor times")
        if not _asserts_soon(cells, cell):
            problems.append(f"no assert follows the ignored {where(notebook, cell)}")
    return problems


def _trainers(cells):
    """The known names, and functions of the notebook that call one of them."""
    names = set(TRAINS_OR_TIMES)
    for cell in cells:
        for name, node in _definitions(cell.source):
            if _calls(ast.unparse(node)) & names:
                names.add(name)
    return names


def _asserts_soon(cells, cell):
    """The next code cell asserts, or the one after it when a figure stands between."""
    i = cells.index(cell)
    following = cells[i + 1 : i + 3]
    if following and not any("image/png" in o.get("data", {}) for o in following[0].outputs):
        following = following[:1]
    return any(_has_assert(later.source) for later in following)


def definitions_match(notebook, modules, taught=()):
    """Functions and classes of the notebook equal those of the package; docstrings aside.

    Where two modules hold one name, each with a meaning of its own, one of the two is enough.
    """
    ours = {}
    for module in modules:
        for name, node in _definitions(inspect.getsource(module)):
            ours.setdefault(name, []).append(ast.dump(node))
    theirs = [pair for cell in code_cells(notebook) for pair in _definitions(cell.source)]
    defined = {name for name, _ in theirs}
    missing = [f"{name} is not defined in the notebook" for name in taught if name not in defined]
    missing += [f"{name} is not in the package" for name in taught if name not in ours]
    drifted = {
        f"{name} differs between the notebook and the package"
        for name, node in theirs
        if name in ours and ast.dump(node) not in ours[name]
    }
    return missing + sorted(drifted)


def exercises_untouched(notebook):
    """An exercise: its task, a cell with the stub and the check, then hints and a solution."""
    problems = []
    for cell in code_cells(notebook):
        if _is_exercise(cell) != ("checks" in _names(cell.source)):
            problems.append(f"{where(notebook, cell)}: the tag exercise and a check go together")
        if not _is_exercise(cell):
            continue
        if not re.fullmatch(r"checks\.\w+\(\w+\)", cell.source.splitlines()[-1]):
            problems.append(f"{where(notebook, cell)} does not end in its check")
        said = "".join(output.get("text", "") for output in cell.outputs)
        if not said.startswith("Not attempted yet."):
            problems.append(f"{where(notebook, cell)} is stored with an attempt")
        place = notebook.cells.index(cell)
        before, after = notebook.cells[place - 1], notebook.cells[place + 1 : place + 2]
        if not re.search(r"^##+ Exercise: .", before.source, re.M):
            problems.append(f"no heading Exercise stands before {where(notebook, cell)}")
        folds = re.findall(r"<summary>(.+?)</summary>", after[0].source if after else "")
        if folds[:2] != ["Hints", "Solution"]:
            problems.append(f"no hints and solution follow {where(notebook, cell)}")
    return problems


def exercises_stand_alone(notebook):
    """No other cell uses a name that an exercise binds, so a wrong answer breaks nothing."""
    used = set()
    for cell in code_cells(notebook):
        if not _is_exercise(cell):
            used |= _names(cell.source)
    return [
        f"{where(notebook, cell)} binds {name}, which other cells use"
        for cell in code_cells(notebook)
        if _is_exercise(cell)
        for name in sorted(_bound(cell.source) & used)
    ]


def questions_answered(notebook):
    """A quick question has three answers or more, one of them right, and explains each."""
    problems = []
    answer = (
        r"<details><summary>([A-E])\. .+?</summary>\n\n\*\*(Right|No)\.\*\* (.+?)\n\n</details>"
    )
    for cell in notebook.cells:
        for block in cell.source.split("**Question.**")[1:]:
            found = re.findall(answer, block, re.S)
            n_summaries = len(re.findall(r"<summary>[A-Z]\. ", block))
            if (
                n_summaries < 3
                or "".join(letter for letter, _, _ in found) != "ABCDE"[:n_summaries]
            ):
                problems.append(f"{where(notebook, cell)}: a question needs answers A, B, C")
            if [verdict for _, verdict, _ in found].count("Right") != 1:
                problems.append(f"{where(notebook, cell)}: not exactly one answer is right")
            if any(len(why) < 40 for _, _, why in found):
                problems.append(f"{where(notebook, cell)}: an answer explains too little")
    return problems


def enough_to_do(notebook):
    """Three to five exercises, a quick question, and one open problem with its rubric."""
    problems = []
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    n_exercises = sum(map(_is_exercise, code_cells(notebook)))
    if not 3 <= n_exercises <= 5:
        problems.append(f"{n_exercises} exercises instead of three to five")
    if "**Question.**" not in text:
        problems.append("no quick question")
    after = re.split(r"^##+ Open problem: ", text, flags=re.M)[1:]
    if len(after) != 1:
        problems.append(f"{len(after)} open problems instead of one")
    elif len(re.findall(r"^- ", after[0].partition("<summary>Rubric</summary>")[2], re.M)) < 3:
        problems.append("the open problem has no rubric of three points or more")
    return problems


def figures_described(notebook):
    """A cell with a picture begins with a caption and an alternative text, on one line each."""
    problems = []
    for cell in code_cells(notebook):
        if not any("image/png" in output.get("data", {}) for output in cell.outputs):
            continue
        caption = re.search(r'^#\| fig-cap: "([^"]+)"$', cell.source, re.M)
        alt = re.search(r'^#\| fig-alt: "([^"]+)"$', cell.source, re.M)
        if not caption or not alt:
            problems.append(f"{where(notebook, cell)} lacks fig-cap or fig-alt")
        elif len(alt[1]) < 60 or alt[1] == caption[1]:
            problems.append(f"{where(notebook, cell)}: the alternative text says too little")
    return problems


def plain_markdown(notebook):
    """Markdown that JupyterLab, Colab, GitHub and Quarto all render; headings in order."""
    problems, levels = [], []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        text = re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$", "", cell.source, flags=re.S)
        for pattern, name in [
            (r"^:::", "a fenced div"),
            (r"(?<!\w)@(fig|eq|sec|tbl)-", "a Quarto reference"),
            (r"\{[#.]", "a Quarto attribute"),
            (r"<(?!/?(details|summary)\b)/?[a-z]", "raw HTML"),
            (r"!\[", "an image file instead of an output"),
        ]:
            if re.search(pattern, text, re.M):
                problems.append(f"{where(notebook, cell)} has {name}")
        levels += [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)]
    if levels[:1] != [1] or levels.count(1) != 1:
        problems.append("the notebook must begin with its only first-level heading")
    if any(after > before + 1 for before, after in pairwise(levels)):
        problems.append("a heading level is skipped")
    return problems


def short_cells(notebook):
    """Code that a reader can take in; the bootstrap cell, which readers skip, aside."""
    return [
        f"{where(notebook, cell)} has {lines} lines"
        for cell in code_cells(notebook)[1:]
        if (lines := len(cell.source.splitlines())) > MAX_LINES
    ]


def stamped_with_the_address(notebook, name):
    url, first = repo_url(), notebook.cells[0].source
    problems = []
    if badge(name, url) not in first.splitlines():
        problems.append("the Colab link differs from repo-url: run `make stamp`")
    if code_cells(notebook)[0].source != bootstrap(url):
        problems.append("the bootstrap cell differs from tools/stamp.py: run `make stamp`")
    return problems


def _tree(source):
    return ast.parse(source)


def _is_exercise(cell):
    return "exercise" in cell.metadata.get("tags", [])


def _names(source):
    """Every name that the source reads, binds or defines."""
    nodes = list(ast.walk(_tree(source)))
    definitions = (ast.FunctionDef, ast.ClassDef)
    return {n.id for n in nodes if isinstance(n, ast.Name)} | {
        n.name for n in nodes if isinstance(n, definitions)
    }


def _bound(source):
    """Top-level names that the source assigns or defines."""
    names = {name for name, _ in _definitions(source)}
    for node in _tree(source).body:
        if isinstance(node, ast.Assign):
            names |= {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return names


def _calls(source):
    """Names of the functions and methods that the source calls."""
    names = set()
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Call):
            names.add(getattr(node.func, "id", None) or getattr(node.func, "attr", None))
    return names


def _has_assert(source):
    return any(isinstance(node, ast.Assert) for node in ast.walk(_tree(source)))


def _prints(source):
    """Whether the cell prints or shows a plot when it runs, not only in what it defines."""
    definitions = (ast.FunctionDef, ast.ClassDef)
    running = [node for node in _tree(source).body if not isinstance(node, definitions)]
    return any(_calls(ast.unparse(node)) & {"print", "show"} for node in running)


def _ends_in_a_value(source):
    """Whether the last line is a value to show: any expression but a call, which may give None."""
    body = _tree(source).body
    return (
        bool(body) and isinstance(body[-1], ast.Expr) and not isinstance(body[-1].value, ast.Call)
    )


def _definitions(source):
    """Top-level functions and classes: (name, syntax tree without docstrings) of each."""
    found = []
    for node in _tree(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for inner in ast.walk(node):
                if isinstance(inner, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(inner):
                    inner.body = inner.body[1:] or [ast.Pass()]
            found.append((node.name, node))
    return found
