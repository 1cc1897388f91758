"""Install PyTorch without CUDA where no NVIDIA driver is present: a tenth of the size.

On Linux the default packages bring the libraries of CUDA, several GB that a machine without an
NVIDIA GPU never uses. PyTorch's own package index has the same version without them. It is asked
first; where it cannot be reached, nothing is done here, and the default packages come with all
others.

TORCH_INDEX overrides the choice: "default", or the address of another index, such as that of a
centre or of a build for AMD GPUs.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import unquote, urljoin
from urllib.request import Request, urlopen

REPOSITORY = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # the documented one: pytorch.org/get-started
PACKAGES = ["torch", "torchvision"]
SECONDS = 10  # to wait for an answer of the index
DEFAULT = "PyTorch's default packages"


class Wheel(NamedTuple):
    """A package file on an index: its requirement for pip, and its size in bytes."""

    requirement: str
    size: int


def main(environment=os.environ, run=subprocess.run):
    index, why = choose(environment)
    if index is None:
        print(f"{why}: {DEFAULT}.", flush=True)
        return
    try:
        wheels = [find(index, name, version) for name, version in pinned().items()]
    except (OSError, LookupError, ValueError) as error:
        print(f"{index} cannot be used ({reason(error)}): {size_of_default()}.", flush=True)
        return
    megabytes = sum(wheel.size for wheel in wheels) / 1e6
    names = ", ".join(wheel.requirement for wheel in wheels)
    print(f"{why}: {names} from {index}, {megabytes:.0f} MB to download.", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--no-deps", "--index-url", index, *(wheel.requirement for wheel in wheels)]
    if run(command).returncode:
        print(f"That did not work: {size_of_default()}.", flush=True)


def choose(environment=os.environ):
    """(address of an index or None for the default, why)."""
    wish = environment.get("TORCH_INDEX", "")
    if wish == "default":
        return None, "TORCH_INDEX says default"
    if wish:
        return wish.rstrip("/"), f"TORCH_INDEX says {wish}"
    if platform.system() != "Linux":
        return None, f"On {platform.system()} there is one build"
    if has_nvidia_driver():
        return None, "There is an NVIDIA driver"
    return CPU_INDEX, "No NVIDIA driver, so PyTorch without CUDA"


def has_nvidia_driver():
    """Whether Linux has loaded one, or its tool is installed."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def pinned():
    """The versions in requirements.txt."""
    text = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    return {name: re.search(rf"^{name}==(\S+)", text, re.M)[1] for name in PACKAGES}


def find(index, name, version):
    """The Wheel of that version on the index, for this Python and this processor.

    Raises:
        LookupError: the index has none; OSError: it cannot be reached.
    """
    page_address = f"{index}/{name}/"
    with urlopen(page_address, timeout=SECONDS) as answer:
        page = answer.read().decode("utf-8", "replace")
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for link in re.findall(r'href="([^"#]+)', page):
        file = unquote(link.rsplit("/", 1)[-1])
        own, wheel_version, *tags = file.removesuffix(".whl").split("-")
        fits = own == name and wheel_version.split("+")[0] == version and len(tags) == 3
        if fits and tags[0] == tags[1] == tag and tags[2].endswith(platform.machine()):
            request = Request(urljoin(page_address, link), method="HEAD")
            with urlopen(request, timeout=SECONDS) as answer:
                return Wheel(f"{name}=={wheel_version}", int(answer.headers["Content-Length"] or 0))
    raise LookupError(f"it has no {name} {version} for {tag} on {platform.machine()}")


def reason(error):
    return str(error.reason if isinstance(error, URLError) else error) or type(error).__name__


def size_of_default():
    return f"{DEFAULT} come instead" + (
        ", on Linux with CUDA, 5 to 6 GB on disk" if platform.system() == "Linux" else ""
    )


if __name__ == "__main__":
    main()
