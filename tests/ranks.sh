#!/usr/bin/env bash
# `mpirun -n N ml3 train`: a rank that dies ends the job with a sentence and a checkpoint from which any number of ranks goes
# on with the same bits; mistakes are told once.
#   ranks.sh ML3       exit code 77: there is no mpirun, or ML3 was built without MPI
set -uo pipefail
ml3=$(realpath "$1")
command -v mpirun >/dev/null && grep -q libmpi <<<"$(ldd "$ml3")" || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
run=(mpirun --oversubscribe --bind-to none)
small=(--set threads=1 --set outer.tasks=16 --set validation.tasks=6 --set validation.every=20 --set checkpoint.every=5)
small+=(--set loss.hidden=[8] --set policy.hidden=[8] --set inner.lifetime=3 --set outer.steps=300 --log none --quiet)
failed=0
expect() { # expect WORDS FILE
  grep -q -- "$1" "$2" || { echo "ranks.sh: '$1' is not in:" && cat "$2" && failed=1; }
}
same() {
  for of in whole "$1"; do grep -v seconds "$of/summary.json" >"$of/numbers.json"; done
  for file in checkpoint loss.safetensors metrics.csv numbers.json; do
    cmp "whole/$file" "$1/$file" || { echo "ranks.sh: $1 is not as it would have been on one rank" && failed=1; }
  done
}
ranks_of() { ps -eo pid=,args= | awk -v run="-o $1 " '$2 ~ /ml3$/ && index($0, run) { print $1 }'; }
wait_for() { for _ in $(seq 300); do [ -e "$1" ] && return; sleep 0.1; done; echo "ranks.sh: $1 does not come"; failed=1; }

"$ml3" train mountain_car -o whole "${small[@]}" >/dev/null || exit 1

for victim in first last; do
  "${run[@]}" -n 3 "$ml3" train mountain_car -o $victim "${small[@]}" >log.$victim 2>&1 &
  wait_for $victim/checkpoint.previous
  if [ $victim = first ]; then dies=$(ranks_of $victim | head -1); else dies=$(ranks_of $victim | tail -1); fi
  kill -KILL $dies 2>/dev/null || { echo "ranks.sh: it had ended before its rank was to die"; failed=1; }
  wait $! && { echo "ranks.sh: a job whose rank has died ended with 0"; failed=1; }
  expect "go on with .ml3 train --resume $victim" log.$victim
  expect "exited on signal 9" log.$victim
  "$ml3" train --resume $victim --quiet >/dev/null 2>log || { cat log; failed=1; }
  same $victim
done

"${run[@]}" -n 2 "$ml3" train mountain_car -o stopped "${small[@]}" >log.stopped 2>&1 &
wait_for stopped/checkpoint
kill -INT $!
wait $!
"${run[@]}" -n 4 "$ml3" train --resume stopped --quiet >/dev/null 2>log || { cat log; failed=1; }
same stopped

told() { # told CODE WORDS ARGUMENTS...
  local code=$1 words=$2 got
  shift 2
  "${run[@]}" -n 2 "$ml3" "$@" >log 2>&1
  got=$?
  [ $got = "$code" ] || { echo "ranks.sh: ml3 $*: exit code $got, not $code"; cat log; failed=1; }
  [ "$(grep -c -- "$words" log)" = 1 ] || { echo "ranks.sh: ml3 $*: '$words' is not there once:"; cat log; failed=1; }
}
told 1 "exists already" train mountain_car -o whole "${small[@]}"
told 2 "use either" train mountain_car -o seeds --seeds 2 "${small[@]}"
told 2 "start one process" train reacher -o ppo --set method=ppo --quiet
told 2 "inner.steps is 'many'" train mountain_car --set inner.steps=many
told 1 "is not a run folder" train --resume nowhere
told 2 "is finished" train --resume whole --quiet
# What is not shared out is done by one rank.
cp -r whole alone
"$ml3" compare alone --quiet --methods untrained,random --set test.tasks=4 >/dev/null || failed=1
told 0 "rank 0 works alone" compare whole --quiet --methods untrained,random --set test.tasks=4
[ "$(grep -c '4 held-out tasks' log)" = 1 ] || { echo "ranks.sh: not one comparison:"; cat log; failed=1; }
cmp <(cut -d, -f1-8,10 whole/comparison_tasks.csv) <(cut -d, -f1-8,10 alone/comparison_tasks.csv) || failed=1
told 0 "rank 0 works alone" adapt whole --quiet
told 0 "rank 0 works alone" plot whole --quiet
told 0 "rank 0 works alone" collect reacher -n 1 -q -o data
exit $failed
