"""Try the course with the newest versions that the package index has, in an environment of its own.

    python tools/try_versions.py --to build/newest            resolve, install, check, run
    python tools/try_versions.py --to build/newest --resolve  only say what is newer than our pins

The report, report.md in that folder, names what is newer, what failed and what was not run. It
needs Python alone. The status is 1 where something failed.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def pins(text):
    """Direct dependency -> our version, from the lines of requirements.txt."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.M))


def resolve(python, names):
    """Package -> version of the newest set that fits together, by a dry run of pip.

    Raises:
        RuntimeError: pip found no such set, with its words.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--dry-run"]
        command += ["--quiet", "--ignore-installed", "--report", str(report), *names]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(errors(done.stderr))
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {canonical(one["metadata"]["name"]): one["metadata"]["version"] for one in found}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def errors(text):
    """The lines of pip's messages that matter."""
    lines = [line for line in text.splitlines() if line.startswith("ERROR")]
    return "\n".join(lines or text.splitlines()[-5:])


def newer(ours, newest):
    """(name, our version, newest) for each direct dependency that differs."""
    pairs = [(name, version, newest.get(canonical(name))) for name, version in ours.items()]
    return [(name, old, new) for name, old, new in pairs if new and new != old]


def stages(python):
    """(name, command) in the order in which they run; each goes on if an earlier one failed."""
    nbval = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/sanitize.cfg"]
    return [
        ("imports", [python, "-c", "import cnn.lab, cnn.train, cnn.fast, cnn.figures"]),
        ("unit tests", [python, "-m", "pytest", "-q", "tests"]),
        ("the series", [python, "tools/run_series.py", "--to", "build/newest-notebooks"]),
        ("stored outputs", [python, "-m", "pytest", "-q", *nbval, "notebooks"]),
    ]


def run_stage(name, command, folder):
    """Run one stage, keep what it says in a file; returns (name, status, seconds, last lines)."""
    environment = os.environ | {"PYTHONPATH": "notebooks"}
    start, log = time.perf_counter(), folder / f"{name.replace(' ', '-')}.log"
    with log.open("w", encoding="utf-8") as file:
        status = subprocess.call(
            command, cwd=REPOSITORY, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return name, status, round(time.perf_counter() - start), lines[-30:]


def report(changed, results, left_out, problem=""):
    """What is written, as Markdown."""
    machine = f"Python {platform.python_version()} on {platform.system()} ({platform.machine()})"
    lines = [f"# The newest versions, {time.strftime('%Y-%m-%d')}", "", f"{machine}.", ""]
    if problem:
        return "\n".join(
            [*lines, "No set of versions fits together:", "", "```", problem, "```", ""]
        )
    lines += ["| Package | Ours | Newest |", "|---|---|---|"]
    lines += [f"| {name} | {old} | {new} |" for name, old, new in changed]
    if not changed:
        lines = [*lines[:-2], "Our pins are the newest versions."]
    for name, status, seconds, last in results:
        lines += ["", f"## {name}: {'failed' if status else 'passed'}, {seconds} s"]
        if status:
            lines += ["", "```", *last, "```"]
    lines += ["", *(f"Not run: {name}." for name in left_out)]
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=REPOSITORY / "build" / "newest")
    parser.add_argument("--resolve", action="store_true", help="install and run nothing")
    parser.add_argument("--stages", type=int, default=4, help="only the first so many of four")
    arguments = parser.parse_args()
    folder = arguments.to.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ours = pins((REPOSITORY / "requirements.txt").read_text(encoding="utf-8"))
    python, results, changed, problem = sys.executable, [], [], ""
    todo = [] if arguments.resolve else stages(str(program(folder)))[: arguments.stages]
    try:
        newest = resolve(python, list(ours))
        changed = newer(ours, newest)
        if todo:
            install(folder, newest)
            results = [run_stage(name, command, folder) for name, command in todo]
    except RuntimeError as error:
        problem = str(error)
    left_out = [name for name, _ in stages("")][len(todo) :]
    text = report(changed, results, left_out, problem)
    (folder / "report.md").write_text(text, encoding="utf-8")
    print(text)
    sys.exit(bool(problem or any(status for _, status, _, _ in results)))


def program(folder):
    return folder / ("venv/Scripts/python.exe" if os.name == "nt" else "venv/bin/python")


def install(folder, newest):
    """A fresh environment with exactly these versions."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "venv"], check=True)
    wanted = [f"{name}=={version}" for name, version in sorted(newest.items())]
    command = [program(folder), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(errors(done.stderr))


if __name__ == "__main__":
    main()
