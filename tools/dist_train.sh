#!/usr/bin/env bash
# Train on several processes: bash tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
# More machines: NNODES, NODE_RANK, MASTER_ADDR, PORT in the environment. Without GPUs the processes run on the CPU.
# Signals reach the processes, whose exit code is that of the script.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]" >&2
  exit 2
fi
tools=$(dirname "$0") config=$1 processes=$2
shift 2
exec python "$tools/processes.py" "$processes" "$tools/train.py" "$config" --launcher pytorch "$@"
