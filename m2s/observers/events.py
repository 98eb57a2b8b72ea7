"""An observer of passes that turns what changed a deployment into Events about it."""

from __future__ import annotations

from m2s.base.labels import CHECKSUM
from m2s.domain.versions import Key
from m2s.engine.execute import NOT_ATTEMPTED, Outcome, Status
from m2s.plan.changes import Create, Delete, Update
from m2s.targets.kubernetes.events import Event, Events
from m2s.watch.report import PassReport

_BAD = (Status.BLOCKED, Status.FAILED)
_MOVES = {"promoted": "Promoted", "rolled": "RolledBack"}
_TOLD = (Status.CREATED, Status.UPDATED, Status.DELETED, *_BAD)


class Notices:
    """Records an Event for each change, and one when something begins to be in its way.

    ``events`` is where they go; None, of a folder, is nowhere.
    """

    def __init__(self, events: Events | None) -> None:
        self._events = events
        self._standing: set[tuple[Key, str, str]] = set()

    def move(self, events: Events | None) -> None:
        """Send what comes to another cluster or namespace."""
        self.close(0)
        self._events = events

    def close(self, seconds: float) -> None:
        """Wait so long at most until what was recorded is written."""
        if self._events:
            self._events.close(seconds)

    def __call__(self, report: PassReport) -> None:
        """Record one pass."""
        standing = set() if report.plan else set(self._standing)
        for outcome in report.news:
            if outcome.status not in _TOLD or outcome.message.startswith(NOT_ATTEMPTED):
                continue
            event = _event(outcome)
            told = event.key, event.reason, event.message
            if event.warning:
                standing.add(told)
            if not (event.warning and told in self._standing) and self._events:
                self._events.record(event)
        self._standing = standing


def _event(outcome: Outcome) -> Event:
    change = outcome.change
    there = outcome.applied or (None if isinstance(change, Create) else change.live)
    message = outcome.message or change.reason
    uid = there.uid if there else ""
    return Event(change.key, uid, reason(outcome), message, outcome.status in _BAD)


def reason(outcome: Outcome) -> str:
    """Return the Event's ``reason``: what happened in one word."""
    change = outcome.change
    if outcome.status is Status.BLOCKED:
        return "Blocked"
    if outcome.status is Status.FAILED:
        return "DeleteFailed" if isinstance(change, Delete) else "ApplyFailed"
    if isinstance(change, Delete):
        return "Deleted"
    return _update(change) if isinstance(change, Update) else "Applied"


def _update(change: Update) -> str:
    """Tell a version's move, a new description and drift apart, as the plan's reasons do."""
    live, manifest = change.live, change.manifest
    if live.owner is None:
        return "Applied"
    if live.served != manifest.served:
        return _MOVES.get(change.reason.partition(" ")[0], "VersionChanged")
    written = manifest.body["metadata"]["annotations"][CHECKSUM]
    return "DriftCorrected" if live.annotations.get(CHECKSUM) == written else "Applied"
