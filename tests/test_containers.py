"""The install steps of the devcontainer and of Binder, run as they stand, without a container.

PyTorch's own index is replaced by a folder that holds an empty package under the same names; so
what is tried is the step, and the choice of the small build, and not PyTorch itself.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SMALL_BUILDS = "https://download.pytorch.org/whl/cpu"
TORCH = re.search(
    r"^torch==(\S+)", (REPOSITORY / "requirements.txt").read_text(encoding="utf-8"), re.M
)[1]
DEVCONTAINER = json.loads((REPOSITORY / ".devcontainer/devcontainer.json").read_text())


def index(folder, version):
    """A package index with an empty torch of this version; returns its address."""
    place = folder / "torch"
    place.mkdir(parents=True)
    name = f"torch-{version}-py3-none-any.whl"
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(place / name, "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    (place / "index.html").write_text(f'<a href="{name.replace("+", "%2B")}">{name}</a>')
    return folder.as_uri()


@pytest.fixture
def course(tmp_path):
    """A checkout that needs torch alone, and an environment in which pip finds two builds of it."""
    folder = tmp_path / "course"
    for name in (".binder", "tools"):
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / "requirements.txt").write_text(f"torch=={TORCH}\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "VENV", "PYTHON"))}
    kept |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index(tmp_path / "large", TORCH)}
    return folder, kept, index(tmp_path / "small", f"{TORCH}+cpu")


def test_the_devcontainer_installs_the_small_build(course, tmp_path):
    folder, environment, small = course
    command = DEVCONTAINER["postCreateCommand"]
    assert command.count(SMALL_BUILDS) == 1
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    done = subprocess.run(
        command.replace(SMALL_BUILDS, small),
        shell=True,
        cwd=folder,
        env=environment | {"PATH": f"{tmp_path / 'bin'}:{environment['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"Successfully installed torch-{TORCH}+cpu" in done.stdout
    setting = DEVCONTAINER["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert Path(setting.replace("${containerWorkspaceFolder}", str(folder))).exists()


def test_binder_chooses_the_small_build(course, tmp_path):
    folder, environment, small = course
    path = folder / ".binder" / "requirements.txt"
    assert path.read_text().count(SMALL_BUILDS) == 1
    path.write_text(path.read_text().replace(SMALL_BUILDS, small))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    report = tmp_path / "report.json"
    command += ["--quiet", "--report", str(report), "-r", ".binder/requirements.txt"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    [chosen] = json.loads(report.read_text())["install"]
    assert chosen["metadata"]["version"] == f"{TORCH}+cpu"


def test_repo2docker_takes_it_up():
    """The instructions that Binder's own program writes for this repository."""
    program = shutil.which(os.environ.get("REPO2DOCKER", "repo2docker"))
    if not program:
        pytest.skip("repo2docker is not installed (pip install jupyter-repo2docker)")
    python = Path(program).with_name("python")
    script = (
        "from repo2docker.buildpacks import PythonBuildPack; pack = PythonBuildPack('base');"
        "print(pack.detect(), pack.python_version, pack.get_assemble_scripts())"
    )
    done = subprocess.run(
        [python, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("True 3.12 ")
    # among the last steps, when the whole repository is there, with ../requirements.txt
    assert '-r ".binder/requirements.txt"' in done.stdout.replace("\\", "")
