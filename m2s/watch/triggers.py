"""Triggers ask for a pass before the interval is over; several of them cause one pass."""

import threading

from m2s.base.labels import FAILED
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.objects import diff
from m2s.objects.body import comparable, digest
from m2s.watch.report import PassReport

RELOAD, LEADER, WEBHOOK, CLUSTER = "reload", "leader", "webhook", "cluster"
INTERVAL = "interval"
_ORDER = (RELOAD, LEADER, WEBHOOK)


class Triggers:
    """A flag for each kind of trigger, and the objects that somebody changed in the cluster.

    What the cluster reports is compared with what the last pass left there, so that neither our
    own writes nor status updates ask for a pass. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._poked: set[str] = set()
        self._seen: dict[Key, LiveDeployment | None] = {}
        self._left: dict[Key, LiveDeployment] = {}
        self._ignore: tuple[str, ...] = ()

    def poke(self, why: str) -> None:
        """Ask for a pass."""
        with self._lock:
            self._poked.add(why)
        self._wake.set()

    def observe(self, key: Key, live: LiveDeployment | None) -> None:
        """Take note of one of our objects as the cluster has it now; None when it is gone."""
        with self._lock:
            self._seen[key] = live
        self._wake.set()

    def take(self) -> frozenset[str]:
        """Return and forget what was asked for up to now: the pass that begins sees to it."""
        with self._lock:
            taken = frozenset(self._poked | ({CLUSTER} if self._any_moved() else set()))
            self._poked.clear()
            self._seen.clear()
        return taken

    def left(self, report: PassReport, ignore: tuple[str, ...]) -> None:
        """Take note of how a pass left the objects; ``ignore`` are the JSON pointers of others."""
        if report.plan is None:
            return
        left = {one.key: one for live in report.left().values() for one in live.singly}
        with self._lock:
            self._left, self._ignore = left, ignore

    def pending(self) -> str | None:
        """Return why a pass is wanted before its time, the most urgent first."""
        with self._lock:
            for why in _ORDER:
                if why in self._poked:
                    return why
            moved = self._any_moved()
            if not moved:
                self._seen.clear()
            return CLUSTER if moved else None

    def _any_moved(self) -> bool:
        return any(self._moved(key, live) for key, live in self._seen.items())

    def _moved(self, key: Key, live: LiveDeployment | None) -> bool:
        left = self._left.get(key)
        if live is None or left is None:
            return live is not left
        return _identity(live, self._ignore) != _identity(left, self._ignore)

    def wait(self, seconds: float) -> None:
        """Wait until something asks for a pass, ``seconds`` at most."""
        self._wake.wait(seconds)
        self._wake.clear()

    def wake(self) -> None:
        """End a :meth:`wait` without asking for anything."""
        self._wake.set()


def merged(taken: frozenset[str], why: str) -> str:
    """Return the one word for a report: the most urgent of what was taken.

    An edit that was observed at the last moment is no quiet interval's.
    """
    late = CLUSTER if why == INTERVAL and CLUSTER in taken else why
    return next((each for each in _ORDER if each in taken), late)


def _identity(live: LiveDeployment, ignore: tuple[str, ...]) -> str:
    failed = live.annotations.get(FAILED)  # which m2s retry takes away
    return digest([live.deleting, failed, diff.dropped(comparable(live.body), ignore)])
