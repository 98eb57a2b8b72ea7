"""Law 1: a plan is complete before anything is written, and plan writes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kits.support import description
from tests.kits.worlds import Proxied, World

FORMATS = ("table", "json")


def everything_pending(world: Proxied) -> None:
    """Leave one deployment to create, one to update, one to delete, one blocked, one unchanged."""
    models = {name: world.add(name) for name in ("same", "changed", "gone", "typo")}
    world.apply()
    world.add("changed", description(replicas=3))
    world.models.alias(models["gone"], world.alias, None)
    world.add("typo", description().replace("modelUri", "modelURI"))
    world.add("new")
    actions = sorted(world.actions().values())
    assert actions == ["blocked", "create", "delete", "unchanged", "update"]


def test_plan_asks_and_never_tells(proxied: Proxied, tmp_path: Path) -> None:
    everything_pending(proxied)
    before = proxied.objects.snapshot()
    for proxy in (proxied.kubernetes, proxied.mlflow):
        proxy.requests.clear()
    for output in FORMATS:
        assert proxied("plan", "-o", output, "--out", str(tmp_path / "plan.json")).code == 0
    assert proxied.objects.snapshot() == before
    asked = proxied.kubernetes.requests
    assert {(r.method, "dryRun=All" in r.path) for r in asked} == {
        ("GET", False),
        ("PATCH", True),
        ("POST", True),
    }
    assert {r.method for r in proxied.mlflow.requests} == {"GET"}


def test_an_unconfirmed_or_refused_apply_writes_nothing(proxied: Proxied) -> None:
    everything_pending(proxied)
    before = proxied.objects.snapshot()
    result = proxied("apply", "--prune", "--max-delete", "0")
    assert result.code == 3
    assert "--max-delete" in result.error
    assert proxied.objects.snapshot() == before


@pytest.mark.thorough
def test_all_previews_come_before_the_first_write(proxied: Proxied) -> None:
    everything_pending(proxied)
    proxied.kubernetes.requests.clear()
    proxied("apply", "--prune")
    kinds = [
        "preview" if "dryRun=All" in request.path else "write"
        for request in proxied.kubernetes.requests
        if request.method in ("PATCH", "DELETE")
    ]
    assert kinds == ["preview"] * 3 + ["write"] * 3  # what is in sync needs no preview


def test_plan_leaves_every_byte_of_registry_and_folder(on_folder: World, tmp_path: Path) -> None:
    on_folder.models.add("same")
    on_folder.models.add("gone")
    on_folder.apply()
    on_folder.models.move("gone", 1, "Archived")
    on_folder.models.add("new")
    before = _bytes(tmp_path)
    for output in FORMATS:
        assert on_folder("plan", "-o", output, "--detailed-exitcode").code == 2
    assert _bytes(tmp_path) == before


def test_plan_makes_no_folder(on_folder: World) -> None:
    on_folder.models.add("iris")
    assert on_folder.actions() == {"iris-staging": "create"}
    assert not on_folder.objects.path.parent.exists()


@pytest.mark.parametrize("command", ["plan", "apply", "prune"])
def test_help_of_a_command_says_whether_it_writes(command: str, on_folder: World) -> None:
    text = re.sub(r"\s+", " ", on_folder(command, "--help").out)
    assert ("Writes nothing." in text) == (command == "plan")


def _bytes(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
