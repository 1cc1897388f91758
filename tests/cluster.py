"""A small computing centre on this machine: a login node and two compute nodes with a real Slurm.

The home folder has a quota of 1 MB, and the folder `shared` may only be read.
It lives in namespaces of its own (unshare: processes, mounts, network, host name), with nothing but
a loopback interface: no way to the internet, host names of its own, and everything ends with it.
Real are munge, slurmctld, a slurmd for each node, and sshd. Emulated are the machines: both nodes
are this one, and the processors, the memory and the GPUs that they offer exist in slurm.conf only.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

LOGIN, NODES = "login.example.org", ("node042", "node043")
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scontrol", "unshare", "nsenter")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
HOSTS = """127.0.0.1 localhost
10.0.0.11 login.example.org login
10.0.0.42 node042
10.0.0.43 node043
"""
SLURM_CONF = """ClusterName=course
SlurmctldHost=login.example.org
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=pmi2
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
KillWait=20
OverTimeLimit=0
ReturnToService=2
SlurmctldTimeout=300
SlurmdTimeout=300
MessageTimeout=60
TreeWidth=2
NodeName=node042 NodeAddr=10.0.0.42 Port=17042 CPUs=8 RealMemory=64000 Gres=gpu:4 State=UNKNOWN
NodeName=node043 NodeAddr=10.0.0.43 Port=17043 CPUs=8 RealMemory=64000 Gres=gpu:4 State=UNKNOWN
PartitionName=normal Nodes=node042,node043 Default=YES MaxTime=1-0 State=UP OverSubscribe=NO
"""
GRES_CONF = "NodeName=node042,node043 AutoDetect=off Name=gpu File={folder}/gpu[0-3]\n"
CGROUP_CONF = "# none are used\n"
SSHD_CONFIG = """Port 22
ListenAddress {address}
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/key.pub
PidFile {folder}/sshd-{name}.pid
PermitRootLogin yes
StrictModes no
UsePAM no
PasswordAuthentication no
"""
SSH_CONFIG = """Host *
  IdentityFile {folder}/key
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""
# The first process of the centre. A node has its own host name, so slurmd knows which one it is.
CENTRE = """set -e
export PATH SLURM_CONF="$FOLDER/slurm.conf"
mount --make-rprivate / 2>/dev/null || true
mount --bind "$FOLDER/hosts" /etc/hosts
mount --bind "$FOLDER/passwd" /etc/passwd
hostname login.example.org
ip link set lo up
for address in 10.0.0.11 10.0.0.42 10.0.0.43; do ip address add "$address/32" dev lo; done
mount -t tmpfs -o size=1m home "$FOLDER/home"
cp -r "$FOLDER/dotfiles/." "$FOLDER/home"
mount --bind "$FOLDER/shared" "$FOLDER/shared"
mount -o remount,bind,ro "$FOLDER/shared"
mkdir -p /run/sshd
munged --foreground --force --key-file "$FOLDER/munge.key" --socket "$FOLDER/munge.socket" \
  --pid-file "$FOLDER/munged.pid" --log-file "$FOLDER/munged.log" --seed-file "$FOLDER/seed" &
for _ in $(seq 100); do [ -S "$FOLDER/munge.socket" ] && break; sleep 0.1; done
slurmctld -D -i >"$FOLDER/slurmctld.out" 2>&1 &
for node in node042 node043; do
  unshare --uts bash -c 'hostname "$1"; exec slurmd -D -N "$1"' node "$node" \
    >"$FOLDER/slurmd-$node.out" 2>&1 &
done
if command -v sshd >/dev/null; then
  "$(command -v sshd)" -D -e -f "$FOLDER/sshd-login" >"$FOLDER/sshd-login.out" 2>&1 &
  for node in node042 node043; do
    unshare --uts bash -c 'hostname "$1"; exec "$(command -v sshd)" -D -e -f "$2"' node "$node" \
      "$FOLDER/sshd-$node" >"$FOLDER/sshd-$node.out" 2>&1 &
  done
fi
wait
"""


