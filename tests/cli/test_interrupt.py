"""Ctrl-C in an apply says what was done, what was in hand and what was left."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from m2s.engine import execute as engine
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.support import description, m2s
from tests.kits.worlds import World

MODELS = ("a", "b", "c", "d")


@pytest.fixture
def four(on_folder: World) -> World:
    for name in MODELS:
        on_folder.models.add(name, description(name))
    return on_folder


def test_it_says_what_was_done_in_hand_and_left(
    four: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, whole = threading.Event(), threading.Event(), FolderCluster.apply

    def slow(self: FolderCluster, manifest: Any, *rest: Any) -> Any:
        if manifest.key.name == "b":
            begun.set()
            go_on.wait(30)
        return whole(self, manifest, *rest)

    def interrupted(futures: Any) -> Any:
        """What the main thread sees: one outcome, and then Ctrl-C while another is in hand."""
        first = next(iter(futures))
        first.result()
        yield first
        begun.wait(30)
        threading.Timer(0.1, go_on.set).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(FolderCluster, "apply", slow)
    monkeypatch.setattr(engine, "as_completed", interrupted)
    result = four("apply", "--concurrency", "1")
    assert result.code == 130
    assert [line.split() for line in result.out.splitlines() if line.startswith("created")] == [
        ["created", "a"], ["created", "b"],
    ]  # fmt: skip
    assert "Done: 2 created" in result.out
    assert "Not begun: 2 (c and d)." in result.err
    assert "interrupted; what was begun is finished, run again to carry on" in result.err
    assert sorted(four.objects.all()) == ["a", "b"]


def test_it_says_what_a_wait_still_waited_for(four: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, report: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("m2s.cli.carrying.wait", interrupted)
    result = four("apply", "--wait")
    assert result.code == 130
    assert "Everything was written. Not waited for: a, b and 2 more." in result.err
    assert sorted(four.objects.all()) == list(MODELS)


def test_a_warning_that_many_share_is_said_once(on_folder: World, tmp_path: Path) -> None:
    for name in MODELS:
        on_folder.models.add(name, description(name), model_tags={"m2s.io/unknown": "1"})
    policy = tmp_path / "m2s.yaml"
    policy.write_text("policy: {mode: warn, images: ['nothing/*']}\n")
    result = on_folder("plan", "--config", str(policy))
    assert result.code == 0, result
    (line,) = [line for line in result.out.splitlines() if "warning" in line and "deploy" in line]
    assert line.startswith("warning for 4 deployments (a, b and 2 more): ")
    assert result.out.splitlines()[-1].endswith(", 4 with a warning")
    assert m2s("plan", *on_folder.flags, "--config", str(policy), "-o", "json").code == 0
