"""Put "Try it here" into the website: what `make site` calls before and after it renders."""

import json
import re
import shutil
from pathlib import Path

import try_parts

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "site" / "try"
OFFERS = REPOSITORY / "site" / "lessons" / "try.json"
PAGE = ["page.js", "worker.js", "boot.js", "forms.js", "store.js", "progress.js", "try.css"]


def lessons():
    """What a page gets of its notebook: code cells, which of them are offered, and forms."""
    table = _read("cells.json")
    forms = _read("forms.json")
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        rows = {row["cell"]: row for row in table.get(path.stem, [])}
        of_lesson = forms.get(path.stem.partition("-")[2], {})
        lesson = {"cells": [], "forms": {}, "exercises": 0, "refused": {}}
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            source = re.sub(r"^#\| .*\n?", "", "".join(cell["source"]), flags=re.M)
            called = re.search(r"\bchecks\.(\w+)\(", source)
            is_exercise = "exercise" in cell["metadata"].get("tags", [])
            one = {
                "id": cell["id"],
                "source": source,
                "exercise": called[1] if is_exercise else None,
            }
            row = rows.get(cell["id"], {})
            if row.get("offered"):
                one |= {"parts": row.get("parts", []), "offered": True}
                one |= {"mode": row["mode"]} if "mode" in row else {}
                one["key"] = row["digest"]
            elif "nbval-ignore-output" in cell["metadata"].get("tags", []):
                lesson["refused"][cell["id"]] = row.get("reason", "")
            if is_exercise:
                lesson["exercises"] += 1
                if called[1] in of_lesson:
                    lesson["forms"][cell["id"]] = of_lesson[called[1]]
            lesson["cells"].append(one)
        yield path.stem, lesson


def _read(name):
    path = SOURCE / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def prepare():
    """Build the parts, if they can be had, and write which cells offer what, for the filter."""
    try:
        try_parts.build()
        runs = True
    except try_parts.Missing as why:
        print(f"The site is built without running code in its pages: {why}")
        runs = False
    offers = {}
    for name, lesson in lessons():
        marks = offers.setdefault(name, {})
        for cell in lesson["cells"]:
            if cell["id"] in lesson["forms"]:
                marks[cell["id"]] = "f"
            elif runs and cell.get("offered"):
                marks[cell["id"]] = "e" if cell["exercise"] else "r"
            elif runs and cell["id"] in lesson["refused"]:
                marks[cell["id"]] = "t"
    OFFERS.parent.mkdir(parents=True, exist_ok=True)
    OFFERS.write_text(json.dumps({"lessons": offers, "hook": hook("../")}), encoding="utf-8")
    return runs


def hook(root):
    """The script of a page, in as few bytes as indentation and comments give back."""
    source = (SOURCE / "hook.js").read_text(encoding="utf-8").replace("ROOT", root)
    source = re.sub(r"\n\s*", " ", source.strip())
    source = re.sub(
        r" ?([{}()=,;:?|+&]|=>) ?(?![^\"]*\"(?:[^\"]*\"[^\"]*\")*[^\"]*$)", r"\1", source
    )
    return f'<script type="module">{source}</script>'


def finish(site, runs):
    """Copy what pages load on request into the site."""
    target = site / "try"
    shutil.rmtree(target, ignore_errors=True)
    (target / "lessons").mkdir(parents=True)
    for name in PAGE:
        shutil.copy(SOURCE / name, target / name)
    for name, lesson in lessons():
        text = json.dumps(lesson, ensure_ascii=False, separators=(",", ":"))
        (target / "lessons" / f"{name}.json").write_text(text, encoding="utf-8")
    if not runs:
        return
    (target / "parts").mkdir()
    parts = [*try_parts.BUILT.glob("*.part"), try_parts.BUILT / "pyodide.mjs"]
    sizes = {}
    for path in [*parts, try_parts.BUILT / "editor.js"]:
        shutil.copy(path, target / "parts" / path.name)
        sizes[path.name] = path.stat().st_size
    (target / "data").mkdir()
    for path in sorted((REPOSITORY / "data" / "MNIST" / "raw").glob("*.gz")):
        shutil.copy(path, target / "data" / path.name)
        sizes[path.name] = path.stat().st_size
    (target / "parts" / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")
