"""How fast the built site loads: `python tools/lighthouse.py` after `make site`, with npx on PATH.

Lighthouse (https://developer.chrome.com/docs/lighthouse) is fetched from npm at the first run. It
loads each page as a desktop and as a slow phone would, and gives points from 0 to 100.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import find_browser, served

SITE = Path(__file__).resolve().parents[1] / "_site"
LIGHTHOUSE = "lighthouse@13.5.0"
PAGES = ["index.html", "notebooks/02-convolution.html", "demos/draw.html", "demos/explore.html"]
WANTED = {"desktop": 95, "mobile": 85}  # points for performance
SHOWN = ["largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift"]


def measure(address, device):
    """The report of Lighthouse on one address, for "desktop" or "mobile"."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json"]
        command += [f"--output-path={report}", f"--chrome-path={find_browser()}"]
        command += ["--chrome-flags=--headless=new --no-sandbox"]
        command += ["--preset=desktop"] if device == "desktop" else []
        subprocess.run(command, check=True)
        return json.loads(report.read_text(encoding="utf-8"))


def main(pages):
    too_slow = []
    with served(SITE) as address:
        for page in pages:
            for device, wanted in WANTED.items():
                report = measure(address + page, device)
                points = {
                    name: round(100 * (category["score"] or 0))
                    for name, category in report["categories"].items()
                }
                numbers = [report["audits"][name]["displayValue"] for name in SHOWN]
                print(page, device, points, *numbers, flush=True)
                if points["performance"] < wanted:
                    too_slow.append(f"{page} on {device}: {points['performance']}, not {wanted}")
    sys.exit("\n".join(too_slow))


if __name__ == "__main__":
    main(sys.argv[1:] or PAGES)
