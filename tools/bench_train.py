"""Time the page that trains in headless Chromium: python tools/bench_train.py

Prints the bytes of the first load and of the digits, the seconds to the first curve and to 97 % of
the validation images, and the frames and long tasks (over 50 ms) of the page while one network and
then two train. Run it while the machine does nothing else.
"""

import sys
import time
from pathlib import Path

from bench_draw import WATCH
from browser import browser, find_browser, served

REPOSITORY = Path(__file__).parents[1]
GOAL = 97.0  # percent of the validation images
MOST = 180  # seconds to wait

POINTS = "document.querySelectorAll('#charts .line')[0]?.getAttribute('d').length ?? 0"
ACCURACY = """(() => {
  const found = document.getElementById("status").textContent.match(/([0-9.]+) % of/);
  return found ? Number(found[1]) : 0;
})()"""


def main():
    if not find_browser():
        sys.exit("No Chromium is on PATH.")
    with served(REPOSITORY) as address, browser() as page:
        page.resize(1280)
        page.open(address + "demos/train.html?epochs=30", settle=2)
        first = page.received_bytes()
        start = time.monotonic()
        page.run("document.getElementById('start').click()")
        wait(page, POINTS, lambda length: length > 20)
        curve = time.monotonic() - start
        page.run(WATCH)
        watched = time.monotonic()
        accuracy = wait(page, ACCURACY, lambda percent: percent >= GOAL)
        seconds, watched = time.monotonic() - start, time.monotonic() - watched
        report("one training", page, watched)
        loaded = page.received_bytes() - first
        print(f"first load {first / 1000:.0f} kB, then {loaded / 1000:.0f} kB when it starts")
        print(f"first curve after {curve:.1f} s, {accuracy:.1f} % after {seconds:.1f} s")
        page.open(address + "demos/train.html?epochs=30&mistakes=softmax", settle=2)
        page.run("document.getElementById('start').click()")
        wait(page, POINTS, lambda length: length > 20)
        page.run(WATCH)
        page.wait(10)
        report("two trainings", page, 10)


def wait(page, value, reached):
    """The value of a script once it is reached."""
    for _ in range(5 * MOST):
        found = page.run(value)
        if reached(found):
            return found
        page.wait(0.2)
    raise SystemExit(f"not reached within {MOST} s: {value} is {found}")


def report(what, page, seconds):
    frames, long_tasks = page.run("[seen.frames, seen.longTasks]")
    longest = max(long_tasks, default=0)
    print(
        f"{what}: {frames / seconds:.0f} frames a second,"
        f" {len(long_tasks)} long tasks in {seconds:.0f} s, the longest {longest:.0f} ms"
    )


if __name__ == "__main__":
    main()
