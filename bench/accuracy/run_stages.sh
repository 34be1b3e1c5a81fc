#!/usr/bin/env bash
# The study of score stages on captures of tools/capture_study.py: run_stages.sh PROGRAM CAPTURES OUTPUT
# About 20 minutes of one core. stage_report.py makes docs/accuracy of what it writes.
set -euo pipefail
program=$1 captures=$2 output=$3
mkdir -p "$output"

run() { OMP_PROC_BIND=false "$program" --seeds 8 --output "$output/$1.json" "${@:2}"; }

for context in 1024 2048 4096 8192; do
  for text in prose code list; do
    capture=$captures/${text}_$context.safetensors
    run "bytes_${text}_$context" --stage all "$capture"
    run "rows_${text}_$context" --stage bf16,int8-rescored,fp8-rescored,int4-rescored --budget 0.05,0.1 "$capture"
  done
done
