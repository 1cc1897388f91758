"""Which rank a launcher gives, and where the processes meet."""

import pytest
import torch

from cnn import distributed
from cnn.distributed import DistributedError, World, find_world, joined, meeting_point

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
SLURM = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "2"}
PALS = {"PALS_RANKID": "7", "PALS_LOCAL_RANKID": "3", "PMI_RANK": "7", "PMI_SIZE": "12"}
HYDRA = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1"}
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
        (SLURM | HYDRA, (1, 2, 1)),  # mpiexec in a Slurm job: Slurm only counts its starters
    ],
)
def test_rank_and_size(environment, world):
    assert find_world(environment)[:3] == world


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "0"}, "WORLD_SIZE is not"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "does not fit"),
        ({"SLURM_PROCID": "one", "SLURM_NTASKS": "2"}, "whole numbers"),
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
