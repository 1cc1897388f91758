"""The batch scripts, run by a shell with stand-ins for the commands of Slurm and PBS."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# Two processes, as srun and mpiexec start them; SIGTERM is handed on.
LAUNCH = """#!/bin/bash
echo $$ > "$PIDFILE"
while [[ $1 == -* ]]; do [[ $1 == -n ]] && shift; shift; done
pids=()
for rank in 0 1; do
  env {rank}=$rank {size}=2 "$@" & pids+=($!)
done
trap 'kill -TERM "${{pids[@]}}"' TERM
code=0
for pid in "${{pids[@]}}"; do
  while kill -0 "$pid" 2>/dev/null; do wait "$pid"; status=$?; done
  [ "$status" -ne 0 ] && code=$status
done
exit $code
"""
SMALL = ["--images=512", "--batch-size=16", "--epochs=2", "--float32", "--no-dropout"]


@pytest.fixture
def course(tmp_path):
    """A folder as the job finds it: the course, its environment, a batch system."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("notebooks", "tools", "hpc", "data"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    commands = {
        "srun": LAUNCH.format(rank="SLURM_PROCID", size="SLURM_NTASKS"),
        "mpiexec": LAUNCH.format(rank="PMI_RANK", size="PMI_SIZE"),
        "scontrol": "#!/bin/bash\necho scontrol $*\n",
    }
    for name, text in commands.items():
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "nodes").write_text("localhost\nlocalhost\n")
    return tmp_path


def start(course, script, *arguments, **environment):
    variables = {
        "PATH": f"{course / 'bin'}:{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(course),
        "SLURM_JOB_ID": str(os.getpid()),
        "PBS_O_WORKDIR": str(course),
        "PBS_NODEFILE": str(course / "nodes"),
        "PBS_JOBID": f"{os.getpid()}.server",
        "MASTER_ADDR": "127.0.0.1",
        "PIDFILE": str(course / "pid"),
    }
    return subprocess.Popen(
        ["bash", REPOSITORY / "hpc" / script, *arguments],
        env=os.environ | variables | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, code=0):
    output = process.communicate(timeout=240)[0]
    assert process.returncode == code, output
    return output


def test_slurm_warns_requeues_and_goes_on(course):
    job = start(course, "job.slurm", "train", *SMALL)
    while "epoch 1, step 20" not in (line := job.stdout.readline()):
        assert line, "the job ended early"
    os.kill(int((course / "pid").read_text()), signal.SIGTERM)
    output = finish(job, code=143)
    assert "Go on with --resume" in output
    assert f"scontrol requeue {os.getpid()}" in output

    output = finish(start(course, "job.slurm", "train", *SMALL))
    assert "2 process(es), started by srun" in output
    assert "Going on from epoch 1, step" in output
    assert (course / "build" / "run" / "weights.pt").exists()


def test_pbs_stops_in_time_and_goes_on(course):
    arguments = {"WHAT": "train", "OPTIONS": " ".join([*SMALL, "--epochs=50"])}
    began = time.monotonic()
    output = finish(start(course, "job.pbs", SECONDS_TO_RUN="40", **arguments), code=124)
    assert time.monotonic() - began < 120
    assert "Submit the same command again" in output

    arguments["OPTIONS"] = " ".join([*SMALL, "--epochs=1"])
    output = finish(start(course, "job.pbs", **arguments))
    assert "2 process(es), started by mpiexec" in output


@pytest.mark.parametrize("script", ["job.slurm", "job.pbs"])
def test_without_an_environment(course, script):
    (course / ".venv").unlink()
    assert "make install" in finish(start(course, script), code=1)


def test_unknown_work(course):
    assert "not 'fly'" in finish(start(course, "job.slurm", "fly"), code=2)
    assert "not 'fly'" in finish(start(course, "job.pbs", WHAT="fly"), code=2)


@pytest.mark.parametrize("script", ["job.slurm", "job.pbs"])
def test_shellcheck(script):
    try:
        done = subprocess.run(
            ["shellcheck", REPOSITORY / "hpc" / script], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("shellcheck is not installed")
    assert done.returncode == 0, done.stdout
