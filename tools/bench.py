"""Measure the ladder of the lesson on scaling and the time to 99 %, and write both into README.md.

The works take turns, so that a busy machine slows all of them alike; medians count. Two processes
take part: one as it is, one whose C library keeps freed memory (that cannot be undone).
"""

import multiprocessing
import re
import shutil
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from pathlib import Path

import ladder
import torch
from torchvision.transforms import ToTensor

from cnn import fast
from cnn.data import as_tensors, load_mnist, split_train_validation
from cnn.models import CNN
from cnn.training import has_fast_bfloat16, keep_freed_memory

REPOSITORY = Path(__file__).resolve().parents[1]
ROUNDS = 11
TRAINING, VALIDATION = 1024, 256  # images in a slice
SEEDS = [1, 2, 3, 4, 5]  # none of them was used to choose the recipe
RECIPES = {"99 %": fast.FOR_99, "99.5 %": fast.FOR_99_5}
BFLOAT16 = has_fast_bfloat16(torch.device("cpu"))
MARKERS = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"


def extras(fastest):
    """Usual advice, each on top of the fastest rung; workers on top of the original loop."""
    yield fastest._replace(name="fused Adam", fused=True)
    yield fastest._replace(name="micro-batches of 128", micro_batches=4)
    if shutil.which("g++") or shutil.which("clang++"):
        yield fastest._replace(name="torch.compile", compiled=True)
    else:
        print("torch.compile is left out: it needs a C++ compiler.", flush=True)
    yield ladder.ladder()[0]._replace(name="two workers that load images", workers=2)


class Bench:
    """What one of the two processes holds: its slices, made when they are first asked for."""

    def __init__(self, keep):
        if keep and not keep_freed_memory():
            print("This C library cannot be told to keep freed memory.", flush=True)
        self.mnist = load_mnist()
        self.mnist.transform = ToTensor()
        self.parts = split_train_validation(self.mnist)
        self.slices = {}

    def seconds(self, setup):
        """Seconds of one slice; the first time it is run once before, to warm up."""
        if setup.name not in self.slices:
            training, validation = (part.indices for part in self.parts)
            indices = training[:TRAINING], validation[:VALIDATION]
            self.slices[setup.name] = ladder.Slice(setup, self.mnist, *indices)
            self.slices[setup.name]()
        start = time.perf_counter()
        self.slices[setup.name]()
        return time.perf_counter() - start

    @cached_property
    def whole_images(self):
        """Images and labels of the training part, and of the test set."""
        training = as_tensors(self.mnist, self.parts[0].indices)
        return training, as_tensors(load_mnist(train=False))

    def quick_run(self, recipe, seed):
        """(seconds, percent right on the test set) of one quick training."""
        (X, y), (X_test, y_test) = self.whole_images
        model, seconds = fast.train_quickly(X, y, recipe, seed)
        return seconds, fast.percent_right(model, X_test, y_test, recipe)


bench = None  # in each of the two processes


def start(keep):
    global bench
    # a spawned process would spawn the workers of its DataLoader too: use the system's default
    multiprocessing.set_start_method(None, force=True)
    # torch 2.14.1 compiles the view of 64-bit numbers as bytes wrongly: leave it uncompiled
    fast.random_bits = torch.compiler.disable(fast.random_bits)
    bench = Bench(keep)


def slice_seconds(setup):
    return bench.seconds(setup)


def quick_run(recipe, seed):
    return bench.quick_run(recipe, seed)


def processes():
    """Two pools of one process each: freed memory returned, freed memory kept."""
    context = multiprocessing.get_context("spawn")
    for keep in (False, True):
        yield ProcessPoolExecutor(1, mp_context=context, initializer=start, initargs=(keep,))


def measure(setups, returning, keeping):
    """Median seconds of each slice, measured in turns, and the median floor of an epoch."""
    floors, seconds = [], {setup.name: [] for setup in setups}
    first_kept = [setup.name for setup in setups].index("freed memory kept")
    for i in range(ROUNDS):
        for k, setup in enumerate(setups):
            loads_one_by_one = not setup.from_tensors
            pool = returning if k < first_kept or loads_one_by_one else keeping
            seconds[setup.name].append(pool.submit(slice_seconds, setup).result())
        floors.append(floor_seconds())
        print(f"round {i + 1}/{ROUNDS} of the ladder", flush=True)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return medians, statistics.median(floors)


def floor_seconds():
    """The least time of an epoch: its multiply-adds over the measured speed of matrix products."""
    forward, training = ladder.training_multiply_adds(CNN(), torch.zeros(1, 1, 28, 28))
    speed = ladder.matrix_speed(torch.bfloat16 if BFLOAT16 else torch.float32)
    return (48_000 * training + 12_000 * forward) / speed


def table(epochs, n_rungs, floor, runs):
    """The results as Markdown."""
    original = next(iter(epochs.values()))
    fastest = list(epochs.values())[n_rungs - 1]
    lines = ["| | Seconds per epoch | Times faster |", "|---|---:|---:|"]
    for k, (name, seconds) in enumerate(epochs.items()):
        name = name if k < n_rungs else f"*tried:* {name}"
        lines.append(f"| {name} | {seconds:.1f} | {original / seconds:.1f} |")
    lines.append(f"| *floor: multiply-adds alone* | {floor:.1f} | {original / floor:.1f} |")
    lines += [
        "",
        f"The last rung takes {fastest / floor:.2f} times the floor. Medians of {ROUNDS} rounds,",
        f"{torch.get_num_threads()} threads, bfloat16 {'in hardware' if BFLOAT16 else 'not used'}, "
        f"torch {torch.__version__.partition('+')[0]}.",
        "",
        "| Recipe of the lesson on scaling for | Seconds of training | Right on the test set |",
        "|---|---:|---:|",
    ]
    for goal, results in runs.items():
        seconds, percent = zip(*results)
        lines.append(
            f"| {goal} | {statistics.median(seconds):.1f} | "
            f"{statistics.mean(percent):.2f} % ({min(percent):.2f} to {max(percent):.2f}) |"
        )
    lines += ["", f"Median and mean of {len(SEEDS)} seeds that were not used for tuning."]
    return "\n".join(lines)


def write(text, path=REPOSITORY / "README.md"):
    """Put the table between the two markers."""
    begin, end = MARKERS
    readme = path.read_text(encoding="utf-8")
    if begin not in readme or end not in readme:
        sys.exit(f"{path} has no place for the table: put these two lines there:\n{begin}\n{end}")
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    block = f"{begin}\n{text}\n{end}"
    path.write_text(re.sub(pattern, lambda _: block, readme, flags=re.S), encoding="utf-8")


def main():
    rungs = ladder.ladder()
    setups = [*rungs, *extras(rungs[-1])]
    returning, keeping = processes()
    with returning, keeping:
        seconds, floor = measure(setups, returning, keeping)
        runs = {goal: [] for goal in RECIPES}
        for seed in SEEDS:
            for goal, recipe in RECIPES.items():
                result = keeping.submit(quick_run, recipe, seed).result()
                print(
                    f"seed {seed}, recipe for {goal}: {result[0]:.1f} s, {result[1]:.2f} %",
                    flush=True,
                )
                runs[goal].append(result)
    epochs = {name: time * 48_000 / TRAINING for name, time in seconds.items()}
    text = table(epochs, len(rungs), floor, runs)
    write(text)
    print(f"\n{text}\n\nwritten into README.md")


if __name__ == "__main__":
    main()
