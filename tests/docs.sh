#!/usr/bin/env bash
# What README and docs show is true: C is found word for word in an example (which tests/install.sh builds and runs), every
# command exists with its options and keys (docs_check.py), and those of ml3 in README, tutorial and guides are run,
# with settings that make them short.
#   docs.sh ML3 SOURCE_FOLDER
set -uo pipefail
real=$(realpath "$1") source=$(realpath "$2") failed=0 ran=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 - "$source" <<'END' || failed=1
import glob, re, sys
examples = [open(path).read() for path in glob.glob(sys.argv[1] + "/examples/*.c")]
bad = 0
for path in [sys.argv[1] + "/README.md", *glob.glob(sys.argv[1] + "/docs/**/*.md", recursive=True)]:
    for block in re.findall(r"^```c\n(.*?)^```", open(path).read(), re.M | re.S):
        if not any(block in text for text in examples):
            bad = 1
            print(f"{path}: in no example:\n{block}")
sys.exit(bad)
END

python3 "$source/tests/docs_check.py" "$real" "$source" || failed=1

# ml3 as the documents call it, but short.
mkdir -p "$folder/build/examples" "$folder/bin"
cat >"$folder/bin/ml3" <<END
#!/usr/bin/env bash
case "\$*" in
  train*method=*) set -- "\$@" --quiet --set learner.updates=1 --set horizon=20 ;;
  train*) set -- "\$@" --quiet --set outer.steps=4 --set outer.tasks=2 --set validation.tasks=2 --set validation.every=2 \
    --set loss.hidden=[4] \$($real config "\$2" 2>/dev/null | grep -q '^model:' && echo --set model.hidden=[4] --set samples.inner=4) ;;
  compare*) set -- "\$@" --quiet --set test.tasks=2
    [ -e "\$2/config.yaml" ] && ! grep -q ilqr_restarts "\$2/config.yaml" || set -- "\$@" --set test.ilqr_restarts=1 ;;
  record*) set -- "\$@" --quiet --width 64 --height 64 --fps 2 ;;
  inspect*) set -- "\$@" --quiet ;;
  view*) exit 0 ;; # tests/viewer_window.sh has a display
esac
exec $real "\$@"
END
chmod +x "$folder/bin/ml3"
ln -s "$folder/bin/ml3" "$folder/build/ml3"
ln -s "$source/scripts" "$source/zoo" "$folder/"

(cd "$folder" && build/ml3 train mountain_car --output first >/dev/null) # the run that guides begin with
cd "$source"
for document in README.md docs/tutorial.md docs/programs.md docs/viewer.md docs/environments.md docs/own_model.md docs/guides/*.md; do
  rm -rf "$folder/runs" "$folder/data" && mkdir "$folder/runs"
  grep -qE '^    (build/)?ml3 train .*--output runs/first' $document || cp -r "$folder/first" "$folder/runs/"
  while IFS= read -r line; do
    line=${line#    } line=${line%%  #*}
    (cd "$folder" && PATH=$folder/bin:$PATH timeout 60 bash -c "$line" </dev/null >log 2>&1)
    code=$? ran=$((ran + 1))
    [ $code = 0 ] && continue
    failed=1
    printf '%s: `%s` ends with %d:\n' "$document" "$line" $code
    head -5 "$folder/log"
  done < <(grep -E '^    (build/)?ml3 [a-z]+( |$)' "$source/$document")
done
echo "$ran commands ran"
[ $failed = 0 ] && [ $ran -gt 10 ]
