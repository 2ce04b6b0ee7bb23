#!/usr/bin/env bash
# A real window with real keys and a real mouse: `viewer_window.sh ML3` opens it under Xvfb, types, drags, and checks the
# state after each in the trace. SCREENSHOT=FILE.png keeps a picture of the end.
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
trace=$folder/trace
failed=0
wrong() { echo "WRONG $*"; failed=1; }

# open ARGUMENTS: a window, its number in $window and its process in $viewer.
open() {
  rm -f "$trace"
  "$ml3" view "$@" --width 640 --height 360 --trace "$trace" 2>"$folder/errors" &
  viewer=$!
  for _ in $(seq 600); do
    grep -q '^open' "$trace" 2>/dev/null && break
    kill -0 $viewer 2>/dev/null || { echo "WRONG no window: $(cat "$folder/errors")"; exit 1; }
    sleep 0.1
  done
  for _ in $(seq 100); do
    window=$(xdotool search --onlyvisible --name '^ml3' 2>/dev/null | head -n 1)
    [ -n "$window" ] && break
    sleep 0.1
  done
  xdotool windowmove "$window" 0 0 windowfocus "$window"
}
# count EVENT: lines of the trace that begin with it.
count() { grep -c "^$1 " "$trace"; }
# await EVENT BEFORE WHAT PATTERN...: after the line that WHAT leaves, the state has all of the patterns.
await() {
  local event=$1 before=$2 what=$3 line
  shift 3
  for _ in $(seq 200); do [ "$(count "$event")" -gt "$before" ] && break; sleep 0.05; done
  line=$(grep "^$event " "$trace" | tail -n 1)
  for pattern in "$@"; do
    [[ " $line" == *"$pattern"* ]] || { wrong "$what: expected '$pattern' in '$line'"; return; }
  done
  echo "ok    $what: $line"
}
# press KEY EVENT PATTERN...
press() {
  local key=$1 event=$2 before
  shift 2
  before=$(count "$event")
  xdotool key --window "$window" "$key"
  await "$event" "$before" "$key" "$@"
}
# drag EVENT BUTTON FROM_X FROM_Y TO_X TO_Y PATTERN...
drag() {
  local event=$1 button=$2 before
  before=$(count "$event")
  xdotool mousemove "$3" "$4" mousedown "$button" mousemove $((($3 + $5) / 2)) $((($4 + $6) / 2)) mousemove "$5" "$6"
  sleep 0.3
  xdotool mouseup "$button"
  local what="drag by $button from $3,$4"
  shift 6
  await "$event" "$before" "$what" "$@"
}
# field NAME: its value in the last line.
field() { tail -n 1 "$trace" | sed -n "s/.* $1=\([^ ]*\).*/\1/p"; }
# close: by q, with exit code 0.
close() {
  xdotool key --window "$window" q 2>/dev/null # it may be gone before the key is up
  wait $viewer
  local code=$?
  grep -q '^close' "$trace" || wrong "the window did not close by q"
  [ $code -eq 0 ] || wrong "exit code $code: $(cat "$folder/errors")"
}

# ---- a run: a loss trains a policy ----
"$ml3" train mountain_car --output "$folder/run" --quiet --set outer.steps=2 --set outer.tasks=2 --set validation.tasks=2 \
  --set validation.every=2 --set loss.hidden=[20] --set policy.hidden=[20] --set test.ilqr_restarts=0 >/dev/null ||
  wrong "the run that is to be viewed could not be trained"
