"""Fetch ONNX Runtime Web for demos/photo/: a package of npm, checked, and not committed.

It is fetched, checked and kept as the parts of "Try it here" are. Without npm, or without a
connection, the site is built all the same, and the page says what is missing when it is used.
"""

import tarfile
from pathlib import Path

import try_parts

FOLDER = Path(__file__).resolve().parents[1] / "demos" / "photo" / "ort"
PART = {
    "registry": "npm",
    "package": "onnxruntime-web",
    "version": "1.22.0",
    "file": "onnxruntime-web-1.22.0.tgz",
    "sha256": "e293551f9d36d003e293d0f2937fee7b3dfdcef76d71d1449b55e2d4157c7aea",
}
FILES = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]


def provide(folder=FOLDER):
    """Put the runtime into the folder, unless it is there; returns whether it is."""
    if all((folder / name).exists() for name in FILES):
        return True
    try:
        unpack(try_parts.fetch([PART])[PART["package"]], folder)
    except (OSError, try_parts.Missing) as error:
        print(f"The page for photographs stays without its runtime ({error}).")
        return False
    return True


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
