"""``/metrics`` of a running ``m2s watch``, as Prometheus's own parser reads it."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kits.support import description
from tests.kits.watch_kit import Start, Watch
from tests.kits.worlds import World
from tests.servers import free_port, wait_for

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them


class Page:
    """A watch and its ``/metrics``."""

    def __init__(self, start: Start, *argv: str, **env: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.watch: Watch = start(*argv, "--listen", f"127.0.0.1:{port}", **env)
        self.watch.await_line("watching")

    def samples(self) -> list[Any]:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = answer.read().decode()
        return [s for family in text_string_to_metric_families(text) for s in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one sample of this name and labels, None where there is none."""
        found = [s for s in self.samples() if s.name == name and s.labels == labels]
        assert len(found) <= 1, found
        return float(found[0].value) if found else None

    def served(self) -> set[tuple[str, str, str, str]]:
        """Model, version, selector and deployment of what is served."""
        found = [s for s in self.samples() if s.name == "m2s_served_model_info"]
        assert all(s.value == 1 for s in found)
        names = ("model", "version", "selector", "deployment")
        return {(*(s.labels[name] for name in names),) for s in found}


SYNC = ("--interval", "1s", "--policy", "sync", "--prune-after", "1", "--max-delete", "100%")
CHANGES = "m2s_changes_total"


def of_iris(version: int) -> tuple[str, str, str, str]:
    return ("iris", str(version), "stage=Staging", "iris-live")


def test_what_is_served_moves_is_blocked_and_leaves(on_cluster: World, start: Start) -> None:
    models = on_cluster.models
    models.add("iris", description("iris-live"))
    models.add("wine", description("wine"))
    page = Page(start, *on_cluster.flags, *SYNC)
    wine = ("wine", "1", "stage=Staging", "wine")
    wait_for(lambda: page.served() == {of_iris(1), wine}, "both")
    models.add("iris", description("iris-live"), stage=None)
    models.move("iris", 2, "Staging")
    wait_for(lambda: page.served() == {of_iris(2), wine}, "v2 and no v1")
    assert page.value(CHANGES, action="create", status="created") == 2
    assert page.value(CHANGES, action="update", status="updated") == 1
    assert page.value("m2s_blocked_deployments") == 0
    succeeded = page.value("m2s_last_success_timestamp_seconds")
    assert page.value("m2s_staleness_seconds") is not None
    models.add("iris", "kind: Pod", stage=None)
    models.move("iris", 3, "Staging")
    wait_for(lambda: page.value("m2s_blocked_deployments") == 1, "the blocked one")
    state = {"deployment": "iris-live", "model": "iris", "state": "blocked"}
    assert page.value("m2s_deployment_state", **state) == 1
    assert page.value("m2s_reconcile_total", result="failed") == 0
    assert page.served() == {of_iris(2), wine}
    assert (page.value("m2s_last_success_timestamp_seconds") or 0) >= (succeeded or 1e99)
    models.move("wine", 1, "Archived")
    wait_for(lambda: page.served() == {of_iris(2)}, "wine to go")
    assert page.value(CHANGES, action="delete", status="deleted") == 1
    assert page.value("m2s_leader") == 1
    passes = sum(s.value for s in page.samples() if s.name == "m2s_reconcile_total")
    assert (page.value("m2s_reconcile_duration_seconds_count") or 0) >= passes > 0


def test_an_outage_is_counted_and_nothing_read_is_forgotten(
    on_folder: World, start: Start, tmp_path: Path
) -> None:
    on_folder.models.add("iris", description("iris-live"))
    page = Page(start, *on_folder.flags, "--interval", "1s")
    wait_for(lambda: page.served() == {of_iris(1)}, "iris")
    assert page.value("m2s_reconcile_total", result="error") == 0
    (tmp_path / "cluster" / "default" / "broken.yaml").write_text(
        "kind: SeldonDeployment\nmetadata: {labels: {m2s.io/owner: stage-staging}\n"
    )
    wait_for(lambda: page.value("m2s_reconcile_total", result="error"), "an error")
    assert page.served() == {of_iris(1)}


def test_a_standby_says_nothing_of_what_is_served(on_cluster: World, start: Start) -> None:
    on_cluster.models.add("iris", description("iris-live"))
    elected = (*on_cluster.flags, "--interval", "1s", "--leader-elect")
    first = Page(start, *elected)
    wait_for(first.served, "the leader's")
    second = Page(start, *elected)
    assert (first.value("m2s_leader"), second.value("m2s_leader")) == (1, 0)
    assert second.served() == set()
    first.watch.end()
    wait_for(lambda: second.served() == {of_iris(1)}, "the other to lead")
    assert second.value("m2s_leader") == 1


def test_refused_deliveries_are_counted(on_folder: World, start: Start) -> None:
    page = Page(start, *on_folder.flags, M2S_WEBHOOK_SECRET="a secret of some length")
    requests = "m2s_webhook_requests_total"
    assert page.value(requests, result="refused") == 0
    with pytest.raises(HTTPError):
        urllib.request.urlopen(f"{page.url}/mlflow", data=b"{}", timeout=10)
    assert page.value(requests, result="refused") == 1
    assert page.value(requests, result="accepted") == 0
