# shellcheck shell=bash disable=SC2034
# Perlmutter, NERSC: 4 NVIDIA A100 a node. Not tried there by us.
# [nodes] https://docs.nersc.gov/beginner-guide/nodetypesfig (2026-11-25)
# [unread] We could not open https://docs.nersc.gov/systems/perlmutter/running-jobs/ and
#   https://docs.nersc.gov/machinelearning/pytorch/ on 2026-11-25: these lines are from pages that
#   quote them. Check them before you rely on them.
SITE_SCHEDULER=slurm
SITE_SUBMIT=("--account=$ACCOUNT" --constraint=gpu "--qos=${QUEUE:-regular}" --mem=0) # [unread]
SITE_RANKS=4                                     # one for each GPU [nodes]
SITE_GPUS=4                                      # [nodes]
SITE_CPUS=16                                     # ours: 64 cores for 4 processes [nodes]
SITE_LAUNCH=(--cpu-bind=cores)                   # [unread]
SITE_HOST_SUFFIX=                                # [unread]
site_setup() {
  module load pytorch # [unread]
  PYTHON=${PYTHON:-$(command -v python3)}
}
