"""The training script with real processes, and with what goes wrong on a cluster."""

import csv
import inspect
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DistributedSampler

from cnn import train, training
from cnn.data import REPOSITORY
from cnn.distributed import World

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SMALL = ["--images=512", "--batch-size=64", "--epochs=1", "--no-dropout", "--float32"]
LONGER = ["--images=512", "--batch-size=16", "--epochs=3", "--float32"]  # 32 steps an epoch


def start(*arguments, launcher=(), limit=None, **environment):
    """The script in a process of its own, with one thread, so that results can be compared."""
    command = [*launcher, "-m", "cnn.train", *map(str, arguments)]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=NOTEBOOKS,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=limit,
    )


def finish(process, code=0):
    """What the process printed, once it has ended with that code."""
    output = process.communicate(timeout=240)[0]
    assert process.returncode == code, output
    return output


def run(*arguments, code=0, **settings):
    return finish(start(*arguments, **settings), code)


def start_pair(arguments, environments, limits=(None, None)):
    """Processes as a batch system starts them, each with its own rank in the environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    return [
        start(*arguments, limit=limit, **meeting, **rank)
        for limit, rank in zip(limits, environments)
    ]


def small_files():
    """Let the process write no file above 1 MB: stands in for a full disk, or a read-only one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


def slurm(rank):
    return {"SLURM_PROCID": str(rank), "SLURM_NTASKS": "2", "SLURM_LOCALID": str(rank)}


def pals(rank):
    return {"PALS_RANKID": str(rank), "PMI_SIZE": "2", "PALS_LOCAL_RANKID": str(rank)}


def weights(folder):
    return torch.load(folder / "weights.pt", weights_only=True)


def assert_same_weights(one, other):
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(other)[name], value)


def assert_nearly_same_weights(one, other):
    """Up to rounding, which Adam magnifies where a gradient is nearly zero."""
    for name, value in weights(one).items():
        difference = (weights(other)[name] - value).norm() / value.norm()
        assert difference < 1e-4, f"{name}: {difference:.1e}"


