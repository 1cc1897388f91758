"""What the tests of "Try it here" share: the stand-in, where it can be had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import try_parts

REPOSITORY = Path(__file__).parents[2]
FOLDERS = [REPOSITORY / "site" / "try" / "engine", REPOSITORY / "notebooks"]
FOLDERS += [REPOSITORY / "tools", REPOSITORY / "tests", REPOSITORY / "tests" / "try"]


WANTED = "CNN_TRY"  # set it, as `make test-try` does


def pytest_collection_modifyitems(items):
    """These tests fetch an engine and run it for many minutes: a target of their own."""
    if os.environ.get(WANTED):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="make test-try runs it"))


@pytest.fixture(scope="session")
def stand_in():
    """A function that runs Python code, or a module, with the stand-in in the place of PyTorch."""
    try:
        try_parts.fetch(wanted={"pyborch"})
    except try_parts.Missing as why:
        pytest.skip(f"the stand-in for PyTorch cannot be had: {why}")

    def run(code="", *arguments):
        paths = os.pathsep.join(map(str, FOLDERS))
        command = [sys.executable, "-c", "import in_the_engine\n" + code, *arguments]
        environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=REPOSITORY / "notebooks", env=environment, capture_output=True, text=True
        )

    return run


@pytest.fixture(scope="session")
def parts():
    """The folder of what the site serves, built once; skips where a part cannot be had."""
    try:
        return try_parts.build()
    except try_parts.Missing as why:
        pytest.skip(f"Try it here cannot be built: {why}")
