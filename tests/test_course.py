"""tools/course.py: make without make. Both ways in are used here, on commands that take no time."""

import os
import re
import subprocess
import sys
from pathlib import Path

import course
import pytest

REPOSITORY = Path(__file__).parents[1]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
OURS = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VENV"}  # of a `make test` around this


def run(*arguments, **settings):
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment |= settings.pop("env", {})
    return subprocess.run(
        arguments, cwd=REPOSITORY, env=environment, capture_output=True, text=True, **settings
    )


def test_make_and_python_know_the_same_commands():
    targets = set(" ".join(re.findall(r"^TARGETS .?= (.+)$", MAKEFILE, re.M)).split())
    assert targets | {"publish-check"} == course.COMMANDS.keys()
    ways = (
        run("make", "--silent", f"PYTHON={sys.executable}"),
        run(sys.executable, "tools/course.py"),
    )
    assert ways[0].stdout == ways[1].stdout == course.usage() + "\n"


def test_every_command_runs_a_file_that_exists():
    outside = {"install", "site", "clean"}
    for command in course.COMMANDS.keys() - outside:
        for arguments, _ in course.steps(command, [], ["notebooks/01-a.ipynb"]):
            for tool in [word for word in arguments if word.startswith("tools/")]:
                assert (REPOSITORY / tool).exists(), command


def test_an_unknown_command():
    done = run(sys.executable, "tools/course.py", "fly")
    assert done.returncode
    assert "There is no fly." in done.stderr
    assert "publish-check" in done.stderr


def test_make_without_that_python():
    done = run("make", "run", "PYTHON=python9")
    assert done.returncode
    assert "'python9' is missing" in done.stdout


def test_options_go_to_the_last_step():
    [(arguments, _)] = course.steps("run", ["--resume", "07"], [])
    assert arguments[1:] == ["tools/run_series.py", "--to", "build/notebooks", "--resume", "07"]


def test_a_notebook_that_times_has_the_machine_to_itself():
    notebooks = ["notebooks/01-data.ipynb", "notebooks/11-scaling.ipynb"]
    *_, (many, one), (alone, _) = course.steps("test", [], notebooks)
    assert one == {"OMP_NUM_THREADS": "1"}
    assert many[-1] == notebooks[0]
    assert "-n" in many
    assert alone[-1] == notebooks[1]
    assert "-n" not in alone


def test_windows(monkeypatch):
    """The names that it gives to programs. It was not run there."""
    monkeypatch.setenv("VENV", "elsewhere")
    assert Path(course.program("python", "nt")).parts[-3:] == ("elsewhere", "Scripts", "python.exe")


@pytest.fixture
def environment(tmp_path):
    """An environment that counts as complete; its python prints what it is asked to do."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / ".installed").touch()
    python = folder / "bin" / "python"
    python.write_text('#!/bin/sh\necho "asked: $*"\nexit 7\n')
    python.chmod(0o755)
    return folder


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
@pytest.mark.parametrize("way", [["make", f"PYTHON={sys.executable}"], [sys.executable]])
def test_both_ways_run_the_same_program(environment, way):
    """And its status comes back: 7, which make reports as an error."""
    command = [*way, "run", "OPTIONS=07"]
    if way[0] != "make":
        command = [*way, "tools/course.py", "run", "07"]
    done = run(*command, env={"VENV": str(environment)})
    assert "asked: tools/run_series.py --to build/notebooks 07" in done.stdout
    assert done.returncode == (2 if way[0] == "make" else 7)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_failing_step_stops_the_rest(environment):
    ruff = environment / "bin" / "ruff"
    ruff.write_text("#!/bin/sh\nexit 3\n")
    ruff.chmod(0o755)
    done = run(sys.executable, "tools/course.py", "test", env={"VENV": str(environment)})
    assert done.returncode == 3
    assert "asked" not in done.stdout


def test_clean_takes_what_was_built_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "REPOSITORY", tmp_path)
    monkeypatch.setenv("VENV", ".venv")
    kept = [".venv/lib/__pycache__/a.pyc", "notebooks/01.ipynb", "data/x.gz"]
    for name in [*kept, "build/notebooks/01.ipynb", "tools/__pycache__/b.pyc", "_quarto.yml.local"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    course.clean()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)