def wait_for(process, text):
    """Read what the process prints until a line has this text."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the process ended without printing {text!r}")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process with the whole batch."""
    folder = tmp_path_factory.mktemp("alone")
    run(*SMALL, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run with dropout that nothing disturbs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(*LONGER, "--out", folder)
    return folder


def test_what_a_run_leaves(alone):
    rows = list(csv.DictReader((alone / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1"]
    assert 10 < float(rows[0]["train_accuracy"]) < 100
    assert (alone / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert sum(value.numel() for value in weights(alone).values()) == 1_199_882


def test_two_processes_equal_one_with_the_joined_batch(alone, tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    output = run(*SMALL, "--out", tmp_path, launcher=torchrun)
    assert "2 process(es), started by torchrun" in output
    assert_nearly_same_weights(alone, tmp_path)


@pytest.mark.parametrize("environment", [slurm, pals])
def test_batch_systems(environment, alone, tmp_path):
    arguments = [*SMALL, "--out", tmp_path]
    first, second = start_pair(arguments, [environment(0), environment(1)])
    assert "2 process(es)" in finish(first)
    finish(second)
    assert_nearly_same_weights(alone, tmp_path)


def test_rank_0_prepares_the_data(tmp_path):
    """The second process could not extract the archives: it may write no file above 1 MB."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (REPOSITORY / "data" / "MNIST" / "raw").glob("*.gz"):
        (raw / archive.name).symlink_to(archive)
    arguments = [*SMALL, "--data", tmp_path / "data", "--out", tmp_path / "run"]
    ranks = [slurm(rank) | {"XDG_CACHE_HOME": str(tmp_path)} for rank in (0, 1)]
    first, second = start_pair(arguments, ranks, limits=[None, small_files])
    assert "from $CNN_DATA" in finish(first)
    finish(second)
    assert (raw / "train-images-idx3-ubyte").stat().st_size == 47_040_016


def test_other_batches_give_other_weights(alone, tmp_path):
    """The comparison above can tell: one step fewer is far outside its tolerance."""
    run(*SMALL, "--seed=0", "--images=448", "--out", tmp_path)
    with pytest.raises(AssertionError):
        assert_nearly_same_weights(alone, tmp_path)


def test_parts_of_a_batch_are_disjoint_and_complete():
    options = Namespace(batch_size=12, seed=1)
    parts = [train.batches_of(60, options, World(rank, 4), epoch=2) for rank in range(4)]
    whole = train.batches_of(60, options, World(), epoch=2)
    for step in range(5):
        joint = torch.cat([part[step] for part in parts])
        assert sorted(joint.tolist()) == sorted(whole[step].tolist())
    assert sorted(torch.cat(whole).tolist()) == list(range(60))
    sampler = DistributedSampler(range(60), 1, 0, seed=1)
    assert torch.cat(whole).tolist() != list(sampler), "another epoch has another order"


def test_each_place_in_the_run_has_its_own_random_numbers():
    places = [(s, e, i, r) for s in (0, 1) for e in (0, 9) for i in (0, 99) for r in (0, 7)]
    assert len({train.seed_of(*place) for place in places}) == len(places)


def test_sigterm_then_resume_gives_the_same_result(uninterrupted, tmp_path):
    process = start(*LONGER, "--out", tmp_path)
    wait_for(process, "epoch 2, step 20")
    process.send_signal(signal.SIGTERM)
    assert "Go on with --resume" in finish(process, code=143)
    assert not (tmp_path / "weights.pt").exists()

    output = run(*LONGER, "--out", tmp_path, "--resume")
    assert "Going on from epoch" in output
    assert_same_weights(uninterrupted, tmp_path)
    assert (tmp_path / "metrics.csv").read_text() == (uninterrupted / "metrics.csv").read_text()


def test_a_lost_process_ends_the_run_and_it_resumes(tmp_path):
    arguments = [*LONGER, "--no-dropout", "--out", tmp_path]
    first, second = start_pair(arguments, [slurm(0), slurm(1)])
    wait_for(first, "epoch 2, step 20")
    second.kill()
    began = time.monotonic()
    output = finish(first, code=1)
    assert time.monotonic() - began < 60, "an error, not a hang"
    assert "Another process of this run has ended" in output
    assert "--resume" in output
    second.communicate()

    first, second = start_pair([*arguments, "--resume"], [slurm(0), slurm(1)])
    assert "Going on from epoch 2, step 0" in finish(first)
    finish(second)


def test_processes_that_never_come(tmp_path):
    arguments = [*SMALL, "--out", tmp_path, "--patience=3"]
    (lonely,) = start_pair(arguments, [slurm(0)])
    output = finish(lonely, code=1)
    assert "The 2 processes did not meet at 127.0.0.1:" in output


def test_full_disk_loses_nothing(alone, tmp_path):
    """A limit on the size of files stands in for a full disk: writing fails in the same place."""
    shutil.copytree(alone, tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    more = [*SMALL, "--epochs=2", "--out", tmp_path, "--resume"]
    output = run(*more, limit=small_files, code=1)
    assert "Warning" in output
    assert "Make room" in output
    assert "epoch 2/2" in output
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {
        *train.CHECKPOINTS,
        "weights.pt",
        "metrics.csv",
        "curve.png",
    }
    assert "Going on from epoch 2" in run(*more)


def test_unwritable_output(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    output = run(*SMALL, "--out", file / "results", code=1)
    assert "can't be written" in output
    assert "--out" in output
    assert "Traceback" not in output


def test_a_finished_run_is_not_overwritten(alone):
    with pytest.raises(SystemExit, match="holds a run"):
        train.main([*SMALL, "--out", str(alone)])


def test_other_settings_are_refused(alone):
    with pytest.raises(SystemExit, match=r"lr 0\.003, not 0\.1"):
        train.main([*SMALL, "--lr=0.1", "--out", str(alone), "--resume"])


def test_same_recipe_as_the_notebook():
    options = vars(train.parse([]))
    taught = inspect.signature(training.train_network).parameters
    for name in ("epochs", "lr", "batch_size"):
        assert options[name] == taught[name].default


def test_resume_without_a_checkpoint_starts(tmp_path):
    said = []
    assert train.newest(tmp_path, said.append) is None


@pytest.fixture
def checkpoints(tmp_path):
    """Two checkpoints of different age."""
    for step in (1, 2):
        content = train.torch_bytes({"step": step, "model": torch.arange(1000.0)})
        train.write_whole(tmp_path / "checkpoint.pt", content, tmp_path / "checkpoint-previous.pt")
    return tmp_path


def test_the_newest_checkpoint_is_used(checkpoints):
    assert train.newest(checkpoints, pytest.fail)["step"] == 2


def truncate(path):
    path.write_bytes(path.read_bytes()[:-300])


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip_a_byte, empty])
def test_a_damaged_checkpoint(damage, checkpoints):
    damage(checkpoints / "checkpoint.pt")
    said = []
    assert train.newest(checkpoints, said.append)["step"] == 1
    assert "checkpoint.pt is damaged" in said[0]

    damage(checkpoints / "checkpoint-previous.pt")
    with pytest.raises(train.RunError, match="No checkpoint"):
        train.newest(checkpoints, said.append)


def test_a_run_goes_on_from_the_checkpoint_before(uninterrupted, tmp_path):
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    truncate(tmp_path / "checkpoint.pt")
    (tmp_path / "weights.pt").unlink()
    output = run(*LONGER, "--out", tmp_path, "--resume")
    assert "checkpoint.pt is damaged" in output
    assert "Going on from epoch 3, step 0" in output
    assert_same_weights(uninterrupted, tmp_path)
