#!/usr/bin/env bash
# The whole study on captures of tools/capture_study.py: run_study.sh PROGRAM CAPTURES OUTPUT
# About a quarter of an hour on two idle cores. report.py makes docs/accuracy of what it writes.
set -euo pipefail
program=$1 captures=$2 output=$3
mkdir -p "$output"

run() { OMP_PROC_BIND=false "$program" --output "$output/$1.json" "${@:2}"; }

# What the summary and the worst heads need: every layer and head, at both budgets.
for context in 1024 2048 4096 8192; do
  run "heads_$context" --seeds 128 --method fixed-tile-budget,mass-unit-steered,mass-unit-separate --variant bound \
    "$captures"/{prose,code,list}_"$context".safetensors
done
# All methods and variants, on every fifth layer.
for context in 1024 2048 4096 8192; do
  run "methods_$context" --seeds 64 --budget 0.1 --layer 0,5,10,15,20,25 --variant all \
    "$captures"/{prose,code,list}_"$context".safetensors
done
# How heads share a draw, on every head.
for context in 1024 8192; do
  run "shares_$context" --seeds 128 --budget 0.1 --method mass-unit-separate \
    --variant plain-separate,even-rows,middle,by-mass,by-mass-3/4,by-mass-1 "$captures"/{prose,code,list}_"$context".safetensors
done
# Error against rows read, for a picture.
run curve_8192 --seeds 64 --budget 0.02,0.05 --layer 0,5,10,15,20,25 "$captures"/prose_8192.safetensors
# Longer than the model's context: the captures of 8192 extended.
run extended_32768 --seeds 64 --method fixed-tile-budget --extend 32768 "$captures"/{prose,code,list}_8192.safetensors
