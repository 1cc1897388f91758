"""The commands of the page on computing centres, on a small centre with a real Slurm."""

import os
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
import pytest
import torch
from cluster import LOGIN, Centre, missing

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "hpc" / "index.qmd").read_text()
SMALL = "--images 64 --batch-size 16 --float32"

# Each block of commands begins with this line, and is run by this test.
BLOCKS = {
    "cd /work/project": "test_login_node",
    "export http_proxy=http://proxy.example.org:3128": "test_proxy",
    "srun --cpus-per-task=4 --mem=8G --time=1:00:00 --pty bash": "test_on_a_compute_node",
    ".venv/bin/jupyter lab --no-browser --ip=127.0.0.1 --port=8888 --notebook-dir=notebooks": (
        "test_jupyterlab_through_a_tunnel"
    ),
    "ssh -N -L 8888:localhost:8888 -J you@login.example.org you@node042": (
        "test_jupyterlab_through_a_tunnel"
    ),
    '.venv/bin/jupyter lab --no-browser --ip="$(hostname)" --port=8888 --notebook-dir=notebooks': (
        "test_jupyterlab_on_the_network_of_the_node"
    ),
    '.venv/bin/python -m ipykernel install --user --name cnn-course --display-name "CNN course"': (
        "test_kernel_for_the_hub"
    ),
    "sbatch hpc/job.slurm notebooks": "test_batch_jobs",
    "torchrun --nproc-per-node=4 -m cnn.train --out ../build/run": "test_launchers",
    "srun --ntasks-per-node=1 bash -c 'torchrun": "test_torchrun_on_two_nodes",
    "ACCOUNT=myproject DRY_RUN=1 bash hpc/submit.sh polaris 2 train --epochs 20": (
        "test_settings_of_a_centre"
    ),
    "srun python -m cnn.doctor": "test_the_doctor",
}
# These are linted (tests/test_hpc.py), not run: building takes the internet and several minutes.
NOT_RUN = {
    "apptainer build cnn-course.sif hpc/course.def",
}


def blocks():
    """The commands of each block, without the comments behind them."""
    found = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [
        [re.sub(r"\s+# .*", "", line) for line in text.splitlines() if line.strip()]
        for text in found
    ]


def block(first):
    (found,) = [lines for lines in blocks() if lines[0].startswith(first)]
    return found


def test_each_block_of_the_page_has_its_test():
    for lines in blocks():
        found = [first for first in [*BLOCKS, *NOT_RUN] if lines[0].startswith(first)]
        assert len(found) == 1, lines[0]
    assert all(name in globals() for name in BLOCKS.values())


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    if not os.environ.get("CNN_SLURM"):
        pytest.skip("make test-slurm runs it")
    if reason := missing():
        pytest.skip(reason)
    with Centre(tmp_path_factory.mktemp("c")) as centre:
        yield centre


@pytest.fixture
def course(centre, tmp_path):
    """The course as it is after `make install`, with two short notebooks for the lessons."""
    folder = centre.project / tmp_path.name
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "cnn").symlink_to(REPOSITORY / "notebooks" / "cnn")
    for name in ("data", "hpc", "Makefile"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "tools").mkdir()  # the series is where run_series.py is, behind any links
    for name in ("run_series.py", "seconds.py"):
        shutil.copy(REPOSITORY / "tools" / name, folder / "tools")
    for name in ("01-one", "02-two"):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
    environment(folder)
    (folder / "requirements.txt").touch()
    os.utime(folder / "requirements.txt", (0, 0))  # older than the environment
    return folder


def environment(folder):
    """A .venv that holds what the one of this test holds, and counts as installed."""
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name in ("bin", "lib", "lib64", "share", "include"):
            (folder / ".venv" / path.name).symlink_to(path.resolve())
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder / ".venv")
    (folder / ".venv" / ".installed").touch()


