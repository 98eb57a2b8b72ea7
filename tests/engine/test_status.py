"""``m2s status``: what is served, asked of a real API server, or of a folder, and nobody else."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from rich.console import Console

from m2s.base.labels import HISTORY, PAUSED, PINNED
from m2s.domain.deployments import LiveDeployment
from m2s.domain.happenings import Happening
from m2s.domain.scope import Scope
from m2s.domain.serving import Condition
from m2s.domain.versions import Key
from m2s.engine import detail, status
from m2s.engine.detail import Detail
from m2s.output import detail_view, document, status_view
from tests.kits.deployments import body as deployment
from tests.kits.support import Result, description, m2s
from tests.kits.worlds import World

NULLABLE = (str, type(None))
DEPLOYMENT = {
    "name": str, "platform": str, "namespace": str, "owner": str, "selector": NULLABLE,
    "model": NULLABLE,
    "version": NULLABLE, "models": list, "state": NULLABLE, "message": str, "since": NULLABLE,
    "endpoint": NULLABLE, "pinned": NULLABLE, "paused": bool, "history": list,
    "deleting": NULLABLE, "orders": list, "trouble": (dict, type(None)),
    "verified": (dict, type(None)), "found": list, "failed": list,
}  # fmt: skip
ENTRY = {
    "model": NULLABLE, "version": NULLABLE, "models": list, "since": NULLABLE, "revision": str,
}  # fmt: skip
URL = "http://iris.default.svc.cluster.local:8000/api/v1.0/predictions"


def shape(value: dict[str, Any]) -> dict[str, Any]:
    return {name: type(each) for name, each in value.items()}


def fits(value: dict[str, Any], expected: dict[str, Any]) -> bool:
    return value.keys() == expected.keys() and all(
        isinstance(value[name], kind) for name, kind in expected.items()
    )


@pytest.fixture
def serving(on_cluster: World) -> World:
    """Iris v2 after v1, which is available, wine, which failed, and a deployment of nobody's."""
    models, objects = on_cluster.models, on_cluster.objects
    models.add("iris", description("iris"))
    models.add("wine quality", description("wine-live"))
    on_cluster.apply()
    models.add("iris", description("iris"), stage=None)
    models.move("iris", 2, "Staging")
    on_cluster.apply()
    objects.create(deployment(objects.name, "by-hand", owner=None))
    operator(on_cluster, "iris", state="Available", address={"url": URL})
    operator(on_cluster, "wine-live", state="Failed", description="no node has a GPU")
    return on_cluster


def operator(world: World, name: str, **told: Any) -> None:
    """Write a status as the Seldon operator does."""
    world.objects.patch(name, {"status": told}, manager="manager", part="status")


def where(world: World) -> tuple[str, ...]:
    """The cluster's part of a world's flags."""
    return world.flags[world.flags.index("--kubeconfig") :]


def show(world: World, *argv: str) -> Result:
    return m2s("status", *where(world), *argv)


