#!/usr/bin/env bash
# What policies that read a tenth of a model's value rows do to it: 16384 scored tokens and 8 seeds a row, all cores.
#
#   run_model_budget.sh SANTA_GENERATE MODEL.safetensors PASSAGES SCORES
#
# PASSAGES is the folder that tools/real_model.py makes; SCORES gets weights.json and a .jsonl a job. A job is one passage
# on one core. What is there already is not done again: stopped runs go on.
set -euo pipefail
program=$1 model=$2 passages=$3 scores=$4
mkdir -p "$scores/parts"
export OMP_PROC_BIND=false program model scores

[ -e "$scores/weights.json" ] || {
  "$program" --model "$model" --calibrate "$passages/calibration.json" --output "$scores/weights.part"
  mv "$scores/weights.part" "$scores/weights.json"
}

# evaluate NAME PASSAGES SEEDS POLICY...
evaluate() {
  local name=$1 file=$2 seeds=$3 options=() policy
  shift 3
  [ -e "$scores/$name.jsonl" ] && return
  for policy in "$@"; do
    options+=(--policy "$policy")
    [[ $policy == *,weighted* && " ${options[*]} " != *" --weights "* ]] && options+=(--weights "$scores/weights.json")
  done
  OMP_NUM_THREADS=1 "$program" --model "$model" --evaluate "$file" --seeds "$seeds" "${options[@]}" \
    --output "$scores/$name.part" 2>"$scores/parts/$name.log"
  mv "$scores/$name.part" "$scores/$name.jsonl"
}
export -f evaluate

# A file for each passage: what is kept side by side for one is gigabytes.
python3 - "$passages" "$scores/parts" <<'PYTHON'
import json, pathlib, sys

source, target = map(pathlib.Path, sys.argv[1:])
for context in (2048, 4096, 8192):
    passages = json.loads((source / f"{context}.json").read_text())["passages"]
    for number, passage in enumerate(passages):
        path = target / f"{context}_{number}.json"
        path.write_text(json.dumps({"passages": [passage]}))
PYTHON

declare -A error=([2048]=0.093 [4096]=0.055 [8192]=0.022)
ratios="ratio:0.1,steered ratio:0.1,steered,weighted ratio:0.1,steered,weighted,centered"
for context in 8192 4096 2048; do
  for passage in "$scores/parts/$context"_*.json; do
    name=$(basename "$passage" .json)
    echo "evaluate ratio_$name $passage 8 $ratios"
    echo "evaluate share_$name $passage 8 share:0.1 share:0.1,steered error:${error[$context]}"
  done
  echo "evaluate needles_$context $passages/needles_$context.json 3 ratio:0.1,steered ratio:0.1,steered,weighted"
done | xargs -P "$(nproc)" -d '\n' -I{} bash -euo pipefail -c '{}'
