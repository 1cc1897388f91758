"""Which of the processes am I, and how do we find each other? PyTorch's own package does the rest.

Variables set by the launchers: torchrun (https://docs.pytorch.org/docs/stable/elastic/run.html),
srun (https://slurm.schedmd.com/srun.html), mpiexec of MPICH, of PALS and of Open MPI.
"""

import os
import re
import subprocess
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist


class DistributedError(RuntimeError):
    """The processes did not come together, or lost each other; the message says what to do."""


class World(NamedTuple):
    """One process among `size`; `local_rank` counts on its own machine, if known."""

    rank: int = 0
    size: int = 1
    local_rank: int | None = 0
    launcher: str = "no launcher"


# The launcher that stands nearest to the process comes first: an mpiexec may itself run in srun.
# With `srun --mpi=pmi2` or `--mpi=cray_shasta` it is srun that sets the variables of PMI or PALS.
LAUNCHERS = {
    "torchrun": ("RANK", "WORLD_SIZE", ["LOCAL_RANK"]),
    "mpiexec (PALS)": ("PALS_RANKID", "PMI_SIZE", ["PALS_LOCAL_RANKID", "PMI_LOCAL_RANK"]),
    "mpiexec or srun (PMI)": ("PMI_RANK", "PMI_SIZE", ["PMI_LOCAL_RANK", "MPI_LOCALRANKID"]),
    "mpiexec (Open MPI)": (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        ["OMPI_COMM_WORLD_LOCAL_RANK"],
    ),
    "srun": ("SLURM_PROCID", "SLURM_NTASKS", ["SLURM_LOCALID"]),
    "a launcher with PMIx": ("PMIX_RANK", "WORLD_SIZE", []),
}


def find_world(environment=os.environ):
    """Rank and size of this process, from the variables that its launcher has set.

    `mpiexec --pmi=pmix` of PALS sets no PMI_SIZE: then the size is WORLD_SIZE, from the job script.

    Raises:
        DistributedError: a launcher gave a rank but no size, or they make no sense.
    """
    for launcher, (rank, size, _) in LAUNCHERS.items():
        if rank not in environment:
            continue
        if size not in environment and "WORLD_SIZE" in environment:
            size = "WORLD_SIZE"  # by hand: with PMIx, only PMIx's own library knows the size
        if size not in environment:
            raise DistributedError(
                f"{rank} is set but {size} is not: how many processes are there? Set WORLD_SIZE."
            )
        world = World(_number(rank, environment), _number(size, environment), None, launcher)
        if not 0 <= world.rank < world.size:
            raise DistributedError(f"{rank}={world.rank} does not fit {size}={world.size}")
        return world._replace(local_rank=_local_rank(world, environment))
    return World()


def _number(name, environment):
    try:
        return int(environment[name])
    except ValueError as error:
        raise DistributedError(f"{name} must be a whole number ({error})") from error


def _local_rank(world, environment):
    """From the launcher, or from another one that counts these processes in the same way.

    `srun --mpi=pmi2`, for example, gives rank and size in PMI_RANK and PMI_SIZE, but the local rank
    only in SLURM_LOCALID.
    """
    if "LOCAL_RANK" in environment and "RANK" not in environment:  # by hand
        return _number("LOCAL_RANK", environment)
    own = LAUNCHERS[world.launcher]
    for rank, size, local_ranks in [own, *LAUNCHERS.values()]:
        names = [name for name in local_ranks if name in environment]
        counted = (environment.get(rank), environment.get(size))
        is_own = LAUNCHERS[world.launcher][0] == rank
        if names and (is_own or counted == (str(world.rank), str(world.size))):
            return _number(names[0], environment)
    return None


def meeting_point(environment=os.environ):
    """Address and port where rank 0 waits for the others: (str, str).

    MASTER_ADDR and MASTER_PORT if they are set, else the first node of the Slurm or PBS job with a
    port made from the job's number, else this machine.
    """
    job = environment.get("SLURM_JOB_ID") or environment.get("PBS_JOBID") or ""
    number = int("".join(filter(str.isdigit, job.split(".")[0])) or 9500)
    port = environment.get("MASTER_PORT") or str(20_000 + number % 10_000)
    return environment.get("MASTER_ADDR") or _first_node(environment), port


