"""Law 6: killed at any instant and started again, m2s carries on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.settings.build import build
from m2s.targets.cluster import Cluster
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description
from tests.kits.worlds import Proxied
from tests.servers import interruptible, wait_for

WRITES = 6
SETTINGS = build({"stage": "Staging", "concurrency": 1, "max-delete": "100%"}, {})


class Killed:
    """A cluster whose client dies right after, or right before, the nth write."""

    def __init__(
        self, cluster: Cluster, writes: int, *, before: bool, death: BaseException
    ) -> None:
        self._cluster, self._left, self._before, self._death = cluster, writes, before, death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def apply(self, manifest: Manifest, live: LiveDeployment | None) -> LiveDeployment:
        self._count(self._before)
        written = self._cluster.apply(manifest, live)
        self._count(not self._before)
        return written

    def delete(self, live: LiveDeployment) -> None:
        self._count(self._before)
        self._cluster.delete(live)
        self._count(not self._before)

    def _count(self, now: bool) -> None:
        if now:
            self._left -= 1
        if now and self._left == 0:
            raise self._death


def eventful() -> tuple[FakeRegistry, FakeRegistry]:
    """Two states of a registry that take six writes from one to the other, one rename included."""
    before, after = FakeRegistry(), FakeRegistry()
    for model in ("changes", "goes", "renamed", "stays"):
        before.add(model)
    before.add("next")  # run ids are counted: those that stay come first
    after.add("changes", description(replicas=2))
    after.add("gone", stage="Archived")
    after.add("renamed", description("another-name"))
    after.add("stays", stage="Staging", source=f"s3://models/{4:032x}")
    after.add("swaps", description("goes-staging"))
    after.add("new")
    return before, after


def run(registry: FakeRegistry, cluster: Cluster) -> None:
    planned = reconcile.make_plan(registry, cluster, SETTINGS)
    look = lambda live: reconcile.locate(registry, SETTINGS, live)  # noqa: E731 - a line
    execute(planned, cluster, delete=True, second_look=look, concurrency=1)


@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_after_every_write(
    tmp_path: Path, kubeconfig: Path, namespace: str, number: int, before: bool
) -> None:
    for cluster in (FolderCluster(tmp_path, None), connect(namespace, str(kubeconfig), None)):
        earlier, later = eventful()
        run(earlier, cluster)
        death = KeyboardInterrupt() if before else SystemExit(1)
        with pytest.raises(type(death)):
            run(later, Killed(cluster, number, before=before, death=death))
        served = {live.model for live in cluster.list()}
        assert {"changes", "renamed", "stays"} <= served
        run(later, cluster)
        settled = reconcile.make_plan(later, cluster, SETTINGS)
        assert not settled.pending
        names = {live.key.name: live.model for live in cluster.list()}
        assert names == {
            "changes-staging": "changes",
            "another-name": "renamed",
            "stays-staging": "stays",
            "goes-staging": "swaps",
            "new-staging": "new",
        }


def test_there_are_just_so_many_writes(tmp_path: Path) -> None:
    earlier, later = eventful()
    cluster = FolderCluster(tmp_path, None)
    run(earlier, cluster)
    run(later, Killed(cluster, WRITES + 1, before=True, death=KeyboardInterrupt()))
    assert not reconcile.make_plan(later, cluster, SETTINGS).pending


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_ended_by_a_signal(proxied: Proxied, number: signal.Signals) -> None:
    for model in ("a", "b", "c", "d", "e"):
        proxied.add(model)
    proxied.kubernetes.hold(method="PATCH", path="^(?!.*dryRun)", after=2)
    argv = [sys.executable, "-m", "m2s", "apply", *proxied.flags, "--concurrency", "2"]
    with interruptible():
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: proxied.kubernetes.count("PATCH", "^(?!.*dryRun)") == 4, "four writes")
        assert len(proxied.objects.all()) == 2
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()
        proxied.kubernetes.heal()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in errors
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert len(proxied.objects.all()) < 5
    proxied.apply()
    assert set(proxied.actions().values()) == {"unchanged"}
    assert len(proxied.objects.all()) == 5
