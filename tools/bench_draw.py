"""Time the page "Draw a digit" in headless Chromium: python tools/bench_draw.py

Prints the median of 200 forward passes, and what happens during six seconds of drawing at 60 events
a second: frames, and tasks that take over 50 ms. Run it while the machine does nothing else.
"""

import math
import sys
import time
from pathlib import Path

from browser import browser, find_browser, served

REPOSITORY = Path(__file__).parents[1]
SECONDS = 6

FORWARD = """(async () => {
  const { forward, readWeights } = await import("./draw/network.js");
  const { load, readDigits } = await import("./shared/data.js");
  const weights = readWeights(...await load(new URL("draw/", location), "weights"));
  const digits = readDigits(...await load(new URL("shared/", location), "digits"));
  const times = [];
  for (let i = 0; i < 220; i++) {
    const start = performance.now();
    forward(weights, digits[i % digits.length].pixels);
    times.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 4));
  }
  return times.slice(20).sort((a, b) => a - b);
})()"""

WATCH = """(() => {
  window.seen = { longTasks: [], frames: 0 };
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) seen.longTasks.push(task.duration);
  }).observe({ type: "longtask" });
  const count = () => { seen.frames += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
})()"""


def main():
    if not find_browser():
        sys.exit("No Chromium is on PATH.")
    with served(REPOSITORY) as address, browser() as page:
        page.resize(1280)
        page.open(address + "demos/draw.html", settle=2)
        times = page.run(FORWARD)
        print(f"forward pass: median {median(times):.1f} ms, 95 % below {times[189]:.1f} ms")
        frames, long_tasks, events = draw(page)
        rates = f"{events / SECONDS:.0f} events and {frames / SECONDS:.0f} frames a second"
        print(f"drawing {SECONDS} s: {rates}")
        print(f"long tasks (over 50 ms): {len(long_tasks)} {[round(t) for t in long_tasks]}")


def median(values):
    return values[len(values) // 2]


def draw(page):
    """Draw a Lissajous figure; returns (frames, durations of long tasks, events)."""
    box = (
        "(b => [b.left, b.top, b.width])(document.getElementById('paper').getBoundingClientRect())"
    )
    left, top, width = page.run(box)

    def mouse(kind, t):
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=left + width * (0.5 + 0.4 * math.sin(3 * t)),
            y=top + width * (0.5 + 0.4 * math.sin(2 * t)),
            button="left",
            buttons=1,
            clickCount=1,
        )

    mouse("mousePressed", 0)
    page.run(WATCH)
    start, events = time.monotonic(), 0
    while (t := time.monotonic() - start) < SECONDS:
        mouse("mouseMoved", t)
        events += 1
        time.sleep(max(0, start + events / 60 - time.monotonic()))
    frames, long_tasks = page.run("[seen.frames, seen.longTasks]")
    mouse("mouseReleased", t)
    return frames, long_tasks, events


if __name__ == "__main__":
    main()
