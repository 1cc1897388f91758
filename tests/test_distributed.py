"""Which rank a launcher gives, and where the processes meet."""

import pytest
import torch

from cnn import distributed
from cnn.distributed import DistributedError, World, find_world, joined, meeting_point

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
SLURM = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "2"}
PALS = {"PALS_RANKID": "7", "PALS_LOCAL_RANKID": "3", "PMI_RANK": "7", "PMI_SIZE": "12"}
HYDRA = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1"}
# Printed by `srun -N2 -n4 --ntasks-per-node=2 --mpi=pmi2 env` of Slurm 22.05, task 3.
PMI2 = {
    "PMI_FD": "13",
    "PMI_JOBID": "1.0",
    "PMI_RANK": "3",
    "PMI_SIZE": "4",
    "SLURM_LOCALID": "1",
    "SLURM_NPROCS": "4",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_STEP_NUM_TASKS": "4",
}
# `srun --mpi=cray_shasta`, as the source of Slurm's plugin sets them.
SHASTA = {
    "PALS_APID": "1.0",
    "PALS_LOCAL_RANKID": "1",
    "PALS_NODEID": "1",
    "PALS_RANKID": "3",
    "PMI_LOCAL_RANK": "1",
    "PMI_LOCAL_SIZE": "2",
    "PMI_RANK": "3",
    "PMI_SIZE": "4",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
}
# Printed by `mpiexec -n 2 env` of MPICH 4.0 and of Open MPI 4.1, rank 1.
MPICH = {
    "MPI_LOCALNRANKS": "2",
    "MPI_LOCALRANKID": "1",
    "PMI_FD": "8",
    "PMI_RANK": "1",
    "PMI_SIZE": "2",
}
OPEN_MPI_1 = {
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_NODE_RANK": "1",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "PMIX_RANK": "1",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "2",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
}


@pytest.mark.parametrize(
    ("environment", "world"),
    [
        ({}, (0, 1, 0)),
        (TORCHRUN, (3, 8, 1)),
        (SLURM, (5, 8, 2)),
        (PALS, (7, 12, 3)),
        (HYDRA, (1, 2, 1)),
        (OPEN_MPI, (2, 4, 0)),
        (SLURM | TORCHRUN, (3, 8, 1)),  # torchrun on each node of a Slurm job
        (PMI2, (3, 4, 1)),
        (SHASTA, (3, 4, 1)),
        (MPICH, (1, 2, 1)),
        (OPEN_MPI_1, (1, 2, 1)),
        ({"PMI_RANK": "3", "PMI_SIZE": "4"}, (3, 4, None)),  # nobody says it
        ({"PMI_RANK": "3", "PMI_SIZE": "4", "LOCAL_RANK": "2"}, (3, 4, 2)),  # by hand
        (SLURM | {"RANK": "5", "WORLD_SIZE": "8"}, (5, 8, 2)),  # exported in a script for srun
        (SLURM | {"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2, None)),  # Slurm counts others
        # `mpiexec --pmi=pmix` of PALS: PMIx gives the size only to those who ask its library
        ({"PALS_RANKID": "7", "PALS_LOCAL_RANKID": "3", "WORLD_SIZE": "12"}, (7, 12, 3)),
        ({"PMIX_RANK": "1", "WORLD_SIZE": "2"}, (1, 2, None)),
        (SLURM | {"PMIX_RANK": "5"}, (5, 8, 2)),  # srun --mpi=pmix
        (SLURM | HYDRA, (1, 2, 1)),  # mpiexec in a Slurm job: Slurm only counts its starters
    ],
)
def test_rank_and_size(environment, world):
    assert find_world(environment)[:3] == world


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "0"}, "WORLD_SIZE is not"),
        ({"PALS_RANKID": "0"}, "PMI_SIZE is not: .* Set WORLD_SIZE"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "does not fit"),
        ({"SLURM_PROCID": "one", "SLURM_NTASKS": "2"}, "SLURM_PROCID must be a whole number"),
        (SLURM | {"SLURM_LOCALID": "x"}, "SLURM_LOCALID must be a whole number"),
    ],
)
def test_nonsense_is_refused(environment, message):
    with pytest.raises(DistributedError, match=message):
        find_world(environment)


def test_meeting_point_of_the_user():
    assert meeting_point({"MASTER_ADDR": "n7", "MASTER_PORT": "1234"}) == ("n7", "1234")


def test_meeting_point_without_a_batch_system():
    assert meeting_point({}) == ("127.0.0.1", "29500")


