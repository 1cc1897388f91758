"""The batch scripts, run by a shell with stand-ins for the commands of Slurm and PBS."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

REPOSITORY = Path(__file__).parents[1]

# Two processes, as srun starts them: SIGTERM is handed on, and each ends for itself.
SRUN = """#!/bin/bash
echo $$ > "$PIDFILE"
while [[ $1 == -* ]]; do shift; done
pids=()
for rank in 0 1; do
  env SLURM_PROCID=$rank SLURM_NTASKS=2 "$@" & pids+=($!)
done
trap 'kill -TERM "${pids[@]}"' TERM
code=0
for pid in "${pids[@]}"; do
  while kill -0 "$pid" 2>/dev/null; do wait "$pid"; status=$?; done
  [ "$status" -ne 0 ] && code=$status
done
exit $code
"""
# As MPICH's mpiexec does it: when one process fails, the others are killed at once.
MPIEXEC = """#!/bin/bash
[ "$1 $2" = "-n 2" ] || exit 2
shift 2
for rank in 0 1; do
  env PMI_RANK=$rank PMI_SIZE=2 "$@" & pids+=($!)
done
for _ in 0 1; do
  wait -n || { code=$?; kill -KILL "${pids[@]}"; wait; exit $code; }
done
"""
# One process, as `srun --ntasks=1` starts it. Slurm signals all processes of a step.
SRUN_ONE = """#!/bin/bash
echo $$ > "$PIDFILE"
echo "srun has SRUN_CPUS_PER_TASK=${SRUN_CPUS_PER_TASK:-}, OMP_NUM_THREADS=$OMP_NUM_THREADS"
while [[ $1 == -* ]]; do shift; done
"$@" & pid=$!
trap 'kill -TERM $pid $(cat /proc/$pid/task/*/children)' TERM
code=0
while kill -0 "$pid" 2>/dev/null; do wait "$pid"; code=$?; done
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
        "srun": SRUN,
        "mpiexec": MPIEXEC,
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


@pytest.mark.parametrize("what", ["notebooks", "train"])
def test_srun_gets_the_cpus_of_the_job(course, what):
    """Since Slurm 22.05 it does not take them from the job: a task would get a single one."""
    (course / "bin" / "srun").write_text(SRUN_ONE.replace('"$@" & pid=$!', "true & pid=$!"))
    output = finish(start(course, "job.slurm", what, SLURM_CPUS_PER_TASK="8"))
    assert "srun has SRUN_CPUS_PER_TASK=8, OMP_NUM_THREADS=8" in output


