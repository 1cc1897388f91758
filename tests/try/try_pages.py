"""A plain site with the cells of a lesson, as the filter marks them, for tests without Quarto."""

import html

import try_site

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width"><style>pre {{ overflow: auto }}
</style></head><body><nav id="quarto-sidebar"
aria-label="Lessons">{links}</nav><main><h1>{name}</h1>{cells}</main>{hook}</body></html>"""
CELL = """<div id="{id}" class="cell" data-try="{mark}"><div class="sourceCode cell-code"><pre
tabindex="0"><code>{source}</code></pre></div></div>"""


def write(folder, names=None):
    """Write the pages of some lessons, and what they load, into a folder."""
    (folder / "notebooks").mkdir(parents=True)
    everything = dict(try_site.lessons())
    links = "".join(
        f'<a class="sidebar-link" href="{name}.html">{name}</a> ' for name in everything
    )
    for name, lesson in everything.items():
        if names and name not in names:
            continue
        cells = []
        for cell in lesson["cells"][1:]:
            mark = "e" if cell["exercise"] else "r"
            mark = "f" if cell["id"] in lesson["forms"] else mark
            mark = "t" if cell["id"] in lesson["refused"] else mark
            cells.append(CELL.format(id=cell["id"], mark=mark, source=html.escape(cell["source"])))
        page = PAGE.format(
            name=name, links=links, cells="\n".join(cells), hook=try_site.hook("../")
        )
        (folder / "notebooks" / f"{name}.html").write_text(page, encoding="utf-8")
    try_site.finish(folder, True)