NAME_IT = "Set MASTER_ADDR to the name of the first node."


def _first_node(environment):
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST")
    if nodes and "[" not in nodes:
        return nodes.split(",")[0]
    if nodes:
        return _expand(nodes)
    if environment.get("PBS_NODEFILE"):
        return _first_line(environment["PBS_NODEFILE"])
    return "127.0.0.1"


def _expand(nodes):
    """The first name of a list such as node[003-007,9], by Slurm's own command."""
    command = ["scontrol", "show", "hostnames", nodes]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise DistributedError(
            f"The nodes are {nodes}, but scontrol could not list them ({error}). {NAME_IT}"
        ) from error


def _first_line(node_file):
    """The first node of a PBS job. On other nodes than the first the file may be missing."""
    try:
        return Path(node_file).read_text().split()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        problem = "is empty" if isinstance(error, IndexError) else f"can't be read ({error})"
        raise DistributedError(f"PBS_NODEFILE, {node_file}, {problem}. {NAME_IT}") from error


def device_of(world):
    """The accelerator of this process, one for each local rank, or the CPU.

    Raises:
        DistributedError: there are several accelerators, and nobody says which is for this process.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None or accelerator.type == "mps":
        return accelerator if accelerator and world.size == 1 else torch.device("cpu")
    n = torch.accelerator.device_count()
    if world.local_rank is None and n > 1:
        raise DistributedError(
            f"{world.launcher} gives no local rank, and there are {n} accelerators: set LOCAL_RANK "
            "for each process (0, 1, ... on each machine), or let each see one accelerator only."
        )
    index = (world.local_rank or 0) % n
    torch.accelerator.set_device_index(index)
    return torch.device(accelerator.type, index)


@contextmanager
def joined(world, device, patience=300):
    """Join the other processes for the time of the block; one process alone does nothing.

    Args:
        patience: seconds to wait for the others, at the start and in every exchange.
    Raises:
        DistributedError: not all processes came.
    """
    if world.size == 1:
        yield
        return
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = meeting_point()
    place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    if world.rank == 0:
        print(f"{world.size} processes meet at {place} ...", flush=True)
    backend = dist.get_default_backend_for_device(device)  # nccl, xccl or gloo
    try:
        dist.init_process_group(
            backend,
            rank=world.rank,
            world_size=world.size,
            timeout=timedelta(seconds=patience),
            device_id=None if device.type == "cpu" else device,
        )
    except (RuntimeError, ValueError) as error:  # DistNetworkError is a RuntimeError
        raise DistributedError(
            f"The {world.size} processes did not meet at {place} ({reason(error)}). Were all "
            f"of them started, each by {world.launcher}? Is the port free, and the address right?"
        ) from error
    try:
        yield
    finally:
        dist.destroy_process_group()


def exchange(function, *arguments):
    """Call a function that talks to the other processes; say so if one of them is gone.

    Raises:
        DistributedError: another process has ended, or does not answer.
    """
    WAITING.append(time.monotonic())
    try:
        return function(*arguments)
    except RuntimeError as error:
        if not dist.is_initialized() or out_of_memory(error):
            raise
        raise DistributedError(
            f"Another process of this run has ended or does not answer ({reason(error)}). Look at "
            "its messages; then start all of them again with --resume."
        ) from error
    finally:
        WAITING.pop()


WAITING = []  # since when this process is in an exchange, if it is


def wait_for_all(world):
    """Return when all processes are here."""
    if world.size > 1:
        exchange(dist.barrier)


def out_of_memory(error):
    """Whether PyTorch could not get the memory it asked for, on the CPU or on an accelerator."""
    words = ("can't allocate memory", "not enough memory", "bad_alloc")
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(word in str(error) for word in words)


def total(values, device):
    """The sum of numbers over all processes: float64 (len(values),), the same on each."""
    if not dist.is_initialized():
        return [float(value) for value in values]
    summed = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(summed)
    return summed.tolist()


def reason(error):
    """The first sentence of an error, without the place in PyTorch's source before it."""
    text = str(error).strip() or type(error).__name__
    return re.sub(r"^\[[^]]*\] ", "", text.splitlines()[0]).split(". ")[0]
