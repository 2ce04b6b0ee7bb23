#!/usr/bin/env bash
# Installs a build into a folder of its own and does with it what a user would: builds the examples with find_package and
# one with pkg-config, runs them, reads a manual page, finds a preset. No symbol shows but the API's.
#   install.sh BUILD_FOLDER SOURCE_FOLDER
set -euo pipefail
build=$(realpath "$1") source=$(realpath "$2")
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
fail() { echo "install.sh: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$prefix/usr" >/dev/null
mv "$prefix/usr" "$prefix/moved" # nothing may depend on where it was put first
prefix_now=$prefix/moved
lib=$(dirname "$(find "$prefix_now" -name libml3.so)")
export LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

# ---- configured where there is no Criterion: no tests, unless they are asked for; and what scripts/quickstart builds is all
# that is installed
cat >"$prefix/pkg-config" <<'END'
#!/usr/bin/env bash
[[ " $* " != *" criterion "* ]] && exec pkg-config "$@"
exit 1
END
chmod +x "$prefix/pkg-config"
export PKG_CONFIG=$prefix/pkg-config
(cd "$source" && cmake --preset release -B "$prefix/plain" >"$prefix/log" 2>&1) || fail "without Criterion: $(cat "$prefix/log")"
grep -q '^ML3_TESTS:BOOL=OFF' "$prefix/plain/CMakeCache.txt" || fail "tests are on where there is no Criterion"
(cd "$source" && cmake --preset release -B "$prefix/tests" -DML3_TESTS=ON >"$prefix/log" 2>&1) && fail "tests without Criterion"
tr -s ' \n' ' ' <"$prefix/log" | grep -q 'Criterion was not found: install libcriterion-dev' || fail "no sentence: $(cat "$prefix/log")"
unset PKG_CONFIG
targets=$(sed -n 's/^cmake --build build --target //p' "$source/scripts/quickstart")
planned=$(ninja -C "$prefix/plain" -t commands $targets)
for wanted in libml3.so pages.cmake; do
  [[ $planned == *"$wanted"* ]] || fail "scripts/quickstart does not build with $wanted: targets $targets"
done

# ---- symbols
others=$(nm -D --defined-only "$lib/libml3.so" | awk '{ print $3 }' | grep -v '^ml3_' || true)
[ -z "$others" ] || fail "these symbols show and are not ml3's: $others"
headers=$(find "$prefix_now/include/ml3" -name '*.h' -exec cat {} +)
for symbol in $(nm -D --defined-only "$lib/libml3.so" | awk '$2 == "T" { print $3 }'); do
  [[ $headers == *"$symbol("* ]] || fail "$symbol shows but no installed header declares it"
done
grep -q 'SONAME *libml3.so.[0-9]*\.[0-9]*$' <<<"$(objdump -p "$lib/libml3.so")" || fail "the library's soname has no version"
[ -z "$(find "$prefix_now/include/ml3" -name '*_internal.h')" ] || fail "an internal header is installed"
for file in "$lib/libml3.so" "$prefix_now/bin/ml3"; do
  [[ $(objdump -p "$file") != *"$source"* ]] || fail "$file looks for libraries in the build"
done

# ---- find_package: a sanitized library needs its runtime in programs too
flags=()
if grep -q __asan_init <<<"$(nm -D "$lib/libml3.so")"; then
  flags=(-DCMAKE_C_FLAGS=-fsanitize=address,undefined)
  export ASAN_OPTIONS=detect_leaks=0
fi
cmake -S "$source/examples" -B "$prefix/examples" -DCMAKE_PREFIX_PATH="$prefix_now" "${flags[@]}" >/dev/null
cmake --build "$prefix/examples" >"$prefix/log" 2>&1 || { cat "$prefix/log"; fail "the examples do not build"; }
"$prefix/examples/environment" >"$prefix/log" || fail "examples/environment: $(cat "$prefix/log")"
"$prefix/examples/problem" 20 >"$prefix/log" || fail "examples/problem: $(cat "$prefix/log")"
"$prefix/examples/lab" "$prefix/by_lab" >"$prefix/log" 2>&1 || fail "examples/lab: $(cat "$prefix/log")"
grep -q '^learned loss, 5 updates' "$prefix/log" || fail "examples/lab compares no learned loss: $(cat "$prefix/log")"
[ -s "$prefix/by_lab/summary.json" ] || fail "examples/lab leaves no whole run"

# ---- the command, from elsewhere
cd "$prefix"
PATH=$prefix_now/bin:$PATH
ml3 train sine --quiet --output run --set outer.steps=3 --set outer.tasks=2 --set validation.tasks=2 >/dev/null
"$prefix/examples/use_loss" run/loss.safetensors >"$prefix/log" || fail "examples/use_loss: $(cat "$prefix/log")"
grep -q 'exploration_goal' <<<"$(ml3 config mountain_car)" || fail "the installed preset is not found"
[ -s "$prefix_now/share/man/man1/ml3-train.1" ] || fail "ml3-train(1) is not installed"
[ -s "$prefix_now/share/bash-completion/completions/ml3" ] || fail "the completion for bash is not installed"

# ---- pkg-config, and a C++ compiler where there is one
export PKG_CONFIG_PATH=$lib/pkgconfig
sanitize=${flags[*]:+-fsanitize=address,undefined}
cc -std=c17 -Wall -Wextra -Werror $sanitize "$source/examples/environment.c" $(pkg-config --cflags --libs ml3) -lm -o by_pkg_config
./by_pkg_config >/dev/null
printf '#include <ml3/ml3.h>\nint main() { return ml3_env_count() > 0 ? 0 : 1; }\n' >all.cc
cp all.cc all.c
cc -std=c17 -Wall -Wextra -Wpedantic -Werror $sanitize all.c $(pkg-config --cflags --libs ml3) -o all || fail "ml3/ml3.h does not compile"
./all || fail "a program with all of ml3 does not run"
if command -v g++ >/dev/null; then
  g++ -Wall -Wextra -Wpedantic -Werror $sanitize all.cc $(pkg-config --cflags --libs ml3) -o all || fail "ml3/ml3.h is not C++"
fi
echo "installed, built and ran"
