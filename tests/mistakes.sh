#!/usr/bin/env bash
# Tries every line of mistakes.txt: exit code, words of the answer, nothing left behind.
#   mistakes.sh ML3 [PATTERN]       only lines that hold the pattern
set -uo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/first"
ln -s "$(realpath "$1")" "$folder/bin/ml3"
real=$folder/bin/ml3 pattern=${2:-}

tiny="--quiet --log none --set loss.hidden=[4] --set outer.tasks=2 --set validation.tasks=2 --set outer.steps=2"
(
  cd "$folder/first"
  "$real" train mountain_car -o run $tiny --set policy.hidden=[4] &&
    "$real" train sine -o sine $tiny --set model.hidden=[4] --set inner.learn_rate=scalar --set samples.inner=4 &&
    mkdir begun && cp run/config.yaml begun && printf 'a,y\n1,2\n2,3\n3,4\n4,5\n' >data.csv
) >/dev/null || { echo "mistakes.sh: the runs to begin with cannot be made" >&2; exit 1; }

state() { find . -type d -print -o -exec stat -c '%n %s %Y' {} + | sort; }
failed=0 tried=0
ml3() { "$real" "$@"; }

# As someone who may not write here, nor read what is not for all: root may everything.
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
[ "$(id -u)" = 0 ] || nobody=()
unprivileged() { "${nobody[@]}" "$@"; }
chmod 755 "$folder"
unprivileged "$real" --version >/dev/null 2>&1 && can_be_nobody=1 || can_be_nobody=
while IFS= read -r line; do
  [[ -z $line || $line == \#* || $line != *"$pattern"* ]] && continue
  [[ $line == *unprivileged* && -z $can_be_nobody ]] && continue
  code=${line%% |*} rest=${line#*| } before=${rest%% | *} rest=${rest#* | }
  [[ $rest == "$before"* && -z ${before// /} ]] && before=
  typed=${rest%% | *} words=${rest#* | }
  [ ! -e "$folder/here" ] || chmod -R u+rwX "$folder/here"
  rm -rf "$folder/here" && cp -r "$folder/first" "$folder/here" && cd "$folder/here" || exit 1
  answer=$(
    eval "$before" </dev/null
    state >"$folder/before"
    typed=${typed/#ml3/"$real"} typed=${typed/ ml3 / "$real" }
    eval "$typed" </dev/null 2>&1
  )
  got=$?
  tried=$((tried + 1))
  problem=
  [ "$got" = "$code" ] || problem="exit code $got, expected $code"
  [[ $answer == *"$words"* ]] || problem+="${problem:+; }'$words' is not in the answer"
  state | cmp -s - "$folder/before" || problem+="${problem:+; }left behind: $(state | diff "$folder/before" - | grep '^[<>]' | head -5)"
  if [ -n "$problem" ]; then
    failed=$((failed + 1))
    printf '%s\n  %s\n  answer: %s\n' "$typed" "$problem" "${answer:0:600}"
  fi
done <"$(dirname "$(realpath "${BASH_SOURCE[0]}")")/mistakes.txt"
cd /
echo "$tried mistakes tried, $failed not as they should be"
[ "$failed" = 0 ]
