"""Events of ``m2s watch`` under exactly the chart's Role, before and after a reload."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.kits.chart_kit import Helm
from tests.kits.pod_kit import install
from tests.kits.support import Models, description
from tests.kits.watch_kit import Start
from tests.kits.worlds import Namespace
from tests.observers.test_events import await_event
from tests.servers import ApiServer, FaultProxy, wait_for
from tests.watch.test_watch import edited

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them


def counts(objects: Namespace) -> list[int]:
    """How often each Event about drift says that it happened."""
    found = objects.server.call("GET", f"/api/v1/namespaces/{objects.name}/events")["items"]
    return [each["count"] for each in found if each["reason"] == "DriftCorrected"]


def test_events_are_written_and_counted_also_after_a_reload(
    helm: Helm, api_server: ApiServer, sqlite_registry: str, start: Start, tmp_path: Path,
    fault_proxy: Callable[..., FaultProxy],
) -> None:  # fmt: skip
    values = ("mlflow.stage=Staging", "policy=upsert-only", "pruneAfter=1", "interval=1s")
    account = install(helm, api_server, tmp_path / "mount", *values)
    models, objects = Models(sqlite_registry), Namespace(api_server, account.models)
    proxy = fault_proxy(api_server)
    account.rotate()
    for model in ("iris", "wine"):
        models.add(model, description(model))
    config, release = tmp_path / "m2s.yaml", account.release.config
    config.write_text(release)
    where = ("--tracking-uri", sqlite_registry, "--listen", "127.0.0.1:0")
    pod = {"program": account.program, **account.environment(proxy.url)}
    watch = start("--config", str(config), *where, **pod)
    await_event(objects, "wine", "Applied")
    drifts = 0

    def drift() -> None:
        nonlocal drifts
        drifts += 1
        objects.patch("iris", edited(7))
        watch.await_line("updated iris: drifted", count=drifts)
        wait_for(lambda: sum(counts(objects)) == drifts, f"{drifts} drifts to be told")

    # The message has the minute of the edit: of three in a row two are of the same one.
    for _ in range(3):
        drift()
    raised = proxy.count("PATCH", "/events/")
    assert raised
    models.move("wine", 1, "Archived")
    config.write_text(yaml.safe_dump({**yaml.safe_load(release), "policy": "sync"}))
    watch.send(signal.SIGHUP)
    watch.await_line("settings reloaded")
    assert await_event(objects, "wine", "Deleted")["message"] == "v1 is in Archived now"
    for _ in range(3):
        drift()
    assert proxy.count("PATCH", "/events/") > raised
    assert watch.end() == 0
    assert not watch.said("Events are not written"), watch.text
    assert not watch.said("may not"), watch.text
