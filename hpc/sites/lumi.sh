# shellcheck shell=bash disable=SC2034
# LUMI, CSC: 4 AMD MI250X a node, seen as 8 GPUs. Not tried there by us: each line is from the page
# behind it.
# [guide] https://github.com/Lumi-supercomputer/LUMI-AI-Guide, 05-multi-gpu-and-node (2026-11-25)
# [torch] https://docs.lumi-supercomputer.eu/software/packages/pytorch/ (2026-11-25, a copy of 2024-10)
SITE_SCHEDULER=slurm
SITE_SUBMIT=("--account=$ACCOUNT" "--partition=${QUEUE:-standard-g}" --mem=480G) # [guide]
SITE_RANKS=8                                     # [guide]
SITE_GPUS=8                                      # [guide]
SITE_CPUS=7                                      # the first core of each group of 8 is not for jobs [guide]
SITE_LAUNCH=("--cpu-bind=mask_cpu:0x00fe000000000000,0xfe00000000000000,0x0000000000fe0000,0x00000000fe000000,0x00000000000000fe,0x000000000000fe00,0x000000fe00000000,0x0000fe0000000000") # [guide]
SITE_HOST_SUFFIX=                                # none is said to be needed [guide]
site_setup() {
  module purge                             # [guide]
  module use /appl/local/laifs/modules     # [guide]
  module load lumi-aif-singularity-bindings # [guide]
  export NCCL_SOCKET_IFNAME=hsn            # [torch]
  # Python is in a container: PYTHON is a script of yours that calls `singularity run IMAGE python "$@"`.
  # The images are in /appl/local/laifs/containers [guide].
  PYTHON=${PYTHON:?Set PYTHON to a script that starts Python in the container, see hpc/sites/lumi.sh}
}
