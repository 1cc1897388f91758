"""Which cells of the lessons run in the reader's browser: found by running each of them.

Each cell of each notebook runs with the stand-in for PyTorch, after the statements that it needs,
and what it shows is compared with the output stored in the notebook. A cell is offered on the site
if both are the same and it takes little time. The table is site/try/cells.json; a cell that has
not changed, and nothing that it needs, is not run again.

    .venv/bin/python tools/try_cells.py                 all lessons, natively
    .venv/bin/python tools/try_cells.py 01 02           some of them
    .venv/bin/python tools/try_cells.py --time      and the seconds in WebAssembly
    .venv/bin/python tools/try_cells.py --refused   after a change of the engine
    .venv/bin/python tools/try_cells.py --check         only say what is not up to date
"""

import argparse
import base64
import contextlib
import hashlib
import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ENGINE = REPOSITORY / "site" / "try" / "engine"
TABLE = REPOSITORY / "site" / "try" / "cells.json"
NOTEBOOKS = REPOSITORY / "notebooks"
LONGEST, LONGEST_BEFORE = 2.0, 4.0  # seconds natively, of a cell and of what it needs
LONGEST_PAGE, LONGEST_BEFORE_PAGE = 5.0, 12.0  # and in WebAssembly
GIVE_UP = 10
TRAINS = "it trains or measures time: run it in Colab or on your computer"
sys.path.insert(0, str(ENGINE))


def lesson(path):
    """A notebook as the page's engine takes it: its code cells, in order."""
    cells = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            tags = cell["metadata"].get("tags", [])
            cells.append({
                "id": cell["id"], "source": "".join(cell["source"]), "exercise": "exercise" in tags,
                "trains": "nbval-ignore-output" in tags, "outputs": cell["outputs"],
            })  # fmt: skip
    return {"name": path.stem, "cells": cells}


def lessons(prefixes=()):
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    return [lesson(path) for path in paths if not prefixes or path.name.startswith(tuple(prefixes))]


def digests(cells):
    """id -> a digest of a cell, of what it needs, and of its stored output."""
    import slicing

    found, earlier = {}, []
    drawing = slicing.drawing_names(cell["source"] for cell in cells)
    for cell in cells:
        needs = slicing.needed(earlier, cell["source"])
        texts = [cell["source"], *(statement.source for statement in needs)]
        texts.append(json.dumps([_without_image(output) for output in cell["outputs"]]))
        found[cell["id"]] = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
        if not cell["exercise"] and cell is not cells[0]:
            earlier.append(slicing.statements(cell["id"], cell["source"], drawing))
    return found


def _without_image(output):
    data = {k: v for k, v in output.get("data", {}).items() if k != "image/png"}
    return {"text": output.get("text"), "data": data}


def read_table():
    return json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}


def write_table(table):
    lines = ["{"]
    for n, (name, rows) in enumerate(sorted(table.items())):
        lines.append(f" {json.dumps(name)}: [")
        for k, row in enumerate(rows):
            comma = "," if k + 1 < len(rows) else ""
            lines.append(f"  {json.dumps(row, ensure_ascii=False)}{comma}")
        lines.append(" ]" + ("," if n + 1 < len(table) else ""))
    TABLE.write_text("\n".join([*lines, "}"]) + "\n", encoding="utf-8")


def stored(cell):
    """(text, number of figures, words of figures) that a notebook stores for a cell."""
    text, pictures, words = "", [], []
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            text += "".join(output["text"])
        elif output["output_type"] == "error":
            text += "error"
        else:
            plain = "".join(output["data"].get("text/plain", ""))
            if "image/png" in output["data"]:
                pictures.append("".join(output["data"]["image/png"]))
                words.append(plain)
            else:
                text += plain
    return text, pictures, words


def shown(outputs):
    """The same of what the engine shows, and the message of a failure."""
    text = "".join(o["text"] for o in outputs if o["kind"] == "text")
    images = [o for o in outputs if o["kind"] == "image"]
    failed = [o["text"] for o in outputs if o["kind"] == "error"]
    return text, [o["png"] for o in images], [o["text"] for o in images], failed


