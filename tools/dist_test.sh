#!/usr/bin/env bash
# Evaluate on several processes: bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
# More machines: NNODES, NODE_RANK, MASTER_ADDR, PORT in the environment. Without GPUs the processes run on the CPU.
# Signals reach the processes, whose exit code is that of the script.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]" >&2
  exit 2
fi
tools=$(dirname "$0") config=$1 checkpoint=$2 processes=$3
shift 3
exec python "$tools/processes.py" "$processes" "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
