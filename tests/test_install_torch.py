"""tools/install_torch.py: which PyTorch is installed, held against a stand-in index."""

import http.server
import platform
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import install_torch
import pytest

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
MACHINE = platform.machine()
VERSIONS = install_torch.pinned()


def wheel_name(package, version, tag=TAG, machine=MACHINE):
    return f"{package}-{version}-{tag}-{tag}-manylinux_2_28_{machine}.whl"


def add_wheel(folder, package, version, **tags):
    """A wheel with one module that says its version, and its link on the page of the package."""
    (folder / package).mkdir(parents=True, exist_ok=True)
    file = folder / wheel_name(package, version, **tags)
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{package}.py", f"__version__ = {version!r}\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {TAG}-{TAG}-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    with (folder / package / "index.html").open("a") as page:
        link = f"../{file.name.replace('+', '%2B')}"
        page.write(f'<a href="{link}#sha256=0">{file.name}</a><br/>\n')


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index on this machine, in place of PyTorch's; no NVIDIA driver, and Linux."""
    folder = tmp_path / "index"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(install_torch, "CPU_INDEX", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(install_torch, "has_nvidia_driver", lambda: False)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    yield folder
    server.shutdown()
    server.server_close()


class Pip:
    """Stands for subprocess.run, and remembers the command."""

    def __init__(self, status=0):
        self.status, self.command = status, None

    def __call__(self, command):
        self.command = command
        return subprocess.CompletedProcess(command, self.status)


def test_without_a_driver_the_build_without_cuda(index, capsys):
    for package, version in VERSIONS.items():
        add_wheel(index, package, "0.0.1+cpu")
        add_wheel(index, package, f"{version}+cpu", tag="cp27")
        add_wheel(index, package, f"{version}+cpu", machine="z80")
        add_wheel(index, package, f"{version}+cpu")
    pip = Pip()
    install_torch.main({}, pip)
    wanted = [f"{package}=={version}+cpu" for package, version in VERSIONS.items()]
    assert pip.command[-2:] == wanted
    assert "--no-deps" in pip.command
    assert install_torch.CPU_INDEX in pip.command
    said = capsys.readouterr().out
    assert all(name in said for name in wanted)
    assert "MB to download" in said


def test_pip_installs_it_and_the_pinned_requirement_is_met(index, tmp_path):
    add_wheel(index, "torch", VERSIONS["torch"] + "+cpu")
    wheel = install_torch.find(install_torch.CPU_INDEX, "torch", VERSIONS["torch"])
    assert wheel.size == next(index.glob("torch-*.whl")).stat().st_size
    from packaging.specifiers import SpecifierSet

    assert wheel.requirement.split("==")[1] in SpecifierSet(f"=={VERSIONS['torch']}")


@pytest.mark.parametrize("missing", ["all", "this version", "the file"])
def test_an_index_without_it(index, capsys, missing):
    for package, version in VERSIONS.items():
        if missing != "all":
            add_wheel(index, package, "0.0.1+cpu" if missing == "this version" else version)
    if missing == "the file":
        for file in index.glob("*.whl"):
            file.unlink()
    pip = Pip()
    install_torch.main({}, pip)
    assert pip.command is None
    said = capsys.readouterr().out
    assert "cannot be used (" in said
    assert "default packages come instead" in said
    assert "GB" in said


def test_an_index_that_cannot_be_reached(index, capsys, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(install_torch, "CPU_INDEX", f"http://127.0.0.1:{free.getsockname()[1]}")
    pip = Pip()
    install_torch.main({}, pip)
    assert pip.command is None
    assert "default packages come instead" in capsys.readouterr().out


def test_pip_that_fails_is_no_error(index, capsys):
    for package, version in VERSIONS.items():
        add_wheel(index, package, f"{version}+cpu")
    install_torch.main({}, Pip(status=1))
    assert "That did not work" in capsys.readouterr().out


def test_the_default(index, monkeypatch, capsys):
    pip = Pip()
    install_torch.main({"TORCH_INDEX": "default"}, pip)
    monkeypatch.setattr(install_torch, "has_nvidia_driver", lambda: True)
    install_torch.main({}, pip)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    install_torch.main({}, pip)
    assert pip.command is None
    said = capsys.readouterr().out.splitlines()
    assert ["TORCH_INDEX" in said[0], "NVIDIA" in said[1], "Darwin" in said[2]] == [True] * 3


def test_another_index(index, monkeypatch):
    address, install_torch.CPU_INDEX = install_torch.CPU_INDEX, "http://127.0.0.1:9"
    monkeypatch.setattr(install_torch, "has_nvidia_driver", lambda: True)
    for package, version in VERSIONS.items():
        add_wheel(index, package, f"{version}+rocm9")
    pip = Pip()
    install_torch.main({"TORCH_INDEX": address + "/"}, pip)
    assert pip.command[-2:] == [f"{package}=={v}+rocm9" for package, v in VERSIONS.items()]


def test_make_install_runs_it_before_the_requirements():
    source = (Path(install_torch.__file__).parent / "course.py").read_text(encoding="utf-8")
    assert source.index("tools/install_torch.py") < source.index('"-r", str(requirements)')
