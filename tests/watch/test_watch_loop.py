"""The loop on a clock of the test's own, between a registry in memory and a real folder."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from m2s.base.errors import RegistryError, UsageError
from m2s.domain.versions import Key, ModelVersion, Selector, Whereabouts
from m2s.settings import build
from m2s.settings.groups import Settings
from m2s.targets.folder.namespace import FolderCluster
from m2s.watch.loop import Loop
from m2s.watch.passes import Edges
from m2s.watch.report import PassReport
from m2s.watch.triggers import Triggers
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description


class Registry(FakeRegistry):
    """One that can be down."""

    down = False

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        if self.down:
            raise RegistryError("MLflow is gone")
        return super().select(selector)

    def locate(self, selector: Selector, model: str, version: str | None) -> Whereabouts:
        if self.down:
            raise RegistryError("MLflow is gone")
        return super().locate(selector, model, version)


class Clock(Triggers):
    """Triggers that do not sleep: waiting moves the clock, to the next thing that happens."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.plan: list[tuple[float, Callable[[], None]]] = []

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen so many seconds from the begin."""
        self.plan = sorted([*self.plan, (1000 + seconds, act)], key=lambda item: item[0])

    def wait(self, seconds: float) -> None:
        assert seconds > 0, "a hot loop"
        until = self.now + seconds
        if self.plan and self.plan[0][0] <= until:
            until, act = self.plan.pop(0)
            act()
        self.now = max(self.now, until)

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    folder: Path
    registry: Registry = field(default_factory=Registry)
    clock: Clock = field(default_factory=Clock)
    leading: bool = True
    follow: Callable[[], bool] | None = None
    broken: str = ""
    flags: dict[str, object] = field(default_factory=dict)
    closed: int = 0

    def settings(self) -> Settings:
        if self.broken:
            raise UsageError(self.broken)
        return build.build({"stage": ["Staging"], "max-delete": "100%", **self.flags}, {})

    def edges(self) -> Edges:
        return Edges(self.registry, FolderCluster(self.folder, "default"), self._close)

    def _close(self) -> None:
        self.closed += 1

    def loop(self) -> Loop:
        return Loop(
            self.settings(),
            self.edges(),
            load=lambda _: (self.settings(), self.edges()),
            triggers=self.clock,
            leading=self.follow or (lambda: self.leading),
            clock=self.clock,
        )

    def passes(self) -> Iterator[PassReport]:
        return self.loop().passes()

    def files(self) -> set[str]:
        return {file.stem for file in self.folder.rglob("*.yaml")}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path / "cluster")
    made.registry.add("iris", description("iris"))
    made.registry.add("wine", description("wine"))
    return made


def results(passes: Iterator[PassReport], count: int) -> list[str]:
    return [report.result for report in itertools.islice(passes, count)]


def test_each_interval_brings_a_pass(world: World) -> None:
    begins = [world.clock.now for _ in itertools.islice(world.passes(), 5)]
    gaps = [after - before for before, after in itertools.pairwise(begins)]
    assert all(27 <= gap <= 33 for gap in gaps)
    assert len(set(gaps)) == len(gaps)
    assert world.files() == {"iris", "wine"}


def test_a_burst_of_triggers_is_one_pass(world: World) -> None:
    passes = world.passes()
    next(passes)
    for at in (5, 5.001, 5.002):
        world.clock.at(at, lambda: world.clock.poke("webhook"))
    second = next(passes)
    assert (second.trigger, world.clock.now) == ("webhook", 1005)
    assert next(passes).trigger in ("webhook", "interval")
    assert next(passes).trigger == "interval"


def test_what_a_pass_wrote_itself_asks_for_no_other(world: World) -> None:
    cluster = FolderCluster(world.folder, "default")
    passes = world.passes()
    next(passes)
    for live in cluster.list():
        world.clock.observe(live.key, live)
    assert next(passes).trigger == "interval"


def test_neither_does_what_it_left_as_it_was(world: World) -> None:
    passes = world.passes()
    next(passes)
    world.registry.add("iris", description("iris"), status="PENDING_REGISTRATION")
    assert next(passes).result == "failed"
    for live in FolderCluster(world.folder, "default").list():
        world.clock.observe(live.key, live)
    assert next(passes).trigger == "interval"


def test_an_edit_asks_for_a_pass_and_so_does_a_deletion(world: World) -> None:
    passes = world.passes()
    next(passes)
    file = world.folder / "default" / "iris.yaml"
    file.write_text(file.read_text().replace("replicas: 1", "replicas: 7"))
    live = FolderCluster(world.folder, "default").get(Key("default", "iris"))
    assert live is not None
    world.clock.observe(live.key, live)
    report = next(passes)
    assert (report.trigger, [one.status.value for one in report.outcomes]) == (
        "cluster",
        ["updated", "unchanged"],
    )
    world.clock.observe(Key("default", "wine"), None)
    assert next(passes).trigger == "cluster"


def test_triggers_without_end_do_not_make_a_hot_loop(world: World) -> None:
    passes = world.passes()
    for _ in range(20):
        next(passes)
        world.clock.poke("webhook")
    assert world.clock.now > 1000 + 20 * 5


def test_an_outage_backs_off_deletes_nothing_and_ends(world: World) -> None:
    world.flags["policy"] = "sync"
    passes = world.passes()
    next(passes)
    world.registry.down = True
    world.registry.move("wine", 1, "Archived")
    assert results(passes, 6) == ["error"] * 6
    assert world.clock.now > 1000 + 30 + 1 + 2 + 4 + 8
    assert world.files() == {"iris", "wine"}
    world.registry.down = False
    assert next(passes).result == "success"
    assert world.clock.now < 1000 + 33 + 70


def test_a_model_is_deleted_when_it_was_absent_in_three_passes_in_a_row(world: World) -> None:
    world.flags["policy"] = "sync"
    passes = world.passes()
    next(passes)
    world.registry.move("wine", 1, "Archived")
    assert results(passes, 2) == ["success"] * 2
    assert world.files() == {"iris", "wine"}
    world.registry.move("wine", 1, "Staging")
    next(passes)
    world.registry.move("wine", 1, "Archived")
    next(passes)
    world.registry.down = True  # neither counts nor resets
    assert results(passes, 3) == ["error"] * 3
    world.registry.down = False
    next(passes)
    assert world.files() == {"iris", "wine"}
    next(passes)
    assert world.files() == {"iris"}


def test_a_restart_counts_anew(world: World) -> None:
    world.flags["policy"] = "sync"
    first = world.passes()
    next(first)
    world.registry.move("wine", 1, "Archived")
    results(first, 2)
    again = world.passes()
    results(again, 2)
    assert world.files() == {"iris", "wine"}
    next(again)
    assert world.files() == {"iris"}


def test_prune_after_one_deletes_in_the_first_pass(world: World) -> None:
    world.flags |= {"policy": "sync", "prune-after": 1}
    passes = world.passes()
    next(passes)
    world.registry.move("wine", 1, "Archived")
    next(passes)
    assert world.files() == {"iris"}


def test_without_sync_nothing_is_ever_deleted(world: World) -> None:
    passes = world.passes()
    next(passes)
    world.registry.move("wine", 1, "Archived")
    assert results(passes, 5) == ["success"] * 5
    assert world.files() == {"iris", "wine"}


def test_over_the_budget_is_written_and_not_deleted(world: World) -> None:
    world.flags |= {"policy": "sync", "prune-after": 1, "max-delete": "0"}
    passes = world.passes()
    next(passes)
    world.registry.move("wine", 1, "Archived")
    world.registry.add("rose", description("rose"))
    report = next(passes)
    assert report.result == "refused"
    assert "over --max-delete" in report.message
    assert world.files() == {"iris", "rose", "wine"}


def test_a_budget_is_not_spent_a_few_at_a_time(world: World) -> None:
    # Three leave one after the other: never more than one becomes due in the same pass.
    world.flags |= {"policy": "sync", "max-delete": "1"}
    world.registry.add("rose", description("rose"))
    passes = world.passes()
    next(passes)
    world.registry.move("wine", 1, "Archived")
    next(passes)
    world.registry.move("rose", 1, "Archived")
    assert results(passes, 4) == ["refused"] * 4
    assert world.files() == {"iris", "rose", "wine"}


def test_an_emptied_registry_refuses_everything(world: World) -> None:
    world.flags |= {"policy": "sync", "prune-after": 1}
    passes = world.passes()
    next(passes)
    world.registry.move("wine", 1, "Archived")
    world.registry.move("iris", 1, "Archived")
    report = next(passes)
    assert (report.result, report.outcomes) == ("refused", ())
    assert world.files() == {"iris", "wine"}


def test_what_one_owner_lost_stops_the_others_too(world: World) -> None:
    world.flags |= {"policy": "sync", "stage": ["Staging", "Production"]}
    passes = world.passes()
    next(passes)
    world.registry.move("wine", 1, "Archived")
    world.registry.move("iris", 1, "Archived")
    world.registry.add("rose", description("rose"), stage="Production")
    assert next(passes).result == "refused"
    assert world.files() == {"iris", "wine"}


def test_a_standby_writes_nothing_and_takes_over_at_once(world: World) -> None:
    world.leading = False
    passes = world.passes()

    def win() -> None:
        assert world.files() == set()
        world.leading = True

    world.clock.at(100, win)
    report = next(passes)
    assert report.trigger == "leader"
    assert world.clock.now <= 1102
    assert world.files() == {"iris", "wine"}


def test_leadership_lost_within_a_pass_stops_the_writing(world: World) -> None:
    world.flags["concurrency"] = 1
    world.follow = lambda: world.files() == set()  # lost with the first write
    report = next(world.passes())
    assert report.result == "failed"
    assert "not attempted" in report.message
    assert len(world.files()) == 1


def test_a_changed_configuration_is_taken_over_and_a_broken_one_is_not(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    passes = world.passes()
    next(passes)
    world.flags["interval"] = "10m"
    world.clock.at(5, lambda: world.clock.poke("reload"))
    assert (next(passes).trigger, world.clock.now, world.closed) == ("reload", 1005, 1)
    world.broken = "m2s.yaml:3: intervall: no such key"
    caplog.clear()
    world.clock.at(15, lambda: world.clock.poke("reload"))
    with caplog.at_level(logging.INFO, "m2s"):
        assert (next(passes).trigger, world.clock.now, world.closed) == ("reload", 1015, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "kept the settings as they were: m2s.yaml:3: intervall: no such key"
    ]
    next(passes)
    assert world.clock.now > 1015 + 500


def test_a_reload_does_not_wait_for_the_end_of_a_pause(world: World) -> None:
    world.registry.down = True
    passes = world.passes()
    results(passes, 6)
    now = world.clock.now - 1000
    world.clock.at(now + 0.5, lambda: world.clock.poke("reload"))
    next(passes)
    assert world.clock.now - 1000 == now + 0.5


def test_health_is_the_age_of_the_loop_and_not_of_the_registry(world: World) -> None:
    loop = world.loop()
    passes = loop.passes()
    assert loop.unready()
    world.registry.down = True
    results(passes, 5)
    assert not loop.stuck()
    assert loop.unready()
    world.registry.down = False
    next(passes)
    assert not loop.unready()
    world.clock.now += 3 * 30 + 121
    assert "the loop has not moved for" in str(loop.stuck())


def test_a_standby_is_ready_and_healthy(world: World) -> None:
    world.leading = False
    loop = world.loop()
    assert not loop.unready()

    def look() -> None:
        assert not loop.stuck()
        loop.stop()

    world.clock.at(10_000, look)
    assert list(loop.passes()) == []


def test_stopped_is_stopped(world: World) -> None:
    loop = world.loop()
    passes = loop.passes()
    next(passes)
    world.clock.at(3, loop.stop)
    assert list(passes) == []
    assert world.clock.now <= 1004
