"""The doctor, on healthy set-ups and on sick ones."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cnn import doctor
from cnn.distributed import World
from cnn.doctor import Process

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
GPUS = ("SLURM_GPUS_ON_NODE", "SLURM_JOB_GPUS")


def process(rank=0, host="n1", device="cpu", threads=1, cores=(0,), versions="torch 2"):
    return Process(rank, host, device, 0, threads, cores, versions)


def start(rank, *arguments, size=2, port=None, cores=None, **variables):
    """The doctor in a process of its own, as srun starts it, on these cores."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SLURM")
    }
    ranks = {"SLURM_PROCID": str(rank), "SLURM_NTASKS": str(size), "SLURM_LOCALID": str(rank)}
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "cnn.doctor", *map(str, arguments)],
        cwd=NOTEBOOKS,
        env=environment | ranks | meeting | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )


def pair(*arguments, **settings):
    """What rank 0 prints of two processes, and the statuses with which both end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [start(rank, *arguments, port=port, **settings) for rank in (0, 1)]
    output = [each.communicate(timeout=240)[0] for each in both]
    return output[0], [each.returncode for each in both]


def test_a_healthy_process_alone(monkeypatch, tmp_path, capsys):
    for name in [*GPUS, "SLURM_NTASKS"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "step_time", lambda n, device: 0.1)  # whatever else works here
    monkeypatch.setattr(doctor, "describe", lambda world, device: process())
    assert doctor.main(["--out", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "CHANGE" not in output
    assert output.endswith("All is fine.\n")
    about = [line.split()[1] for line in output.splitlines()[:-1]]
    expected = "launcher: processes: cores: devices: versions: batch: data: disk: speed:"
    assert [word for word in about if word.endswith(":")] == expected.split()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is a matter of Linux")
def test_two_processes_on_one_core_with_an_uneven_batch(tmp_path):
    core = min(os.sched_getaffinity(0))
    output, statuses = pair("--batch-size=63", "--out", tmp_path, cores={core})
    assert statuses == [1, 1], output
    assert "CHANGE  cores:" in output
    assert "2 process(es) with 2 thread(s) share 1 core(s): ask for a core or more" in output
    assert "CHANGE  batch: --batch-size 63 can't be shared evenly" in output
    assert "62 and 64" in output
    assert "messages: gloo" in output
    assert "GB/s for 16 MB" in output


def test_a_gpu_was_asked_for_and_there_is_none(tmp_path):
    alone = start(0, "--gpu", "--out", tmp_path, size=1, CUDA_VISIBLE_DEVICES="")
    output = alone.communicate(timeout=240)[0]
    assert alone.returncode == 1
    assert "CHANGE  devices: a GPU was asked for, and 1 process(es) see none" in output
    assert "compare with the driver" in output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "0"}, "RANK is set but WORLD_SIZE is not"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "does not fit"),
        ({"PMI_RANK": "one", "PMI_SIZE": "2"}, "PMI_RANK must be a whole number"),
    ],
)
def test_wrong_rank_variables(variables, message, monkeypatch, capsys):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert doctor.main([]) == 1
    output = capsys.readouterr().out
    assert "CHANGE  processes:" in output
    assert message in output


def test_others_that_do_not_come(tmp_path):
    """Rank 0 of two, and nobody else was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = start(0, "--patience=2", "--out", tmp_path, port=port)
    output = alone.communicate(timeout=240)[0]
    assert alone.returncode == 1
    assert "CHANGE  processes: The 2 processes did not meet" in output


def test_a_job_of_many_tasks_without_srun():
    (finding,) = doctor.check_launcher(World(), {"SLURM_NTASKS": "8"})
    assert not finding.fine
    assert "start it with srun" in finding.text


def test_launchers_that_disagree():
    environment = {"PMI_RANK": "1", "PMI_SIZE": "2", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
    (finding,) = doctor.check_launcher(World(1, 2, 1, "mpiexec or srun (PMI)"), environment)
    assert "srun says 0 of 1" in finding.text


@pytest.mark.parametrize(
    ("check", "processes", "text"),
    [
        (doctor.check_cores, [process(threads=4, cores=(0, 1))], "set OMP_NUM_THREADS=2"),
        (doctor.check_cores, [process(0), process(1)], "share 1 core(s)"),
        (doctor.check_ranks, [process(0), process(1), process(2, "n2")], "1 to 2 on a host"),
        (doctor.check_versions, [process(), process(1, versions="torch 1")], "one environment"),
    ],
)
def test_sick_processes(check, processes, text):
    finding = check(processes)
    assert not finding.fine
    assert text in finding.text


def test_healthy_processes():
    two = [process(0, cores=(0,)), process(1, cores=(1,))]
    checks = (doctor.check_cores, doctor.check_ranks, doctor.check_versions)
    assert all(check(two).fine for check in checks)
    assert doctor.check_cores([process(0, "n1"), process(1, "n2")]).fine  # one core on each host


def test_gpus():
    one_each = [process(rank, device=f"cuda:{rank}") for rank in (0, 1)]
    assert doctor.check_devices(True, one_each, {}).fine
    shared = [process(rank, device="cuda:0") for rank in (0, 1)]
    assert "share 1 GPU(s)" in doctor.check_devices(True, shared, {}).text
    assert doctor.check_devices(False, [process()], {}).fine
    assert not doctor.check_devices(False, [process()], {"SLURM_GPUS_ON_NODE": "4"}).fine


def test_data_and_disk(tmp_path, monkeypatch):
    assert not doctor.check_data(tmp_path).fine
    monkeypatch.setattr(doctor, "ROOM", 1e9)
    assert "make room" in doctor.check_room(tmp_path / "not" / "there").text

    def full(*_):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(doctor.os, "fsync", full)
    assert "Disk quota exceeded" in doctor.check_room(tmp_path).text


def test_a_slow_step(monkeypatch):
    monkeypatch.setattr(doctor, "step_time", lambda n, device: 5.0)
    finding = doctor.check_speed(512, World(), doctor.torch.device("cpu"))
    assert not finding.fine
    assert "468.8 s" in finding.text
