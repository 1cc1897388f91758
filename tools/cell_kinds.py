"""What each code cell of a notebook is for, so that the site can fold what only draws or tests.

Read from the code alone (its syntax tree and the names that later cells use). The tags `show-code`
and `fold-code` of a cell go before the rule. In Jupyter all cells stay open.
"""

import ast
import re
import symtable
from dataclasses import dataclass

PIXELS = re.compile(
    r"show_pixels|show_images|imshow|figures\.|pcolormesh|matshow|heat_map|spy\(|attention"
)
LIGHT_AND_DARK = re.compile(
    r"\b(white|black|gr[ae]y|pale|dark|light|bright|shade)(r|st|er|est|ness|s|d)?\b"
)


@dataclass
class Cell:
    """A code cell: id, source without options, tags, whether it prints, its figure's words."""

    id: str
    source: str
    tags: list
    prints: bool
    words: str

    @property
    def tree(self):
        return ast.parse("\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in self.lines))

    @property
    def lines(self):
        return self.source.strip("\n").splitlines()


def code_cells(notebook):
    """The code cells of a notebook (its JSON) as Cells."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            options = " ".join(re.findall(r"^#\| (.*)$", source, re.M))
            yield Cell(
                cell["id"],
                re.sub(r"^#\|.*\n?", "", source, flags=re.M),
                cell["metadata"].get("tags", []),
                any(output["output_type"] == "stream" for output in cell["outputs"]),
                options,
            )


def kinds(notebook):
    """By cell id: lines, asserts, what is folded and why (draws, imports, checks), lines_only."""
    cells = list(code_cells(notebook))
    needed = [needs(cell.tree) for cell in cells]
    found = {}
    for place, cell in enumerate(cells):
        later = set().union(*needed[place + 1 :])
        kind = {"lines": len(cell.lines), "asserts": n_asserts(cell.tree)}
        kind["lines_only"] = draws(cell.tree) and not (
            PIXELS.search(cell.source) or LIGHT_AND_DARK.search(cell.words.lower())
        )
        fold = reason(cell, later)
        if "exercise" in cell.tags or "show-code" in cell.tags or place == 0:
            fold = None
        elif "fold-code" in cell.tags:
            fold = fold or ("draws" if draws(cell.tree) else "checks")
        if fold:
            kind["fold"] = fold
        found[cell.id] = kind
    return found


def reason(cell, later):
    """Why a cell is folded, or None: it only draws, only imports, or only tests.

    later: the names that later cells use.
    """
    tree = cell.tree
    if not tree.body:
        return None
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if sum(node.end_lineno - node.lineno + 1 for node in imports) > len(cell.lines) / 2.5:
        return None if defines(tree) else "imports"
    if draws(tree):
        kept = assigned(tree) & later - {f.name for f in defines(tree) if draws_on_axes(f)}
        plain = [f for f in defines(tree) if not draws_on_axes(f)]
        return None if cell.prints or kept or plain or trains(tree) else "draws"
    if n_asserts(tree) and not cell.prints and not defines(tree):
        return None if assigned(tree) & later or trains(tree) else "checks"
    return None


def trains(tree):
    """Whether code changes a network: calls backward or step, or a function that trains."""
    called = {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    return bool(called & {"backward", "step"}) or any(
        re.match(r"train|fit|run_|measure", c) for c in called
    )


def draws(tree):
    """Whether code shows a figure: `plt.show()`."""
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) == "plt.show"
        for node in ast.walk(tree)
    )


def draws_on_axes(function):
    """Whether a function is for drawing: it uses plt, axes or the course's plots."""
    return bool(re.search(r"\b(plt|ax|axes|figure|plotting|show_pixels)\b", ast.unparse(function)))


def defines(tree):
    """The functions and classes that code defines."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def assigned(tree):
    """The names that code assigns at its own level; files that anyone can load again aside."""
    table = symtable.symtable(ast.unparse(tree), "cell", "exec")
    loaded = {
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and re.match(r"stored\(|json\.loads\(", ast.unparse(node.value))
    }
    return {s.get_name() for s in table.get_symbols() if s.is_assigned()} - loaded


def needs(tree):
    """The names that code reads and has not assigned before, in its functions too."""
    known, needed = set(), set()
    for statement in tree.body:
        scopes = [symtable.symtable(ast.unparse(statement), "cell", "exec")]
        bound = set()
        while scopes:
            scope = scopes.pop()
            top = scope.get_type() == "module"
            for symbol in scope.get_symbols():
                name = symbol.get_name()
                if symbol.is_referenced() and (top or symbol.is_global()):
                    needed |= {name} - known
                if top and symbol.is_assigned():
                    bound.add(name)
            scopes += scope.get_children()
        if isinstance(statement, ast.For | ast.With):
            needed -= bound - known
        known |= bound
    return needed


def n_asserts(tree):
    """How many assert statements code holds."""
    return sum(isinstance(node, ast.Assert) for node in ast.walk(tree))
