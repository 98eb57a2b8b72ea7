"""The watch on a namespace's objects, and long-lived credentials, with everything going wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from m2s.base.errors import ClusterError
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.targets.kubernetes.namespace import connect
from m2s.targets.kubernetes.watching import KindsWatch
from tests.kits import deployments
from tests.kits.worlds import Namespace
from tests.servers import ApiServer, FaultProxy, wait_for
from tests.servers.apiserver import SELDON_EDIT
from tests.servers.faults import kubernetes_status

GONE = kubernetes_status(410, "Expired", "too old resource version")
EXPIRED = '{"type": "ERROR", "object": ' + str(GONE).replace("'", '"') + "}\n"

BOOKMARK = (
    '{"type": "BOOKMARK", "object": {"kind": "SeldonDeployment", '
    '"apiVersion": "machinelearning.seldon.io/v1", "metadata": {"resourceVersion": "1"}}}\n'
)


class Scene:
    """A watch, and what it told of so far: the model's URI by name, None for a deletion."""

    def __init__(self, objects: Namespace, proxy: FaultProxy) -> None:
        self.objects, self.proxy = objects, proxy
        self.seen: list[tuple[str, str | None]] = []
        self._lock = threading.Lock()
        self._watchings: list[KindsWatch] = []

    def watch(self, config: Path) -> KindsWatch:
        api = connect(None, str(config), None, workers=1).api
        owners = ["stage-staging", "alias-champion"]
        made = KindsWatch(api, self.objects.name, owners, self._see, pause=0.05)
        made.start()
        self._watchings.append(made)
        return made

    def _see(self, key: Key, live: LiveDeployment | None) -> None:
        with self._lock:
            self.seen.append((key.name, deployments.uri_of(live) if live else None))

    def create(self, name: str, owner: str = "stage-staging") -> None:
        self.objects.create(deployments.body(self.objects.name, name, owner=owner))

    def await_seen(self, *wanted: tuple[str, str | None]) -> None:
        wait_for(lambda: set(wanted) <= set(self.seen), f"{wanted} in {self.seen}")

    def close(self) -> None:
        for each in self._watchings:
            each.stop()


@pytest.fixture
def scene(
    api_server: ApiServer, namespace: str, fault_proxy: Callable[..., FaultProxy]
) -> Iterator[Scene]:
    made = Scene(Namespace(api_server, namespace), fault_proxy(api_server))
    yield made
    made.close()


@pytest.fixture
def config(scene: Scene) -> Path:
    server = scene.objects.server
    return server.kubeconfig(namespace=scene.objects.name, server=scene.proxy.url)


URI = "s3://models/fraud/1"


def test_only_our_owners_objects_are_told_of(scene: Scene, config: Path) -> None:
    scene.create("there")
    scene.watch(config)
    scene.await_seen(("there", URI))
    scene.create("foreign", owner="stage-production")
    scene.objects.create(deployments.body(scene.objects.name, "unmanaged", owner=None))
    scene.create("ours", owner="alias-champion")
    scene.objects.delete("ours")
    scene.await_seen(("ours", URI), ("ours", None))
    assert {name for name, _ in scene.seen} == {"there", "ours"}


def test_a_label_that_is_taken_off_counts_as_gone(scene: Scene, config: Path) -> None:
    scene.create("there")
    scene.watch(config)
    scene.await_seen(("there", URI))
    scene.objects.patch("there", {"metadata": {"labels": {"m2s.io/owner": None}}})
    scene.await_seen(("there", None))


@pytest.mark.parametrize(
    "spoil", ["gone", "expired", "cut", "refused", "busy", "half an event", "old"]
)
def test_trouble_is_survived_and_nothing_is_missed(
    scene: Scene, config: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    scene.create("there")
    faults: dict[str, Callable[[], None]] = {
        "gone": lambda: scene.proxy.answer(410, GONE, path="watch=true", times=2),
        "expired": lambda: scene.proxy.answer(200, EXPIRED, path="watch=true", times=2),
        "cut": lambda: scene.proxy.cut(path="watch=true", times=4),
        "refused": lambda: scene.proxy.answer(
            403, kubernetes_status(403, "Forbidden", "no"), path="watch=true", times=2
        ),
        "busy": lambda: scene.proxy.answer(
            503, kubernetes_status(503, "ServiceUnavailable", "busy"), path="watch=true", times=4
        ),
        # The server itself then says that this version is too old.
        "old": lambda: scene.proxy.answer(200, BOOKMARK, path="watch=true", times=1),
        "half an event": lambda: scene.proxy.cut(at_byte=300, path="watch=true", times=2),
    }
    faults[spoil]()
    with caplog.at_level(logging.INFO, "m2s"):
        scene.watch(config)
        scene.await_seen(("there", URI))
        scene.create("later")
        scene.await_seen(("later", URI))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) <= 2
    assert all("\n" not in line for line in told)
    assert bool(told) is (spoil not in ("gone", "expired", "old"))


def test_a_stopped_watch_ends_at_once(scene: Scene, config: Path) -> None:
    scene.create("there")
    watching = scene.watch(config)
    scene.await_seen(("there", URI))
    watching.stop()
    watching.join(5)
    assert not watching.alive
    scene.create("later")
    assert ("later", URI) not in scene.seen


def test_a_token_that_was_replaced_in_its_file_is_used(scene: Scene, tmp_path: Path) -> None:
    server, name = scene.objects.server, scene.objects.name
    file, config = tmp_path / "token", tmp_path / "config.yaml"
    given = yaml.safe_load(server.kubeconfig(namespace=name).read_text())
    given["users"][0]["user"] = {"tokenFile": str(file)}
    config.write_text(yaml.safe_dump(given))
    file.write_text("expired")
    cluster = connect(None, str(config), None)
    scene.watch(config)
    with pytest.raises(ClusterError, match="does not accept these credentials"):
        cluster.list()
    scene.create("there")
    fresh = tmp_path / "fresh"  # as the kubelet does: at once, so that nobody reads a half of it
    fresh.write_text(server.user(name, [SELDON_EDIT]))
    fresh.replace(file)
    assert [live.key.name for live in cluster.list()] == ["there"]
    scene.await_seen(("there", URI))
