#!/usr/bin/env bash
# Evaluate on several processes: bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
# More machines: NNODES, NODE_RANK, MASTER_ADDR, PORT in the environment. Without GPUs the processes run on the CPU.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]" >&2
  exit 2
fi
config=$1 checkpoint=$2 processes=$3
shift 3
exec python "$(dirname "$0")/dist_agent.py" --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" --nproc_per_node="$processes" \
  "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
