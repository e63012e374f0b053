#!/usr/bin/env bash
# Train under Slurm: bash tools/slurm_train.sh [--requeue] PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]
# GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS come from the environment.
# With --requeue, training goes on from the newest checkpoint of WORK_DIR. Slurm sends SIGUSR1 GRACE (120) seconds before
# the time is over; training then saves and ends with 75, and is queued again: the batch job that this script is part
# of, or else the script asks for the next turn itself.
set -euo pipefail
requeue=
if [ "${1:-}" = --requeue ]; then
  requeue=yes
  shift
fi
if [ $# -lt 4 ]; then
  echo "usage: bash tools/slurm_train.sh [--requeue] PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]" >&2
  exit 2
fi
partition=$1 job=$2 config=$3 work_dir=$4
shift 4
gpus=${GPUS:-8} per_node=${GPUS_PER_NODE:-8}
# shellcheck disable=SC2206
srun=(srun -p "$partition" --job-name="$job" --gres="gpu:$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node"
  --cpus-per-task="${CPUS_PER_TASK:-5}" ${SRUN_ARGS:-})
train=(python -u "$(dirname "$0")/train.py" "$config" --work-dir "$work_dir" --launcher slurm)
if [ -z "$requeue" ]; then
  exec "${srun[@]}" --kill-on-bad-exit=1 "${train[@]}" "$@"
fi

task=
trap '[ -z "$task" ] || kill -TERM "$task"' TERM INT
while true; do
  # a process that ends with 75 must not cut short another that still saves, hence --wait
  "${srun[@]}" --signal="USR1@${GRACE:-120}" --kill-on-bad-exit=0 --wait=60 "${train[@]}" --resume "$@" &
  task=$!
  code=0
  wait "$task" || code=$?
  while kill -0 "$task" 2> /dev/null; do # a signal ended the waiting, not the task
    code=0
    wait "$task" || code=$?
  done
  [ "$code" -eq 75 ] || exit "$code"
  if [ -n "${SLURM_JOB_ID:-}" ]; then
    scontrol requeue "$SLURM_JOB_ID"
    exit "$code"
  fi
done
