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
import hashlib
import io
import math
import os
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler

from cnn.checkpoints import (
    CHECKPOINTS,
    Claim,
    RunError,
    check_folder,
    check_keys,
    check_like,
    check_type,
    newest,
    torch_bytes,
    write_whole,
)
from cnn.data import DataError, as_tensors, load_mnist, split_train_validation, user_path
from cnn.distributed import (
    DistributedError,
    device_of,
    exchange,
    find_world,
    joined,
    out_of_memory,
    reason,
    total,
    wait_for_all,
)
from cnn.models import CNN
from cnn.stopping import STOPPED, Agreement, NotFinite, StopFlag
from cnn.training import Epoch, keep_freed_memory, mixed_precision

MUST_MATCH = ["batch_size", "lr", "seed", "images", "dropout"]


def main(arguments=None):
    """Run from the command line; ends with 0, 1 after an error, 143 after SIGTERM or Ctrl-C."""
    options = parse(arguments)
    with StopFlag() as stop:
        try:
            world = find_world()
            device = device_of(world)
            with joined(world, device, options.patience):
                return run(options, world, device, stop)
        except (RunError, DataError, DistributedError) as error:
            sys.exit(f"Error: {error}")
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            sys.exit(
                f"Error: the memory is not enough for a batch of {options.batch_size}. Ask for "
                "more (in a shell, see `ulimit -v`; in a batch job, --mem), or take a smaller "
                "--batch-size."
            )


# --- options -------------------------------------------------------------------------------------


def parse(arguments):
    usage, _, details = __doc__.partition("\n\n")
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
    parser.add_argument("--float32", action="store_true", help="no bfloat16, even where it is fast")
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


# --- the run -------------------------------------------------------------------------------------


def run(options, world, device, stop):
    """Train as the options say; returns 0, or 143 if it was told to stop."""
    say = print_lines if world.rank == 0 else lambda *_: None
    check_sharing(options.batch_size, world.size)
    say(f"{world.size} process(es), started by {world.launcher}, on {device.type}")
    keep_freed_memory()
    if world.rank != 0:
        return train(options, world, device, stop, say)
    check_folder(options.out)
    with Claim(options.out, say) as claim:
        stop.at_end.append(claim.release)
        return train(options, world, device, stop, say, claim)


def check_sharing(batch_size, n):
    if batch_size % n:
        below, above = batch_size // n * n, -(-batch_size // n) * n
        sizes = f"{below} and {above}" if below else f"{above}"
        raise RunError(
            f"--batch-size {batch_size} can't be shared evenly among {n} processes. "
            f"The nearest that can: {sizes}."
        )


def train(options, world, device, stop, say, claim=None):
    state = prepare(options, world, device, say, claim)
    data = load_data(options, world, device)
    model = DistributedDataParallel(state.model) if world.size > 1 else state.model
    agreement, stop.training = Agreement(stop, world, device), True
    while len(state.history) < options.epochs:
        start, epoch = time.perf_counter(), len(state.history) + 1
        if not train_one_epoch(model, state, data[0], world, agreement, say):
            state.save(world)
            say(f"Stopped in epoch {epoch} after step {state.step}. Go on with --resume.")
            return STOPPED
        measured = Epoch(*state.averages(), *evaluate(state.model, *data[1], options, world))
        if not all(map(math.isfinite, measured)):
            raise not_finite(options, epoch, "on the validation images")
        state.history.append(measured)
        state.begin_epoch()
        say(f"epoch {epoch}/{options.epochs}, {time.perf_counter() - start:.1f} s: {measured}")
        state.save(world)
    return finish(options, world, device, state, say)


def not_finite(options, epoch, where):
    return RunError(
        f"The loss in epoch {epoch}, {where}, is infinite or not a number. A smaller learning rate "
        f"may help (--lr, now {options.lr:g}), in another folder (--out). "
        f"What is in {options.out} is from before."
    )


def print_lines(*lines):
    print(*lines, flush=True)


def prepare(options, world, device, say, claim):
    """The model and its optimizer, new or from the checkpoint; rank 0 looks there first."""
    holds_a_run = any((options.out / name).exists() for name in CHECKPOINTS)
    if world.rank == 0 and holds_a_run and not options.resume:
        raise RunError(
            f"{options.out} holds a run. Go on with it (--resume), or name another folder (--out)."
        )
    wait_for_all(world)
    state = RunState(options, device, say, claim)
    if options.resume:
        state.load(world)
    return state


