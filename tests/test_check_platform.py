"""Where PyTorch has no package, `make install` says so, and what works there."""

import os
import subprocess
from pathlib import Path

import check_platform
import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "machine",
    [
        ("Linux", "x86_64"),
        ("Linux", "aarch64"),
        ("Darwin", "arm64", "14.5", ""),
        ("Darwin", "arm64", "26.0", ""),
        ("Windows", "AMD64", "", ""),
    ],
)
def test_where_it_can_be_installed(machine):
    assert check_platform.problem(*machine) == ""


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (("Darwin", "x86_64", "14.5", ""), "Macs with Intel processors"),
        (("Darwin", "arm64", "13.7", ""), "macOS 14"),
        (("Linux", "x86_64", "", ""), "glibc"),
        (("Linux", "riscv64"), "this processor, riscv64"),
    ],
)
def test_where_it_cannot(machine, words):
    said = check_platform.problem(*machine)
    assert words in said
    assert "Colab" in said, "and what works there"
    assert "container" in said


def test_a_python_for_intel_on_an_apple_processor():
    said = check_platform.problem("Darwin", "x86_64", "14.5", "", translated=True)
    assert "arm64" in said
    assert "Colab" not in said, "here everything works, with another Python"


def test_make_asks_before_pip(tmp_path):
    """A stand-in for the Python of an Intel Mac; it would say so if it got as far as pip."""
    python = tmp_path / "python3"
    python.write_text(
        "#!/bin/sh\n"
        "case $* in\n"
        "  -c*) exit 0 ;;\n"
        "  *check_platform.py) echo Intel; exit 1 ;;\n"
        "esac\n"
        "echo went on\n"
    )
    python.chmod(0o755)
    ours = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}  # of a `make test` around this, which make obeys
    done = subprocess.run(
        ["make", "install", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in ours},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stdout.endswith("Intel\n")


def test_the_readme_says_it_too():
    text = (REPOSITORY / "README.md").read_text()
    assert "Macs with Intel processors" in text
    assert "docker run --rm -it" in check_platform.HERE
    assert check_platform.HERE.splitlines()[-1].strip() in text
