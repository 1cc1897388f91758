"""What the exports for demos/ share: where they write, and what they say when they cannot.

Importing it puts notebooks/ on Python's path, so that the package cnn is found.
"""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DEMOS = REPOSITORY / "demos"

sys.path.insert(0, str(REPOSITORY / "notebooks"))


class ExportError(RuntimeError):
    """There is nothing to export; the message says why and what to do."""
