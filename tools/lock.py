"""Write requirements.lock: every package behind requirements.txt, with the hashes of its files.

One file for Python 3.11 and newer on Linux, macOS and Windows. It needs uv
(https://docs.astral.sh/uv/), on PATH or where UV in the environment says.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HEADER = """\
# Every package behind requirements.txt with the hashes of its files, for Python 3.11 and newer on
# Linux, macOS and Windows. Written by `make lock`. To install exactly these:
# python -m pip install -r requirements.lock
"""


def pins(text):
    """Package -> versions, of the lines `name==version`; a lock can have several by platform."""
    found = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.M):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(version)
    return found


def stale(requirements, lock):
    """The direct pins that the lock does not hold in exactly that version."""
    locked = pins(lock)
    return {
        name: versions
        for name, versions in pins(requirements).items()
        if locked.get(name) != versions
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=REPOSITORY / "requirements.lock")
    arguments = parser.parse_args()
    uv = shutil.which(os.environ.get("UV", "uv"))
    if not uv:
        sys.exit("uv is needed for this (https://docs.astral.sh/uv/): pip install uv")
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "requirements.txt"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"uv found no versions that fit together:\n{done.stderr}")
    arguments.to.write_text(HEADER + done.stdout, encoding="utf-8")
    print(f"{arguments.to.name}: {len(pins(done.stdout))} packages")


if __name__ == "__main__":
    main()