def test_meeting_point_in_slurm():
    job = {"SLURM_JOB_ID": "4711042", "SLURM_JOB_NODELIST": "gpu3,gpu4"}
    assert meeting_point(job) == ("gpu3", "21042")


def test_meeting_point_asks_slurm_to_expand_a_range(tmp_path, monkeypatch):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$3" = "gpu[03-07]" ] && printf "gpu03\\ngpu04\\n"\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert meeting_point({"SLURM_JOB_NODELIST": "gpu[03-07]"})[0] == "gpu03"


def test_meeting_point_without_scontrol(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DistributedError, match="Set MASTER_ADDR"):
        meeting_point({"SLURM_JOB_NODELIST": "gpu[03-07]"})


def test_meeting_point_in_pbs(tmp_path):
    nodes = tmp_path / "nodes"
    nodes.write_text("x1000c0s0\nx1000c0s1\n")
    job = {"PBS_JOBID": "123456.server-1", "PBS_NODEFILE": str(nodes)}
    assert meeting_point(job) == ("x1000c0s0", "23456")


@pytest.mark.parametrize("content", [None, "", "\n", b"\xff\xfe"])
def test_node_file_of_pbs_that_names_nobody(tmp_path, content):
    nodes = tmp_path / "nodes"
    if content is not None:
        nodes.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DistributedError, match=r"PBS_NODEFILE(.|\n)*Set MASTER_ADDR") as caught:
        meeting_point({"PBS_JOBID": "1.server", "PBS_NODEFILE": str(nodes)})
    assert str(nodes) in str(caught.value)
    assert meeting_point({"PBS_NODEFILE": str(nodes), "MASTER_ADDR": "n7"})[0] == "n7"


def test_scontrol_that_says_nothing(tmp_path, monkeypatch):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text("#!/bin/sh\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(DistributedError, match="Set MASTER_ADDR"):
        meeting_point({"SLURM_JOB_NODELIST": "gpu[03-07]"})


@pytest.fixture
def four_gpus(monkeypatch):
    """Stands in for a node with four GPUs; gives the list of those that were chosen."""
    chosen, gpu = [], torch.device("cuda")
    stand_in = {
        "current_accelerator": lambda check_available: gpu,
        "device_count": lambda: 4,
        "set_device_index": chosen.append,
    }
    for name, function in stand_in.items():
        monkeypatch.setattr(torch.accelerator, name, function)
    return chosen


def test_each_process_of_a_node_has_its_own_accelerator(four_gpus):
    for number in range(4):
        own = PMI2 | {"PMI_RANK": f"{number}", "SLURM_PROCID": f"{number}"}
        world = find_world(own | {"SLURM_LOCALID": f"{number}"})
        assert distributed.device_of(world) == torch.device("cuda", number)
    assert four_gpus == [0, 1, 2, 3]


def test_without_a_local_rank_nobody_guesses(four_gpus):
    with pytest.raises(DistributedError, match="set LOCAL_RANK"):
        distributed.device_of(find_world({"PMI_RANK": "3", "PMI_SIZE": "4"}))
    assert distributed.device_of(World()) == torch.device("cuda", 0)


def test_memory_that_is_not_enough_is_not_taken_for_a_lost_process(monkeypatch):
    def allocate():
        torch.empty(2**60, dtype=torch.int8)

    monkeypatch.setattr(distributed.dist, "is_initialized", lambda: True)
    with pytest.raises(RuntimeError) as caught:
        distributed.exchange(allocate)
    assert not isinstance(caught.value, DistributedError)
    assert distributed.out_of_memory(caught.value)
    assert distributed.out_of_memory(MemoryError())
    assert not distributed.out_of_memory(RuntimeError("Connection closed by peer"))


def test_one_process_needs_no_group():
    with joined(World(), torch.device("cpu")):
        assert not torch.distributed.is_initialized()
        assert distributed.total([1, 2.5], "cpu") == [1.0, 2.5]


@pytest.mark.parametrize(
    ("device", "backend"), [("cpu", "gloo"), ("cuda", "nccl"), ("xpu", "xccl")]
)
def test_backend_of_the_device(device, backend, monkeypatch):
    seen = []
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda name, **_: seen.append(name))
    monkeypatch.setattr(distributed.dist, "destroy_process_group", lambda: None)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with joined(World(0, 2), torch.device(device)):
        assert seen == [backend]


def test_reason_is_the_first_sentence():
    text = "[/pytorch/gloo/pair.cc:561] Connection closed by peer [127.0.0.1]:75. Good luck!\nframe"
    assert distributed.reason(RuntimeError(text)) == "Connection closed by peer [127.0.0.1]:75"
    assert distributed.reason(ValueError()) == "ValueError"
