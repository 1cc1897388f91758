"""The training run of the lesson on training as a script, in one process or in many.

    python -m cnn.train                                   # one process
    torchrun --nproc-per-node=2 -m cnn.train              # two on this machine
    srun python -m cnn.train --resume                     # as many as the Slurm job has
    mpiexec -n 8 python -m cnn.train --resume             # the same under PBS

The processes share the images of each batch, so their number changes the speed and not the result,
up to rounding and the random numbers of dropout. A checkpoint is written after each epoch and when
the process is told to stop (SIGTERM); --resume goes on from there. No step is left out or done
twice, and each has its own random numbers. So on the same CPU, with as many processes and threads
as before, the weights are those of a run without the stop, bit for bit. On a GPU, or on another
machine, they are the same up to rounding only, since sums may be added in another order, and
training magnifies the differences.
"""

import csv
import hashlib
import io
import math
import os
import shutil
import sys
import time

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler

from cnn.checkpoints import CHECKPOINTS, RunState, torch_bytes, write_whole
from cnn.claim import Claim, RunError, check_folder
from cnn.data import DataError, as_tensors, load_mnist, split_train_validation
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
from cnn.options import parse
from cnn.stopping import STOPPED, Agreement, NotFinite, StopFlag
from cnn.training import Epoch, keep_freed_memory, mixed_precision


def main(arguments=None):
    """Run from the command line; ends with 0, 1 after an error, 143 after SIGTERM or Ctrl-C."""
    options = parse(arguments, __doc__)
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


def run(options, world, device, stop):
    """Train as the options say; returns 0, or 143 if it was told to stop."""
    say = print_lines if world.rank == 0 else lambda *_: None
    check_sharing(options.batch_size, world.size)
    check_speedups(options, device)
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
    model = torch.compile(model) if options.compile else model
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
    if options.precision == "auto":
        return mixed_precision(device)
    use_bfloat16 = options.precision == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=use_bfloat16)


def check_speedups(options, device):
    """Refuse what the device or the machine can't do, before any work; set TensorFloat32.

    Sources: https://docs.pytorch.org/docs/stable/notes/cuda.html (TF32), and
    https://docs.pytorch.org/docs/stable/generated/torch.compile.html
    """
    if options.precision == "tf32":
        if device.type != "cuda" or torch.version.hip or torch.cuda.get_device_capability() < (8,):
            raise RunError(
                f"--precision tf32 is for NVIDIA GPUs since Ampere, and this is {device.type}. "
                "Take auto, float32 or bfloat16."
            )
        torch.set_float32_matmul_precision("high")
    elif options.precision == "float32" and device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # convolutions would use it unasked
    compilers = (os.environ.get("CXX"), "g++", "clang++")
    if (
        options.compile
        and device.type == "cpu"
        and not any(filter(shutil.which, filter(None, compilers)))
    ):
        raise RunError("--compile needs a C++ compiler (g++), and there is none. Leave it out.")


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


# --- the results ---------------------------------------------------------------------------------


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
