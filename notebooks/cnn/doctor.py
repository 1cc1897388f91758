"""Is this set-up healthy? A minute of questions before a long job.

    python -m cnn.doctor                           # one process
    srun python -m cnn.doctor --gpu                # all processes of a job, each wants a GPU
    mpiexec -n 8 python -m cnn.doctor              # the same under PBS

Start it as the training would be started: with the same launcher, nodes and variables. Each line
says that something is fine, or what to change. The program ends with 0 if all is fine, else with 1.
"""

import argparse
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import nn

from cnn.claim import RunError
from cnn.data import DataError, find_mnist, user_path
from cnn.distributed import (
    LAUNCHERS,
    DistributedError,
    World,
    device_of,
    exchange,
    find_world,
    joined,
    reason,
)
from cnn.models import CNN
from cnn.train import check_sharing
from cnn.training import has_fast_bfloat16, mixed_precision

ROOM = 1.0  # GB that a run with its checkpoints and pictures should find on the disk
SLOWEST = 91.4  # seconds an epoch takes in the slowest line of the README's table on speed
SLOW_ANSWER = 0.1  # seconds; a message between two nodes takes far less than a thousandth of it


class Finding(NamedTuple):
    """One line of the answer."""

    fine: bool
    about: str
    text: str

    def __str__(self):
        return f"{'fine  ' if self.fine else 'CHANGE'}  {self.about}: {self.text}"


class Process(NamedTuple):
    """What one process knows about itself; plain values, so that it can be sent to the others."""

    rank: int
    host: str
    device: str
    n_accelerators: int
    threads: int
    cores: tuple
    versions: str


def main(arguments=None):
    options = parse(arguments)
    findings, say = [], print_finding
    try:
        world = find_world()
        device = device_of(world)
        findings += [say(finding) for finding in check_launcher(world) if world.rank == 0]
        with joined(world, device, options.patience):
            processes = gather(describe(world, device), world)
            for finding in examine(options, world, device, processes):
                findings.append(finding if world.rank else say(finding))
    except DistributedError as error:
        findings.append(say(Finding(False, "processes", str(error))))
        world = World()
    if world.rank == 0:
        wrong = sum(not finding.fine for finding in findings)
        print(f"{wrong} thing(s) to change." if wrong else "All is fine.", flush=True)
    return int(any(not finding.fine for finding in findings))


def parse(arguments):
    usage, _, details = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=usage, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpu", action="store_true", help="each process wants an accelerator")
    parser.add_argument("--batch-size", type=int, default=512, help="as for cnn.train (512)")
    parser.add_argument("--data", help="as for cnn.train")
    parser.add_argument("--out", type=Path, default=Path("run"), help="as for cnn.train (run)")
    parser.add_argument(
        "--patience", type=float, default=60, help="seconds to wait for others (60)"
    )
    return parser.parse_args(arguments)


def print_finding(finding):
    print(finding, flush=True)
    return finding


def examine(options, world, device, processes):
    """All findings in which the processes take part, in the order in which they are printed."""
    yield check_ranks(processes)
    yield check_cores(processes)
    yield check_devices(options.gpu, processes)
    yield check_versions(processes)
    yield check_batch(options.batch_size, world.size)
    if world.size > 1:
        yield check_messages(world, device)
    if world.rank == 0:  # the others would find the same
        yield check_data(options.data)
        yield check_room(options.out)
    yield check_speed(options.batch_size, world, device)


# --- the processes -------------------------------------------------------------------------------


def check_launcher(world, environment=os.environ):
    """Whether the batch system gave more processes than the variables of the launcher say."""
    tasks = environment.get("SLURM_NTASKS", "1")
    if world.size == 1 and tasks.isdigit() and int(tasks) > 1:
        text = f"the job has {tasks} tasks and this is one process alone: start it with srun"
        return [Finding(False, "launcher", text)]
    claims = {
        name: (environment[rank], environment[size])
        for name, (rank, size, _) in LAUNCHERS.items()
        if rank in environment and size in environment
    }
    text = world.launcher
    if len(set(claims.values())) > 1:
        others = ", ".join(f"{name} says {r} of {n}" for name, (r, n) in claims.items())
        text += f" ({others}; the first of them counts)"
    return [Finding(True, "launcher", text)]


