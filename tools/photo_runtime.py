"""Fetch ONNX Runtime Web for demos/photo/: a package of npm, checked, and not committed.

It needs npm and no other package beside Python's own. Without npm, or without a connection, the
site is built all the same, and the page says what is missing when it is used.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "demos" / "photo" / "ort"
PACKAGE = "onnxruntime-web@1.22.0"
SHA512 = (
    "51dffe101a3a9a1b9a416b7f3a368e93488d5a35ea26879e305afac501044597"
    "48647d8e5a91b3bae8f3ee57ee3818d46ba4c413fb1ce276fb0dae5d34bdf87e"
)
FILES = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]


def provide(folder=FOLDER):
    """Put the runtime into the folder, unless it is there; returns whether it is."""
    if all((folder / name).exists() for name in FILES):
        return True
    try:
        with tempfile.TemporaryDirectory() as work:
            archive = packed(Path(work))
            unpack(archive, folder)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        print(f"The page for photographs stays without its runtime ({error}).")
        return False
    return True


def packed(work):
    """The archive of the package, as npm fetches it; ValueError if it is not the one we know."""
    npm = shutil.which("npm")
    if not npm:
        raise OSError("npm is not on PATH")
    command = [npm, "pack", "--silent", PACKAGE]
    subprocess.run(command, cwd=work, check=True, capture_output=True, timeout=300)
    (archive,) = work.glob("*.tgz")
    if hashlib.sha512(archive.read_bytes()).hexdigest() != SHA512:
        raise ValueError(f"{PACKAGE} is not the archive that it was: its sha512 differs")
    return archive


def unpack(archive, folder):
    """Write the needed files of the archive into the folder, the marker of completeness last."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as files:
        for name in FILES:
            content = files.extractfile(f"package/dist/{name}").read()
            unfinished = folder / f"{name}.unfinished"
            unfinished.write_bytes(content)
            unfinished.replace(folder / name)


if __name__ == "__main__":
    raise SystemExit(not provide())
