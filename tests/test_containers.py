"""The install steps of the devcontainer and of Binder, run as they stand, without a container.

PyTorch's own index is replaced by a folder that holds empty packages under the same names; so what
is tried is the step, and the choice of the small build, and not PyTorch itself.
"""

import functools
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import install_torch
import pytest

REPOSITORY = Path(__file__).parents[1]
SMALL_BUILDS = "https://download.pytorch.org/whl/cpu"
VERSIONS = install_torch.pinned()
DEVCONTAINER = json.loads((REPOSITORY / ".devcontainer/devcontainer.json").read_text())
PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"
TAG = f"{PYTHON}-{PYTHON}-linux_{platform.machine()}"


def index(folder, local=""):
    """A package index with empty builds of torch and torchvision; returns its address."""
    for name, pinned in VERSIONS.items():
        place, version = folder / name, pinned + local
        place.mkdir(parents=True)
        file, info = f"{name}-{version}-{TAG}.whl", f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        with zipfile.ZipFile(place / file, "w") as wheel:
            wheel.writestr(f"{info}/METADATA", metadata)
            wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {TAG}\n")
            wheel.writestr(f"{info}/RECORD", "")
        (place / "index.html").write_text(f'<a href="{file.replace("+", "%2B")}">{file}</a>')
    return folder.as_uri()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def course(tmp_path):
    """A checkout that needs torch alone, and an environment in which pip finds two builds of it."""
    folder = tmp_path / "course"
    for name in (".binder", "tools"):
        shutil.copytree(REPOSITORY / name, folder / name)
    pins = [f"{name}=={version}" for name, version in VERSIONS.items()]
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
    ours = ("PIP_", "VENV", "PYTHON", "TORCH_INDEX")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index(tmp_path / "large")}
    index(tmp_path / "small", "+cpu")
    serve = functools.partial(Quiet, directory=tmp_path / "small")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, kept, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_devcontainer_installs_the_small_build(course, tmp_path):
    folder, environment, small = course
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    path = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        DEVCONTAINER["postCreateCommand"],
        shell=True,
        cwd=folder,
        env=environment | {"PATH": path, "TORCH_INDEX": small},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [installed] = re.findall(r"Successfully installed (.+)", done.stdout)
    assert installed.split() == [f"{name}-{version}+cpu" for name, version in VERSIONS.items()]
    setting = DEVCONTAINER["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert Path(setting.replace("${containerWorkspaceFolder}", str(folder))).exists()


def test_the_devcontainer_has_no_driver_and_so_gets_it_by_default(monkeypatch):
    monkeypatch.setattr(install_torch, "has_nvidia_driver", lambda: False)
    monkeypatch.setattr(install_torch.platform, "system", lambda: "Linux")
    assert install_torch.choose({})[0] == install_torch.CPU_INDEX


def test_binder_chooses_the_small_build(course, tmp_path):
    folder, environment, small = course
    path = folder / ".binder" / "requirements.txt"
    assert path.read_text().count(install_torch.CPU_INDEX) == 1
    path.write_text(path.read_text().replace(install_torch.CPU_INDEX, small))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    report = tmp_path / "report.json"
    command += ["--quiet", "--report", str(report), "-r", ".binder/requirements.txt"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    chosen = [one["metadata"] for one in json.loads(report.read_text())["install"]]
    assert {one["name"]: one["version"] for one in chosen} == {
        name: f"{version}+cpu" for name, version in VERSIONS.items()
    }


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
