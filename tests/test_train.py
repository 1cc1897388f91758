"""The training script with real processes, and with what goes wrong on a cluster."""

import csv
import inspect
import os
import pickle
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

from cnn import checkpoints as kept
from cnn import options, train, training
from cnn.checkpoints import CHECKPOINTS, RunState
from cnn.claim import IN_USE, RunError
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
    assert f"from {tmp_path / 'data'}" in finish(first)
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
    seeds = (0, 1, -1, 20250101, 10**30)
    places = [(s, e, i, r) for s in seeds for e in (0, 1000) for i in (0, 10**6) for r in (0, 7)]
    numbers = {train.seed_of(*place) for place in places}
    assert len(numbers) == len(places)
    for number in numbers:
        torch.manual_seed(number)


@pytest.mark.parametrize("seed", [20250101, 4711042, -1, -(10**30), 2**63, 10**30])
def test_any_whole_number_is_a_seed(seed):
    chosen = options.parse([f"--seed={seed}"], "Text.")
    assert chosen.seed == seed
    RunState(chosen, torch.device("cpu"), print)
    train.batches_of(60, chosen, World(), epoch=3)


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        *[
            (f"--lr={value}", "a number above 0")
            for value in ("nan", "-1", "inf", "0", "x", "1e-400")
        ],
        *[(f"--epochs={value}", "a whole number from 1") for value in ("0", "-1", "1.5", "x")],
        *[(f"--batch-size={value}", "a whole number from 1") for value in ("0", "9" * 30)],
        *[(f"--images={value}", "a whole number from 1") for value in ("0", "nan")],
        *[(f"--patience={value}", "from 1 to 1,000,000") for value in ("inf", "nan", "0", "1e9")],
        *[(f"--seed={value}", "a whole number") for value in ("nan", "1.5", "x" * 10**5)],
        ("--data=/nonexistent", "'/nonexistent' is not a folder"),
        (f"--data={__file__}", "is not a folder"),
    ],
)
def test_options_are_checked_before_work_starts(option, allowed, capsys):
    with pytest.raises(SystemExit) as caught:
        train.main([option])
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert allowed in last
    assert len(last) < 200


def test_help_shows_what_each_option_is_without_it(capsys):
    with pytest.raises(SystemExit):
        train.main(["--help"])
    said = capsys.readouterr().out
    for value in ("3", "512", "0.003", "0", "run", "300"):
        assert f"(default: {value})" in said
    assert said.count("default: False") == 0
    assert "torchrun --nproc-per-node=2" in said


@pytest.mark.parametrize(
    ("size", "n", "nearest"), [(512, 3, "510 and 513"), (512, 12, "504 and 516"), (5, 8, "8")]
)
def test_a_batch_that_cannot_be_shared(size, n, nearest):
    with pytest.raises(RunError, match=f"among {n} processes. The nearest that can: {nearest}."):
        train.check_sharing(size, n)
    for right in nearest.split(" and "):
        train.check_sharing(int(right), n)


def test_a_data_folder_that_is_asked_for_is_not_replaced(tmp_path, monkeypatch):
    """Nor is $CNN_DATA named, which nobody has set."""
    monkeypatch.delenv("CNN_DATA", raising=False)
    output = run(*SMALL, "--data", tmp_path, "--out", tmp_path / "run", code=1)
    assert f"MNIST is not in {tmp_path}" in output
    assert "CNN_DATA" not in output
    assert "Traceback" not in output


def test_a_loss_that_is_not_finite_ends_the_run(alone, tmp_path):
    """The step is named, the status is not 0, and nothing of it is kept."""
    rate = 1e30
    shutil.copy(alone / CHECKPOINTS[0], tmp_path)
    content = torch.load(tmp_path / CHECKPOINTS[0], weights_only=True)
    content["options"]["lr"] = content["optimizer"]["param_groups"][0]["lr"] = rate
    torch.save(content, tmp_path / CHECKPOINTS[0])
    before = (tmp_path / CHECKPOINTS[0]).read_bytes()
    more = [*SMALL, f"--lr={rate}", "--epochs=2", "--resume", "--out", tmp_path]
    output = run(*more, code=1)
    assert "The loss in epoch 2, step 2, is infinite or not a number" in output
    assert "--lr, now 1e+30" in output
    assert "Traceback" not in output
    assert (tmp_path / CHECKPOINTS[0]).read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINTS[0]}


