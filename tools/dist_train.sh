#!/usr/bin/env bash
# Train on several processes: bash tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
# More machines: NNODES, NODE_RANK, MASTER_ADDR, PORT in the environment. Without GPUs the processes run on the CPU.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]" >&2
  exit 2
fi
config=$1 processes=$2
shift 2
exec python "$(dirname "$0")/dist_agent.py" --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" --nproc_per_node="$processes" \
  "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
