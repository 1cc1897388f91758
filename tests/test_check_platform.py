"""Where PyTorch has no package, `make install` says so, and what works there."""

from pathlib import Path

import check_platform
import course
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


def test_install_asks_before_pip(tmp_path, monkeypatch):
    """Where the question is answered with no, nothing is made."""
    asked = []

    def call(arguments, cwd):
        asked.append(Path(arguments[-1]).name)
        return 1

    monkeypatch.setenv("VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(course.subprocess, "call", call)
    with pytest.raises(SystemExit) as stopped:
        course.install()
    assert stopped.value.code == 1
    assert asked == ["check_platform.py"]
    assert not (tmp_path / "venv").exists()


def test_the_readme_says_it_too():
    text = (REPOSITORY / "README.md").read_text()
    assert "Macs with Intel processors" in text
    assert "docker run --rm -it" in check_platform.HERE
    assert check_platform.HERE.splitlines()[-1].strip() in text
