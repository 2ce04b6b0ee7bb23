#!/usr/bin/env bash
# A real window with real keys: `viewer_window.sh ML3` opens it under Xvfb, types, and checks the trace.
set -u
ml3=$1
command -v Xvfb >/dev/null && command -v xdotool >/dev/null || { echo "skipped: Xvfb and xdotool are needed"; exit 77; }

folder=$(mktemp -d)
exec 3<>"$folder/number"
Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp >/dev/null 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$folder"' EXIT
for _ in $(seq 100); do [ -s "$folder/number" ] && break; sleep 0.1; done
DISPLAY=":$(cat "$folder/number")"
export DISPLAY
unset WAYLAND_DISPLAY

"$ml3" view mountain_car --trace "$folder/trace" &
viewer=$!
for _ in $(seq 300); do grep -q '^open' "$folder/trace" 2>/dev/null && break; sleep 0.1; done
window=$(xdotool search --sync --onlyvisible --name '^ml3' | head -n 1)
xdotool windowfocus "$window"

failed=0
# press KEY EVENT PATTERN: the line that the key leaves in the trace has the pattern.
press() {
  before=$(grep -c "^$2" "$folder/trace")
  xdotool key --window "$window" "$1"
  for _ in $(seq 100); do [ "$(grep -c "^$2" "$folder/trace")" -gt "$before" ] && break; sleep 0.1; done
  line=$(grep "^$2" "$folder/trace" | tail -n 1)
  if [[ $line == *"$3"* ]]; then echo "ok    $1: $line"; else echo "WRONG $1: expected $3 in '$line'"; failed=1; fi
}
press space "key space" "paused=1"
press r "key r" "step=0"
press Right "key right" "step=1"
press Right "key right" "step=2"
press Left "key left" "step=1"
press Up "key up" "speed=2"
press Down "key down" "speed=1"
press c "key c" "camera=1"
press g "key g" "plots=0"
press h "key h" "help=1"
press n "key n" "episode=0"
press space "key space" "paused=0"
[ -n "${SCREENSHOT:-}" ] && sleep 1 && import -window root "$SCREENSHOT"
xdotool key --window "$window" q
wait $viewer
code=$?
grep -q '^close' "$folder/trace" || { echo "WRONG the window did not close by q"; failed=1; }
[ $code -eq 0 ] || { echo "WRONG exit code $code"; failed=1; }
exit $failed
