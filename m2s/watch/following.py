"""Roll-outs are followed beside the passes, until each serves and answers, or gives way.

What is followed stands on the deployments themselves (:func:`m2s.domain.verification.is_followed`),
so that a process that starts, or begins to lead, carries on what another one began.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from m2s.base.bounds import Left, after
from m2s.base.errors import M2sError
from m2s.base.gate import Gate
from m2s.base.threads import Kept, Pulse, brief
from m2s.domain import history, verification
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.engine.proving import Proof, Prover
from m2s.settings.groups import Settings
from m2s.watch.passes import Edges
from m2s.watch.report import PassReport

_log = logging.getLogger("m2s.follow")

MOST = 8
"""Deployments that are looked at, or asked, at the same time."""
LOOK = 2.0
"""Seconds from one look at a roll-out to the next."""
_BOUND = 60.0
_GRACE = 3.0
"""Seconds that a write under way has to end."""
_SHORT = 0.05
_LEVELS = {"verified": logging.INFO, "unverified": logging.INFO, "failed": logging.ERROR}


@dataclass
class _Followed:
    """One description of a deployment, and how long it has; ``step`` is the look under way."""

    key: Key
    uid: str
    revision: str
    left: Left
    step: Future[bool] | None = None
    trouble: str = ""


class Following:
    """An observer of passes that has what they wrote followed.

    It looks in a thread of its own, at several deployments at a time; no pass waits for it.
    ``look`` returns our deployments as they are now, ``gate`` is passed by each write, and
    ``told`` is called with what was found of each, from any thread.
    """

    def __init__(
        self,
        look: Callable[[], Iterable[LiveDeployment]],
        gate: Callable[[Callable[[], bool]], Gate],
        told: Callable[[Proof], None],
    ) -> None:
        """``gate`` makes a gate that is shut by what it is given, too: that this is closed."""
        self._look, self._told = look, told
        self._sides: tuple[Settings, Edges] | None = None
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._wake, self._closed = threading.Event(), threading.Event()
        self._gate, self._failed = gate(self._closed.is_set), False
        self._thread = Kept("m2s-follow", self._run, self._closed)

    def move(self, settings: Settings, edges: Edges) -> None:
        """Follow by these settings from now on; where they ask for nothing, follow nothing."""
        self._sides = (settings, edges) if settings.follows else None
        if self._sides and not self._thread.started:
            self._thread.start()

    def __call__(self, report: PassReport) -> None:
        """Follow what a pass left to be followed; the sight has taken note of it by now."""
        if report.plan and self._sides:
            for live in self._look():
                self._begin(live, self._sides[0])
            self._wake.set()

    def finish(self, stopped: Callable[[], bool]) -> bool:
        """Wait until nothing is followed, or ``stopped``; return whether nothing failed."""
        while self._followed and self._thread.alive and not stopped():
            time.sleep(_SHORT)
        return not self._failed

    def close(self) -> None:
        """Write nothing more; what is being written has some seconds to end."""
        self._closed.set()
        self._wake.set()
        left = after(_GRACE)
        while self._gate.busy and left() > 0:
            time.sleep(_SHORT)

    def _begin(self, live: LiveDeployment, settings: Settings) -> None:
        name = live.uid, history.revision(live.body)
        mine = live.owner in settings.owners and name not in self._followed
        if mine and verification.is_followed(live):
            self._followed[name] = _Followed(live.key, *name, after(settings.timeout))

    def _run(self, pulse: Pulse) -> None:
        with ThreadPoolExecutor(MOST, "m2s-follow") as pool:
            while not self._closed.is_set():
                pulse.beat()
                self._wake.wait(LOOK if self._followed else None)
                self._wake.clear()
                pulse.beat(_BOUND)
                self._round(pool)

    def _round(self, pool: ThreadPoolExecutor) -> None:
        for name, one in list(self._followed.items()):
            if one.step and one.step.done() and one.step.result():
                self._followed.pop(name, None)
            elif self._sides and (one.step is None or one.step.done()):
                one.step = pool.submit(self._is_done, one, *self._sides)

    def _is_done(self, one: _Followed, settings: Settings, edges: Edges) -> bool:
        """Look once; return whether there is nothing more to follow here."""
        if self._gate.shut:
            return True  # whoever leads follows it
        try:
            return self._step(one, settings, edges)
        except Exception as error:  # noqa: BLE001 - one deployment's trouble stops no other
            why = str(error) if isinstance(error, M2sError) else brief(error)
            if why != one.trouble:
                _log.warning("%s is not followed for the moment: %s", one.key.name, why)
            one.trouble = why
            return one.left() <= 0  # the next pass begins anew with it

    def _step(self, one: _Followed, settings: Settings, edges: Edges) -> bool:
        live = edges.cluster.get(one.key)
        if live is None or (live.uid, history.revision(live.body)) != (one.uid, one.revision):
            return True
        if not verification.is_followed(live):
            return True
        rollout = edges.cluster.rollout(live)
        failure = rollout.message if rollout.failed else ""
        if not rollout.serving and not rollout.failed and not verification.gives_way(live):
            if one.left() > 0:
                return False
            failure = f"not serving after {settings.timeout:g} s: {rollout.message}"
        prover = Prover(edges.registry, edges.cluster, settings, self._gate, self._pause)
        proof = prover.settle(live, prover.found(live, failure))
        self._failed = self._failed or proof.found.result == "failed"
        _log.log(_LEVELS[proof.found.result], "%s: %s", one.key.name, proof.said)
        self._told(proof)
        return True

    def _pause(self, seconds: float) -> None:
        self._closed.wait(seconds)
