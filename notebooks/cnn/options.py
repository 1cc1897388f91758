"""The options of the training script, checked before any work begins."""

import argparse
import math
import os
import sys
from pathlib import Path

from cnn.data import user_path

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")


def parse(arguments, text):
    """The options; `text` describes the program, in a line and in what follows it."""
    usage, _, details = text.partition("\n\n")
    parser = argparse.ArgumentParser(description=usage, epilog=details, formatter_class=Help)
    count = number(int, 1, 10**9, "a whole number from 1 to 1,000,000,000")
    whole = number(int, -math.inf, math.inf, "a whole number")
    rate = number(float, sys.float_info.min, sys.float_info.max, "a number above 0")
    seconds = number(float, 1, 1e6, "a number of seconds from 1 to 1,000,000")
    parser.add_argument("--epochs", type=count, default=3, help="times through the images")
    parser.add_argument("--batch-size", type=count, default=512, help="over all processes")
    parser.add_argument("--lr", type=rate, default=3e-3, help="learning rate of Adam")
    parser.add_argument("--seed", type=whole, default=0, help="any whole number")
    parser.add_argument("--data", type=folder, help="folder with MNIST/raw/, and no other place")
    parser.add_argument("--out", type=Path, default=Path("run"), help="folder for the results")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--images", type=count, help="only so many to train and to validate")
    parser.add_argument(
        "--no-dropout", dest="dropout", action="store_false", help="train without dropout"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="auto: bfloat16 where it is fast, else float32; tf32 is for NVIDIA GPUs",
    )
    parser.add_argument(
        "--float32",
        dest="precision",
        action="store_const",
        const="float32",
        help="the same as --precision float32",
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile the training step")
    parser.add_argument("--test", action="store_true", help="at the end, open the test set")
    parser.add_argument("--patience", type=seconds, default=300, help="seconds to wait for others")
    return parser.parse_args(arguments)


class Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """The text above as it stands, and after each option with a value its default."""

    def _get_help_string(self, action):
        if action.default is None or isinstance(action.default, bool):
            return action.help
        return super()._get_help_string(action)


def number(kind, low, high, allowed):
    """A type for argparse: numbers from low to high, and otherwise a line that says so."""

    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {allowed}")
        return value

    return read


def folder(text):
    if not os.access(user_path(text), os.R_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder that can be read")
    return user_path(text)
