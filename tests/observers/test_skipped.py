"""What is in the way is told once, again before the API server forgets it, and when it ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import pytest

from m2s.base.labels import PAUSED
from m2s.domain.notes import Note, noted
from m2s.observers.events import Notices
from m2s.observers.logs import PassLog
from m2s.targets.kubernetes.events import Event, Events
from tests.kits.support import description
from tests.observers.test_page import Watched


class Recorded:
    """Events as they would be written."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)

    def take(self) -> list[tuple[str, str, str]]:
        """Return name, reason and version of each Event since the last call."""
        taken = [
            (one.key.name, one.reason, dict(one.notes)["m2s.io/version"]) for one in self.events
        ]
        self.events.clear()
        return taken


class Told:
    """Passes, and what is told of them; ``now`` in seconds."""

    def __init__(self, path: Path) -> None:
        self.watched, self.recorded, self.now = Watched(path), Recorded(), 0.0
        events = Notices(cast(Events, self.recorded), lambda: self.now)
        self._observers: tuple[Any, ...] = (events, PassLog())

    def make(self, seconds: float = 30) -> list[tuple[str, str, str]]:
        """Make a pass so much later, and return the Events of it."""
        self.now += seconds
        report = self.watched.make()
        for observer in self._observers:
            observer(report)
        return self.recorded.take()


@pytest.fixture
def told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Told:
    caplog.set_level(logging.INFO, "m2s.pass")
    return Told(tmp_path)


def test_a_skipped_version_is_told_once_and_its_end_too(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    registry = told.watched.registry
    registry.add("tea", None)
    assert told.make() == [("tea-staging", "Skipped", "1")]
    assert told.make() == []
    lines = [one.getMessage() for one in caplog.records if "skipped" in one.getMessage()]
    assert lines == [
        "skipped tea v1 (stage=Staging): no deploy.yaml in the run or in the model's folder"
    ]
    registry.move("tea", 1, "Archived")
    assert told.make() == [("tea-staging", "Resolved", "1")]
    assert told.make() == []


def test_what_lasts_is_told_again_before_it_is_forgotten(told: Told) -> None:
    registry = told.watched.registry
    registry.add("iris", description("iris"))
    assert told.make() == [("iris", "Applied", "1")]
    registry.add("iris", "kind: Pod", stage=None)
    registry.move("iris", 2, "Staging")
    assert told.make() == [("iris", "Blocked", "2")]
    assert told.make(600) == []
    registry.down = "MLflow is gone"
    assert told.make(1300) == [("iris", "Blocked", "2")], "an hour is all that an Event lives"
    registry.down = ""
    assert told.make() == []
    registry.add("iris", description("iris"), stage=None)
    registry.move("iris", 3, "Staging")
    assert told.make() == [("iris", "Promoted", "3")], "its end is told by that"


def test_an_order_is_a_log_line_and_on_the_page(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.watched.registry.add("iris", description("iris"))
    told.make()
    cluster = told.watched.edges.cluster
    note = Note(what="paused", at="2026-12-01T01:02:03Z", by="alice", message="load test")
    (live,) = cluster.list()
    cluster.mark(live, {PAUSED: "true", **noted(live, note)})
    told.make()
    told.make()
    lines = [one.getMessage() for one in caplog.records if "alice" in one.getMessage()]
    assert lines == ["iris: paused by alice: load test"]
    assert "paused by alice at 2026-12-01 01:02 UTC: load test" in told.watched.text()
