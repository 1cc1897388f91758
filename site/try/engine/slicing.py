"""Which statements of a notebook a cell needs: those that bind or change what it reads.

A reader runs one cell of a page, not all that stand before it. What has to run first is found from
the names in the code. This is a guess (Python has no way to know what a call changes), and each
cell that is offered on the site was run this way and compared with its stored output.
"""

import ast
import symtable
from dataclasses import dataclass, field

RANDOM = "random state"  # stands for what torch.manual_seed sets, like the name of a variable
DRAWS = {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "bernoulli", "normal_"}
DRAWS |= {"uniform_", "Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "Embedding"}
DRAWS |= {"MultiheadAttention", "DataLoader", "random_split", "multinomial"}
CHANGES = (
    "train",
    "fit",
    "step",
    "epoch",
    "update",
    "load_",
    "shuffle",
    "append",
    "extend",
    "eval",
)
CHANGES += (
    "register",
    "backward",
    "zero_grad",
    "requires_grad",
    "set_",
    "insert",
    "remove",
    "copy_",
)
CHANGES += ("add_module", "pop", "setdefault", "learn", "freeze", "remember", "save")


@dataclass
class Statement:
    """One statement at the top level of a cell."""

    cell: int
    place: int
    source: str
    line: int
    reads: set = field(default_factory=set)
    binds: set = field(default_factory=set)
    changes: set = field(default_factory=set)

    @property
    def key(self):
        return self.cell, self.place, self.source


def statements(cell, source, drawing=frozenset()):
    """The statements of a cell; a SyntaxError if it has none that can be read."""
    found = []
    for place, node in enumerate(ast.parse(source).body):
        text = ast.get_source_segment(source, node, padded=True)
        if getattr(node, "decorator_list", None):
            lines = source.splitlines(keepends=True)
            text = "".join(lines[node.decorator_list[0].lineno - 1 : node.end_lineno])
        statement = Statement(cell, place, text, node.lineno)
        table = symtable.symtable(text, "<cell>", "exec")
        for symbol in table.get_symbols():
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                statement.binds.add(symbol.get_name())
            if symbol.is_referenced():
                statement.reads.add(symbol.get_name())
        statement.reads |= _globals_inside(table)
        _note_changes(node, statement, drawing)
        found.append(statement)
    return found


def _globals_inside(table):
    names = set()
    for child in table.get_children():
        names |= {s.get_name() for s in child.get_symbols() if s.is_global() and s.is_referenced()}
        names |= _globals_inside(child)
    return names


def _base(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _called(node):
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _note_changes(node, statement, drawing):
    """Fill in `changes`, and the random state, from what a statement assigns and calls."""
    body_runs = not isinstance(node, (ast.FunctionDef, ast.ClassDef))
    for inner in ast.walk(node):
        targets = []
        if isinstance(inner, ast.Assign):
            targets = inner.targets
        elif isinstance(inner, (ast.AugAssign, ast.AnnAssign)):
            targets = [inner.target]
        elif isinstance(inner, ast.Delete):
            targets = inner.targets
        if body_runs:
            for target in targets:
                if not isinstance(target, ast.Name) or isinstance(inner, ast.AugAssign):
                    statement.changes.add(_base(target))
        if not isinstance(inner, ast.Call):
            continue
        name = _called(inner)
        if name == "manual_seed" and _base(inner.func) == "torch":
            statement.binds.add(RANDOM)
        has_generator = any(keyword.arg == "generator" for keyword in inner.keywords)
        if (name in DRAWS or name in drawing) and not has_generator:
            statement.reads.add(RANDOM)
            statement.changes.add(RANDOM)
        if body_runs and (name.startswith(CHANGES) or name.endswith("_")):
            if isinstance(inner.func, ast.Attribute):
                statement.changes.add(_base(inner.func))
            given = [*inner.args, *(keyword.value for keyword in inner.keywords)]
            statement.changes |= {one.id for one in given if isinstance(one, ast.Name)}
    statement.changes.discard(None)
    if not body_runs:
        statement.changes.clear()


def drawing_names(sources):
    """The functions and classes of a notebook that use the random state when they are called."""
    names = set()
    for source in sources:
        try:
            body = ast.parse(source).body
        except SyntaxError:
            continue
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                calls = {_called(n) for n in ast.walk(node) if isinstance(n, ast.Call)}
                if calls & (DRAWS | names):
                    names.add(node.name)
    return frozenset(names)


def needed(earlier, source, mode="names"):
    """The statements, out of those of earlier cells, that must run before a cell with this source.

    Args:
        earlier: lists of Statement, one a cell, in the order of the page.
        mode: "names", those with the names that are read; "random", also those that brought the
            random state to where it is; "whole", all of them.
    """
    flat = [statement for cell in earlier for statement in cell]
    if mode == "whole":
        return flat
    out = {RANDOM} if mode == "names" else set()
    drawing = drawing_names("\n".join(s.source for s in cell) for cell in earlier)
    wanted, chosen = set(), []
    for statement in reversed(statements(-1, source, drawing)):
        wanted -= statement.binds - statement.reads
        wanted |= statement.reads - out
    for statement in reversed(flat):
        if wanted & (statement.binds | statement.changes):
            chosen.append(statement)
            wanted -= statement.binds - statement.changes - statement.reads
            wanted |= statement.reads - out
    return chosen[::-1]
