"""What runs in the library while Python waits: its messages, its progress as plain text, and how it is interrupted."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from ctypes import byref
from dataclasses import dataclass, field
from typing import Any

from ml3 import structures
from ml3.library import Error, ErrorStruct

INTERRUPTED = -7  # base/error.h
logger = logging.getLogger("ml3")
cause: BaseException | None = None  # what an ml3.Environment has raised last: the cause of an Error of the library


@dataclass(frozen=True)
class Record:
    """What a callback gets.

    event: "metrics", a line of metrics.csv; "validation", means over validation tasks.
    step: outer steps, or updates of a policy, done so far; of `Learner.learn` updates of the policy.
    values: numbers by name; what there is none of is left out.
    folder: of the run; "" where there is none.
    """

    event: str
    step: int
    values: dict[str, float] = field(default_factory=dict)
    folder: str = ""


Callback = Callable[[Record], Any]  # an answer of False stops, as soon as all is kept


def text_of(value: Any) -> str:
    """A value as `--set` of the command takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if hasattr(value, "registered_name"):  # an ml3.Environment
        return str(value.registered_name)
    if hasattr(value, "tolist"):  # NumPy's
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text_of(entry) for entry in value) + "]"
    return repr(value) if isinstance(value, (int, float)) else str(value)


def settings_of(settings: Mapping[str, Any] | None, prefix: str = "") -> list[str]:
    """{"outer.steps": 20} or {"outer": {"steps": 20}} as ["outer.steps=20"]."""
    found = []
    for key, value in (settings or {}).items():
        if isinstance(value, Mapping):
            found += settings_of(value, f"{prefix}{key}.")
        else:
            found.append(f"{prefix}{key}={text_of(value)}")
    return found


def encoded(text: Any) -> bytes | None:
    """A text or path for C."""
    return None if text is None else os.fsencode(text)


def texts(items: list[str]) -> Any:
    """An array of texts for C."""
    from ctypes import c_char_p

    return (c_char_p * max(len(items), 1))(*(item.encode() for item in items))


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    ipython = shell.get_ipython() if shell else None
    return ipython is not None and hasattr(ipython, "kernel")


class _Line:
    """One line that is written again and again, in a terminal and in a notebook; elsewhere a line now and then."""

    def __init__(self, show: bool | None) -> None:
        self.out = sys.stderr
        self.notebook = _in_notebook()
        self.live = self.notebook or self.out.isatty()
        self.show = self.live if show is None else show
        self.what, self.total, self.began, self.shown, self.width = "", 0, 0.0, 0.0, 0

    def begin(self, what: str, total: int) -> None:
        self.what, self.total, self.began, self.shown = what, total, time.monotonic(), 0.0

    def update(self, done: int, note: str) -> None:
        now = time.monotonic()
        if not self.show or (done < self.total and now - self.shown < (0.2 if self.live else 10)):
            return
        self.shown = now
        filled = 20 * done // self.total if self.total > 0 else 0
        text = f"{self.what} [{'#' * filled}{'.' * (20 - filled)}] {done}/{self.total}  {note}"
        columns = 120 if self.notebook else shutil.get_terminal_size().columns
        if not self.live:
            self.out.write(text + "\n")
        else:
            text = text[: columns - 1]
            self.out.write("\r" + text + " " * max(0, self.width - len(text)))
            self.width = len(text)
        self.out.flush()

    def say(self, sentence: str) -> None:
        if self.show:
            if self.width:
                self.out.write("\r" + " " * self.width + "\r")
                self.width = 0
            self.out.write(sentence + "\n")
            self.out.flush()

    def end(self) -> None:
        if self.width:
            self.out.write("\n")
            self.out.flush()
        self.width = 0


