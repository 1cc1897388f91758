# shellcheck shell=bash disable=SC2034
# Any cluster with PBS. Nothing is assumed: copy this file, and add what your centre asks for.
# Source: https://github.com/openpbs/openpbs (qsub), https://www.mpich.org/documentation (2026-11-25)
SITE_SCHEDULER=pbs
SITE_SUBMIT=(${ACCOUNT:+-A "$ACCOUNT"})        # and -q ...
SITE_SELECT=ncpus=8:mpiprocs=1:mem=16gb        # what is asked for on each node
SITE_RANKS=1                                   # processes on a node: with GPUs, one for each
SITE_GPUS=0                                    # GPUs of a node; ask for them in SITE_SELECT too
SITE_CPUS=8                                    # cores for each process
SITE_LAUNCH=()                                 # options of mpiexec
SITE_HOST_SUFFIX=                              # behind the node's name, for its fast network
site_setup() { :; }                            # module load ...; PYTHON=...
