"""Everything that `make` does here, also where there is no make, such as on Windows:

    python tools/course.py run

The Makefile calls this file, so both do the same. It needs Python alone; all else it installs into
.venv, which VENV in the environment can move.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BUILT = ["build", "_site", "_markdown", "_editions", "site/lessons", "_quarto.yml.local", ".quarto"]
BUILT += [".pytest_cache", ".ruff_cache"]
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/sanitize.cfg"]
SPREAD = ["-n", "auto", "--maxprocesses", "8", "--dist", "loadscope"]  # a file a core at a time

COMMANDS = {
    "install": "create .venv and install requirements.txt (TORCH_INDEX=default: with CUDA)",
    "run": "execute every notebook on the shipped data; results in build/notebooks",
    "test": "lint, unit tests, and every notebook cell against its stored output",
    "test-try": "the cells and exercises that run in the reader's browser (needs npm, Chromium)",
    "test-slurm": "the page on computing centres, on a small Slurm (needs root and slurm-wlm)",
    "twice": "run all cells of each notebook twice in one kernel, as a reader may do",
    "lab": "open the notebooks in JupyterLab",
    "lint": "format and lint modules and notebooks",
    "outputs": "execute the notebooks and store the new outputs in them",
    "figures": "redraw images/",
    "export": "write the networks of demos/, after the lesson on training was run",
    "bench": "measure the speed of training, and write the table into README.md",
    "stamp": "write the repository's address from _quarto.yml into the notebooks",
    "cells": "find out which cells run in the reader's browser, after a change",
    "editions": "student, solution and otter-grader sets for teachers, into _editions",
    "lock": "write requirements.lock anew from requirements.txt",
    "publish-check": "what is left to do before publishing under ADDRESS",
    "site": "render the website into _site and the Markdown edition into _markdown",
    "clean": "remove what was built (not .venv)",
}


def venv():
    return REPOSITORY / os.environ.get("VENV", ".venv")


def program(name, system=os.name):
    """A program of the environment, on Windows ("nt") too."""
    return str(venv() / (f"Scripts/{name}.exe" if system == "nt" else f"bin/{name}"))


def steps(command, options, notebooks):
    """The commands behind a name, each (arguments, what is added to the environment).

    Args:
        command: one of COMMANDS that needs the environment.
        options: what was typed after it; it goes to the last step.
        notebooks: their paths, as strings.
    """
    python, ruff = program("python"), program("ruff")
    timed = [path for path in notebooks if Path(path).name.startswith("11-")]  # nothing beside it
    others = [path for path in notebooks if path not in timed]
    kernels = [str(venv() / "share" / "jupyter"), os.environ.get("JUPYTER_PATH", "")]
    one = {"OMP_NUM_THREADS": "1"}
    series = [python, "tools/run_series.py"]
    known = {
        "run": [([*series, "--to", "build/notebooks"], {})],
        "test": [
            ([ruff, "check", "."], {}),
            ([ruff, "format", "--check", "."], {}),
            ([python, "-m", "pytest", *SPREAD, "tests"], one),
            ([python, "-m", "pytest", "-v", *NBVAL, *SPREAD, *others], one),
            ([python, "-m", "pytest", "-v", *NBVAL, *timed], {}),
        ],
        "test-try": [([python, "-m", "pytest", "-q", "tests/try"], one | {"CNN_TRY": "1"})],
        "test-slurm": [([python, "-m", "pytest", "-q", "tests/test_slurm.py"], {"CNN_SLURM": "1"})],
        "twice": [([*series, "--twice"], {})],
        "lab": [
            (
                [program("jupyter"), "lab", "--notebook-dir=notebooks"],
                {"JUPYTER_PATH": os.pathsep.join(filter(None, kernels))},
            )
        ],
        "lint": [([ruff, "format", "."], {}), ([ruff, "check", "--fix", "."], {})],
        "outputs": [([*series, "--in-place"], {})],
        "figures": [([python, "-m", "cnn.figures", "images"], {"PYTHONPATH": "notebooks"})],
        "export": [
            ([python, f"tools/export_{name}.py"], {})
            for name in ("draw", "explore", "train", "photo")
        ],
        "bench": [([python, "tools/bench.py"], {})],
        "stamp": [([python, "tools/stamp.py"], {})],
        "cells": [([python, f"tools/try_{name}.py"], {}) for name in ("forms", "cells")],
        "editions": [([python, "tools/editions.py"], {})],
        "lock": [([python, "tools/lock.py"], {})],
        "publish-check": [([python, "tools/publish_check.py"], {})],
    }[command]
    last, environment = known[-1]
    return [*known[:-1], ([*last, *options], environment)]


def install():
    """Make the environment, where it is missing, half made or older than requirements.txt."""
    marker, requirements = venv() / ".installed", REPOSITORY / "requirements.txt"
    if marker.exists() and marker.stat().st_mtime >= requirements.stat().st_mtime:
        return
    if sys.version_info < (3, 11):  # noqa: UP036 (this file runs before the course is installed)
        sys.exit(
            f"This course needs Python 3.11 or newer, and {sys.executable} is older.\n"
            "Use another one: make PYTHON=python3.12 ..., or python3.12 tools/course.py ..."
        )
    check([sys.executable, str(REPOSITORY / "tools" / "check_platform.py")])
    print(f"Creating {venv()} and installing requirements.txt (a few minutes the first time) ...")
    check(
        [sys.executable, "-m", "venv", str(venv())],
        "Python could not create a virtual environment. "
        "On Debian or Ubuntu: apt install python3-venv",
    )
    # without CUDA where no NVIDIA driver is; TORCH_INDEX=default: as the package index has it
    check([program("python"), "tools/install_torch.py"])
    pip = [program("python"), "-m", "pip", "install", "--disable-pip-version-check"]
    check([*pip, "-r", str(requirements)])
    marker.touch()  # last, so that a broken environment is made again


def check(arguments, message=None):
    """Run it in the repository; if it fails, stop with its status."""
    sys.stdout.flush()
    status = subprocess.call(arguments, cwd=REPOSITORY)
    if status:
        if message:
            print(message, file=sys.stderr)
        sys.exit(status)


def run_step(arguments, environment, last):
    """Run one step. On POSIX the last one takes the place of this process, and gets its signals."""
    os.environ.update(environment)
    shown = f"{' '.join(f'{k}={v}' for k, v in environment.items())} {' '.join(arguments)}".strip()
    print(shown, flush=True)
    if last and os.name == "posix":
        os.execv(arguments[0], arguments)
    check(arguments)
    for name in environment:
        del os.environ[name]


def clean():
    for name in BUILT:
        path = REPOSITORY / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    kept = {REPOSITORY / ".git", venv()}
    for folder in [path for path in REPOSITORY.iterdir() if path.is_dir() and path not in kept]:
        for cache in list(folder.rglob("__pycache__")):
            shutil.rmtree(cache, ignore_errors=True)


def usage():
    lines = [f"  {name:<14} {text}" for name, text in COMMANDS.items()]
    return "\n".join(["make COMMAND, or python tools/course.py COMMAND:", *lines])


def main():
    command, *options = sys.argv[1:] or ["help"]
    if command in ("help", "-h", "--help"):
        return print(usage())
    if command not in COMMANDS:
        sys.exit(f"There is no {command}.\n{usage()}")
    os.chdir(REPOSITORY)
    if command == "clean":
        return clean()
    if command == "site":  # with Python and Quarto alone
        return run_step([sys.executable, "tools/make_site.py", *options], {}, last=True)
    install()
    if command != "install":
        notebooks = sorted(p.as_posix() for p in Path("notebooks").glob("*.ipynb"))
        todo = steps(command, options, notebooks)
        for number, (arguments, environment) in enumerate(todo, start=1):
            run_step(arguments, environment, last=number == len(todo))


if __name__ == "__main__":
    main()
