"""Execute the notebooks in order, showing progress, and say where the results are."""

import argparse
import asyncio
import atexit
import base64
import contextlib
import copy
import io
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import seconds as table
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = REPOSITORY / "notebooks"


class ThisPython(KernelSpecManager):
    """The kernel of this environment, whatever `python3` is elsewhere on $JUPYTER_PATH."""

    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class Client(NotebookClient):
    """Runs a notebook, and remembers whether a signal ended it: SIGTERM of a batch system, Ctrl-C.

    The kernel may have got the signal as well, so all that is seen of it may be a dead kernel.
    """

    stopped = None

    async def async_start_new_kernel(self, **settings):
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows
            for number in (signal.SIGTERM, signal.SIGINT):  # in place of nbclient's own
                loop.add_signal_handler(number, self.stop, number)
        await super().async_start_new_kernel(**settings)

    def stop(self, number):
        self.stopped = number
        self.log.disabled = True  # the kernel dies now: no word, and no traceback, about that
        self.shutdown_kernel = "immediate"
        atexit.unregister(self._cleanup_kernel)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        self.ending = asyncio.ensure_future(self._async_cleanup_kernel())


def main():
    arguments = parse_arguments()
    notebooks = select(arguments.notebooks)
    if arguments.to:
        check_folder(arguments.to, notebooks)
    use_threads()
    try:
        if arguments.twice:
            run_twice(notebooks)
        else:
            run(arguments, notebooks)
    except KeyboardInterrupt:
        sys.exit(stopped_by(signal.SIGINT))
    except OSError as error:
        sys.exit(f"\nThe results cannot be written: {error}. What is done is kept.")


def stopped_by(number):
    """Say it; returns the status that a shell reports of a process which the signal ended."""
    print("\nStopped. With --resume the notebooks that are done are left out.", file=sys.stderr)
    return 128 + number


def check_folder(folder, notebooks):
    """Before anything runs: whether the copies can be written there, and are not the originals."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        blocked = [folder / path.name for path in notebooks if (folder / path.name).is_dir()]
        problem = f"{blocked[0]} is a folder" if blocked else ""
    except OSError as error:
        problem = error.strerror
    if folder.resolve() == NOTEBOOKS.resolve():
        problem = "the originals are there, see --in-place"
    if problem:
        sys.exit(f"The results cannot be written into {folder}: {problem}. Name another (--to).")


def use_threads(environment=os.environ):
    """Give the notebooks the number of threads that is the fastest now, and say it."""
    if "OMP_NUM_THREADS" in environment:
        print(f"{environment['OMP_NUM_THREADS']} thread(s), as OMP_NUM_THREADS says.", flush=True)
        return
    import threads  # with PyTorch, so only where it is needed

    chosen, why = threads.choose()
    environment["OMP_NUM_THREADS"] = str(chosen)
    print(f"{why} (Set OMP_NUM_THREADS to choose another number.)", flush=True)


def run(arguments, notebooks):
    total, rows, stored = time.perf_counter(), [], table.read(table.STORED)
    file = table.STORED if arguments.in_place else arguments.to / table.STORED.name
    for path in notebooks:
        target = path if arguments.in_place else arguments.to / path.name
        if arguments.resume and is_done(path, target):
            print(f"{path.stem}: done before -> {shown(target)}", flush=True)
            continue
        cells = execute(path, target)
        rows += cells
        table.write(cells, file)
        seconds = sum(row.seconds for row in cells)
        print(f"{path.stem}: {seconds:.0f} s -> {shown(target)}", flush=True)
    print("\n".join(table.report(rows, stored)))
    print(f"Seconds of each cell: {shown(file)}")
    print(f"{len(notebooks)} notebooks in {time.perf_counter() - total:.0f} s.")


def run_twice(notebooks):
    """Run all cells of each notebook, and then all of them again in the same kernel."""
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        notebook.cells += copy.deepcopy(notebook.cells)
        start = time.perf_counter()
        run_cells(notebook, path)
        print(f"{path.stem}: twice in one kernel, {time.perf_counter() - start:.0f} s", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", type=Path, help="folder for the executed copies")
    where.add_argument("--in-place", action="store_true", help="store the outputs in the originals")
    where.add_argument(
        "--twice", action="store_true", help="run all cells twice in one kernel, store nothing"
    )
    parser.add_argument("--resume", action="store_true", help="leave out what is done already")
    parser.add_argument("notebooks", nargs="*", help="only these, such as 01 03 (default: all)")
    arguments = parser.parse_args()
    if arguments.resume and not arguments.to:
        parser.error("--resume needs a folder for the copies (--to)")
    return arguments


def select(prefixes):
    """The notebooks whose names start with one of the prefixes (all without any), in order."""
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    chosen = [p for p in paths if not prefixes or p.name.startswith(tuple(prefixes))]
    if not chosen:
        sys.exit(f"No notebook starts with {prefixes}; there are: {[p.stem for p in paths]}")
    return chosen


def is_done(path, target):
    """Whether the target holds the same cells as the notebook, all executed without an error.

    A copy that cannot be read, such as one of a disk that was full, is not done.
    """
    if not target.exists():
        return False
    ours = nbformat.read(path, as_version=4).cells
    try:
        theirs = nbformat.read(target, as_version=4).cells
        code = [cell for cell in theirs if cell.cell_type == "code"]
        executed = all(cell.execution_count for cell in code)
        failed = any(output.output_type == "error" for cell in code for output in cell.outputs)
        return executed and not failed and [c.source for c in ours] == [c.source for c in theirs]
    except Exception as error:  # of JSON, of nbformat or of the file system
        print(f"{target} cannot be read ({type(error).__name__}); running it again.", flush=True)
        return False


def execute(path, target):
    """Run one notebook in its folder and write it to target; returns a row of seconds per cell.

    At a failing cell the notebook is still written to a folder of copies, so that the error can be
    read there; an original is left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    rows = run_cells(notebook, path, at_failure=None if target == path else target)
    write(notebook, target)
    return rows


