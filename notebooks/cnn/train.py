"""The training run of the lesson on training as a script, in one process or in many.

    python -m cnn.train                                   # one process
    torchrun --nproc-per-node=2 -m cnn.train              # two on this machine
    srun python -m cnn.train --resume                     # as many as the Slurm job has
    mpiexec -n 8 python -m cnn.train --resume             # the same under PBS

The processes share the images of each batch, so their number changes the speed and not the result,
up to rounding and the random numbers of dropout. A checkpoint is written after each epoch and when
the process is told to stop (SIGTERM); --resume goes on from there, to the same result as without
the stop.
"""

import argparse
import csv
import io
import os
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler

from cnn.data import DataError, as_tensors, load_mnist, split_train_validation
from cnn.distributed import DistributedError, device_of, find_world, joined, reason, total
from cnn.models import CNN
from cnn.training import Epoch, keep_freed_memory, mixed_precision

STOPPED = 128 + signal.SIGTERM  # what a shell reports of a process that SIGTERM ended
MUST_MATCH = ["batch_size", "lr", "seed", "images", "dropout"]


class RunError(RuntimeError):
    """The run can't start or go on; the message says why and what to do."""


def main(arguments=None):
    """Run from the command line; ends with 0, 1 after an error, 143 after SIGTERM."""
    options = parse(arguments)
    try:
        world = find_world()
        device = device_of(world)
        with joined(world, device, options.patience):
            return run(options, world, device)
    except (RunError, DataError, DistributedError) as error:
        sys.exit(f"Error: {error}")


def parse(arguments):
    usage, _, details = __doc__.partition("\n\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=usage, epilog=details, formatter_class=raw)
    parser.add_argument("--epochs", type=positive, default=3)
    parser.add_argument("--batch-size", type=positive, default=512, help="over all processes")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder with MNIST/raw/ (default: $CNN_DATA)")
    parser.add_argument("--out", type=Path, default=Path("run"), help="folder for the results")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--images", type=positive, help="only so many to train and to validate")
    parser.add_argument("--no-dropout", dest="dropout", action="store_false")
    parser.add_argument("--float32", action="store_true", help="no bfloat16, even where it is fast")
    parser.add_argument("--test", action="store_true", help="at the end, open the test set")
    parser.add_argument("--patience", type=float, default=300, help="seconds to wait for others")
    return parser.parse_args(arguments)


def positive(text):
    """A whole number from 1 up, for argparse."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


def run(options, world, device):
    """Train as the options say; returns 0, or 143 if SIGTERM stopped it."""
    say = print_lines if world.rank == 0 else lambda *_: None
    if options.batch_size % world.size:
        raise RunError(f"--batch-size {options.batch_size} can't be shared among {world.size}.")
    say(f"{world.size} process(es), started by {world.launcher}, on {device.type}")
    keep_freed_memory()
    run_state = prepare(options, world, device, say)
    data = load_data(options, world, device)
    stop = StopFlag(device)
    model, history = run_state.model, run_state.history
    parallel = DistributedDataParallel(model) if world.size > 1 else model
    while len(history) < options.epochs:
        start, number = time.perf_counter(), len(history) + 1
        finished = train_one_epoch(parallel, run_state, data[0], world, stop, say)
        if not finished:
            run_state.save(world)
            say(f"Stopped in epoch {number} after step {run_state.step}. Go on with --resume.")
            return STOPPED
        history.append(Epoch(*run_state.averages(), *evaluate(model, *data[1], options, world)))
        run_state.begin_epoch()
        seconds = time.perf_counter() - start
        say(f"epoch {number}/{options.epochs}, {seconds:.1f} s: {history[-1]}")
        run_state.save(world)
    return finish(options, world, device, run_state, say)


def print_lines(*lines):
    print(*lines, flush=True)


def prepare(options, world, device, say):
    """The model and its optimizer, new or from the checkpoint; rank 0 checks the folder first."""
    if world.rank == 0:
        check_folder(options)
    wait_for_rank_0(world)
    state = RunState(options, device, say)
    if options.resume:
        state.load(world)
    return state


def check_folder(options):
    """Whether the results can be written, and would not overwrite those of another run."""
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out):
            pass
    except OSError as error:
        raise RunError(
            f"{options.out} can't be written ({error.strerror}). Name another folder with --out."
        ) from error
    if not options.resume and any((options.out / name).exists() for name in CHECKPOINTS):
        raise RunError(
            f"{options.out} holds a run. Go on with it (--resume), or name another folder (--out)."
        )


def wait_for_rank_0(world):
    if world.size > 1:
        exchange(dist.barrier)


def exchange(function, *arguments):
    """Call a function that talks to the other processes; say so if one of them is gone."""
    try:
        return function(*arguments)
    except RuntimeError as error:
        if not dist.is_initialized():
            raise
        raise DistributedError(
            f"Another process of this run has ended or does not answer ({reason(error)}). Look at "
            "its messages; then start all of them again with --resume."
        ) from error


def load_data(options, world, device):
    """((X, y) to train with, (X, y) to validate with), the same in each process."""
    if options.data:
        os.environ["CNN_DATA"] = str(options.data)
    if world.rank == 0:  # extracts the archives if nobody has done it yet
        mnist = load_mnist()
    wait_for_rank_0(world)
    if world.rank != 0:
        mnist = load_mnist()
    training_part, validation_part = split_train_validation(mnist)
    parts = [part.indices[: options.images] for part in (training_part, validation_part)]
    return [[tensor.to(device) for tensor in as_tensors(mnist, part)] for part in parts]


class StopFlag:
    """Set by SIGTERM, the batch system's warning that the time is over, and by Ctrl-C."""

    def __init__(self, device):
        self.device, self.is_set = device, False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.set)

    def set(self, *_):
        self.is_set = True

    def agreed(self):
        """Whether any of the processes was told to stop; all of them get the same answer."""
        return exchange(total, [self.is_set], self.device)[0] > 0