def describe(world, device):
    """What this process is and has: a Process."""
    n = torch.accelerator.device_count() if torch.accelerator.is_available() else 0
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count())
    versions = f"Python {sys.version.split()[0]}, torch {torch.__version__}"
    if torch.version.cuda or torch.version.hip:
        versions += f", CUDA {torch.version.cuda}" if torch.version.cuda else ", ROCm"
    threads, host = torch.get_num_threads(), socket.gethostname()
    return Process(world.rank, host, str(device), n, threads, tuple(sorted(cores)), versions)


def gather(mine, world):
    """The Process of each rank, in their order."""
    if world.size == 1:
        return [mine]
    everyone = [None] * world.size
    exchange(dist.all_gather_object, everyone, tuple(mine))
    return [Process(*fields) for fields in everyone]


def by_host(processes):
    hosts = {}
    for process in processes:
        hosts.setdefault(process.host, []).append(process)
    return hosts


def check_ranks(processes):
    hosts = by_host(processes)
    counts = sorted({len(group) for group in hosts.values()})
    text = f"{len(processes)} on {len(hosts)} host(s): {', '.join(hosts)}"
    if len(counts) > 1:
        text += f"; {counts[0]} to {counts[-1]} on a host, so some hosts wait for others"
    return Finding(len(counts) == 1, "processes", text)


