#!/bin/bash
# Python in the container of course.def, for PYTHON=hpc/in-container.sh in the job scripts.
# IMAGE is its file. With NVIDIA GPUs: APPTAINER_OPTIONS=--nv, with AMD's --rocm.
set -euo pipefail
read -ra options <<< "${APPTAINER_OPTIONS:-}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec apptainer exec "${options[@]}" --bind "$here" "${IMAGE:-$here/cnn-course.sif}" python "$@"