def small_series(course):
    """A series of two notebooks in the place of the lessons: a quick one, then one that waits."""
    for name in ("notebooks", "tools"):
        (course / name).unlink()
        (course / name).mkdir()
    for name in ("run_series.py", "seconds.py"):
        shutil.copy(REPOSITORY / "tools" / name, course / "tools")
    wait = "import time, pathlib\ntime.sleep(0 if pathlib.Path('again').exists() else 99)"
    for name, source in [("01-quick", "print(1)"), ("02-slow", wait)]:
        cells = [nbformat.v4.new_code_cell("print(0)"), nbformat.v4.new_code_cell(source)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbformat.write(notebook, course / "notebooks" / f"{name}.ipynb")


def test_slurm_stops_notebooks_and_leaves_out_those_that_are_done(course):
    small_series(course)
    (course / "bin" / "srun").write_text(SRUN_ONE)
    job = start(course, "job.slurm", "notebooks")
    while "02-slow: cell 1/2" not in (line := job.stdout.readline()):
        assert line, "the job ended early"
    os.kill(int((course / "pid").read_text()), signal.SIGTERM)
    output = finish(job, code=143)
    assert "Stopped." in output
    assert "Traceback" not in output
    assert f"scontrol requeue {os.getpid()}" in output
    assert [path.name for path in (course / "build/notebooks").glob("*.ipynb")] == [
        "01-quick.ipynb"
    ]

    (course / "notebooks" / "again").touch()
    output = finish(start(course, "job.slurm", "notebooks"))
    assert "01-quick: done before" in output
    assert "02-slow: cell 2/2" in output


def test_pbs_stops_notebooks(course):
    small_series(course)
    job = start(course, "job.pbs", SECONDS_TO_RUN="8")
    output = job.communicate(timeout=120)[0]
    assert job.returncode in (124, 143), output
    assert "Submit the same command again" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("nodes", [None, ""])
def test_pbs_without_a_list_of_nodes(course, nodes):
    """One process on this node, and a word about it."""
    (course / "nodes").unlink()
    if nodes is not None:
        (course / "nodes").write_text(nodes)
    mpiexec = '#!/bin/bash\necho "mpiexec $1 $2, MASTER_ADDR=$MASTER_ADDR"\n'
    (course / "bin" / "mpiexec").write_text(mpiexec)
    output = finish(start(course, "job.pbs", WHAT="train", MASTER_ADDR=""))
    assert "lists no node; one process is started" in output
    assert "mpiexec -n 1, MASTER_ADDR=127.0.0.1" in output


def test_the_page_starts_programs_of_the_environment():
    """In the repository's folder nothing else has the right versions, or is there at all."""
    page = (REPOSITORY / "hpc" / "index.qmd").read_text()
    lines = [line for line in page.splitlines() if re.match(r"(\S*/)?(jupyter|pip) ", line)]
    assert lines
    assert all(line.startswith(".venv/bin/") for line in lines), lines


def test_pbs_stops_in_time_and_goes_on(course):
    arguments = {"WHAT": "train", "OPTIONS": " ".join([*SMALL, "--epochs=5000"])}
    job = start(course, "job.pbs", SECONDS_TO_RUN="20", **arguments)
    output = job.communicate(timeout=120)[0]
    assert job.returncode in (124, 143), output  # of timeout, or of a process told by the other
    assert "Go on with --resume" in output
    assert "Submit the same command again" in output

    arguments["OPTIONS"] = " ".join([*SMALL, "--epochs=1"])
    output = finish(start(course, "job.pbs", **arguments))
    assert "2 process(es), started by mpiexec" in output
    assert "Going on from epoch" in output


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


# A compute node: no way to the internet, the course in a folder that nobody may write to, only the
# archives of the data in it, and the home folder somewhere else.
NODE = """
set -e
ip link set lo up
[ -z "$(ip route)" ]
mount --bind "$REPOSITORY" "$COURSE"
mount -o remount,bind,ro "$COURSE"
mount --bind "$ARCHIVES" "$COURSE/data/MNIST/raw"
mount -o remount,bind,ro "$COURSE/data/MNIST/raw"
cd "$COURSE/notebooks"
exec setpriv --reuid="$1" --regid="$2" --clear-groups bash -ec "$3"
"""
WORK = """
if touch here 2>/dev/null; then echo "the checkout can be written"; exit 1; fi
"$PYTHON" ../tools/run_series.py --to "$RESULTS" 01
"$PYTHON" -m torch.distributed.run --standalone --nproc-per-node=2 \
  -m cnn.train --images=512 --epochs=1 --out "$RESULTS/run"
"""


def test_without_internet_on_a_read_only_checkout(tmp_path):
    node = [*([] if os.geteuid() == 0 else ["sudo", "-n"]), "unshare", "--net", "--mount"]
    try:
        subprocess.run([*node, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("making a network of its own takes root, or sudo without a password")
    folders = {name: tmp_path / name.lower() for name in ("COURSE", "ARCHIVES", "RESULTS", "HOME")}
    for folder in folders.values():
        folder.mkdir()
    for archive in (REPOSITORY / "data" / "MNIST" / "raw").glob("*.gz"):
        shutil.copy(archive, folders["ARCHIVES"])
    variables = folders | {"REPOSITORY": REPOSITORY, "PYTHON": sys.executable}
    environment = ["env", "-i", f"PATH={os.environ['PATH']}", "OMP_NUM_THREADS=1"]
    environment += [f"{name}={value}" for name, value in variables.items()]
    user = [str(os.getuid()), str(os.getgid())]
    done = subprocess.run(
        [*node, *environment, "bash", "-c", NODE, "node", *user, WORK],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert (folders["RESULTS"] / "01-data.ipynb").exists()
    assert (folders["RESULTS"] / "run" / "weights.pt").exists()
    assert (folders["HOME"] / ".cache" / "cnn-course" / "MNIST" / "raw").is_dir()


def test_kernel_for_a_jupyterhub(tmp_path):
    """The command of the page; the hub then starts the kernel with this Python."""
    name = ["--name", "cnn-course", "--display-name", "CNN course"]
    subprocess.run(
        [sys.executable, "-m", "ipykernel", "install", "--user", *name],
        env=os.environ | {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / ".local/share")},
        check=True,
        capture_output=True,
    )
    (kernel,) = tmp_path.rglob("kernels/cnn-course/kernel.json")
    kernel = json.loads(kernel.read_text())
    assert kernel["display_name"] == "CNN course"
    assert Path(kernel["argv"][0]).samefile(sys.executable)
    page = (REPOSITORY / "hpc" / "index.qmd").read_text()
    assert f'{" ".join(name[:3])} "CNN course"' in page