def check_cores(processes):
    """Each process needs cores of its own, and no more threads than cores."""
    for host, group in by_host(processes).items():
        cores = set().union(*(process.cores for process in group))
        threads = sum(process.threads for process in group)
        have = f"on {host}, {len(group)} process(es) with {threads} thread(s) share {len(cores)}"
        if len(cores) < len(group):
            return Finding(
                False,
                "cores",
                f"{have} core(s): ask for a core or more for each (--cpus-per-task and "
                "SRUN_CPUS_PER_TASK, --depth, or --cpu-bind)",
            )
        if threads > len(cores):
            n = max(1, len(cores) // len(group))
            return Finding(False, "threads", f"{have} cores: set OMP_NUM_THREADS={n}")
    return Finding(True, "cores", f"{have} core(s)")


def check_devices(wanted, processes, environment=os.environ):
    asked = wanted or any(
        environment.get(name) for name in ("SLURM_GPUS_ON_NODE", "SLURM_JOB_GPUS")
    )
    without = [process for process in processes if process.device == "cpu"]
    if asked and without:
        build = (torch.version.cuda and f"for CUDA {torch.version.cuda}") or "without CUDA or ROCm"
        return Finding(
            False,
            "devices",
            f"a GPU was asked for, and {len(without)} process(es) see none. This PyTorch is built "
            f"{build}: compare with the driver (nvidia-smi, rocm-smi, xpu-smi), install the one "
            "for it from https://pytorch.org/get-started/locally/ or use the centre's; and see "
            "whether the job asks for GPUs (--gpus-per-node, or ngpus= of PBS)",
        )
    places = [(process.host, process.device) for process in processes if process not in without]
    if len(set(places)) < len(places):
        text = f"{len(places)} processes share {len(set(places))} GPU(s): start one for each GPU"
        return Finding(False, "devices", text)
    kinds = sorted({process.device.split(":")[0] for process in processes})
    return Finding(True, "devices", f"{len(places)} accelerator(s), {' and '.join(kinds)}")


def check_versions(processes):
    versions = sorted({process.versions for process in processes})
    if len(versions) > 1:
        text = "; ".join(versions) + ": use one environment for all processes (PYTHON)"
        return Finding(False, "versions", text)
    return Finding(True, "versions", versions[0])


def check_batch(batch_size, n):
    try:
        check_sharing(batch_size, n)
    except RunError as error:
        return Finding(False, "batch", str(error))
    return Finding(True, "batch", f"{batch_size // n} of {batch_size} images for each process")


def check_messages(world, device):
    """Time of an all-reduce of one number, and of 16 MB; medians, the slowest process counts."""
    latency = slowest(lambda: dist.all_reduce(torch.ones(1, device=device)), 20, device)
    gradients = torch.ones(4_000_000, device=device)
    seconds = slowest(lambda: dist.all_reduce(gradients), 5, device)
    text = (
        f"{dist.get_backend()}, {1000 * latency:.2f} ms for one number, "
        f"{gradients.numel() * 4 / seconds / 1e9:.2f} GB/s for 16 MB"
    )
    if latency > SLOW_ANSWER:
        text += (
            ": that is slow. Is the fast network used (NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME, "
            "the plugin of hpc/sites), and has each process a core?"
        )
    return Finding(latency <= SLOW_ANSWER, "messages", text)


def slowest(work, rounds, device):
    """The median time of `work` in seconds, of the process in which it is longest."""
    exchange(work)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        exchange(work)
        wait(device)
        times.append(time.perf_counter() - start)
    median = torch.tensor(statistics.median(times), device=device)
    exchange(dist.all_reduce, median, dist.ReduceOp.MAX)
    return median.item()


def wait(device):
    """An accelerator works on while Python goes on: a clock has to wait for it."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


# --- data, disk and speed ------------------------------------------------------------------------


def check_data(root):
    try:
        folder, place = find_mnist(user_path(root) if root else None)
    except DataError as error:
        return Finding(False, "data", f"{error} Set CNN_DATA to the folder that holds MNIST/raw/.")
    return Finding(True, "data", f"MNIST from {place} ({folder})")


def check_room(out):
    """Whether the results have room: the disk's own, and what a quota leaves, by writing 8 MB."""
    place = next(path for path in [out.absolute(), *out.absolute().parents] if path.exists())
    free = shutil.disk_usage(place).free / 1e9
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(8_000_000))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        text = f"{place} can't be written ({error.strerror}): take another --out, or make room"
        return Finding(False, "disk", text)
    text = f"{free:.1f} GB free in {place}"
    if free < ROOM:
        return Finding(False, "disk", f"{text}: less than {ROOM:g} GB, make room")
    return Finding(True, "disk", text)


def check_speed(batch_size, world, device):
    """Steps on random images; the slowest process counts, since the others wait for it."""
    n = max(1, batch_size // world.size)
    seconds = step_time(n, device)
    if world.size > 1:
        longest = torch.tensor(seconds, device=device)
        exchange(dist.all_reduce, longest, dist.ReduceOp.MAX)
        seconds = longest.item()
    epoch = seconds * 48_000 / (n * world.size)
    precision = "bfloat16" if has_fast_bfloat16(device) else "float32"
    text = (
        f"{1000 * seconds:.0f} ms for a step of {n} images in {precision}, thus {epoch:.1f} s for "
        f"the steps of an epoch (12.8 to {SLOWEST} s in the README, on two cores)"
    )
    if epoch > SLOWEST:
        text += (
            ": slow. Is another program at work here, or has the process fewer cores than asked?"
        )
    return Finding(epoch <= SLOWEST, "speed", text)


def step_time(n, device, rounds=3):
    """The median time in seconds of a training step of n images, after one that is not counted."""
    torch.manual_seed(0)
    model = CNN().to(device, memory_format=torch.channels_last)
    optimizer, loss_fn = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    X, y = torch.rand(n, 1, 28, 28, device=device), torch.zeros(n, dtype=torch.long, device=device)
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        with mixed_precision(device):
            loss = loss_fn(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wait(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"Error: {reason(error)}")
