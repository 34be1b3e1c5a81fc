#!/usr/bin/env bash
# Clusters and rivals on all layers of captures of tools/capture_study.py: run_study.sh PROGRAM CAPTURES OUTPUT
# A capture at a time on each core, the longest first: some forty minutes of one core. report.py makes docs/accuracy/clusters.json of OUTPUT.
set -euo pipefail
export program=$1 captures=$2 output=$3
mkdir -p "$output"
for context in 8192 4096 2048 1024; do
  for text in prose code list; do
    echo "$context $text"
  done
done | xargs -P "$(nproc)" -L1 bash -euo pipefail -c '
  OMP_NUM_THREADS=1 OMP_PROC_BIND=false "$program" "$captures/$1_$0.safetensors" "$1" >"$output/cases_$0_$1.part"
  mv "$output/cases_$0_$1.part" "$output/cases_$0_$1.jsonl"'
