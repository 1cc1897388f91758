# shellcheck shell=bash disable=SC2034
# Any cluster with Slurm. Nothing is assumed: copy this file, and add what your centre asks for.
# Source: https://slurm.schedmd.com/sbatch.html, https://slurm.schedmd.com/srun.html (2026-11-25)
SITE_SCHEDULER=slurm
SITE_SUBMIT=(${ACCOUNT:+"--account=$ACCOUNT"}) # and --partition=..., --constraint=...
SITE_RANKS=1                                   # processes on a node: with GPUs, one for each
SITE_GPUS=0                                    # GPUs of a node
SITE_CPUS=8                                    # cores for each process
SITE_LAUNCH=()                                 # options of srun
SITE_HOST_SUFFIX=                              # behind the node's name, for its fast network
site_setup() { :; }                            # module load ...; PYTHON=...