class Session:
    """The table of callbacks for one call of the library, and what came of them.

    callback: gets each Record. progress: True prints, False is silent; None prints in a terminal and in a notebook.
    """

    def __init__(self, callback: Callback | None = None, progress: bool | None = None) -> None:
        self.callback, self.line = callback, _Line(progress)
        self.folder, self.stopped, self.signalled, self._stop = "", False, False, False
        self.raised: BaseException | None = None
        s = structures
        self._keep = {
            "message": s.SENTENCE(self._guard(lambda _, text: self._message(text.decode(errors="replace")))),
            "detail": s.SENTENCE(self._guard(lambda _, text: logger.debug("%s", text.decode(errors="replace")))),
            "idle": s.SENTENCE(self._guard(lambda _, text: self._idle(text.decode(errors="replace")))),
            "training": s.SENTENCE(self._guard(self._training)),
            "interrupted": s.INTERRUPTED(self._interrupted),
        }
        if self.line.show:
            self._keep["begin"] = s.BEGIN(self._guard(lambda _, what, total: self.line.begin(what.decode(), total)))
            self._keep["progress"] = s.PROGRESS(self._guard(self._progress))
            self._keep["end"] = s.END(self._guard(lambda _: self.line.end()))
        if callback is not None:
            self._keep["metrics"] = s.METRICS(self._guard(self._metrics))
            self._keep["validation"] = s.VALIDATION(self._guard(self._validation))
        self.table = s.Callbacks(**self._keep)

    @property
    def pointer(self) -> Any:
        from ctypes import pointer

        return pointer(self.table)

    def call(self, function: Any, *arguments: Any) -> Any:
        """Calls a function of the lab; raises what a callback raised, KeyboardInterrupt, or Error with its sentence. A stop that a
        callback asked for is no error: `stopped` tells."""
        global cause
        error, cause = ErrorStruct(), None
        with self._interrupts():
            answer = function(*arguments, byref(error))
        self.line.end()
        if self.raised is not None:
            raised, self.raised = self.raised, None
            raise raised
        if answer is not None and answer >= 0:
            if self.signalled:
                raise KeyboardInterrupt
            return answer
        if error.code == INTERRUPTED:
            if self.signalled:
                raise KeyboardInterrupt(error.message.decode(errors="replace"))
            self.stopped = True
            return answer
        raise Error(error.message.decode(errors="replace"), error.code) from cause

    # ---- inside ---------------------------------------------------------------------------------------------------------

    def _guard(self, function: Callable[..., Any]) -> Callable[..., None]:
        """An exception in a callback cannot go through C: it is kept, the library is stopped, and `call` raises it."""

        def guarded(*arguments: Any) -> None:
            try:
                function(*arguments)
            except BaseException as e:  # noqa: B902
                self.raised = self.raised or e

        return guarded

    @contextlib.contextmanager
    def _interrupts(self) -> Iterator[None]:
        """While the library runs, Ctrl-C asks it to stop, so that a checkpoint is kept."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler:  # somebody else's, or none
            yield
            return
        signal.signal(signal.SIGINT, self._signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _signal(self, number: int, frame: Any) -> None:
        self.signalled = True

    def _interrupted(self, _: Any) -> bool:
        return self.signalled or self._stop or self.raised is not None

    def _message(self, sentence: str) -> None:
        logger.info("%s", sentence)
        self.line.say(f"ml3: {sentence}")

    def _idle(self, setting: str) -> None:
        warnings.warn(f"a setting without an effect: {setting}", stacklevel=2)

    def _training(self, _: Any, folder: bytes) -> None:
        self.folder = os.fsdecode(folder)
        self.line.say(f"run folder: {self.folder}")

    def _progress(self, _: Any, done: int, note: bytes | None) -> None:
        self.line.update(done, note.decode(errors="replace") if note else "")

    def _give(self, event: str, step: int, values: dict[str, float]) -> None:
        if self.callback is not None and self.callback(Record(event, step, values, self.folder)) is False:
            self._stop = True

    def _metrics(self, _: Any, step: int, names: Any, values: Any, count: int) -> None:
        found = {names[i].decode(): values[i] for i in range(count) if not math.isnan(values[i])}
        self._give("metrics", step, found)

    def _validation(self, _: Any, pointer: Any) -> None:
        v = pointer.contents
        found = {name: float(getattr(v, name)) for name, _kind in v._fields_ if name not in ("step", "has_distance")}
        if not v.has_distance:
            found["distance"] = found["median_distance"] = math.nan
        self._give("validation", v.step, {name: x for name, x in found.items() if not math.isnan(x)})
