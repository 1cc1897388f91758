"""Measure "Try it here" on a built site: bytes and seconds of a first Run, and of later ones.

.venv/bin/python tools/bench_try.py        after `make site`
"""

import gzip
import json
import sys
import time
from pathlib import Path

from browser import browser, find_browser, served

SITE = Path(__file__).resolve().parents[1] / "_site"
FIRST = ["pyodide.asm.wasm.part", "pyodide.asm.js.part", "library.part", "core.part"]
FIRST += ["course.part", "pyodide.mjs", "editor.js"]
MOST_BYTES, MOST_SECONDS, MOST_LATER = 20e6, 12, 1


def wait(page, script, seconds=120):
    start = time.monotonic()
    while not page.run(script):
        if time.monotonic() - start > seconds:
            sys.exit(f"waited in vain for {script}")
        page.wait(0.05)
    return time.monotonic() - start


def main():
    if not find_browser() or not (SITE / "try" / "parts").exists():
        sys.exit("This needs Chromium, and a site with Try it here: make site")
    sizes = json.loads((SITE / "try" / "parts" / "sizes.json").read_text())
    first = sum(sizes[name] for name in FIRST)
    print(f"first Run of an exercise: {first / 1e6:.1f} MB")
    print(f"figures: {(sizes['lesson.part'] + sizes['fonts.part']) / 1e6:.1f} MB more")
    print(f"digits: {sum(n for k, n in sizes.items() if k.endswith('ubyte.gz')) / 1e6:.1f} MB more")
    hook = max(len(p.read_bytes()) for p in (SITE / "notebooks").glob("*.html"))
    packed = sum(len(gzip.compress(p.read_bytes())) for p in (SITE / "notebooks").glob("*.html"))
    print(f"lessons: {packed / 1e3:.0f} kB compressed in all, the largest {hook / 1e3:.0f} kB")
    cell = "document.querySelector('[data-try=e]')"
    with served(SITE) as address, browser() as page:
        page.open(address + "notebooks/02-convolution.html", settle=1)
        page.run(f"{cell}.querySelector('.try-open').click()")
        wait(page, f"{cell}.querySelector('.try-go:enabled') !== null")
        seconds = []
        for _ in range(4):
            page.run(f"{cell}.querySelector('.try-output').replaceChildren()")
            page.run(f"{cell}.querySelector('.try-go').click()")
            seconds.append(wait(page, f"{cell}.querySelector('.try-output').innerText !== ''"))
            wait(page, f"{cell}.querySelector('.try-go:enabled') !== null")
    print("seconds of Runs:", ", ".join(f"{one:.2f}" for one in seconds))
    ok = first < MOST_BYTES and seconds[0] < MOST_SECONDS and max(seconds[1:]) < MOST_LATER
    print("within the limits" if ok else "NOT within the limits")


if __name__ == "__main__":
    main()