def missing():
    """Why there can be no such centre here, or an empty text."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: slurm-wlm munge util-linux)"
    if os.geteuid() != 0:
        return "the daemons and their namespaces take root: sudo .venv/bin/python -m pytest ..."
    try:
        command = ["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "true"]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "this system allows no namespaces"
    return ""


class Centre:
    """A context manager; run() runs commands on the login node, as in a user's shell there."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.project = self.folder / "project"  # stands for /work/project
        self.started = []

    def __enter__(self):
        for name in ("project", "state", "home", "shared", "dotfiles/.ssh", "dotfiles/.jupyter"):
            (self.folder / name).mkdir(parents=True)
        self._write_files()
        command = ["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child"]
        variables = [f"FOLDER={self.folder}", f"PATH={PATH}"]
        self.init = subprocess.Popen(
            ["env", *variables, *command, "--mount-proc", "bash", "-c", CENTRE],
            stdout=(self.folder / "centre.out").open("w"),
            stderr=subprocess.STDOUT,
        )
        try:
            self._wait_for_nodes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _write_files(self):
        folder = self.folder
        (folder / "hosts").write_text(HOSTS)
        # The user of the page's commands, "you", is root: nobody else may start the daemons.
        user = f"you:x:0:0::{folder}/home:/bin/bash\n"
        (folder / "passwd").write_text(user + Path("/etc/passwd").read_text())
        (folder / "slurm.conf").write_text(SLURM_CONF.format(folder=folder))
        (folder / "gres.conf").write_text(GRES_CONF.format(folder=folder))
        for number in range(4):
            (folder / f"gpu{number}").touch()
        (folder / "cgroup.conf").write_text(CGROUP_CONF)
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o400)
        for name, address in zip(("login", *NODES), ("10.0.0.11", "10.0.0.42", "10.0.0.43")):
            text = SSHD_CONFIG.format(folder=folder, name=name, address=address)
            (folder / f"sshd-{name}").write_text(text)
        (folder / "dotfiles/.ssh/config").write_text(SSH_CONFIG.format(folder=folder))
        (folder / "dotfiles/.ssh/config").chmod(0o600)
        allow_root = "c = get_config()\nc.ServerApp.allow_root = True\n"
        (folder / "dotfiles/.jupyter/jupyter_server_config.py").write_text(allow_root)
        if shutil.which("ssh-keygen"):
            for key in ("key", "host-key"):
                command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key]
                subprocess.run(command, check=True)

    def _wait_for_nodes(self):
        deadline, states = time.monotonic() + 180, ""
        while time.monotonic() < deadline:
            if self.init.poll() is not None:
                break
            try:
                states = self.run("sinfo --noheader --format=%T%D", check=False).strip()
            except RuntimeError:
                states = ""
            if states == "idle2":
                return
            time.sleep(0.5)
        raise RuntimeError(f"the nodes did not come up ({states!r}):\n{self.logs()}")

    def logs(self):
        files = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
        return "\n".join(f"--- {file.name}\n{file.read_text()[-1500:]}" for file in files)

    def _first_process(self):
        """The number of the first process of the centre, as it is called outside."""
        unshare = self.init.pid
        children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        if not children:
            raise RuntimeError("the centre has not started")
        return int(children[0])

    def start(self, text, folder=None, **environment):
        """Start a bash script on the login node; gives the process."""
        variables = {
            "PATH": PATH,
            "SLURM_CONF": f"{self.folder}/slurm.conf",
            "HOME": f"{self.folder}/home",
            "LANG": "C.UTF-8",
            **environment,
        }
        inside = ["nsenter", f"--target={self._first_process()}"]
        inside += ["--mount", "--net", "--pid", "--uts", f"--wdns={folder or self.project}"]
        settings = [f"{name}={value}" for name, value in variables.items()]
        process = subprocess.Popen(
            [*inside, "env", "-i", *settings, "bash", "-c", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, text, check=True, stdin=None, timeout=400, **settings):
        process = self.start(text, **settings)
        output = process.communicate(stdin, timeout=timeout)[0]
        if check:
            assert process.returncode == 0, f"{text}\n{output}\n{self.logs()}"
        return output

    def submit(self, command, **settings):
        """Submit a job; gives its number."""
        output = self.run(command, **settings)
        assert "Submitted batch job" in output, output
        return output.split()[-1]

    def state(self, job):
        """The state of a job and what became of it: a dictionary of what scontrol shows."""
        text = self.run(f"scontrol --oneliner show job {job}")
        return dict(part.split("=", 1) for part in text.split() if "=" in part)

    def wait_for(self, job, states, timeout=400):
        deadline = time.monotonic() + timeout
        while (state := self.state(job)["JobState"]) not in states:
            if time.monotonic() > deadline:
                raise AssertionError(f"job {job} is {state}\n{self.logs()}")
            time.sleep(1)
        return state

    def __exit__(self, *_):
        try:  # with its first process everything in the centre ends
            subprocess.run(["kill", "-KILL", str(self._first_process())], check=False)
        except (OSError, RuntimeError):
            self.init.terminate()
        self.init.wait(timeout=30)
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
