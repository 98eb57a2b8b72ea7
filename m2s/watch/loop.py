"""The loop: it makes one pass after the other, never two at once, until it is stopped."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from m2s.base.bounds import Left, forever
from m2s.base.errors import M2sError
from m2s.base.gate import Gate
from m2s.base.threads import Pulse, brief
from m2s.settings.groups import Settings
from m2s.watch.absences import Absences
from m2s.watch.pace import FIRST_PAUSE, LONGEST_PAUSE, Pace, Window
from m2s.watch.passes import Edges, Pass
from m2s.watch.report import PassReport
from m2s.watch.triggers import LEADER, RELOAD, Triggers, merged

_log = logging.getLogger("m2s.watch")
_STANDBY = 1.0
"""Seconds between two looks at whether we lead; winning wakes the loop at once."""

Load = Callable[[Settings], tuple[Settings, Edges]]
"""Read the settings again and connect by them; the argument is what they are now.

Raises :class:`~m2s.base.errors.M2sError` when they are broken; the old ones stay then.
"""
Observer = Callable[[PassReport], None]


class Loop:
    """Makes passes; whatever looks on reads its properties, from any thread.

    It begins with ``settings`` and the ``edges`` connected by them; ``load`` connects again, on
    the trigger ``reload``. ``leading`` says whether this process may write now, ``left`` in how
    many seconds a write under way has to be over. The ``observers`` are called with each pass's
    report, in this order. ``clock``: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Settings,
        edges: Edges,
        *,
        load: Load,
        triggers: Triggers,
        leading: Callable[[], bool] = lambda: True,
        left: Left = forever,
        observers: Sequence[Observer] = (),
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._edges, self._load = settings, edges, load
        self._triggers, self._leading, self._observers = triggers, leading, observers
        self._pace, self._clock = pace or Pace(), clock
        self._absences = Absences()
        self._stopped = threading.Event()
        self._gate = Gate(lambda: self._stopped.is_set() or not self._leading(), left)
        self._pulse = Pulse("m2s-loop")
        self._led = False
        self._beat = clock()
        self._last: PassReport | None = None
        self._complete = False

    @property
    def settings(self) -> Settings:
        """What the loop works by now."""
        return self._settings

    @property
    def last(self) -> PassReport | None:
        """The last pass, None before the first."""
        return self._last

    @property
    def busy(self) -> bool:
        """Whether a write is under way, which has to be finished before the process ends."""
        return self._gate.busy

    def stuck(self) -> str | None:
        """Return why the process should be restarted, or None: nothing moves, success or not."""
        age, patience = self._clock() - self._beat, self._pace.patience(self._settings.interval)
        return f"the loop has not moved for {age:.0f} s" if age > patience else None

    def unready(self) -> str | None:
        """Return why this replica is of no use yetor None; one that stands by is ready."""
        ready = self._complete or not self._leading()
        return None if ready else "no pass has read both sides yet"

    def stop(self) -> None:
        """Begin nothing more; what is being written is finished."""
        self._stopped.set()
        self._triggers.wake()

    def run(self, *, once: bool = False) -> None:
        """Make passes until stopped, or one; what nobody expected is told, and it goes on."""
        pause = FIRST_PAUSE
        while True:
            try:
                for report in self.passes(once=once):
                    self._show(report)
                    pause = FIRST_PAUSE
                break
            except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on
                self._pulse.fail(brief(error))
                _log.error("the loop failed and begins anew in %g s: %s", pause, brief(error))
            if once or self._stopped.wait(pause):
                break
            pause = min(2 * pause, LONGEST_PAUSE)
        self._pulse.end()
        self._edges.close()

    def _show(self, report: PassReport) -> None:
        self._pulse.beat()
        for observer in self._observers:
            try:
                observer(report)
            except Exception as error:  # noqa: BLE001 - one who looks on is in nobody's way
                name = type(observer).__name__
                _log.error("%s cannot take note of a pass: %s", name, brief(error))

    def passes(self, *, once: bool = False) -> Iterator[PassReport]:
        """Yield each pass as it ends, until stopped."""
        why = "start"
        while not self._stopped.is_set():
            self._move_on()
            if not self._lead():
                if RELOAD in self._triggers.take():
                    self._reload()
                self._triggers.wait(_STANDBY)
                why = LEADER
                continue
            began, taken = self._clock(), self._triggers.take()
            if RELOAD in taken:
                self._reload()
            early = why not in ("start", "interval")
            report = self._pass(merged(taken, why))
            yield report
            if once:
                return
            ok = report.result != "error"
            window = self._pace.next(
                began, self._clock(), self._settings.interval, ok=ok, early=early
            )
            why = self._await(window)

    def _lead(self) -> bool:
        leading = self._leading()
        if leading and not self._led:
            # What another leader saw since is unknown.
            self._absences.forget()
        self._led = leading
        return leading

    def _pass(self, why: str) -> PassReport:
        by = (self._edges, self._settings, self._absences, why, self._gate, self._last)
        report = Pass(*by, beat=self._move_on).make()
        if not report.repeats:
            self._triggers.left(report, self._settings.ignore)
        self._complete = self._complete or report.plan is not None
        self._last = report
        return report

    def _move_on(self) -> None:
        self._beat = self._clock()

    def _await(self, window: Window) -> str:
        """Wait for the next pass and return what sets it off."""
        while not self._stopped.is_set() and self._leading():
            now, why = self._clock(), self._triggers.pending()
            if why == RELOAD or (why and now >= window.earliest):
                return why
            if now >= window.latest:
                return "interval"
            self._triggers.wait((window.earliest if why else window.latest) - now)
        return "interval"

    def _reload(self) -> None:
        try:
            settings, edges = self._load(self._settings)
        except M2sError as error:
            _log.error("kept the settings as they were: %s", error)
            return
        self._edges.close()
        self._settings, self._edges = settings, edges
        self._absences.forget()
        self._pace.reset()
        _log.info("settings reloaded")