def results_of(centre, course, job, states=("COMPLETED",)):
    state = centre.wait_for(job, ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"))
    output = (course / f"cnn-course-{job}.out").read_text()
    assert state in states, f"{state}\n{output}\n{centre.logs()}"
    return output


def weights(folder):
    return torch.load(folder / "weights.pt", weights_only=True)


# --- on the login node ---------------------------------------------------------------------------


def test_login_node(centre):
    """Real: git. Stand-ins: `module`, and `make install`, which needs the internet."""
    commands = "\n".join(block("cd /work/project"))
    commands = commands.replace("{{< meta repository >}}", str(REPOSITORY))
    commands = commands.replace("/work/project", str(centre.project))
    commands = commands.replace("make install", "make --dry-run install")
    safe = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    module = 'module() { echo "module $*"; }\n'
    output = centre.run(f"set -e\n{module}{commands}\necho $PIP_CACHE_DIR", **safe)
    assert "module load python" in output
    assert "pip install --disable-pip-version-check -r requirements.txt" in output
    assert output.splitlines()[-1] == f"{centre.project}/cnn-course/build/pip"


ASK = """
import urllib.request as u
print(u.getproxies()["https"], u.proxy_bypass("localhost") and 1)
print(u.proxy_bypass("a.example.org") and 1, u.proxy_bypass("b.org"))
"""


def test_proxy(centre):
    commands = "\n".join(block("export http_proxy=http://proxy.example.org:3128"))
    output = centre.run(f"{commands}\n{sys.executable} -c '{ASK}'")
    assert output.split() == ["http://proxy.example.org:3128", "1", "1", "False"]


def test_kernel_for_the_hub(centre, course):
    (command,) = block(next(line for line in BLOCKS if "ipykernel" in line))
    centre.run(command, folder=course)
    output = centre.run("cat ~/.local/share/jupyter/kernels/cnn-course/kernel.json")
    assert f"{course}/.venv/bin/python" in output


def test_there_is_no_way_to_the_internet_and_little_room_in_home(centre):
    assert centre.run("ip route").strip() == ""
    output = centre.run("head -c 2000000 /dev/zero > ~/large", check=False)
    assert "No space left on device" in output
    centre.run("rm ~/large")


# --- on a compute node ---------------------------------------------------------------------------


def test_on_a_compute_node(centre, course):
    """Real: srun --pty in a terminal. The lessons are two short notebooks here."""
    first, *rest = block("srun --cpus-per-task=4 --mem=8G --time=1:00:00 --pty bash")
    typed = "\n".join(rest).replace("/work/project/cnn-course", str(course)) + "\nhostname\nexit\n"
    output = centre.run(f"script -qec '{first}' /dev/null", stdin=typed, folder=course)
    threads = min(4, os.cpu_count())  # four are asked for, and PyTorch takes no more than there are
    assert re.search(rf"^{threads} False\r?$", output, re.MULTILINE), output
    assert re.search(r"^node04[23]\r?$", output, re.MULTILINE), output
    assert (course / "build/notebooks/02-two.ipynb").exists(), output


GET = """
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print("no answer")
"""


def get(centre, address):
    return centre.run(f"{sys.executable} -c '{GET}' '{address}'").strip()


def jupyter(centre, course, command):
    """JupyterLab in a job on node042; gives the process and the token."""
    process = centre.start(f"srun --nodelist=node042 bash -c '{command}'", folder=course)
    for line in process.stdout:
        if found := re.search(r"token=(\w+)", line):
            return process, found[1]
    raise AssertionError("JupyterLab has printed no token")


def wait_for_answer(centre, address):
    deadline = time.monotonic() + 120
    while (answer := get(centre, address)) == "no answer" and time.monotonic() < deadline:
        time.sleep(1)
    return answer


def test_jupyterlab_through_a_tunnel(centre, course):
    """Real: JupyterLab in a job, and ssh over two sshd. Only the port at home is another one."""
    need_sshd()
    (command,) = block(next(line for line in BLOCKS if "--ip=127.0.0.1" in line))
    (tunnel,) = block(next(line for line in BLOCKS if "-J you@" in line))
    # The nodes share the loopback interface with "home", where the port is thus taken.
    process, token = jupyter(centre, course, command)
    ssh = centre.start(tunnel.replace("-L 8888:", "-L 18888:"))
    assert wait_for_answer(centre, f"http://127.0.0.1:18888/api/status?token={token}") == "200"
    assert get(centre, "http://127.0.0.1:18888/api/status") == "403"
    assert get(centre, "http://node042:8888/api/status") == "no answer"  # only the node itself
    for each in (ssh, process):
        each.terminate()
    centre.run("scancel --user=you --wait 2>/dev/null || scancel --user=you")


def test_jupyterlab_on_the_network_of_the_node(centre, course):
    need_sshd()
    command, tunnel = block(next(line for line in BLOCKS if "$(hostname)" in line))
    process, token = jupyter(centre, course, command)
    ssh = centre.start(tunnel)
    assert wait_for_answer(centre, f"http://127.0.0.1:8888/api/status?token={token}") == "200"
    assert get(centre, "http://node042:8888/api/status") == "403"  # others reach it, without token
    for each in (ssh, process):
        each.terminate()
    centre.run("scancel --user=you")


def need_sshd():
    if not shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("sshd is not installed (Debian: openssh-server)")


# --- batch jobs ----------------------------------------------------------------------------------


def test_batch_jobs(centre, course):
    """Real: Slurm on two nodes. Smaller: two short notebooks, 64 images, one core a process."""
    lines = [line for line in block("sbatch hpc/job.slurm notebooks") if "sbatch" in line]
    notebooks, one, two_nodes, seeds = lines
    job = centre.submit(notebooks, folder=course)
    results_of(centre, course, job)
    assert (course / "build/notebooks/02-two.ipynb").exists()

    small = f" {SMALL}"
    job = centre.submit(one.replace("sbatch", "sbatch --cpus-per-task=1") + small, folder=course)
    assert "epoch 20/20" in results_of(centre, course, job)
    assert (course / "build/run/weights.pt").exists()

    shutil.rmtree(course / "build/run")
    job = centre.submit(
        two_nodes.replace("sbatch", "sbatch --cpus-per-task=1") + small, folder=course
    )
    output = results_of(centre, course, job)
    assert "8 process(es), started by" in output
    assert "meet at node042:" in output
    assert "epoch 20/20" in output

    command = seeds.replace("sbatch", "sbatch --cpus-per-task=1").replace("0-4", "0-1")
    job = centre.submit(f"{command} {SMALL} --epochs 1", folder=course)
    for seed in (0, 1):
        centre.wait_for(f"{job}_{seed}", ("COMPLETED",))
    first, second = (weights(course / f"build/run-{seed}") for seed in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_the_time_limit_and_a_stop(centre, course):
    """Stopped by Slurm, the job goes back into the queue, and goes on to the same weights."""
    # A step of 16 of 512 images: an epoch has 32 steps, and the job is told to stop in one.
    options = "--images 512 --batch-size 16 --epochs 3 --float32"
    pair = "sbatch --ntasks-per-node=2 --cpus-per-task=1 --gpus=0"
    whole = centre.submit(f"{pair} --array=7-7 hpc/job.slurm train {options}", folder=course)
    centre.wait_for(f"{whole}_7", ("COMPLETED",))
    shutil.move(course / "build/run-7", course / "build/undisturbed")

    job = centre.submit(f"{pair} hpc/job.slurm train {options} --seed 7", folder=course)
    output = course / f"cnn-course-{job}.out"
    wait_for_text(output, "epoch 1, step 20")
    centre.run(f"scancel --signal=TERM {job}")  # what Slurm does 120 s before the end
    wait_for_text(output, "the job goes back into the queue")
    deadline = time.monotonic() + 60
    while centre.state(job)["JobState"] != "PENDING" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert centre.state(job)["Restarts"] == "1"
    while centre.run("sinfo --noheader --format=%T").strip() != "idle":  # the first run ends
        time.sleep(1)
    time.sleep(3)  # slurmd refuses a job that begins in the second in which it was withdrawn
    centre.run(f"scontrol update JobId={job} StartTime=now")  # Slurm waits two minutes otherwise
    text = results_of(centre, course, job)
    assert "Going on from epoch" in text
    undisturbed, stopped = weights(course / "build/undisturbed"), weights(course / "build/run")
    for name, value in undisturbed.items():
        assert torch.equal(stopped[name], value), name  # bit for bit


def wait_for_text(path, text, timeout=300):
    deadline = time.monotonic() + timeout
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, path.exists() and path.read_text()
        time.sleep(0.3)


def test_the_signal_comes_before_the_end(centre, course):
    """Real: the time limit. With three minutes, Slurm sends SIGTERM in the first one."""
    options = "--images 512 --batch-size 16 --epochs 9999 --float32"
    command = f"sbatch --time=3 --cpus-per-task=1 hpc/job.slurm train {options}"
    job = centre.submit(command, folder=course)
    output = course / f"cnn-course-{job}.out"
    wait_for_text(output, "Go on with --resume")
    wait_for_text(output, "the job goes back into the queue")
    centre.run(f"scancel {job}")


KILL_RANK_1 = """
for process in $(pgrep -f cnn.train); do
  if tr '\\0' '\\n' < /proc/$process/environ | grep -q '^SLURM_PROCID=1$' \\
    && grep -q python /proc/$process/comm; then kill -KILL $process; fi
done
"""


def test_a_process_dies(centre, course):
    options = "--images 512 --batch-size 16 --epochs 9999 --float32"
    command = "sbatch --nodes=2 --ntasks-per-node=1 --cpus-per-task=1 --no-requeue"
    job = centre.submit(f"{command} hpc/job.slurm train {options}", folder=course)
    output = course / f"cnn-course-{job}.out"
    wait_for_text(output, "epoch 1, step 20")
    centre.run(KILL_RANK_1)
    text = results_of(centre, course, job, states=("FAILED",))
    assert "Another process of this run has ended" in text


def test_data_in_a_shared_folder_that_is_read_only(centre, course):
    shared = centre.folder / "shared" / "MNIST" / "raw"
    shared.mkdir(parents=True, exist_ok=True)
    for archive in (REPOSITORY / "data" / "MNIST" / "raw").glob("*.gz"):
        shutil.copy(archive, shared)
    (course / "data").unlink()
    variables = f"ALL,CNN_DATA={centre.folder}/shared,XDG_CACHE_HOME={course}/cache"
    command = f"sbatch --cpus-per-task=1 --export={variables} hpc/job.slurm train {SMALL}"
    assert "epoch 3/3" in results_of(centre, course, centre.submit(command, folder=course))


# --- PBS, as far as it can be had -----------------------------------------------------------------

# Debian has no OpenPBS. This stand-in reads the resources, writes the file of nodes, and runs the
# script; mpiexec is MPICH's own, which starts the processes of each node over ssh.
QSUB = """#!/bin/bash
set -e
select=1:mpiprocs=1
while [[ $1 == -* ]]; do
  case $1 in
    -l) case $2 in select=*) select=${2#select=} ;; esac ;;
    -v) IFS=, read -ra settings <<< "$2"; export "${settings[@]}" ;;
  esac
  shift 2
done
nodes=${select%%:*} processes=$(grep -oP 'mpiprocs=\\K[0-9]+' <<< "$select" || echo 1)
for node in $(printf 'node042\\nnode043\\n' | head -n "$nodes"); do
  for ((i = 0; i < processes; i++)); do echo "$node"; done
done > nodes
export PBS_NODEFILE=$PWD/nodes PBS_O_WORKDIR=$PWD PBS_JOBID=4711.server NCPUS=1
exec bash "$1"
"""


def test_pbs_with_a_stand_in_for_qsub(centre, course):
    need_sshd()
    if not shutil.which("mpiexec.mpich"):
        pytest.skip("MPICH is not installed (Debian: mpich)")
    (course / "bin").mkdir()
    (course / "bin/qsub").write_text(QSUB)
    (course / "bin/qsub").chmod(0o755)
    (course / "bin/mpiexec").write_text('#!/bin/bash\nexec mpiexec.mpich "$@"\n')
    (course / "bin/mpiexec").chmod(0o755)
    path = {"PATH": f"{course}/bin:{os.environ['PATH']}:/usr/sbin"}
    lines = [line for line in block("sbatch hpc/job.slurm notebooks") if "qsub" in line]
    notebooks, one, two_nodes = lines
    centre.run(notebooks, folder=course, **path)
    assert (course / "build/notebooks/02-two.ipynb").exists()
    output = centre.run(
        one.replace("--epochs 20", f"--epochs 2 {SMALL}"), folder=course, timeout=300, **path
    )
    assert "epoch 2/2" in output
    shutil.rmtree(course / "build/run")
    command = two_nodes.replace("mpiprocs=4:ompthreads=2", "mpiprocs=2:ompthreads=1")
    command = command.replace("WHAT=train", f'WHAT=train,OPTIONS="--epochs 1 {SMALL}"')
    output = centre.run(command, folder=course, timeout=300, **path)
    assert "4 process(es), started by mpiexec" in output
    assert "meet at node042:" in output
    assert "epoch 1/1" in output


# --- launchers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mpi", ["mpich", "openmpi"])
def test_launchers(centre, course, mpi):
    """Real: torchrun, srun, mpiexec. Two processes each, since this machine has few cores."""
    torchrun, srun, mpiexec = block("torchrun --nproc-per-node=4 -m cnn.train --out ../build/run")
    if not shutil.which(f"mpiexec.{mpi}"):
        pytest.skip(f"mpiexec of {mpi} is not installed (Debian: mpich, openmpi-bin)")
    path = {"PATH": f"{course}/.venv/bin:{os.environ['PATH']}:/usr/sbin", "OMP_NUM_THREADS": "1"}
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    root["OMPI_MCA_oob_tcp_if_include"] = "lo"  # it asks for a network, and here is only loopback
    command = mpiexec.replace("mpiexec -n 8", f"mpiexec.{mpi} -n 2")
    output = centre.run(f"{command} {SMALL}", folder=course / "notebooks", **path, **root)
    assert "2 process(es), started by mpiexec" in output
    if mpi == "openmpi":
        return
    for line, launcher in [(torchrun.replace("=4", "=2"), "torchrun"), (srun, "mpiexec or srun")]:
        shutil.rmtree(course / "build/run")
        if "srun" in line.split()[0]:
            line = f"salloc --quiet --nodes=2 --ntasks=2 {line}"
        output = centre.run(f"{line} {SMALL}", folder=course / "notebooks", **path)
        assert f"2 process(es), started by {launcher}" in output


def test_torchrun_on_two_nodes(centre, course):
    (command,) = block("srun --ntasks-per-node=1 bash -c 'torchrun")
    command = command.replace("--nproc-per-node=4", "--nproc-per-node=1")
    path = {"PATH": f"{course}/.venv/bin:{os.environ['PATH']}:/usr/sbin", "OMP_NUM_THREADS": "1"}
    command = command.replace("../build/run'", f"../build/run {SMALL}'")
    output = centre.run(
        f"salloc --quiet --nodes=2 --ntasks-per-node=1 {command}",
        folder=course / "notebooks",
        **path,
    )
    assert "2 process(es), started by torchrun" in output


def test_the_doctor(centre, course):
    """A machine with much other work is slow, and the doctor says so: that line may be either."""
    srun, mpiexec = block("srun python -m cnn.doctor")
    path = {"PATH": f"{course}/.venv/bin:{os.environ['PATH']}:/usr/sbin", "OMP_NUM_THREADS": "1"}
    commands = [f"salloc --quiet --nodes=2 --ntasks=2 {srun}"]
    if shutil.which("mpiexec.mpich"):
        commands.append(mpiexec.replace("mpiexec", "mpiexec.mpich"))
    for command in commands:
        output = centre.run(command, folder=course / "notebooks", check=False, **path)
        for about in ("launcher", "processes", "devices", "versions", "batch", "data", "disk"):
            assert f"fine    {about}:" in output, output
        assert "messages: gloo" in output
        n_hosts = 2 if "srun" in command else 1
        assert f"2 on {n_hosts} host(s)" in output


def test_settings_of_a_centre(centre, course):
    commands = "\n".join(block("ACCOUNT=myproject DRY_RUN=1"))
    polaris, lumi = centre.run(commands, folder=course).splitlines()
    assert polaris.startswith("qsub -A myproject -q debug -l filesystems=home:eagle -l select=2 ")
    assert lumi.startswith("sbatch --account=myproject --partition=standard-g ")


def test_the_names_of_the_page_are_those_of_the_centre():
    assert LOGIN in PAGE
    assert "node042" in PAGE