def run_cells(notebook, path, at_failure=None):
    """Run all cells in a new kernel; returns a row of seconds for each code cell.

    Args:
        at_failure: where the notebook is written if a cell fails.
    """
    n_code = sum(cell.cell_type == "code" for cell in notebook.cells)
    start, rows = time.perf_counter(), []

    def show(cell, cell_index, execute_reply=None):
        if cell.cell_type == "code":
            seconds, number = time.perf_counter() - start, len(rows) + 1
            own = seconds - sum(
                row.seconds for row in rows
            )  # its own, and those of Markdown before
            rows.append(table.Row(path.stem, number, own, table.first_line(cell.source)))
            progress(f"{path.stem}: cell {number}/{n_code}, {seconds:.0f} s")

    client = Client(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=ThisPython()),
        timeout=1800,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        extra_arguments=["--log-level=ERROR"],  # no warning about the local connection
        record_timing=False,
        coalesce_streams=True,
        on_cell_executed=show,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        if at_failure:
            write(notebook, at_failure)
        sys.exit(f"\n{path.name} stopped at a failing cell:\n{error}")
    except BaseException:  # whatever nbclient makes of a kernel that is gone
        if client.stopped:
            sys.exit(stopped_by(client.stopped))
        raise
    return rows


def progress(line):
    """One line that is redrawn on a terminal, and printed in full elsewhere."""
    if sys.stdout.isatty():
        print("\r\033[K" + line, end="\r", flush=True)
    else:
        print(line, flush=True)


def slim_pictures(notebook):
    """Store the still pictures of a notebook with 256 colours: a third of the size, looks alike."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = slimmed(output.data["image/png"])


def slimmed(png):
    """A PNG (base64) with at most 256 colours; as it is if it moves or would not shrink."""
    before = base64.b64decode(png)
    with Image.open(io.BytesIO(before)) as picture:
        if getattr(picture, "n_frames", 1) > 1 or picture.mode == "P":
            return png
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        after = io.BytesIO()
        few.save(after, "PNG", optimize=True)
    if after.tell() >= len(before):
        return png
    return base64.b64encode(after.getvalue()).decode() + "\n"


def write(notebook, target):
    """Write without what depends on the machine or on chance: versions, widgets, random ids."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    slim_pictures(notebook)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02}"
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:  # under another name first: a full disk never leaves half a notebook
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            nbformat.write(notebook, file)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def shown(path):
    """The path as a person in the repository would type it."""
    path = path.resolve()
    return path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path


if __name__ == "__main__":
    main()
