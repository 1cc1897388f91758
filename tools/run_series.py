"""Execute the notebooks in order, showing progress, and say where the results are."""

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = REPOSITORY / "notebooks"


def main():
    arguments = parse_arguments()
    notebooks = select(arguments.notebooks)
    total = time.perf_counter()
    for path in notebooks:
        target = path if arguments.in_place else arguments.to / path.name
        if arguments.resume and is_done(path, target):
            print(f"{path.stem}: done before -> {shown(target)}", flush=True)
            continue
        seconds = execute(path, target)
        print(f"{path.stem}: {seconds:.0f} s -> {shown(target)}", flush=True)
    print(f"{len(notebooks)} notebooks in {time.perf_counter() - total:.0f} s.")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", type=Path, help="folder for the executed copies")
    where.add_argument("--in-place", action="store_true", help="store the outputs in the originals")
    parser.add_argument("--resume", action="store_true", help="leave out what is done already")
    parser.add_argument("notebooks", nargs="*", help="only these, such as 01 03 (default: all)")
    arguments = parser.parse_args()
    if arguments.resume and arguments.in_place:
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
    """Whether the target holds the same cells as the notebook, all executed without an error."""
    if not target.exists():
        return False
    ours, theirs = (nbformat.read(file, as_version=4).cells for file in (path, target))
    code = [cell for cell in theirs if cell.cell_type == "code"]
    executed = all(cell.execution_count for cell in code)
    failed = any(output.output_type == "error" for cell in code for output in cell.outputs)
    return executed and not failed and [c.source for c in ours] == [c.source for c in theirs]


def execute(path, target):
    """Run one notebook in its folder and write it to target; returns the seconds it took.

    At a failing cell the notebook is still written to a folder of copies, so that the error can be
    read there; an original is left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    n_code = sum(cell.cell_type == "code" for cell in notebook.cells)
    start = time.perf_counter()

    def show(cell, cell_index, execute_reply=None):
        if cell.cell_type == "code":
            seconds = time.perf_counter() - start
            progress(f"{path.stem}: cell {cell.execution_count}/{n_code}, {seconds:.0f} s")

    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        extra_arguments=["--log-level=ERROR"],  # no warning about the local connection
        record_timing=False,
        coalesce_streams=True,
        on_cell_executed=show,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        if target != path:
            write(notebook, target)
        sys.exit(f"\n{path.name} stopped at a failing cell:\n{error}")
    write(notebook, target)
    return time.perf_counter() - start


def progress(line):
    """One line that is redrawn on a terminal, and printed in full elsewhere."""
    if sys.stdout.isatty():
        print("\r\033[K" + line, end="\r", flush=True)
    else:
        print(line, flush=True)


def write(notebook, target):
    """Write without what depends on the machine or on chance: versions, widgets, random ids."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02}"
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def shown(path):
    """The path as a person in the repository would type it."""
    path = path.resolve()
    return path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path


if __name__ == "__main__":
    main()
