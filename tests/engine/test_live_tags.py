"""Telling MLflow what is live, of many versions: at the same time, bounded, and resumed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from m2s.base.errors import RegistryError, TagRefused
from m2s.base.workers import Workers
from m2s.domain.versions import Served
from m2s.engine import live_tags
from m2s.engine.live_tags import Tags

PARTS = ("deployment", "state", "endpoint")


class Registry:
    """Tags in memory; ``hook`` is called within each request that writes, with its number."""

    def __init__(self, hook: Callable[[int], None] = lambda _: None) -> None:
        self.tags: Tags = {}
        self.writes: list[tuple[Served, str]] = []
        self.most = 0
        self._hook, self._lock, self._now = hook, threading.Lock(), 0

    def read(self, key: str) -> dict[Served, Mapping[str, str]]:
        return {version: dict(tags) for version, tags in self.tags.items() if key in tags}

    def set(self, version: Served, key: str, value: str) -> None:
        self._write(version, key)
        self.tags.setdefault(version, {})[key] = value

    def delete(self, version: Served, key: str) -> None:
        self._write(version, key)
        self.tags[version].pop(key, None)

    def _write(self, version: Served, key: str) -> None:
        with self._lock:
            self.writes.append((version, key))
            self._now, number = self._now + 1, len(self.writes)
            self.most = max(self.most, self._now)
        try:
            self._hook(number)
        finally:
            with self._lock:
                self._now -= 1


def goal(count: int) -> Tags:
    """What is wanted of ``count`` models."""
    return {
        Served(f"m{number:04}", "1"): {live_tags.key("o", part): f"{part}-1" for part in PARTS}
        for number in range(count)
    }


def test_a_thousand_are_told_eight_at_a_time_and_each_tag_once() -> None:
    together = threading.Barrier(live_tags.MOST)

    def hook(number: int) -> None:
        if len(PARTS) < number <= len(PARTS) + live_tags.MOST:  # the first version goes alone
            together.wait(60)

    registry, known = Registry(hook), Tags()
    live_tags.update(registry, goal(1000), known)
    assert registry.tags == known == goal(1000)
    assert len(registry.writes) == len(set(registry.writes)) == 3000
    assert registry.most == live_tags.MOST
    live_tags.update(registry, goal(1000), known)
    assert len(registry.writes) == 3000
    live_tags.update(registry, {}, known)
    assert not any(registry.tags.values())


def test_what_was_told_before_a_failure_is_not_told_again() -> None:
    def hook(number: int) -> None:
        if 100 < number <= 200:
            raise RegistryError("MLflow is away")

    registry, known = Registry(hook), Tags()
    with pytest.raises(RegistryError, match="away"):
        live_tags.update(registry, goal(200), known)
    assert registry.tags == known
    written = sum(map(len, registry.tags.values()))
    assert written == 100 < len(registry.writes) <= 100 + live_tags.MOST
    registry.writes += [(Served("none", "1"), "")] * 200  # the failures are over
    before = len(registry.writes)
    live_tags.update(registry, goal(200), known)
    assert registry.tags == goal(200)
    assert len(registry.writes) - before == 600 - written


def test_one_that_is_down_is_asked_once() -> None:
    def hook(_: int) -> None:
        raise RegistryError("MLflow is away")

    registry = Registry(hook)
    with pytest.raises(RegistryError):
        live_tags.update(registry, goal(50), {})
    assert len(registry.writes) == 1


def test_refusals_are_told_in_the_same_words_each_time() -> None:
    class Refusing(Registry):
        def set(self, version: Served, key: str, value: str) -> None:
            if version.model in ("m0003", "m0041") and key.endswith("state"):
                raise TagRefused(f"{version} has no room")
            super().set(version, key, value)

    registry, known = Refusing(), Tags()
    for _ in range(3):
        with pytest.raises(TagRefused, match=r"^m0003 v1 has no room \(and 1 more\)$"):
            live_tags.update(registry, goal(50), known)
    assert len(registry.writes) == 148


def test_who_leads_no_longer_writes_no_more() -> None:
    registry = Registry()
    live_tags.update(registry, goal(50), {}, lambda: len(registry.writes) < 20)
    assert 20 <= len(registry.writes) < 20 + live_tags.MOST


def test_an_interrupt_ends_the_work_after_the_present_items(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go = threading.Semaphore(0), threading.Event()
    done: list[int] = []

    def step(item: int) -> None:
        begun.release()
        go.wait(60)
        done.append(item)

    def interrupted(_: object) -> None:
        begun.acquire(timeout=60)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Workers(pool, 1).each("Work", step, range(100))
        go.set()
    assert done == [0]
