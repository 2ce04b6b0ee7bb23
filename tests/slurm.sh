#!/usr/bin/env bash
# scripts/cluster/slurm without Slurm: `srun` here tells ml3 to end, as a time limit does, and `scontrol` notes what it is
# asked for. The job queues itself again while the run is not whole, RESTARTS times, and then says how to go on.
#   slurm.sh ML3 SOURCES
set -uo pipefail
script=$(realpath "$2")/scripts/cluster/slurm
ML3=$(realpath "$1")
export ML3 SLURM_JOB_ID=7 OPENBLAS_NUM_THREADS=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
mkdir bin
export PATH=$folder/bin:$PATH
cat >bin/srun <<'END_OF_SRUN'
#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
rm -f run/checkpoint.previous
"$@" &
if [ -e limit ]; then
  for _ in $(seq 600); do [ -e run/checkpoint.previous ] || ! kill -0 $! 2>/dev/null || sleep 0.1; done
  kill -TERM $! 2>/dev/null
fi
wait $!
END_OF_SRUN
cat >bin/scontrol <<'END_OF_SCONTROL'
#!/usr/bin/env bash
echo "$*" >>asked
END_OF_SCONTROL
chmod +x bin/*

small=(--quiet --log none --set threads=1 --set outer.tasks=2 --set validation.steps=0 --set checkpoint.every=5)
small+=(--set loss.hidden=[4] --set model.hidden=[4])
failed=0
bad() { echo "slurm.sh: $*"; cat log; failed=1; }
# turn RESTARTS COUNT CODE ASKED SAID ARGUMENTS...: by a job queued again COUNT times before; the script ends with CODE, asks
# scontrol for ASKED and says SAID; nothing of these where they are empty.
turn() {
  local restarts=$1 count=$2 code=$3 asked=$4 said=$5 got=0
  shift 5
  rm -f asked && touch asked
  RESTARTS=$restarts SLURM_RESTART_COUNT=$count bash "$script" "$@" >log 2>&1 || got=$?
  [ $got = "$code" ] || bad "RESTARTS=$restarts, count $count: exit code $got, not $code"
  [ "$(cat asked)" = "$asked" ] || bad "RESTARTS=$restarts, count $count: asked for '$(cat asked)', not '$asked'"
  if [ -n "$said" ]; then
    grep -qF -- "$said" log || bad "RESTARTS=$restarts, count $count: '$said' is not in:"
  elif grep -q RESTARTS log; then
    bad "RESTARTS=$restarts, count $count: there is a word of RESTARTS in:"
  fi
}
run=(sine run "${small[@]}" --set outer.steps=1000000)

touch limit
turn 0 "" 130 "" "is not whole and not queued again: RESTARTS=0" "${run[@]}"
grep -qF "$ML3 train --resume run" log || bad "how to go on is not in:"
turn 1 "" 130 "requeue 7" "" "${run[@]}"
turn 1 1 130 "" "is not whole and not queued again: RESTARTS=1" "${run[@]}"
turn "" 99 130 "requeue 7" "" "${run[@]}"
turn "" 100 130 "" "RESTARTS=100" "${run[@]}"
turn many "" 2 "" "RESTARTS is 'many'" "${run[@]}"
rm limit
turn 0 "" 2 "" "" no_such_preset nothing # did not begin
turn 1 "" 0 "" "" sine whole "${small[@]}" --set outer.steps=10
[ -e whole/summary.json ] || bad "it is not whole:"

# What is left goes on, here by hand.
step=$(grep -c . run/metrics.csv)
"$ML3" train --resume run --quiet --set outer.steps=$((step + 20)) >log 2>&1 && [ -e run/summary.json ] || bad "it does not go on:"
exit $failed
