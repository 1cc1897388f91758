"""What tools/ does for the site without Quarto: folds, heads of pages, the search index."""

import json
import re
from pathlib import Path

import cell_kinds
import make_site
import papers
import polish
import pytest

REPOSITORY = Path(__file__).parents[1]


def notebook(*sources, tags=()):
    """A notebook of code cells; the first stands for the one that fetches the course."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{i}",
                "source": source,
                "metadata": {"tags": list(tags)} if i == 1 else {},
                "outputs": [{"output_type": "stream"}] if "print(" in source else [],
            }
            for i, source in enumerate(["pass", *sources])
        ]
    }


def fold(*sources, tags=()):
    return cell_kinds.kinds(notebook(*sources, tags=tags))["cell-1"].get("fold")


PLOT = "for x in data:\n    plt.plot(x)\nplt.show()"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (PLOT, "draws"),
        ("print(1)\n" + PLOT, None),
        ("class Net: ...\n" + PLOT, None),
        ("def bar(ax): ax.bar(1)\nbar(plt)\nplt.show()", "draws"),
        ("assert a == b\nassert c", "checks"),
        ("for a in b:\n    assert a", "checks"),
        ("assert a\nprint(a)", None),
        ("a = f()\na += 1", None),
        ("train(model)\nassert model(X) > 1", None),
        ("import torch\nfrom torch import nn\n\ntorch.manual_seed(0)", "imports"),
        ("import torch\n\ndef f():\n    return 1\n\nx = f()\ny = 2\nz = 3", None),
        ("", None),
        ("!ls\nassert a", "checks"),
    ],
)
def test_a_cell_is_folded_if_it_only_draws_imports_or_tests(source, reason):
    assert fold(source) == reason


def test_what_a_later_cell_uses_stays_open():
    assert fold("counts = [1]\n" + PLOT) == "draws"
    assert fold("counts = [1]\n" + PLOT, "print(counts)") is None
    assert fold("counts = [1]\n" + PLOT, "counts = 2\nprint(counts)") == "draws"
    assert fold("x = 1\nassert x", "def f():\n    return x") is None
    assert fold("x = 1\nassert x", "def f(x):\n    return x") == "checks"
    assert fold("runs = stored(path)\n" + PLOT, "print(runs)") == "draws", (
        "anyone can load it again"
    )


def test_a_tag_goes_before_the_rule():
    assert fold(PLOT, tags=["show-code"]) is None
    assert fold("print(1)\n" + PLOT, tags=["fold-code"]) == "draws"
    assert fold("assert x", tags=["exercise"]) is None


def test_only_plots_of_lines_change_colours_in_the_dark_theme():
    cells = notebook(PLOT, "plt.imshow(x)\nplt.show()", '#| fig-cap: "The black line."\n' + PLOT)
    kinds = cell_kinds.kinds(cells)
    assert [kinds[f"cell-{i}"]["lines_only"] for i in (1, 2, 3)] == [True, False, False]


@pytest.mark.parametrize("path", make_site.notebooks(), ids=lambda path: path.stem)
def test_every_notebook_can_be_read(path):
    kinds = cell_kinds.kinds(json.loads(path.read_text(encoding="utf-8")))
    assert {"draws", "checks", "imports"} >= {k["fold"] for k in kinds.values() if "fold" in k}
    assert sum(kind["lines"] for kind in kinds.values() if "fold" in kind) > 10


def test_papers_are_read_from_the_bibliography():
    found = papers.read_papers((REPOSITORY / "references.bib").read_text(encoding="utf-8"))
    paper = found["https://arxiv.org/abs/1512.03385"]
    assert paper["authors"] == "Kaiming He and others"
    assert paper["title"] == "Deep residual learning for image recognition"
    assert paper["rest"].endswith(", 2016.")
    text = json.dumps(found, ensure_ascii=False)
    assert not re.search(
        r"[{}\\]", text.replace("{", "", len(found) + 1).replace("}", "", len(found) + 1)
    )
    assert "Cireşan" in text


CODE = """\
<code class="sourceCode python"><span id="cb1-1"><a href="#cb1-1"></a>x = f(</span>
<span id="cb1-2"><a href="#cb1-2"></a>)</span>
<span id="cb1-3"><a href="#cb1-3"></a></span>
<span id="cb1-4"><a href="#cb1-4"></a><span class="cf">assert</span> g(</span>
<span id="cb1-5"><a href="#cb1-5"></a>    x) == <span class="dv">1</span></span>
<span id="cb1-6"><a href="#cb1-6"></a><span class="bu">print</span>(x)</span></code>"""


def test_lines_of_an_assert_are_marked():
    marked = re.findall(r'<span id="cb1-(\d)" class="(\w+)">', polish.marked_asserts(CODE))
    assert marked == [("3", "blank"), ("4", "tested"), ("5", "tested")]


def test_a_program_in_a_string_is_coloured_as_code():
    lines = ["import torch", "from x import y", "if a &lt; 2:  # why"]
    program = "\n".join(
        f'<span id="cb1-{i}"><a href="#cb1-{i}"></a><span class="st">{line}</span></span>'
        for i, line in enumerate(lines)
    )
    code = polish.nested_code(f'<code class="sourceCode python">\n{program}\n</code>')
    assert '<span class="kw">import</span> torch' in code
    assert '<span class="kw">if</span> a &lt; <span class="dv">2</span>' in code
    assert '<span class="co"># why</span>' in code
    assert 'class="st"' not in code
    assert polish.nested_code(CODE) == CODE


PAGE = """<html><body><main><header><h1>Sizes</h1></header><p>Before.</p>
<section id="one"><h2>One</h2><p>The formula
<math><semantics><mi>K</mi><annotation>K_{tex}</annotation></semantics></math>
<span class="margin-note">A paper.</span>.</p>
<section id="two"><h3>Two<a aria-hidden="true"></a></h3><script>no()</script>
<ul><li>a</li><li>b</li></ul></section></section></main><footer>outside</footer></body></html>"""


def test_the_search_index_holds_formulas_once_and_no_notes():
    entries = polish.sections_of(PAGE, "sizes.html")
    assert [(e["section"], e["href"], e["text"]) for e in entries] == [
        ("", "sizes.html", "Before."),
        ("One", "sizes.html#one", "The formula K ."),
        ("Two", "sizes.html#two", "a b"),
    ]
    assert {e["title"] for e in entries} == {"Sizes"}


def test_styles_keep_what_pages_use():
    css = (
        "@media print{.used{color:red}.gone{color:red}}a,.gone:hover{b:c}"
        '.used:not(.gone){d:url("x;}")}@import "y";'
    )
    parts = polish.parts_of(css)
    assert "".join(map(polish.written, parts)) == css
    kept = [polish.used(part, {"used"}) for part in parts]
    text = "".join(polish.written(part) for part in kept if part)
    assert text == '@media print{.used{color:red}}a{b:c}.used:not(.gone){d:url("x;}")}@import "y";'
    known = {
        str(part) for part in polish.flat(polish.parts_of("a{margin:0}@media print{b{margin:0}}"))
    }
    dark = polish.parts_of("a{margin:0}a{color:red}@media print{b{margin:0}}")
    assert [polish.without(part, known) for part in dark] == [None, ("a", "color:red"), None]


def test_every_page_has_its_description():
    about = make_site.about_pages(make_site.lessons())
    pages = [*REPOSITORY.glob("*.qmd"), *REPOSITORY.glob("hpc/*.qmd"), *make_site.notebooks()]
    names = {page.relative_to(REPOSITORY).with_suffix(".html").as_posix() for page in pages}
    assert names == about.keys()
    texts = [text for text, _, _ in about.values()]
    assert len(set(texts)) == len(texts)
    for name, (text, picture, shows) in about.items():
        assert name == "404.html" or 60 < len(text) < 320, name
        assert not re.search(r"[`*\[\]]", text), text
        assert (REPOSITORY / picture.removeprefix(make_site.site_url())).exists()
        assert len(shows) > 20
