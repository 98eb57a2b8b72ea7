"""What stays refused is one line of the log, in however many words the API server says it."""

from __future__ import annotations

import pytest
import yaml
from kubernetes.client import ApiException

from m2s.base.gate import Gate
from m2s.observers.logs import PassLog
from m2s.settings.build import build
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.targets.kubernetes.namespace import connect
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from tests.kits.support import seldon
from tests.kits.worlds import Namespace, World
from tests.servers import ApiServer

PASSES = 12
FIELDS = ("aaa", "bbb", "ccc", "ddd", "eee", "fff")


def refused(name: str) -> dict[str, object]:
    """A body with several fields that the schema does not have, at two depths."""
    body = seldon(name)
    body["spec"] |= dict.fromkeys(FIELDS, 1)
    body["spec"]["predictors"][0] |= dict.fromkeys(FIELDS, 1)
    return body


def said(namespace: Namespace, body: object) -> str:
    """What the server says to a dry run of an apply."""
    with pytest.raises(ApiException) as refusal:
        namespace.dry_run("iris", body)
    return str(refusal.value.body)


def test_an_unchanged_refusal_is_logged_once(
    on_cluster: World, api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = on_cluster.objects.name
    words = {said(on_cluster.objects, refused("iris")) for _ in range(3 * PASSES)}
    assert len(words) > 1, "the server's order is no longer random: this test shows nothing"
    on_cluster.models.add("iris", yaml.safe_dump(refused("iris")))
    on_cluster.models.add("fine")
    registry = MlflowRegistry(on_cluster.models.uri).incremental(600)
    edges = Edges(registry, connect(namespace, str(api_server.kubeconfig()), None))
    settings, absences, log = build({"stage": "Staging"}, {}), Absences(), PassLog()
    for _ in range(PASSES):
        report = Pass(edges, settings, absences, "cluster", Gate()).make()
        assert report.result == "failed", report
        log(report)
    lines = [each.getMessage() for each in caplog.records if each.name == "m2s.pass"]
    assert len([line for line in lines if "iris" in line]) == 1, lines
    assert len([line for line in lines if "not checked: MLmodel of" in line]) == 1, lines
    assert all(field in "".join(lines) for field in FIELDS)