def difference(cell, outputs, look=True):
    """Why the output of the engine is not that of the notebook; None if it is."""
    text, pictures, words, failed = shown(outputs)
    text_due, pictures_due, words_due = stored(cell)
    if failed:
        return "it stops in the engine: " + " ".join(failed[0].split())[-160:]
    if text.rstrip() != text_due.rstrip():
        pairs = zip(text.splitlines() + [""] * 999, text_due.splitlines())
        got, due = next(((a, b) for a, b in pairs if a != b), (text[-60:], ""))
        return f"other output: {got.strip()[:70]!r}, stored {due.strip()[:70]!r}"
    if len(pictures) != len(pictures_due) or words != words_due:
        return f"other figures: {words}, stored {words_due}"
    if look:
        for mine, due in zip(pictures, pictures_due):
            distance = unlike(mine, due)
            if distance > 0.02:
                return f"the figure differs from the stored one (by {distance:.3f} of its range)"
    return None


def unlike(first, second):
    """Mean difference of two pictures, as a share of black to white; 1 if their sizes differ."""
    import numpy as np
    from PIL import Image

    arrays = []
    for data in (first, second):
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            size = picture.size
            arrays.append(np.asarray(picture.convert("L").resize((240, 240)), dtype=float) / 255)
        arrays.append(size)
    if any(abs(a - b) > 12 for a, b in zip(arrays[1], arrays[3])):
        return 1.0
    return float(np.abs(arrays[0] - arrays[2]).mean())


def needs_more(modules):
    """The parts, besides the first ones, that a cell makes the page load."""
    return ["lesson"] if {"matplotlib", "borchvision", "PIL"} & modules else []


class GaveUp(BaseException):
    """A cell takes too long."""


def _alarm(*_):
    raise GaveUp


def run_natively(one, wanted):
    """Rows of the table for the cells of a lesson, run in this process; yields them."""
    import random

    import session

    session.limited = lambda seconds, error=None: contextlib.nullcontext()
    session.use_figures()
    session.CLOCK = time.process_time
    signal.signal(signal.SIGPROF, _alarm)
    cells = {cell["id"]: cell for cell in one["cells"]}
    for cell in [cells[i] for i in wanted]:
        row = {"cell": cell["id"], "digest": wanted[cell["id"]], "offered": False}
        if cell["trains"]:
            yield row | {"reason": TRAINS}
            continue
        reason = None
        for mode in ("names", "random", "whole"):
            page = session.Session(one)
            random.seed(0)
            signal.setitimer(signal.ITIMER_PROF, GIVE_UP)
            try:
                result = page.run(cell["id"], cell["source"], mode=mode)
                reason = difference(cell, result["outputs"])
            except GaveUp:
                reason, result = "it takes too long in a page", None
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            failed = [
                o["text"] for o in (result or {"outputs": []})["outputs"] if o["kind"] == "error"
            ]
            if any("GaveUp" in text for text in failed):
                reason, result = "it takes too long in a page", None
            if reason is None or result is None or not reason.startswith(("other", "the figure")):
                break
        if result and reason is None:
            row |= {"seconds": round(result["seconds"], 2), "before": round(result["before"], 2)}
            if result["seconds"] > LONGEST or result["before"] > LONGEST_BEFORE:
                reason = (
                    f"it takes too long in a page ({result['seconds'] + result['before']:.0f} s)"
                )
        if reason is None:
            row |= {"offered": True} | ({} if mode == "names" else {"mode": mode})
            source = "".join(s for _, _, s in page.done) + cell["source"]
            row["parts"] = needs_parts(source)
        else:
            row["reason"] = reason
        yield row


def needs_parts(source):
    """Which parts a cell needs besides the engine: figures and transforms, and the digits."""
    parts = []
    if re.search(r"matplotlib|plotting|figures|torchvision|PIL|IPython|ImageFolder", source):
        parts.append("lesson")
    if re.search(r"load_mnist|find_mnist|REPOSITORY|figures", source):
        parts.append("data")
    return parts


def worker(name, wanted):
    """In a process of its own: the stand-in, then the cells; a row for each as a line."""
    import try_parts

    found = try_parts.fetch(wanted={"pyborch"})
    sys.path[:0] = [str(NOTEBOOKS), str(found["pyborch"])]
    import os

    os.chdir(NOTEBOOKS)
    import stand_in

    stand_in.install()
    for row in run_natively(lesson(NOTEBOOKS / f"{name}.ipynb"), wanted):
        print("ROW " + json.dumps(row), flush=True)


