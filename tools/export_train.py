"""Write the digits of the page that trains in the browser.

    python tools/export_train.py

demos/train/digits.bin.gz holds the first 4,000 training digits of MNIST, the last 1,000 of its
training file for validation, and the first 1,000 of its test file: the labels (one byte each), then
the pixels. demos/train/digits.json says how many there are of each, and how long the content is.
"""

import gzip
import json
import sys
import zlib

import torch
from exporting import DEMOS

from cnn.data import DataError, load_mnist

PARTS = {"train": 4000, "validation": 1000, "test": 1000}


def main():
    """Run from the command line; ends with 0, or 1 after an error."""
    try:
        export(DEMOS)
    except (DataError, OSError) as error:
        sys.exit(f"Error: {error}")


def parts():
    """The digits of each part: {name: (images (N, 28, 28) uint8, labels (N))}."""
    train, test = load_mnist(train=True), load_mnist(train=False)
    chosen = {
        "train": (train, slice(0, PARTS["train"])),
        "validation": (train, slice(-PARTS["validation"], None)),
        "test": (test, slice(0, PARTS["test"])),
    }
    return {
        name: (digits.data[part], digits.targets[part]) for name, (digits, part) in chosen.items()
    }


def export(demos):
    """Write both files below the folder demos/."""
    digits = parts().values()
    labels = torch.cat([y for _, y in digits]).to(torch.uint8)
    pixels = torch.cat([X for X, _ in digits])
    content = labels.numpy().tobytes() + pixels.numpy().tobytes()
    packed = gzip.compress(content, compresslevel=9, mtime=0)
    manifest = {
        "file": "digits.bin",
        "bytes": len(content),
        "crc32": zlib.crc32(content),
        "packed": len(packed),
        "parts": PARTS,
    }
    folder = demos / "train"
    folder.mkdir(exist_ok=True)
    (folder / "digits.bin.gz").write_bytes(packed)
    (folder / "digits.json").write_text(json.dumps(manifest) + "\n")


if __name__ == "__main__":
    main()
