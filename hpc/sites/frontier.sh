# shellcheck shell=bash disable=SC2034
# Frontier, Oak Ridge: 4 AMD MI250X a node, seen as 8 GPUs. Not tried there by us: each line is from
# the page behind it.
# [torch] https://docs.olcf.ornl.gov/software/analytics/pytorch_frontier.html (2026-11-25)
# [guide] https://docs.olcf.ornl.gov/systems/frontier_user_guide.html (2026-11-25)
SITE_SCHEDULER=slurm
SITE_SUBMIT=(-A "$ACCOUNT" -p "${QUEUE:-batch}" --network=disable_rdzv_get --mem=0) # [torch]; --mem: the whole node, ours
SITE_RANKS=8                                     # [guide]
SITE_GPUS=8                                      # [guide]
SITE_CPUS=7                                      # [torch]
SITE_LAUNCH=(--gpus-per-task=1 --gpu-bind=closest) # [torch]
SITE_HOST_SUFFIX=                                # MASTER_ADDR is an address of the first node [torch]
site_setup() {
  module load PrgEnv-gnu/8.7.0 cpe/26.03 miniforge3/23.11.0-0 rocm/7.1.1 # [torch]
  module load rccl-net-plugin craype-accel-amd-gfx90a                    # the plugin sets FI_* [torch]
  export LD_LIBRARY_PATH=${CRAY_LD_LIBRARY_PATH:-}:${LD_LIBRARY_PATH:-}  # [torch]
  export NCCL_SOCKET_IFNAME=hsn0,hsn1,hsn2,hsn3                          # [torch]
  export MIOPEN_USER_DB_PATH=/tmp/my-miopen-cache                        # [torch]
  export MIOPEN_CUSTOM_CACHE_DIR=$MIOPEN_USER_DB_PATH                    # [torch]
  MASTER_ADDR=${MASTER_ADDR:-$(hostname -i | cut -d ' ' -f 1)}           # [torch]
  export MASTER_ADDR
}
