"""Measure the ladder of the lesson on scaling and the time to 99 %, and write both into README.md.

The works take turns, so that a busy machine slows all of them alike; medians count, and ratios are
taken within rounds. Two processes
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
from torch import nn
from torchvision.transforms import v2

from cnn import fast
from cnn.data import as_tensors, load_mnist, split_train_validation
from cnn.training import has_fast_bfloat16, keep_freed_memory

REPOSITORY = Path(__file__).resolve().parents[1]
ROUNDS = 11
TRAINING, LONGER = 1024, 4096  # images in a slice, and in one with workers; validation: a quarter
SEEDS = [1, 2, 3, 4, 5]  # none of them was used to choose the recipe
RECIPES = {"99 %": fast.FOR_99, "99.5 %": fast.FOR_99_5}
BFLOAT16 = has_fast_bfloat16(torch.device("cpu"))
LESSON = "[the lesson on scaling](notebooks/11-scaling.ipynb)"
MARKERS = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"


def extras(fastest):
    """Usual advice, each on top of the fastest rung; workers on top of the original loop."""
    yield fastest._replace(name="fused Adam", fused=True)
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
        self.mnist.transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
        self.parts = split_train_validation(self.mnist)
        self.slices = {}

    def seconds(self, setup):
        """Seconds of one slice; the first time it is run once before, to warm up."""
        if setup.name not in self.slices:
            training, validation = (part.indices for part in self.parts)
            n = n_images(setup)
            indices = training[:n], validation[: n // 4]
            self.slices[setup.name] = ladder.Slice(setup, self.mnist, *indices)
            self.slices[setup.name]()
        start = time.perf_counter()
        self.slices[setup.name]()
        return time.perf_counter() - start

    def roofline(self, setup):
        """The least seconds of an epoch in the way of this setup, by what is measured now."""
        n, dtype = 512, torch.bfloat16 if setup.bfloat16 else torch.float32
        model = fast.FastCNN().to(memory_format=torch.channels_last)
        with torch.no_grad():
            forward, backward = ladder.layer_works(model, torch.rand(n, 1, 28, 28))
        limits = (*rate_and_bandwidth(dtype), torch.finfo(dtype).bits // 8)
        evaluated = 12_000 if setup.count_in_training else 60_000
        passes = 48_000 * ladder.roofline_seconds(forward + backward, *limits)
        return (passes + evaluated * ladder.roofline_seconds(forward, *limits)) / n

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


def n_images(setup):
    """Training images in a slice: more where workers load, which need some batches to get going."""
    return LONGER if setup.workers else TRAINING


def rate_and_bandwidth(dtype, n=2048):
    """Multiply-adds per second, in matrices or the large convolution, and bytes per second."""
    A = torch.randn(n, n).to(dtype)
    X = torch.rand(512, 32, 26, 26).to(dtype, memory_format=torch.channels_last)
    layer = nn.Conv2d(32, 64, 3).to(dtype, memory_format=torch.channels_last)
    source, target = torch.ones(2, 32 * 2**20)
    with torch.no_grad():
        in_matrices = ladder.per_second("A @ A", n**3, A=A)
        in_layer = ladder.per_second("f(X)", 512 * 64 * 24 * 24 * 32 * 9, f=layer, X=X)
    bandwidth = ladder.per_second("b.copy_(a)", 2 * source.nbytes, a=source, b=target)
    return max(in_matrices, in_layer), bandwidth


def roofline(setup):
    return bench.roofline(setup)


def slice_seconds(setup):
    return bench.seconds(setup)


def quick_run(recipe, seed):
    return bench.quick_run(recipe, seed)


def processes():
    """Two pools of one process each: freed memory returned, freed memory kept."""
    context = multiprocessing.get_context("spawn")
    for keep in (False, True):
        yield ProcessPoolExecutor(1, mp_context=context, initializer=start, initargs=(keep,))


def measure(setups, returning, keeping, rounds=ROUNDS):
    """Seconds of each slice in each round, in turns, and the roofline of the last rung in each."""
    rooflines, seconds = [], {setup.name: [] for setup in setups}
    names = [setup.name for setup in setups]
    last_rung = setups[names.index("micro-batches, if they pay")]
    for i in range(rounds):
        for k, setup in enumerate(setups):
            first_rungs = k < names.index("freed memory kept") or not setup.from_tensors
            pool = returning if first_rungs else keeping
            seconds[setup.name].append(pool.submit(slice_seconds, setup).result())
        rooflines.append(keeping.submit(roofline, last_rung).result())
        print(f"round {i + 1}/{rounds} of the ladder", flush=True)
    return seconds, rooflines


def parts_that_pay(keeping, rounds=ROUNDS):
    """The number of micro-batches for the last rung, by a measurement."""
    rung = ladder.ladder()[-1]
    parts = {n: rung._replace(name=f"{n} parts", micro_batches=n) for n in (1, 2, 4, 8)}
    seconds = {n: [] for n in parts}
    for _ in range(rounds):
        for n, setup in parts.items():
            seconds[n].append(keeping.submit(slice_seconds, setup).result())
    return ladder.micro_batches_that_pay(seconds)


def table(epochs, n_rungs, rooflines, runs, parts):
    """The results as Markdown.

    Args:
        epochs: name to the seconds of an epoch in each round; the first n_rungs are the ladder.
        rooflines: of the last rung in each round; runs: goal to (seconds, percent) of each seed.
    """
    original, *_, last = list(epochs)[:n_rungs]
    lines = [
        "| | Seconds per epoch | Middle half of the rounds | Times faster |",
        "|---|---:|---:|---:|",
    ]
    for k, (name, seconds) in enumerate(epochs.items()):
        median, low, high = ladder.spread(seconds)
        faster = ladder.ratio_in_turns(epochs, original, to=name).median
        name = name if k < n_rungs else f"*tried:* {name}"
        lines.append(f"| {name} | {median:.1f} | {low:.1f} to {high:.1f} | {faster:.1f} |")
    distance = ladder.spread([a / b for a, b in zip(epochs[last], rooflines)])
    bfloat16 = "in hardware" if BFLOAT16 else "not used"
    lines += [
        f"| *roofline of the last rung* | {ladder.spread(rooflines).median:.1f} | | |",
        "",
        f"The last rung, here with {parts} part(s), takes {distance.median:.2f} times its roofline "
        f"({distance.low:.2f} to {distance.high:.2f}). Medians of {len(rooflines)} rounds,",
        f"{torch.get_num_threads()} threads, bfloat16 {bfloat16}, "
        f"torch {torch.__version__.partition('+')[0]}.",
        "",
        f"| Recipe of {LESSON} for | Seconds of training | Right on the test set |",
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
    returning, keeping = processes()
    with returning, keeping:
        parts = parts_that_pay(keeping)
        rungs = ladder.ladder(parts)
        setups = [*rungs, *extras(rungs[-1])]
        seconds, rooflines = measure(setups, returning, keeping)
        runs = {goal: [] for goal in RECIPES}
        for seed in SEEDS:
            for goal, recipe in RECIPES.items():
                result = keeping.submit(quick_run, recipe, seed).result()
                print(
                    f"seed {seed}, recipe for {goal}: {result[0]:.1f} s, {result[1]:.2f} %",
                    flush=True,
                )
                runs[goal].append(result)
    epochs = {s.name: [t * 48_000 / n_images(s) for t in seconds[s.name]] for s in setups}
    text = table(epochs, len(rungs), rooflines, runs, parts)
    write(text)
    print(f"\n{text}\n\nwritten into README.md")


if __name__ == "__main__":
    main()
