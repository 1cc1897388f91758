"""Say before pip does, and in a sentence, where the pinned PyTorch cannot be installed."""

import platform
import subprocess
import sys

HERE = """What works on this machine:
  - Colab, in the browser: the link at the top of each notebook;
  - reading the site, and its two pages that compute in the browser;
  - a Linux container or virtual machine, for example, in this folder:
    docker run --rm -it -v "$PWD":/course -w /course python:3.12 make run"""


def problem(system, machine, version="", libc="glibc", translated=False):
    """Why PyTorch has no package for such a machine; empty if it has one.

    Args:
        system, machine: as the module platform names them; version: of macOS, such as "14.5".
        libc: "glibc" on most kinds of Linux, and empty on others, such as Alpine.
        translated: whether this Python for Intel runs on an Apple processor, through Rosetta.
    """
    if system == "Darwin" and translated:
        return (
            "This Python was built for Intel processors, and the machine has one by Apple. Install "
            "Python for Apple processors (arm64), and name it: make PYTHON=/path/to/python3"
        )
    if system == "Darwin" and machine != "arm64":
        return f"PyTorch has no package for Macs with Intel processors since version 2.3.\n{HERE}"
    if system == "Darwin" and int(version.split(".")[0] or 14) < 14:
        return f"PyTorch needs macOS 14 or newer, and this is macOS {version}.\n{HERE}"
    if system == "Linux" and libc != "glibc":
        return f"PyTorch has packages for Linux with glibc only, and this is another one.\n{HERE}"
    if machine.lower() not in {"x86_64", "amd64", "aarch64", "arm64"} or sys.maxsize < 2**32:
        return f"PyTorch has no package for this processor, {machine}.\n{HERE}"
    return ""


def is_translated():
    """Whether macOS translates this program for its processor."""
    if platform.system() != "Darwin":
        return False
    command = ["sysctl", "-n", "sysctl.proc_translated"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() == "1"


if __name__ == "__main__":
    machine = platform.system(), platform.machine(), platform.mac_ver()[0], platform.libc_ver()[0]
    sys.exit(problem(*machine, is_translated()) or 0)