def update(one, again=False):
    """Bring the rows of a lesson up to date in the table, after each cell that was run."""
    due = digests(one["cells"])
    ids = [cell["id"] for cell in one["cells"][1:]]
    kept = {row["digest"]: row for row in read_table().get(one["name"], [])}
    exercises = {cell["id"] for cell in one["cells"] if cell["exercise"]}
    order = sorted(ids, key=lambda i: i not in exercises)  # exercises first
    refused = {d for d, row in kept.items() if not row["offered"] and row["reason"] != TRAINS}
    wanted = {
        i: due[i]
        for i in order
        if again is True or due[i] not in kept or (again == "refused" and due[i] in refused)
    }

    def save():
        rows = [kept[due[i]] | {"cell": i} for i in ids if due[i] in kept]
        with locked():
            write_table(read_table() | {one["name"]: rows})

    save()
    if not wanted:
        return
    command = [sys.executable, __file__, "--worker", one["name"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        p.stdin.write(json.dumps(wanted))
        p.stdin.close()
        for line in p.stdout:
            if line.startswith("ROW "):
                row = json.loads(line[4:])
                kept[row["digest"]] = row
                print(f"{one['name']} {row['cell']}: {row.get('reason', 'offered')}", flush=True)
                save()


@contextlib.contextmanager
def locked():
    """So that several of these programs can write the table."""
    import fcntl

    with (Path(tempfile.gettempdir()) / "cnn-course-cells.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def time_in_wasm(names):
    """Run the offered cells in WebAssembly, and refuse what takes long or differs."""
    import try_parts

    folder = try_parts.build()
    for one in lessons():
        rows = read_table().get(one["name"], [])
        todo = [row for row in rows if row["offered"] and "page_seconds" not in row]
        if not todo or (names and not one["name"].startswith(tuple(names))):
            continue
        jobs = [{"cell": row["cell"], "mode": row.get("mode", "names")} for row in todo]
        cells = {cell["id"]: cell for cell in one["cells"]}
        command = ["node", ENGINE.parent / "build" / "run_cells.mjs", folder, REPOSITORY / "data"]
        with subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            plain = [{k: c[k] for k in ("id", "source", "exercise")} for c in one["cells"]]
            process.stdin.write(json.dumps({"lesson": {"cells": plain}, "jobs": jobs}))
            process.stdin.close()
            by_id = {row["cell"]: row for row in todo}
            for line in process.stdout:
                if not line.startswith("ROW "):
                    continue
                result = json.loads(line[4:])
                row = by_id[result["cell"]]
                row["page_seconds"] = round(result["seconds"], 1)
                row["page_before"] = round(result.get("before", 0), 1)
                reason = difference(cells[row["cell"]], result["outputs"], look=False)
                if not reason and row["page_seconds"] > LONGEST_PAGE:
                    reason = f"it takes too long in a page ({row['page_seconds']:.0f} s)"
                if not reason and row["page_before"] > LONGEST_BEFORE_PAGE:
                    reason = f"what it needs takes too long in a page ({row['page_before']:.0f} s)"
                if reason:
                    row |= {"offered": False, "reason": reason}
                print(
                    f"{one['name']} {row['cell']}: {row['page_seconds']} s {reason or ''}",
                    flush=True,
                )
                with locked():
                    write_table(read_table() | {one["name"]: rows})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prefixes", nargs="*", help="numbers of lessons; all if none is given")
    parser.add_argument("--time", action="store_true", help="measure seconds in WebAssembly too")
    parser.add_argument("--only-time", action="store_true")
    parser.add_argument("--again", action="store_true", help="run cells that have not changed, too")
    parser.add_argument(
        "--refused",
        dest="again",
        action="store_const",
        const="refused",
        help="run cells again that were refused for another reason than training",
    )
    parser.add_argument("--check", action="store_true", help="only say what is not up to date")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker, json.load(sys.stdin))
    table = read_table()
    if options.check:
        old = [name for name in stale(table) if name]
        sys.exit("Not up to date: " + ", ".join(old) if old else 0)
    started = time.perf_counter()
    for one in lessons(options.prefixes):
        if not options.only_time:
            update(one, options.again)
    names = {one["name"] for one in lessons()}
    with locked():
        write_table({name: rows for name, rows in read_table().items() if name in names})
    if options.time or options.only_time:
        time_in_wasm(options.prefixes)
    table = read_table()
    n = [row["offered"] for rows in table.values() for row in rows]
    print(f"{sum(n)} of {len(n)} cells are offered; {time.perf_counter() - started:.0f} s")


def stale(table):
    """Lessons with cells that the table does not have as they are now."""
    for one in lessons():
        due = digests(one["cells"])
        rows = {row["cell"]: row["digest"] for row in table.get(one["name"], [])}
        if any(rows.get(cell["id"]) != due[cell["id"]] for cell in one["cells"][1:]):
            yield one["name"]


if __name__ == "__main__":
    main()