# --- one epoch -----------------------------------------------------------------------------------


def train_one_epoch(model, state, data, world, stop, say):
    """Go on from state.step to the end of the epoch; returns False if SIGTERM came before."""
    options, device = state.options, state.device
    X, y = data
    epoch = len(state.history)
    batches = batches_of(len(X), options, world, epoch)
    loss_fn = nn.CrossEntropyLoss()
    model.train()
    while state.step < len(batches):
        if stop.agreed():
            return False
        indices = batches[state.step].to(device)
        # Each step has its own random numbers, so a resumed run needs none of the earlier ones.
        torch.manual_seed(seed_of(options.seed, epoch, state.step, world.rank))
        with precision(options, device):
            logits = model(X[indices])  # (N / size, 10)
            loss = loss_fn(logits, y[indices])
        state.optimizer.zero_grad()
        exchange(loss.backward)  # DistributedDataParallel averages the gradients in here
        state.optimizer.step()
        correct = (logits.argmax(dim=1) == y[indices]).sum().item()
        state.count(loss.item() * len(indices), correct, len(indices))
        if state.step % 20 == 0:
            say(f"epoch {epoch + 1}, step {state.step}/{len(batches)}, loss {loss.item():.3f}")
    return True


def batches_of(n, options, world, epoch):
    """The indices of this process's part of each batch: a sequence of (batch_size / size,).

    DistributedSampler shuffles all n images, the same way in each process, and deals them out in
    turn: the parts of one step together are one batch, whatever the number of processes. It repeats
    a few images where n can't be divided by their number.
    """
    sampler = DistributedSampler(range(n), world.size, world.rank, seed=options.seed)
    sampler.set_epoch(epoch)
    return torch.tensor(list(sampler)).split(options.batch_size // world.size)


def seed_of(seed, epoch, step, rank):
    """One number for each place in the run."""
    return ((seed * 1_000 + epoch) * 100_000 + step) * 10_000 + rank


def precision(options, device):
    return (
        torch.autocast(device.type, enabled=False) if options.float32 else mixed_precision(device)
    )


@torch.no_grad()
def evaluate(model, X, y, options, world):
    """Mean loss and accuracy in percent; each process computes its part of the images."""
    model.eval()
    loss_sum, n_correct = 0.0, 0
    for indices in torch.arange(world.rank, len(X), world.size, device=X.device).split(1000):
        with precision(options, X.device):
            logits = model(X[indices])
        loss_sum += nn.functional.cross_entropy(logits.float(), y[indices], reduction="sum").item()
        n_correct += (logits.argmax(dim=1) == y[indices]).sum().item()
    loss_sum, n_correct = exchange(total, [loss_sum, n_correct], X.device)
    return loss_sum / len(X), 100 * n_correct / len(X)


# --- what is kept --------------------------------------------------------------------------------

CHECKPOINTS = ["checkpoint.pt", "checkpoint-previous.pt"]


class RunState:
    """All that a run needs to go on: model, optimizer, place in the epoch, history."""

    def __init__(self, options, device, say):
        self.options, self.device, self.say = options, device, say
        torch.manual_seed(options.seed)
        self.model = CNN().to(device, memory_format=torch.channels_last)
        if not options.dropout:
            for layer in self.model:
                if isinstance(layer, nn.Dropout):
                    layer.p = 0.0
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=options.lr)
        self.history = []
        self.begin_epoch()

    def begin_epoch(self):
        self.step, self.sums = 0, [0.0, 0.0, 0.0]  # loss, correct, images: of this process

    def count(self, loss_sum, n_correct, n):
        self.step += 1
        self.sums = [a + b for a, b in zip(self.sums, (loss_sum, n_correct, n))]

    def averages(self):
        """Mean training loss and accuracy in percent of the epoch, over all processes."""
        loss_sum, n_correct, n = exchange(total, self.sums, self.device)
        return loss_sum / n, 100 * n_correct / n

    def save(self, world):
        """Rank 0 writes; the others wait, since a launcher may end all processes if one ends."""
        self.sums = exchange(total, self.sums, self.device)
        if world.rank == 0:
            self.write()
        else:
            self.sums = [0.0, 0.0, 0.0]  # rank 0 has them now
        wait_for_rank_0(world)

    def write(self):
        """Write the checkpoint; the one before is kept beside it."""
        content = {
            "options": {name: getattr(self.options, name) for name in MUST_MATCH},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "sums": self.sums,
            "history": [list(epoch) for epoch in self.history],
        }
        latest, previous = (self.options.out / name for name in CHECKPOINTS)
        try:
            write_whole(latest, torch_bytes(content), previous)
        except OSError as error:
            self.say(
                f"Warning: {latest} could not be written ({error.strerror}). The training goes on; "
                "the checkpoint before is kept. Make room now, and the next one will be written."
            )

    def load(self, world):
        """Go on from the newest checkpoint that can be read, or start if there is none."""
        content = newest(self.options.out, self.say)
        if content is None:
            self.say(f"No checkpoint in {self.options.out}: starting from the beginning.")
            return
        for name, value in content["options"].items():
            mine = getattr(self.options, name)
            if mine != value:
                raise RunError(
                    f"The run in {self.options.out} has {name} {value}, not {mine}. "
                    "Use the same settings to go on, or another --out."
                )
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step = content["step"]
        self.sums = content["sums"] if world.rank == 0 else [0.0, 0.0, 0.0]
        self.history = [Epoch(*values) for values in content["history"]]
        self.say(f"Going on from epoch {len(self.history) + 1}, step {self.step}.")