def test_memory_that_is_not_enough(tmp_path):
    """A batch whose first maps take 4 GB: more than the process may have, said in one sentence."""
    limit = 5 * 2**30

    def little():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    output = run("--batch-size=48000", "--float32", "--out", tmp_path, limit=little, code=1)
    assert "the memory is not enough for a batch of 48000" in output
    assert "Traceback" not in output


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


def test_two_processes_stop_at_the_same_step_within_a_second(tmp_path):
    """Only one of them is told, as it happens where a launcher hands signals to its own node."""
    arguments = [*LONGER, "--epochs=500", "--out", tmp_path]
    first, second = start_pair(arguments, [slurm(0), slurm(1)])
    wait_for(first, "epoch 2, step 20")
    began = time.monotonic()
    second.send_signal(signal.SIGTERM)
    wait_for(first, "Stopped in epoch")
    seconds = time.monotonic() - began
    finish(first, code=143)
    finish(second, code=143)
    assert seconds < 3, "a second, and what a busy machine adds"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_waits_for_others_can_be_stopped(number, tmp_path):
    """The second one never comes; without this the first would wait for five minutes."""
    (lonely,) = start_pair([*SMALL, "--out", tmp_path], [slurm(0)])
    wait_for(lonely, "2 processes meet at")
    time.sleep(2)  # until it waits, deep inside PyTorch
    began = time.monotonic()
    lonely.send_signal(number)
    output = finish(lonely, code=143)
    assert time.monotonic() - began < 2
    assert "Ended before the training began" in output


def test_a_process_whose_partner_hangs_can_be_stopped(tmp_path):
    arguments = [*LONGER, "--epochs=500", "--out", tmp_path]
    first, second = start_pair(arguments, [slurm(0), slurm(1)])
    wait_for(first, "epoch 2, step 20")
    second.send_signal(signal.SIGSTOP)
    time.sleep(1)
    began = time.monotonic()
    first.send_signal(signal.SIGINT)
    output = finish(first, code=143)
    seconds = time.monotonic() - began
    second.kill()
    second.communicate()
    assert seconds < 15
    assert "The other processes do not answer" in output
    assert not (tmp_path / IN_USE).exists()


def test_a_second_ctrl_c_ends_it_at_once(tmp_path):
    first, second = start_pair([*LONGER, "--epochs=500", "--out", tmp_path], [slurm(0), slurm(1)])
    wait_for(first, "epoch 2, step 20")
    second.send_signal(signal.SIGSTOP)
    time.sleep(1)
    first.send_signal(signal.SIGINT)
    time.sleep(3)
    began = time.monotonic()
    first.send_signal(signal.SIGINT)
    assert "Ended without a new checkpoint" in finish(first, code=143)
    assert time.monotonic() - began < 2
    second.kill()
    second.communicate()


def test_two_runs_in_one_folder(tmp_path):
    """The second one is refused and changes nothing; after a crash the folder is free again."""
    first = start(*LONGER, "--epochs=500", "--out", tmp_path)
    wait_for(first, "epoch 2, step 20")
    began = time.monotonic()
    for more in ([], ["--resume"]):
        output = run(*LONGER, "--epochs=500", "--out", tmp_path, *more, code=1)
        assert "Another run is at work in" in output
        assert f"process {first.pid} on {socket.gethostname()}" in output
    assert time.monotonic() - began < 60
    first.kill()
    first.communicate()
    assert (tmp_path / IN_USE).exists()

    second = start(*LONGER, "--epochs=500", "--out", tmp_path, "--resume")
    wait_for(second, "It is not.")
    wait_for(second, "Going on from epoch")
    second.send_signal(signal.SIGTERM)
    finish(second, code=143)
    assert not (tmp_path / IN_USE).exists()


def test_processes_that_do_not_share_the_folder(alone, tmp_path):
    """As on two nodes with disks of their own: an error, instead of a wait for ever."""
    shutil.copytree(alone, tmp_path / "0")
    (tmp_path / "1").mkdir()
    more = [*SMALL, "--epochs=2", "--resume", "--patience=20"]
    first, second = start_two(more, tmp_path)
    output = finish(first, code=1)
    assert "do not see the same checkpoint" in output
    second.communicate()
    assert second.returncode == 1


