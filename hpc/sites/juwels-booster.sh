# shellcheck shell=bash disable=SC2034
# JUWELS Booster, Jülich: 4 NVIDIA A100 a node. Not tried there by us.
# [fix] https://github.com/HelmholtzAI-FZJ/torchrun_jsc (2026-11-25)
# [log] https://gist.github.com/surak/5f3f236616e5db48f19d31df457b4350 (2026-11-25)
# [unread] We could not open https://apps.fz-juelich.de/jsc/hps/juwels/ on 2026-11-25: these lines are
#   from job scripts that others have published. Check them before you rely on them.
SITE_SCHEDULER=slurm
SITE_SUBMIT=("--account=$ACCOUNT" "--partition=${QUEUE:-booster}" --mem=0) # [unread]
SITE_RANKS=4                                     # [unread]
SITE_GPUS=4                                      # [unread]
SITE_CPUS=12                                     # ours: 48 cores for 4 processes [log]
SITE_LAUNCH=()
SITE_HOST_SUFFIX=i                               # the name of a node on InfiniBand [log]
site_setup() {
  module load PyTorch torchvision # [unread]
  PYTHON=${PYTHON:-$(command -v python3)}
}
