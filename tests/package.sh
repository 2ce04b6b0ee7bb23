#!/usr/bin/env bash
# Makes the Debian package of a build and looks at its content and what it depends on.
#   package.sh BUILD_FOLDER
set -euo pipefail
command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || exit 77
build=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "package.sh: $*" >&2; exit 1; }

cd "$folder"
cpack --config "$build/CPackConfig.cmake" -B "$folder" >log 2>&1 || { cat log; fail "no package"; }
package=$(echo ml3_*.deb)
[ -f "$package" ] || fail "no package"
files=$(dpkg-deb -c "$package" | awk '{ print $6 }')
for file in bin/ml3 lib/libml3.so include/ml3/ml3.h lib/pkgconfig/ml3.pc lib/cmake/ml3/ml3Config.cmake share/man/man1/ml3.1 \
  share/man/man1/ml3-train.1 share/bash-completion/completions/ml3 share/zsh/vendor-completions/_ml3 share/doc/ml3/copyright \
  share/ml3/experiments/mountain_car.yaml share/ml3/zoo/mountain_car/loss.safetensors; do
  [[ $files == *"./usr/$file"* ]] || fail "/usr/$file is not in it"
done
depends=$(dpkg-deb -f "$package" Depends)
for library in libc6 libglfw3 libopenblas libpopt libyaml libjansson; do
  [[ $depends == *$library* ]] || fail "it does not depend on $library: $depends"
done
echo "$package depends on $depends"
