"""Keeps telling MLflow what is live (``--write-back``) while ``m2s watch`` runs.

That this fails is never a reason not to serve: it has a thread of its own.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from m2s.base.errors import M2sError, TagRefused
from m2s.base.threads import Kept, Pulse
from m2s.domain.deployments import LiveDeployment
from m2s.domain.scope import Scope
from m2s.domain.versions import Key
from m2s.engine import live_tags
from m2s.engine.live_tags import Tags
from m2s.sources.source import Tagging
from m2s.watch.report import PassReport

_log = logging.getLogger("m2s.writeback")

MERGE = 0.2
"""Seconds from a change to its being written, in which more of them may come."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 120.0
"""Seconds, of the pause after a failure: it doubles from the first to the longest."""
_BOUND = 900.0
"""Seconds from one sign of life to the next: it reads every tag, or writes one."""
_ANEW = ("leader", "reload")


@dataclass
class _Work:
    """What is to be kept up to date, and what is known to be there, None before it was read."""

    tagging: Tagging
    scope: Scope
    known: Tags | None = None
    due: float = math.inf


class WriteBack:
    """An observer of passes, and of the cluster's events, that has the tags follow what is live.

    It writes in a daemon thread of its own, some tenths of a second after a change; nothing waits
    for it or fails with it. What goes wrong is logged once, until the tags could be written again.
    ``look`` returns our deployments as they are now.
    """

    def __init__(
        self, look: Callable[[], Sequence[LiveDeployment]], leading: Callable[[], bool]
    ) -> None:
        self._look, self._leading = look, leading
        self._tagging: Tagging | None = None
        self._resync = math.inf
        self._work: _Work | None = None
        self._wake, self._closed = threading.Event(), threading.Event()
        self._trouble = ""
        self._thread = Kept("m2s-writeback", self._run, self._closed)

    def move(self, tagging: Tagging | None, resync: float) -> None:
        """Write there from the next pass on, None for nowhere; read it anew each ``resync`` s."""
        self._work, self._tagging, self._resync = None, tagging, resync
        if tagging and not self._thread.started:
            self._thread.start()

    def close(self, seconds: float) -> None:
        """Wait so long at most until what was seen is written."""
        self._closed.set()
        self._wake.set()
        self._thread.join(seconds)

    def __call__(self, report: PassReport) -> None:
        """Have what a pass left told; before the first complete one nobody knows what is live."""
        work = None if report.trigger in _ANEW else self._work
        if report.plan and self._tagging and (work is None or work.scope != report.plan.scope):
            work = _Work(self._tagging, report.plan.scope)
        self._work = work
        self._wake.set()

    def observe(self, _key: Key, _live: LiveDeployment | None) -> None:
        """Have it told that a deployment changed, or is gone."""
        self._wake.set()

    def _run(self, pulse: Pulse) -> None:
        pause = FIRST_PAUSE
        if self._work:  # after a failure
            self._work.known = None
            self._wake.set()
        while not self._closed.is_set() or self._wake.is_set():
            pulse.beat()
            self._wake.wait(self._patience())
            pulse.beat(_BOUND)
            self._closed.wait(MERGE)
            self._wake.clear()
            if self._is_told(pulse):
                pause = FIRST_PAUSE
            elif not self._closed.wait(pause):
                pause = min(2 * pause, LONGEST_PAUSE)
                self._wake.set()

    def _patience(self) -> float | None:
        """Return the seconds until all is read again, None where that is never."""
        due = self._work.due if self._work else math.inf
        return None if due == math.inf else max(due - time.monotonic(), 0)

    def _is_told(self, pulse: Pulse) -> bool:
        """Write what is new; return whether that, or nothing, was to be done and is."""
        work = self._work
        if work is None:
            return True
        if not self._leading():
            # Another replica may write meanwhile: read first, if it comes to that again.
            self._work = None if self._work is work else self._work
            return True
        try:
            self._tell(work, pulse)
        except M2sError as error:
            if not isinstance(error, TagRefused):
                work.known = None
            self._log(str(error))
            return False
        self._log("")
        return True

    def _tell(self, work: _Work, pulse: Pulse) -> None:
        if work.known is None or time.monotonic() >= work.due:
            work.due = time.monotonic() + self._resync
            work.known = live_tags.there(work.tagging, work.scope)
        goal = live_tags.wanted(self._look(), work.scope)

        def may_write() -> bool:
            pulse.beat(_BOUND)
            return self._work is work and self._leading()

        live_tags.update(work.tagging, goal, work.known, may_write)

    def _log(self, trouble: str) -> None:
        if trouble != self._trouble:
            if trouble:
                _log.warning("MLflow is not told what is live, all else goes on: %s", trouble)
            else:
                _log.info("MLflow is told what is live again")
        self._trouble = trouble
