"""What the scripts of experiments share: where results go, and the run of those asked for."""

import sys
from pathlib import Path

from cnn.training import keep_freed_memory

RESULTS = Path(__file__).resolve().parents[2] / "results"


def run(experiments, load=tuple):
    """Run the experiments that the command line names, or all.

    Args:
        experiments: functions by name.
        load: gives what each of them is called with; nothing if it is left out.
    """
    keep_freed_memory()
    data = load()
    for name in sys.argv[1:] or experiments:
        experiments[name](*data)
