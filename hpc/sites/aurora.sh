# shellcheck shell=bash disable=SC2034
# Aurora, Argonne: 6 Intel GPU Max a node, seen as 12. Not tried there by us: each line is from the
# page behind it.
# [jobs] https://docs.alcf.anl.gov/aurora/running-jobs-aurora/ (2026-11-25)
# [torch] https://docs.alcf.anl.gov/aurora/data-science/frameworks/pytorch/ (2026-11-25)
SITE_SCHEDULER=pbs
SITE_SUBMIT=(-A "$ACCOUNT" -q "${QUEUE:-debug}" -l "filesystems=${FILESYSTEMS:-flare}" -l place=scatter) # [jobs]
SITE_SELECT=                                     # whole nodes: select=1, and nothing else [jobs]
SITE_RANKS=12                                    # one for each tile [torch]
SITE_GPUS=12                                     # ZE_FLAT_DEVICE_HIERARCHY=FLAT, set by the module [torch]
SITE_CPUS=4                                      # of the list of cores below [torch]
SITE_LAUNCH=(--ppn 12 --cpu-bind=list:4-7:8-11:12-15:16-19:20-23:24-27:56-59:60-63:64-67:68-71:72-75:76-79) # [torch]
SITE_HOST_SUFFIX=.hsn.cm.aurora.alcf.anl.gov     # [torch]
SITE_BATCH_SIZE=528                              # ours: 512 can't be shared among 12 processes; 528 by 12, 24 and 48
site_setup() {
  module load frameworks # brings PyTorch for these GPUs, and the backend xccl [torch]
  PYTHON=${PYTHON:-$(command -v python3)}
}
