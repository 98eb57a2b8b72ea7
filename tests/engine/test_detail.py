"""``m2s status`` as the answer to "why is v2 not live?", from the cluster alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from m2s.base.gate import Gate
from m2s.cli import connect
from m2s.domain.happenings import Happening, troubles
from m2s.observers.events import Notices
from m2s.settings import build
from m2s.watch.absences import Absences
from m2s.watch.passes import Pass
from tests.engine.test_status import operator, show
from tests.kits.support import description, m2s
from tests.kits.worlds import World
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT
from tests.servers.process import wait_for


def a_pass(world: World) -> str:
    """One pass as ``m2s watch`` makes it, with its Events; returns what it came to."""
    flags = dict(zip(world.flags[::2], world.flags[1::2], strict=True))
    named = {"TRACKING_URI": "--tracking-uri", "KUBECONFIG": "--kubeconfig", "NAMESPACE": "-n"}
    chosen = build.build(
        {"stage": [flags["--stage"]]}, {f"M2S_{name}": flags[flag] for name, flag in named.items()}
    )
    told = Notices(connect.events(chosen))
    report = Pass(connect.edges(chosen, None), chosen, Absences(), "start", Gate()).make()
    told(report)
    told.close(30)
    return report.result


@pytest.fixture
def night(on_cluster: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """Iris serves v1, its v2 is broken, tea was promoted without a description; MLflow is down."""
    models = on_cluster.models
    models.add("iris", description("iris"))
    assert a_pass(on_cluster) == "success"
    told = int(time.time())
    models.add("iris", "kind: Pod", stage=None)
    models.move("iris", 2, "Staging")
    models.add("tea", None, source=tmp_path.as_uri())
    # An Event's time is in seconds: what is told within one has no order.
    wait_for(lambda: int(time.time()) > told, "the next second")
    assert a_pass(on_cluster) == "failed"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    return on_cluster


def test_status_says_what_is_wanted_and_why_it_is_not_served(night: World) -> None:
    lines = [line.rstrip() for line in show(night).out.splitlines()]
    (iris,) = [line for line in lines if line.startswith("iris")]
    assert iris.split()[1] == "v1"
    assert "v2 blocked: deploy.yaml of run" in iris
    (tea,) = [line for line in lines if line.startswith("tea")]
    assert tea.split()[1:3] == ["-", "skipped"]
    assert "v1 skipped: no deploy.yaml in the run or in the model's folder (since 20" in tea
    assert lines[-1] == "1 deployment"
    (found,) = show(night, "-o", "json").document["deployments"]
    assert (found["trouble"]["version"], found["trouble"]["state"]) == ("2", "blocked")
    assert found["trouble"]["since"]
    assert "v2 blocked" in show(night, "-o", "markdown").out


def test_status_of_one_tells_conditions_events_and_what_a_roll_out_waits_for(night: World) -> None:
    condition = {
        "type": "Ready", "status": "False", "reason": "NoGpu", "message": "no node has one",
        "lastTransitionTime": "2026-12-01T01:02:03Z",
    }  # fmt: skip
    operator(night, "iris", state="Creating", conditions=[condition])
    out = show(night, "iris").out
    facts = dict(line.split(maxsplit=1) for line in out.splitlines()[2:9])
    assert facts["Serves"] == "iris v1"
    assert facts["Wanted"] == "v2"
    assert facts["Why"].startswith("blocked: deploy.yaml of run")
    assert "Waits for" in out
    assert "Ready" in out
    assert "NoGpu: no node has one" in out
    assert out.index("Blocked") < out.index("Applied")
    found = show(night, "iris", "-o", "json").document
    assert found["conditions"][0]["reason"] == "NoGpu"
    assert [one["reason"] for one in found["events"]] == ["Applied", "Blocked"]
    assert found["waits_for"]
    markdown = show(night, "iris", "-o", "markdown").out
    assert "| Ready | False | 2026-12-01 01:02 UTC | NoGpu: no node has one |" in markdown


def test_a_version_that_is_nowhere_is_found_by_its_model(night: World) -> None:
    result = show(night, "tea")
    assert result.code == 0
    assert "skipped: no deploy.yaml" in result.out
    (missing,) = show(night, "tea", "-o", "json").document["missing"]
    assert (missing["model"], missing["version"]) == ("tea", "1")


@pytest.mark.thorough
def test_what_is_mended_is_no_trouble_any_more(night: World) -> None:
    night.models.move("iris", 1, "Staging")
    night.models.move("tea", 1, "Archived")
    assert a_pass(night) == "success"
    # A new process does not know what the last one reported: iris was drifted or nothing at all.
    night.models.add("iris", description("iris"), stage=None)
    night.models.move("iris", 3, "Staging")
    assert a_pass(night) == "success"
    (found,) = show(night, "-o", "json").document["deployments"]
    assert (found["version"], found["trouble"]) == ("3", None)


def test_what_is_being_deleted_says_so(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    on_cluster.objects.patch("iris", {"metadata": {"finalizers": ["example.org/hold"]}})
    on_cluster.objects.delete("iris")
    for argv in ((), ("iris",), ("-o", "markdown")):
        assert "is being deleted since 20" in show(on_cluster, *argv).out
    assert "waits for the finalizer example.org/hold" in on_cluster("plan").out
    on_cluster.objects.patch("iris", {"metadata": {"finalizers": None}})


def test_without_the_right_to_read_events_the_rest_is_told(
    on_cluster: World, api_server: ApiServer
) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    token = api_server.user(on_cluster.objects.name, [SELDON_EDIT])
    config = api_server.kubeconfig(token, namespace=on_cluster.objects.name)
    result = m2s("status", "--kubeconfig", str(config))
    assert (result.code, result.err) == (0, "")
    assert "Events are not shown: " in result.out
    assert "Events are not shown: " in m2s("status", "iris", "--kubeconfig", str(config)).out


def happened(reason: str, last: str, name: str = "iris", source: str = "m2s") -> Happening:
    return Happening(name=name, reason=reason, message=reason, last=last, source=source)


def test_the_last_word_counts_and_only_m2s_has_it() -> None:
    first, second = "2026-12-01T01:00:00Z", "2026-12-01T02:00:00Z"
    blocked = happened("Blocked", first)
    assert troubles([blocked])["iris"].state == "blocked"
    assert troubles([happened("DriftCorrected", second), blocked])["iris"].state == "blocked"
    assert troubles([happened("Promoted", second), blocked]) == {}
    assert troubles([happened("Resolved", first), blocked]) == {}
    assert troubles([happened("Blocked", first, source="seldon")]) == {}
