"""An observer of passes that turns what changed a deployment into Events about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from m2s.base.labels import CHECKSUM, MODEL, MODEL_VERSION, OWNER
from m2s.domain.happenings import BLOCKED, FAILED, RESOLVED, SKIPPED, STANDING
from m2s.domain.notes import Note
from m2s.engine import skips
from m2s.engine.outcomes import NOT_ATTEMPTED, Outcome, Status
from m2s.engine.proving import Proof
from m2s.plan.changes import Blocked, Create, Delete, Update
from m2s.plan.plan import models_of
from m2s.targets.kubernetes.events import Event
from m2s.watch.report import PassReport

_BAD = (Status.BLOCKED, Status.FAILED)
_MOVES = {"promoted": "Promoted", "rolled": "RolledBack"}
_TOLD = (Status.CREATED, Status.UPDATED, Status.DELETED, *_BAD)
_RENEWED = 1800.0
"""Seconds after which what still stands in the way is told again: an API server forgets an Event
after an hour (``--event-ttl``), and ``m2s status`` finds in it why a version is not live."""


class Recorder(Protocol):
    """Where Events go."""

    def record(self, event: Event) -> None:
        """Take note of it; returns at once and raises nothing."""

    def close(self, seconds: float) -> None:
        """Take no more, and wait so long at most until what was recorded is told."""


class Notices:
    """Records an Event for each change, and one when something begins to be in its way, or ends.

    ``events`` is where they go; None, of a folder, is nowhere. ``clock``: seconds, monotonic. What
    goes on standing in the way is recorded anew after ``renewed`` seconds.
    """

    def __init__(
        self,
        events: Recorder | None,
        clock: Callable[[], float] = time.monotonic,
        renewed: float = _RENEWED,
    ) -> None:
        self._events, self._clock, self._renewed = events, clock, renewed
        self._standing: dict[Event, float] = {}

    def move(self, events: Recorder | None) -> None:
        """Send what comes to another cluster or namespace."""
        self.close(0)
        self._events = events

    def close(self, seconds: float) -> None:
        """Wait so long at most until what was recorded is written."""
        if self._events:
            self._events.close(seconds)

    def __call__(self, report: PassReport) -> None:
        """Record one pass."""
        if report.plan is None or report.repeats:
            standing = list(self._standing)
        else:
            found = [*map(_event, filter(_is_told, report.outcomes)), *_skipped(report)]
            standing = [event for event in found if event.reason in STANDING]
            news = [event for event in found if event.reason not in STANDING]
            about = {event.key for event in found}
            over = {event.key: event for event in self._standing if event.key not in about}
            self._record(*news, *map(_resolved, over.values()))
        now = self._clock()
        told = {event: self._standing.get(event, float("-inf")) for event in standing}
        due = [event for event, when in told.items() if now - when >= self._renewed]
        self._record(*due)
        self._standing = told | dict.fromkeys(due, now)

    def proven(self, proof: Proof) -> None:
        """Record an Event for what was found of a deployment that was followed."""
        live, failed = proof.live, proof.found.result == "failed"
        why = "TakenBack" if proof.gave_way else _FOUND[proof.found.result]
        self._record(Event(live.key, live.uid, why, proof.said, failed))

    def _record(self, *events: Event) -> None:
        if self._events:
            for event in events:
                self._events.record(event)


def _is_told(outcome: Outcome) -> bool:
    return outcome.status in _TOLD and not outcome.message.startswith(NOT_ATTEMPTED)


_FOUND = {"verified": "Verified", "unverified": "RolledOut", "failed": "NotServing"}


def _event(outcome: Outcome) -> Event:
    change = outcome.change
    there = outcome.applied or (None if isinstance(change, Create) else change.live)
    message = outcome.message or change.reason
    uid = there.uid if there else ""
    owner = change.owner if isinstance(change, Blocked) else there.owner if there else None
    if isinstance(change, Create | Update):
        owner = change.manifest.owner
    notes = _notes(owner or "", *models_of(change))
    bad = outcome.status in _BAD
    return Event(change.key, uid, reason(outcome), message, bad, notes)


def _notes(owner: str, model: str, version: str) -> tuple[tuple[str, str], ...]:
    return ((OWNER, owner), (MODEL, model), (MODEL_VERSION, version))


def _skipped(report: PassReport) -> Iterator[Event]:
    """Yield an Event for each version that is selected and does not ask to be served."""
    if report.plan is None:
        return
    left = report.left()
    for key, item in skips.of(report.plan):
        version = item.version
        uid = left[key].uid if key in left else ""
        notes = _notes(item.owner, version.model, str(version.version))
        yield Event(key, uid, SKIPPED, item.reason, notes=notes)


def _resolved(event: Event) -> Event:
    message = f"no longer {STANDING[event.reason]}"
    return Event(event.key, event.uid, RESOLVED, message, notes=event.notes)


_ORDERS = {
    "paused": "Paused", "resumed": "Resumed", "unpinned": "Unpinned", "rolled back": "RolledBack",
    "adopted": "Applied", "pruned": "Deleted",
}  # fmt: skip


def of_order(outcome: Outcome, note: Note) -> Event:
    """Return the Event of an order that was carried out: who gave it, and why."""
    message = f"{note.short}; {outcome.change.reason}"
    return replace(_event(outcome), reason=_ORDERS[note.what], message=message, warning=False)


def reason(outcome: Outcome) -> str:
    """Return the Event's ``reason``: what happened in one word."""
    change = outcome.change
    if outcome.status is Status.BLOCKED:
        return BLOCKED
    if outcome.status is Status.FAILED:
        return "DeleteFailed" if isinstance(change, Delete) else FAILED
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
