"""Write what the convolution explorer shows: ten digits, and kernels of the lesson on training.

    python tools/export_explore.py  # after tools/export_draw.py

demos/explore/data.json holds the digits in tenths, one hexadecimal figure (0 to a) for each pixel,
and the kernels of the first layer of demos/draw/weights.bin, to two decimals. demos/explore.svg is
the figure that stands in for the page where no script runs.
"""

import json
import shutil
import sys

import numpy as np
import torch
from exporting import DEMOS, REPOSITORY, ExportError

from cnn.data import DataError
from cnn.figures.samples import CORNER, digits

LOOK = 8  # the side of the part of a digit that the page shows at first


def main():
    """Run from the command line; ends with 0, or 1 after an error."""
    try:
        export(DEMOS)
    except (ExportError, DataError, OSError) as error:
        sys.exit(f"Error: {error}")


def export(demos):
    """Write both files below the folder demos/, which holds the weights of the page to draw on."""
    data = {"digits": ten_digits(), "learned": learned_kernels(demos / "draw")}
    lines = ",\n".join(f'"{name}": [\n{_lines(items)}\n]' for name, items in data.items())
    (demos / "explore").mkdir(exist_ok=True)
    (demos / "explore" / "data.json").write_text(f"{{\n{lines}\n}}\n")
    shutil.copy(REPOSITORY / "images" / "convolution-step.svg", demos / "explore.svg")


def ten_digits():
    """The first training digit of each class, with the corner of the part to look at."""
    X, y = digits()
    chosen = [(y == label).nonzero()[0].item() for label in range(10)]
    return [describe(X[i, 0], label, i) for label, i in enumerate(chosen)]


def describe(image, label, index):
    """One digit (28, 28) in [0, 1] as it is stored."""
    tenths = (10 * image).round().int()
    corner = CORNER if label == 9 else busiest_part(image)
    rows = ["".join(f"{value:x}" for value in row) for row in tenths.tolist()]
    return {"digit": label, "index": index, "corner": corner, "rows": rows}


def busiest_part(image):
    """Row and column at which the part of LOOK × LOOK pixels with the most varied values begins."""
    parts = image.unfold(0, LOOK, 1).unfold(1, LOOK, 1)  # (21, 21, LOOK, LOOK)
    spread = (1000 * parts.std(dim=(2, 3))).round()  # the last bits of a float must not decide
    return divmod(spread.argmax().item(), spread.shape[1])


def learned_kernels(folder):
    """The kernels of the first layer of the weights in a folder, to two decimals.

    Returns 32 times 3 × 3 numbers.

    Raises:
        ExportError: the exported weights are missing or hold something else.
    """
    try:
        first = json.loads((folder / "weights.json").read_text())["tensors"][0]["shape"]
        values = np.fromfile(folder / "weights.bin", "<f2", count=int(np.prod(first)))
        kernels = torch.from_numpy(values.astype("float32")).view(32, 3, 3)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ExportError(
            f"There are no usable weights in {folder} ({error}). Write them: make export"
        ) from error
    return [[[round(w, 2) + 0.0 for w in row] for row in kernel] for kernel in kernels.tolist()]


def _lines(items):
    return ",\n".join(json.dumps(item) for item in items)


if __name__ == "__main__":
    main()
