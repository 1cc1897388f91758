# shellcheck shell=bash disable=SC2034
# Polaris, Argonne: 4 NVIDIA A100 a node. Not tried there by us: each line is from the page behind it.
# [jobs] https://docs.alcf.anl.gov/polaris/running-jobs/ (2026-11-25)
# [gpus] https://docs.alcf.anl.gov/polaris/running-jobs/using-gpus/ (2026-11-25)
# [torch] https://docs.alcf.anl.gov/polaris/data-science/frameworks/pytorch/ (2026-11-25)
# [nccl] https://docs.alcf.anl.gov/polaris/applications-and-libraries/libraries/nccl/ (2026-11-25)
SITE_SCHEDULER=pbs
SITE_SUBMIT=(-A "$ACCOUNT" -q "${QUEUE:-debug}" -l "filesystems=${FILESYSTEMS:-home:eagle}") # [jobs]
SITE_SELECT=                                      # whole nodes: select=1, and nothing else [jobs]
SITE_RANKS=4                                      # one for each GPU [gpus]
SITE_GPUS=4                                       # [gpus]
SITE_CPUS=8                                       # our choice: 32 cores for 4 processes [jobs]
SITE_LAUNCH=(--ppn 4 --depth=16 --cpu-bind depth) # [torch]
SITE_HOST_SUFFIX=                                 # none is said to be needed [torch]
site_setup() {
  module use /soft/modulefiles # [torch]
  module load conda            # [torch]
  conda activate               # [torch]
  PYTHON=${PYTHON:-$(command -v python3)}
  export NCCL_NET="AWS Libfabric" NCCL_NET_GDR_LEVEL=PHB NCCL_CROSS_NIC=1 NCCL_COLLNET_ENABLE=1     # [nccl]
  export FI_CXI_DISABLE_HOST_REGISTER=1 FI_MR_CACHE_MONITOR=userfaultfd FI_CXI_DEFAULT_CQ_SIZE=131072 # [nccl]
  # [nccl] names folders of the plugin and of hwloc:
  export LD_LIBRARY_PATH=/soft/libraries/aws-ofi-nccl/v1.9.1-aws/lib:/soft/libraries/hwloc/lib:${LD_LIBRARY_PATH:-}
}