def test_what_is_served_is_told_by_the_cluster_alone(
    serving: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    result = show(serving)
    assert (result.code, result.err) == (0, "")
    lines = [line.rstrip() for line in result.out.splitlines()]
    assert lines[0].startswith(f"namespace {serving.objects.name} at https://127.0.0.1:")
    assert lines[2] == "stage=Staging, owner stage-staging"
    assert lines[3].split() == ["Deployment", "Version", "State", "Since", "Why"]
    assert lines[4].startswith("iris")
    assert lines[4].split()[1:3] == ["v2", "Available"]
    assert lines[4].endswith(" UTC")
    assert lines[5] == f"  {URL}"
    assert lines[6].split()[:3] == ["wine-live", "v1", "Failed"]
    assert lines[6].endswith(" UTC  no node has a GPU")
    assert lines[7] == "(wine quality)"
    assert lines[-1] == "2 deployments, 1 Failed, 1 Available"
    assert "by-hand" not in result.out


def test_the_document_of_format_version_1_0_keeps_its_shape(serving: World) -> None:
    serving.objects.patch("iris", {"metadata": {"annotations": {PAUSED: "true", PINNED: "v1"}}})
    found = show(serving, "-o", "json").document
    assert found["format_version"] == document.FORMAT_VERSION == "1.0"
    assert shape(found) == {
        "format_version": str, "target": str, "namespace": str, "owners": list, "models": list,
        "deployments": list, "missing": list,
    }  # fmt: skip
    iris, wine = found["deployments"]
    assert fits(iris, DEPLOYMENT)
    assert fits(wine, DEPLOYMENT)
    told = {name: iris[name] for name in ("name", "model", "version", "state", "endpoint")}
    assert told == {
        "name": "iris", "model": "iris", "version": "2", "state": "Available", "endpoint": URL,
    }  # fmt: skip
    assert iris["models"] == [{"model": "iris", "version": "2", "alias": None}]
    assert (iris["owner"], iris["selector"]) == ("stage-staging", "stage=Staging")
    assert (iris["pinned"], iris["paused"], wine["pinned"], wine["paused"]) == (
        "v1", True, None, False,
    )  # fmt: skip
    assert all(fits(entry, ENTRY) for entry in iris["history"])
    assert [entry["version"] for entry in iris["history"]] == ["2", "1"]
    assert iris["since"] == iris["history"][0]["since"]
    assert (wine["message"], wine["endpoint"]) == ("no node has a GPU", None)
    assert yaml.safe_load(show(serving, "-o", "yaml").out) == found


def test_one_deployment_is_told_with_what_it_served_before(serving: World) -> None:
    serving.objects.patch("iris", {"metadata": {"annotations": {PINNED: "1"}}})
    result = show(serving, "iris")
    assert result.code == 0
    facts = dict(line.split(maxsplit=1) for line in result.out.splitlines()[2:] if line.strip())
    assert facts["Serves"].strip() == "iris v2"
    assert facts["State"].strip() == "Available"
    assert facts["Order"].strip() == "pinned to v1"
    past = result.out.split("Revision", 1)[1].splitlines()[1:]
    assert [line.split()[0] for line in past] == ["v2", "v1"]
    assert all(" UTC " in line for line in past)
    (only,) = show(serving, "iris", "-o", "json").document["deployments"]
    assert only["name"] == "iris"
    assert "| v1 |" in show(serving, "iris", "-o", "markdown").out


def test_an_unknown_deployment_is_one_line_with_what_is_near(serving: World) -> None:
    result = show(serving, "iriss")
    assert result.code == 1
    assert result.error.startswith("m2s has no deployment iriss in namespace ")
    assert result.error.endswith("; did you mean iris?")
    assert "iris, wine-live" in show(serving, "by-hand").error


def test_a_selector_narrows_it_to_its_owner(serving: World) -> None:
    name = serving.objects.name
    serving.objects.create(deployment(name, "other", owner="shop"))
    everything = show(serving, "-o", "json").document
    assert [one["owner"] for one in everything["deployments"]] == [
        "stage-staging", "shop", "stage-staging",
    ]  # fmt: skip
    assert "owner shop" in show(serving).out
    narrowed = show(serving, "--owner", "shop", "-o", "json").document
    assert [one["name"] for one in narrowed["deployments"]] == ["other"]
    assert narrowed["owners"] == ["shop"]
    staging = show(serving, "--stage", "Staging", "--model", "wine*", "-o", "json").document
    assert [one["name"] for one in staging["deployments"]] == ["wine-live"]
    assert (staging["owners"], staging["models"]) == (["stage-staging"], ["wine*"])


def test_nothing_served_is_said(on_cluster: World) -> None:
    name = on_cluster.objects.name
    empty = show(on_cluster)
    assert (empty.code, empty.err) == (0, "")
    assert " ".join(empty.out.split()).startswith(f"m2s serves nothing in namespace {name} at ")
    narrowed = show(on_cluster, "--alias", "champion", "-o", "markdown")
    assert narrowed.code == 0
    assert "m2s serves nothing of owner alias-champion in namespace" in narrowed.out
    assert show(on_cluster, "-o", "json").document["deployments"] == []
    assert show(on_cluster, "iris").error.endswith(f": m2s serves nothing in namespace {name}")


def test_a_folder_has_no_state(on_folder: World) -> None:
    on_folder.models.add("iris", description("iris"))
    on_folder.apply()
    target = on_folder.flags[on_folder.flags.index("--target") :]
    result = m2s("status", *target)
    assert result.code == 0
    assert ["iris", "v1", "-", "-"] in [line.split() for line in result.out.splitlines()]
    assert "1 deployment\n" in result.out
    (one,) = m2s("status", *target, "-o", "json").document["deployments"]
    assert (one["version"], one["state"], one["endpoint"]) == ("1", None, None)
    assert "| iris | iris | v1 |" in m2s("status", *target, "-o", "markdown").out


def test_an_unreadable_cluster_is_an_error(on_cluster: World, tmp_path: Any) -> None:
    gone = tmp_path / "kubeconfig"
    gone.write_text("{}")
    assert m2s("status", "--kubeconfig", str(gone)).code == 1
    assert m2s("status", "--kubeconfig", str(tmp_path / "no")).error


SECRET = "http://user:hunter2@host/"
TOLD = Happening(name=SECRET, reason="R" * 90, message=SECRET * 9, source=SECRET, last="noon")
MORE = Detail(
    conditions=(Condition("T" * 90, SECRET, SECRET, SECRET * 9, "noon"),),
    events=(TOLD,),
    waits=SECRET,
    unread=SECRET,
)


def hostile() -> status.Overview:
    """Objects as nobody should write them, with long names, secrets and a broken record."""
    served = [{"model": f"model-{n}", "version": "10", "alias": "champion"} for n in range(4)]
    since = ["0001-01-01T00:00:00+14:00", "noon", "2026-11-21T14:03:59+02:00"]
    past = [{"served": served, "since": each, "revision": "deadbeef"} for each in since]
    metadata = {
        "name": "n" * 253,
        "namespace": "default",
        "labels": {"app.kubernetes.io/managed-by": "m2s", "m2s.io/owner": "o" * 63},
        "annotations": {
            "m2s.io/models": json.dumps(served),
            "m2s.io/selector": f"stage={SECRET}",
            HISTORY: json.dumps(past),
            PINNED: SECRET,
        },
    }
    state = {"state": "S" * 90, "description": SECRET * 20, "address": {"url": SECRET}}
    live = LiveDeployment(Key("default", "n" * 253), {"metadata": metadata, "status": state})
    bare = {"metadata": {**metadata, "name": "bare", "annotations": {}}, "status": []}
    listed = (live, LiveDeployment(Key("default", "bare"), bare))
    told = [replace(TOLD, name="bare", source="m2s", reason="Blocked", version=SECRET)]
    told.append(replace(told[0], name="missing", owner=SECRET, model=SECRET))
    return status.of(SECRET, "default", listed, Scope(frozenset()), told)


def test_whatever_is_there_fits_80_columns_and_shows_no_secret() -> None:
    found = hostile()
    text = io.StringIO()
    console = Console(file=text, width=80, highlight=False)
    console.print(status_view.table(found))
    for one in found.deployments:
        console.print(detail_view.table(status.only(found, one.key.name), MORE))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "4 models" in text.getvalue()
    assert text.getvalue().count("2026-11-21 12:03 UTC") == 1
    printed = [
        text.getvalue(),
        status_view.markdown(found),
        detail_view.markdown(status.only(found, "n" * 253), MORE),
        json.dumps(status.document(status.only(found, "bare"), detail.document(MORE))),
        json.dumps(status.document(found)),
    ]
    assert not any("hunter2" in "".join(each.split()) for each in printed)
    assert "***@host" in text.getvalue()
