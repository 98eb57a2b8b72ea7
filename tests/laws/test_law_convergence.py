"""Law 2: after apply and prune the next plan is empty, for any input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given

from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.engine.outcomes import Status
from m2s.plan.changes import Blocked, Unchanged
from m2s.settings.groups import Settings
from m2s.sources.source import Registry
from m2s.targets.cluster import Cluster
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import connect
from tests.kits.generated import Version, all_settings, filled, histories
from tests.kits.support import tried
from tests.kits.worlds import Namespace
from tests.servers import ApiServer

State = Mapping[str, list[Version]]


def converge(registry: Registry, cluster: Cluster, chosen: Settings) -> None:
    """Apply and prune; then nothing is left to do, and nothing that was possible failed."""
    planned = reconcile.make_plan(registry, cluster, chosen)
    outcomes = execute(
        planned,
        cluster,
        delete=True,
        second_look=lambda live: reconcile.locate(registry, chosen, live),
    )
    failed = [outcome for outcome in outcomes if outcome.status in (Status.FAILED, Status.HELD)]
    assert not failed
    again = reconcile.make_plan(registry, cluster, chosen)
    assert [c for c in again.changes if not isinstance(c, Unchanged | Blocked)] == []
    assert again.count(Blocked.action) == planned.count(Blocked.action)


@tried(100)
@given(history=histories(), chosen=all_settings())
def test_in_a_folder(history: list[State], chosen: Settings) -> None:
    with TemporaryDirectory() as path:
        for state in history:
            converge(filled(state), FolderCluster(path, "default"), chosen)


@tried(25, sharing=True)
@given(history=histories(2), chosen=all_settings())
def test_on_the_api_server(
    api_server: ApiServer, namespace: str, kubeconfig: Path, history: list[State], chosen: Settings
) -> None:
    cluster = connect(namespace, str(kubeconfig), None)
    Namespace(api_server, namespace).delete()
    for state in history:
        converge(filled(state), cluster, chosen)