def load_data(options, world, device):
    """((X, y) to train with, (X, y) to validate with), the same in each process."""
    if world.rank == 0:  # extracts the archives if nobody has done it yet
        mnist = load_mnist(root=options.data)
    wait_for_all(world)
    if world.rank != 0:
        mnist = load_mnist(root=options.data)
    training_part, validation_part = split_train_validation(mnist)
    parts = [part.indices[: options.images] for part in (training_part, validation_part)]
    return [[tensor.to(device) for tensor in as_tensors(mnist, part)] for part in parts]


# --- one epoch -----------------------------------------------------------------------------------


def train_one_epoch(model, state, data, world, agreement, say):
    """Go on from state.step to the end of the epoch; returns False if it was told to stop."""
    options, device = state.options, state.device
    X, y = data
    epoch = len(state.history)
    batches = batches_of(len(X), options, world, epoch)
    loss_fn = nn.CrossEntropyLoss()
    model.train()
    try:
        while state.step < len(batches):
            indices = batches[state.step].to(device)
            # Each step has its own random numbers, so a resumed run needs none of the earlier ones.
            torch.manual_seed(seed_of(options.seed, epoch, state.step, world.rank))
            with precision(options, device):
                logits = model(X[indices])  # (N / size, 10)
                loss = loss_fn(logits, y[indices])
            state.optimizer.zero_grad()
            exchange(loss.backward)  # DistributedDataParallel averages the gradients in here
            state.optimizer.step()
            state.count(loss.detach(), (logits.argmax(dim=1) == y[indices]).sum(), len(indices))
            if state.step % 20 == 0:
                say(f"epoch {epoch + 1}, step {state.step}/{len(batches)}, loss {loss.item():.3f}")
            if agreement.after_step(loss):
                return False
        return not agreement.ask()
    except NotFinite as found:
        step = state.step + 1 - found.steps_ago
        raise not_finite(options, epoch + 1, f"step {step}") from found


def batches_of(n, options, world, epoch):
    """The indices of this process's part of each batch: a sequence of (batch_size / size,).

    DistributedSampler shuffles all n images, the same way in each process, and deals them out in
    turn: the parts of one step together are one batch, whatever the number of processes. It repeats
    a few images where n can't be divided by their number.
    """
    sampler = DistributedSampler(range(n), world.size, world.rank, seed=options.seed % 2**63)
    sampler.set_epoch(epoch)
    return torch.tensor(list(sampler)).split(options.batch_size // world.size)


def seed_of(*place):
    """A number of 64 bits for each place (seed, epoch, step, rank) in a run; any whole numbers."""
    return int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8])


def precision(options, device):
    return (
        torch.autocast(device.type, enabled=False) if options.float32 else mixed_precision(device)
    )


@torch.no_grad()
def evaluate(model, X, y, options, world):
    """Mean loss and accuracy in percent; each process computes its part of the images."""
    model.eval()
    loss_sum, n_correct = 0.0, 0
    for indices in torch.arange(len(X), device=X.device)[world.rank :: world.size].split(1000):
        with precision(options, X.device):
            logits = model(X[indices])
        loss_sum += nn.functional.cross_entropy(logits.float(), y[indices], reduction="sum").item()
        n_correct += (logits.argmax(dim=1) == y[indices]).sum().item()
    loss_sum, n_correct = exchange(total, [loss_sum, n_correct], X.device)
    return loss_sum / len(X), 100 * n_correct / len(X)


# --- what is kept --------------------------------------------------------------------------------


