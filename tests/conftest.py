"""What the tests of several pages share."""

import json
import shutil
import subprocess

import pytest
from browser import browser, find_browser

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="module")
def tab():
    """One tab of a browser, as the test before left it."""
    if not find_browser():
        pytest.skip("no Chromium is on PATH")
    with browser() as page:
        yield page


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """A function that gives the violations axe-core finds on an open page."""
    folder = tmp_path_factory.mktemp("axe")
    if not shutil.which("npm"):
        pytest.skip("npm, which brings axe-core, is not on PATH")
    done = subprocess.run(["npm", "pack", AXE], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm could not fetch {AXE}")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    source = (folder / "package" / "axe.min.js").read_text(encoding="utf-8")

    def violations(page, options=None):
        page.run(source + "; null")
        return page.run(
            f"axe.run({json.dumps(options or {})}).then(r => r.violations.map("
            "v => [v.id, v.help, v.nodes.slice(0, 4).map(n => n.html.slice(0, 200))]))"
        )

    return violations
