#!/bin/bash
# Submit the job of this folder with the settings of a centre, from the folder of the repository:
#
#   bash hpc/submit.sh SITE NODES notebooks
#   ACCOUNT=project bash hpc/submit.sh polaris 2 train --epochs 20
#
# SITE is a file of hpc/sites/. ACCOUNT, QUEUE, FILESYSTEMS and PYTHON are the caller's. With
# DRY_RUN=1 the command is printed and nothing is submitted.

set -euo pipefail
if [ $# -lt 3 ] || [ ! -r "hpc/sites/$1.sh" ]; then
  echo "Usage: bash hpc/submit.sh SITE NODES notebooks|train [options]; SITE is one of:" >&2
  for file in hpc/sites/*.sh; do basename "$file" .sh >&2; done
  exit 2
fi
site=$1 nodes=$2 what=$3
shift 3
export ACCOUNT=${ACCOUNT:-} SITE=$site
# shellcheck source=/dev/null
source "hpc/sites/$site.sh"
if [ -z "$ACCOUNT" ] && [[ $site != plain-* ]]; then
  echo "Set ACCOUNT to the project that pays for the job at this centre." >&2
  exit 2
fi
ranks=$SITE_RANKS
[ "$what" != notebooks ] || { ranks=1 nodes=1; }
[ -z "${SITE_BATCH_SIZE:-}" ] || [ "$what" != train ] || set -- --batch-size "$SITE_BATCH_SIZE" "$@"

if [ "$SITE_SCHEDULER" = slurm ]; then
  command=(sbatch "${SITE_SUBMIT[@]}" "--nodes=$nodes" "--ntasks-per-node=$ranks" "--cpus-per-task=$SITE_CPUS")
  [ "$SITE_GPUS" -eq 0 ] || command+=("--gpus-per-node=$SITE_GPUS")
  command+=(hpc/job.slurm "$what" "$@")
else
  variables="SITE=$site,WHAT=$what,ACCOUNT=$ACCOUNT"
  [ -z "${PYTHON:-}" ] || variables+=",PYTHON=$PYTHON"
  [ $# -eq 0 ] || variables+=",OPTIONS=$*"
  command=(qsub "${SITE_SUBMIT[@]}" -l "select=$nodes${SITE_SELECT:+:$SITE_SELECT}" -v "$variables" hpc/job.pbs)
fi
if [ -n "${DRY_RUN:-}" ]; then
  printf '%q ' "${command[@]}"
  echo
else
  exec "${command[@]}"
fi