class RunState:
    """All that a run needs to go on: model, optimizer, place in the epoch, history."""

    def __init__(self, options, device, say, claim=None):
        self.options, self.device, self.say, self.claim = options, device, say, claim
        torch.manual_seed(options.seed % 2**63)  # the numbers that PyTorch takes
        self.model = CNN().to(device, memory_format=torch.channels_last)
        if not options.dropout:
            for layer in self.model:
                if isinstance(layer, nn.Dropout):
                    layer.p = 0.0
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=options.lr)
        self.history = []
        self.newest_is_good = True  # what is in checkpoint.pt may be kept beside the next one
        self.begin_epoch()

    def begin_epoch(self):
        self.step = 0
        self.set_sums([0.0, 0.0, 0.0])

    def set_sums(self, values):
        """Loss, correct, images: of this process, kept on the device to wait for it less often."""
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        self.sums = torch.tensor(values, dtype=dtype, device=self.device)

    def count(self, loss, n_correct, n):
        self.step += 1
        self.sums[0] += loss.to(self.sums.dtype) * n
        self.sums[1] += n_correct
        self.sums[2] += n

    def averages(self):
        """Mean training loss and accuracy in percent of the epoch, over all processes."""
        loss_sum, n_correct, n = exchange(total, self.sums.tolist(), self.device)
        return loss_sum / n, 100 * n_correct / n

    def save(self, world):
        """Rank 0 writes; the others wait, since a launcher may end all processes if one ends."""
        sums = exchange(total, self.sums.tolist(), self.device)
        self.set_sums(sums if world.rank == 0 else [0.0, 0.0, 0.0])  # rank 0 has them now
        if world.rank == 0:
            self.write()
        wait_for_all(world)

    def content(self):
        return {
            "options": {name: getattr(self.options, name) for name in MUST_MATCH},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "sums": self.sums.tolist(),
            "history": [list(epoch) for epoch in self.history],
        }

    def write(self):
        """Write the checkpoint; the one before is kept beside it."""
        latest, previous = (self.options.out / name for name in CHECKPOINTS)
        self.claim.check()
        try:
            content = torch_bytes(self.content())
            write_whole(latest, content, previous if self.newest_is_good else None)
            self.newest_is_good = True
        except OSError as error:
            self.say(
                f"Warning: {latest} could not be written ({error.strerror}). The training goes on; "
                "the checkpoint before is kept. Make room now, and the next one will be written."
            )

    def load(self, world):
        """Go on from the newest checkpoint that can be used, or start if there is none."""
        found = newest(self.options.out, self.check, self.say)
        if found is None:
            self.say(f"No checkpoint in {self.options.out}: starting from the beginning.")
            return
        path, content = found
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
        self.set_sums(content["sums"] if world.rank == 0 else [0.0, 0.0, 0.0])
        self.history = [Epoch(*values) for values in content["history"]]
        self.newest_is_good = path.name == CHECKPOINTS[0]
        self.say(f"Going on from epoch {len(self.history) + 1}, step {self.step}.")

    def check(self, content):
        """Raise ValueError if this is not the content of a checkpoint of this network."""
        mine = self.content()
        if isinstance(content, dict) and content.keys() == mine["model"].keys():
            raise ValueError("it holds the weights of a network, not the place in a run")
        check_keys(content, mine, "it")
        check_keys(content["options"], mine["options"], "options")
        check_type(content["history"], list, "history")
        expected = mine | {
            "options": content["options"],
            "optimizer": self.optimizer_after_a_step(),
        }
        expected["history"] = [[0.0] * len(Epoch._fields)] * len(content["history"])
        for name, value in expected.items():
            check_like(content[name], value, name)
        if content["step"] < 0:
            raise ValueError(f"its step is {content['step']}")

    def optimizer_after_a_step(self):
        """How the state of Adam is built: two moments for each parameter, and the step's number."""
        parameters = [parameter.detach() for parameter in self.model.parameters()]
        state = {
            number: {"step": torch.tensor(0.0), "exp_avg": value, "exp_avg_sq": value}
            for number, value in enumerate(parameters)
        }
        return self.optimizer.state_dict() | {"state": state}


def finish(options, world, device, state, say):
    """Write weights, metrics and curve; open the test set if the options say so."""
    if world.rank == 0:
        write_results(options.out, state, say)
    if options.test:
        X, y = as_tensors(load_mnist(train=False, root=options.data))
        loss, accuracy = evaluate(state.model, X.to(device), y.to(device), options, world)
        say(f"test loss {loss:.3f}, {accuracy:.2f} %")
    return 0


def write_results(out, state, say):
    """The picture comes last: whatever is wrong with it, the numbers are there."""
    state.claim.check()
    try:
        write_whole(out / "weights.pt", torch_bytes(state.model.state_dict()))
        write_whole(out / "metrics.csv", as_csv(state.history))
    except OSError as error:
        raise RunError(
            f"The results could not be written to {out} ({error.strerror}). Make room, "
            "then start again with --resume: nothing is trained twice."
        ) from error
    try:
        write_whole(out / "curve.png", as_curve(state.history))
        say(f"weights.pt, metrics.csv and curve.png are in {out}")
    except Exception as error:  # fonts, caches and settings of matplotlib are the machine's
        say(f"weights.pt and metrics.csv are in {out}. No curve.png: {reason(error)}")


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