def start_two(arguments, folder):
    """Two processes that meet, each with a folder of its own for the results."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    return [
        start(*arguments, "--out", folder / str(rank), **meeting, **slurm(rank)) for rank in (0, 1)
    ]


def test_more_processes_than_images(tmp_path):
    arguments = ["--images=1", "--batch-size=2", "--epochs=1", "--out", tmp_path]
    first, second = start_pair(arguments, [slurm(0), slurm(1)])
    finish(first)
    finish(second)


def test_a_picture_that_cannot_be_drawn_loses_no_result(tmp_path):
    """A broken matplotlib stands in for all that can be wrong with fonts, caches and settings."""
    broken = tmp_path / "lib" / "matplotlib"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('latex could not be found')")
    output = run(*SMALL, "--out", tmp_path, PYTHONPATH=str(tmp_path / "lib"))
    assert "No curve.png: latex could not be found" in output
    assert sum(value.numel() for value in weights(tmp_path).values()) == 1_199_882
    assert (tmp_path / "metrics.csv").exists()


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
        *CHECKPOINTS,
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
    chosen = vars(options.parse([], "Text."))
    taught = inspect.signature(training.train_network).parameters
    for name in ("epochs", "lr", "batch_size"):
        assert chosen[name] == taught[name].default


@pytest.fixture
def state():
    return RunState(options.parse(["--images=512"], "Text."), torch.device("cpu"), print)


def test_resume_without_a_checkpoint_starts(tmp_path, state):
    assert kept.newest(tmp_path, state.check, pytest.fail) is None


def after_a_step(state):
    """Its content once the optimizer has something to remember, at a place of its own."""
    loss = state.model(torch.zeros(2, 1, 28, 28)).sum()
    loss.backward()
    state.optimizer.step()
    state.count(loss.detach(), torch.tensor(1), 2)
    return state.content()


@pytest.fixture
def checkpoints(tmp_path, state):
    """Two checkpoints of different age."""
    for _ in (1, 2):
        content = kept.torch_bytes(after_a_step(state))
        kept.write_whole(tmp_path / "checkpoint.pt", content, tmp_path / "checkpoint-previous.pt")
    return tmp_path


def step_of(folder, state, say):
    """The step at which a run in this folder would go on."""
    return kept.newest(folder, state.check, say)[1]["step"]


def test_the_newest_checkpoint_is_used(checkpoints, state):
    assert step_of(checkpoints, state, pytest.fail) == 2


def truncate(path):
    path.write_bytes(path.read_bytes()[:-300])


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


class Code:
    """Executed where somebody unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def old_pickle(path):
    path.write_bytes(pickle.dumps({"model": Code(path.parent / "executed")}))


def foreign_code(path):
    torch.save({"model": Code(path.parent / "executed")}, path)


def foreign_zip(path):
    shutil.make_archive(path.parent / "made", "zip", Path(__file__).parent / "js")
    (path.parent / "made.zip").replace(path)


def folder_instead(path):
    path.unlink()
    path.mkdir()


def changed(function):
    """A file as torch.save writes it, whose content the function has changed."""

    def damage(path):
        content = torch.load(path, weights_only=True)
        torch.save(function(content) or content, path)

    damage.__name__ = function.__name__
    return damage


def weights_only(content):
    return content["model"]


def a_list(content):
    return [1, 2, 3]


def other_shape(content):
    content["model"]["0.weight"] = torch.zeros(3, 3)


def other_dtype(content):
    content["model"]["0.weight"] = content["model"]["0.weight"].half()


def not_a_number(content):
    content["model"]["0.weight"][0] = float("nan")


def layer_missing(content):
    del content["model"]["0.weight"]


def layer_more(content):
    content["model"]["99.weight"] = torch.zeros(3)


def entry_missing(content):
    del content["step"]


def entry_more(content):
    content["scheduler"] = {}


def option_missing(content):
    del content["options"]["lr"]


def option_more(content):
    content["options"]["momentum"] = 0.9


def option_strange(content):
    content["options"]["lr"] = torch.zeros(3)


def moments_missing(content):
    content["optimizer"]["state"] = {}


def moments_of_another_shape(content):
    content["optimizer"]["state"][0]["exp_avg"] = torch.zeros(3)


def group_strange(content):
    content["optimizer"]["param_groups"] = []


def step_negative(content):
    content["step"] = -1


def step_text(content):
    content["step"] = "three"


def history_short(content):
    content["history"] = [[1.0, 2.0]]


def history_infinite(content):
    content["history"] = [[float("inf")] * 4]


