"""`import torch` finds the stand-in of the pages. For use in a process of its own."""

import sys
from pathlib import Path

import try_parts

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [
    str(REPOSITORY / "site" / "try" / "engine"),
    str(try_parts.fetch(wanted={"pyborch"})["pyborch"]),
]

import stand_in  # noqa: E402

stand_in.install()