open "$folder/run"
press space "key space" " paused=1"
press r "key r" " step=0 "
press Right "key right" " step=1 "
press Right "key right" " step=2 "
press Left "key left" " step=1 "
press Up "key up" " speed=2 "
press Down "key down" " speed=1 "
press Down "key down" " speed=0.5 "
press Up "key up" " speed=1 "
press n "key n" " actor=1 "
press p "key p" " actor=0 "
press 3 "key digit" " hidden=1 "
press 3 "key digit" " hidden=0 "
press l "key l" " layout=tiles "
press l "key l" " layout=single "
press l "key l" " layout=ghosts "
press c "key c" " camera=map "
press m "key m" " map=1 "
press m "key m" " map=0 " " camera=side "
press g "key g" " plots=0 "
press g "key g" " plots=1 "
press h "key h" " help=1 "
press h "key h" " help=0 "
press e "key e" " endless=1 "
press e "key e" " endless=0 "
untrained=$(field return)
press u "key u" " updates=1/0 " " paused=0 " "update 1 by learned loss"
[ "$(field return)" != "$untrained" ] || wrong "an update has changed nothing"
press u "key u" " updates=2/0 "
press o "key o" " updates=2/1 " " actor=1 " "update 1 by task gradient"
press x "key x" " updates=0/0 "
press n "key n" " actor=2 "
press t "key t" " task=1 "
press b "key b" " task=0 "
press b "key b" "this is the first task"
press space "key space" " paused=1"
press r "key r" " step=0 " " goal=0.5000,"
drag "mouse goal" 1 481 88 420 120 " camera=side "
[ "$(field goal)" != "0.5000,1.0375" ] || wrong "the flag has not moved"
press r "key r" " step=0 "
before=$(count "mouse pull")
xdotool mousemove 309 235 mousedown 1 mousemove 355 215 mousemove 429 180
for _ in 1 2 3 4 5 6; do press Right "key right" " paused=1"; done
xdotool mouseup 1
await "mouse pull" "$before" "a car that is pulled" " step=6 " " camera=side "
drag "mouse orbit" 1 60 300 100 320 " camera=free "
drag "mouse pan" 3 60 300 100 320 " camera=free "
xdotool mousemove 320 100 click 4
await "mouse wheel" 0 "the wheel" " camera=free "
xdotool windowsize "$window" 900 500
for _ in $(seq 100); do [ "$(count quality)" -gt 0 ] && break; sleep 0.05; done
press c "key c" " camera=track "
[ -n "${SCREENSHOT:-}" ] && ffmpeg -loglevel error -y -f x11grab -video_size 1280x800 -i "$DISPLAY" -frames:v 1 "$SCREENSHOT"
close

# ---- a training that goes on: its curves and the best loss so far ----
"$ml3" train mountain_car --output "$folder/live" --quiet --set outer.steps=100000 --set outer.tasks=2 --set validation.tasks=2 \
  --set validation.every=20 --set loss.hidden=[20] --set policy.hidden=[20] --set test.ilqr_restarts=0 >/dev/null 2>&1 &
training=$!
for _ in $(seq 100); do [ -e "$folder/live/config.yaml" ] && break; sleep 0.1; done
open "$folder/live" --follow
for _ in $(seq 300); do [ "$(count refresh)" -gt 0 ] && break; sleep 0.1; done
[ "$(count refresh)" -gt 0 ] || wrong "a better loss is not shown while it trains"
close
kill $training
wait $training
"$ml3" view --follow "$folder/nothing" 2>"$folder/errors" && wrong "nothing is followed"
grep -q "start .ml3 train" "$folder/errors" || wrong "no sentence where there is nothing to follow: $(cat "$folder/errors")"

# ---- an environment: the goal is put somewhere ----
open pointmass --camera top
press space "key space" " paused=1"
before=$(count "mouse goal")
xdotool keydown ctrl mousemove 250 130 mousedown 1
sleep 0.3
xdotool mouseup 1 keyup ctrl
await "mouse goal" "$before" "ctrl and the left button" " goal=-0." 
press u "key u" "there is nothing to update here"
press m "key m" "no map here"
close

# ---- a signal: the first one ends it, as q does, by the code of what was interrupted ----
for signal in INT TERM HUP; do
  open mountain_car
  kill -s $signal $viewer
  for _ in $(seq 100); do kill -0 $viewer 2>/dev/null || break; sleep 0.05; done
  kill -0 $viewer 2>/dev/null && { wrong "SIG$signal did not end it"; kill -KILL $viewer; }
  wait $viewer
  code=$?
  [ $code -eq 130 ] || wrong "exit code $code after SIG$signal: $(cat "$folder/errors")"
  grep -q '^close' "$trace" || wrong "the window did not close by SIG$signal"
done

# ---- a display that breaks ----
open mountain_car
kill $server
wait $viewer
code=$?
[ $code -eq 1 ] || wrong "exit code $code when the display broke"
grep -q "the window is lost" "$folder/errors" || wrong "no sentence when the display broke: $(cat "$folder/errors")"
exit $failed
