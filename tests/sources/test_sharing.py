"""One reading of a registry's lists for several environments."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.base.errors import RegistryError
from m2s.domain.versions import Model, ModelVersion
from m2s.sources.mlflow.sharing import Shared
from m2s.sources.mlflow.snapshot import ModelReader, Snapshot
from tests.kits.support import tried


class Registry:
    """A registry of one model whose stamp and newest version's number are counted up."""

    def __init__(self) -> None:
        self.now, self.state, self.read = 0.0, 1, Counter[str]()
        self.down, self.takes = False, 0.0

    def models(self) -> list[Model]:
        self.read["models"] += 1
        if self.down:
            raise RegistryError("down")
        self.now += self.takes
        return [Model("iris", created=1, updated=self.state, tags={}, aliases={})]

    def versions(self) -> list[ModelVersion]:
        self.read["versions"] += 1
        return [ModelVersion("iris", self.state, stage="Staging")]

    def reader(self) -> ModelReader:
        return ModelReader(
            models=self.models,
            newest=lambda: iter([self.models()]),
            versions=self.versions,
            versions_of=lambda _: self.versions(),
            clock=lambda: self.now,
        )


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_two_who_ask_at_about_the_same_time_share_one_reading(registry: Registry) -> None:
    shared = Shared(5, lambda: registry.now)
    one, other = (shared.over("a", registry.reader()) for _ in range(2))
    registry.now = 1
    assert Snapshot.read(one).versions == Snapshot.read(other).versions
    assert registry.read == {"models": 1, "versions": 1}
    assert [*one.newest()] == [*other.newest()]
    Snapshot.read(shared.over("another registry", registry.reader()))
    assert registry.read["versions"] == 2


@pytest.mark.parametrize("event", ["time", "forget"])
def test_nothing_old_is_shared(registry: Registry, event: str) -> None:
    shared = Shared(5, lambda: registry.now)
    reader = shared.over("a", registry.reader())
    registry.now = 1
    Snapshot.read(reader)
    registry.state = 2
    if event == "time":
        registry.now = 6
    else:
        reader.forget()
    registry.now += 0.1
    assert Snapshot.read(reader).staged("Staging")[0].version == 2


def test_what_fails_is_shared_too_and_then_asked_again(registry: Registry) -> None:
    shared = Shared(5, lambda: registry.now)
    reader, registry.down, registry.now = shared.over("a", registry.reader()), True, 1
    for _ in range(2):
        with pytest.raises(RegistryError):
            reader.models()
    assert registry.read == {"models": 1}
    registry.down, registry.now = False, 7
    assert [model.name for model in reader.models()] == ["iris"]


@tried(200)
@given(st.lists(st.sampled_from(["change", "time", "forget", 0, 1, 2]), max_size=40), st.booleans())
def test_no_change_is_lost_whoever_reads_when(steps: list[str | int], listing: bool) -> None:
    registry, known = Registry(), dict[int, Snapshot]()
    registry.takes = 0.3
    shared = Shared(5, lambda: registry.now)
    readers = [shared.over("a", registry.reader()) for _ in range(3)]
    for step in [*steps, "long", 0, 1, 2]:
        match step:
            case "change":
                registry.state += 1
            case "time":
                registry.now += 4.85  # between the ages of the models and of the versions
            case "long":
                registry.now += 6
            case "forget":
                shared.forget()
            case int(who):
                reader = readers[who]
                known[who] = (
                    known[who].refreshed(reader, listing=listing)
                    if who in known
                    else Snapshot.read(reader)
                )
                # what was read of the versions is never older than the stamp that it goes by
                stamp = known[who].models["iris"].updated
                assert known[who].staged("Staging")[0].version >= stamp
    assert {each.staged("Staging")[0].version for each in known.values()} == {registry.state}