def history_text(content):
    content["history"] = "none"


def sums_short(content):
    content["sums"] = [0.0]


CHANGES = [
    weights_only,
    a_list,
    other_shape,
    other_dtype,
    not_a_number,
    layer_missing,
    layer_more,
    entry_missing,
    entry_more,
    option_missing,
    option_more,
    option_strange,
    moments_missing,
    moments_of_another_shape,
    group_strange,
    step_negative,
    step_text,
    history_short,
    history_infinite,
    history_text,
    sums_short,
]
DAMAGES = [truncate, flip_a_byte, empty, old_pickle, foreign_code, foreign_zip, folder_instead]


@pytest.mark.parametrize("damage", [*DAMAGES, *map(changed, CHANGES)], ids=lambda f: f.__name__)
def test_a_checkpoint_that_cannot_be_used(damage, checkpoints, state):
    """It is named with the reason, the one before is used, and nothing in it is executed."""
    damage(checkpoints / "checkpoint.pt")
    said = []
    assert step_of(checkpoints, state, said.append) == 1
    assert "checkpoint.pt can't be used: " in said[0]
    assert len(said[0]) < len(str(checkpoints)) + 200

    damage(checkpoints / "checkpoint-previous.pt")
    with pytest.raises(RunError, match="No checkpoint"):
        kept.newest(checkpoints, state.check, said.append)
    assert not (checkpoints / "executed").exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (changed(weights_only), "it holds the weights of a network, not the place in a run"),
        (foreign_code, "it holds program code, which was not executed"),
        (changed(layer_missing), "model lacks 0.weight"),
        (changed(entry_more), "it has scheduler, which is not part of a checkpoint"),
        (changed(other_shape), r"0.weight in model is \(3, 3\) torch.float32, not \(32, 1, 3, 3\)"),
        (changed(not_a_number), "0.weight in model holds a number that is not finite"),
    ],
)
def test_it_says_what_is_wrong_with_a_checkpoint(damage, reason, checkpoints, state):
    damage(checkpoints / "checkpoint.pt")
    content = checkpoints / "checkpoint.pt"
    with pytest.raises(ValueError, match=reason):
        state.check(kept.read(content))


def test_a_good_checkpoint_is_never_replaced_by_a_damaged_one(checkpoints, state):
    """The next one is written over the damaged file, and the good one stays beside it."""
    good = (checkpoints / "checkpoint-previous.pt").read_bytes()
    truncate(checkpoints / "checkpoint.pt")
    state.options.out, state.claim = checkpoints, Namespace(check=lambda: None)
    state.say = lambda *_: None
    state.load(World())
    state.write()
    assert (checkpoints / "checkpoint-previous.pt").read_bytes() == good
    assert step_of(checkpoints, state, pytest.fail) == 1
    state.write()
    assert (checkpoints / "checkpoint-previous.pt").read_bytes() != good


def test_a_run_goes_on_from_the_checkpoint_before(uninterrupted, tmp_path):
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    truncate(tmp_path / "checkpoint.pt")
    (tmp_path / "weights.pt").unlink()
    output = run(*LONGER, "--out", tmp_path, "--resume")
    assert "checkpoint.pt can't be used: it is damaged" in output
    assert "Going on from epoch 3, step 0" in output
    assert_same_weights(uninterrupted, tmp_path)


def test_compiled_training_learns_the_same(alone, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler")
    run(*SMALL, "--compile", "--out", tmp_path)
    assert_nearly_same_weights(alone, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision=tf32"], "--precision tf32 is for NVIDIA GPUs"),
        (["--compile"], r"--compile needs a C\+\+ compiler"),
    ],
)
def test_what_this_machine_cannot_do_is_refused(arguments, message, tmp_path, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    wanted = options.parse([*arguments, "--out", str(tmp_path)], "text")
    with pytest.raises(RunError, match=message):
        train.check_speedups(wanted, torch.device("cpu"))


def test_precision():
    cpu, dtypes = torch.device("cpu"), {}
    for name in ("float32", "bfloat16"):
        wanted = options.parse(["--precision", name], "text")
        train.check_speedups(wanted, cpu)
        with train.precision(wanted, cpu):
            dtypes[name] = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    assert dtypes == {"float32": torch.float32, "bfloat16": torch.bfloat16}
    assert options.parse(["--float32"], "text").precision == "float32"