def newest(folder, say):
    """The content of the newest checkpoint in the folder that is whole, or None if there is none.

    Raises:
        RunError: there are checkpoints, but all of them are damaged.
    """
    found = [folder / name for name in CHECKPOINTS if (folder / name).exists()]
    for path in found:
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()  # compares the CRC-32 of every part
            if damaged:
                raise zipfile.BadZipFile(f"{damaged} has a wrong check sum")
            return torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, zipfile.BadZipFile) as error:
            say(f"{path} is damaged ({error}); trying the one before.")
    if found:
        raise RunError(
            f"No checkpoint in {folder} can be read. Start again in another folder (--out)."
        )
    return None


def torch_bytes(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def write_whole(path, content, previous=None):
    """Write a file under another name first: a stop or a full disk never leaves half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        if previous and path.exists():
            path.replace(previous)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def finish(options, world, device, state, say):
    """Write weights, metrics and curve; open the test set if the options say so."""
    if options.test:
        X, y = (tensor.to(device) for tensor in as_tensors(load_mnist(train=False)))
        loss, accuracy = evaluate(state.model, X, y, options, world)
        say(f"test loss {loss:.3f}, {accuracy:.2f} %")
    if world.rank != 0:
        return 0
    try:
        write_whole(options.out / "weights.pt", torch_bytes(state.model.state_dict()))
        write_whole(options.out / "metrics.csv", as_csv(state.history))
        write_whole(options.out / "curve.png", as_curve(state.history))
    except OSError as error:
        raise RunError(
            f"The results could not be written to {options.out} ({error.strerror}). Make room, "
            "then start again with --resume: nothing is trained twice."
        ) from error
    say(f"weights.pt, metrics.csv and curve.png are in {options.out}")
    return 0


def as_csv(history):
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["epoch", *Epoch._fields])
    table.writerows([number, *epoch] for number, epoch in enumerate(history, start=1))
    return text.getvalue().encode()


def as_curve(history):
    import matplotlib as mpl

    mpl.use("Agg")  # a compute node has no screen
    from cnn.plotting import plot_history, use_course_style

    use_course_style()
    buffer = io.BytesIO()
    plot_history(history).savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
