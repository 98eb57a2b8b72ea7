"""What a Kubernetes namespace and a folder have in common: one contract, run on both."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.base.errors import Conflict, Rejected
from m2s.domain.versions import Key
from m2s.objects.body import comparable, digest
from m2s.targets.cluster import Cluster
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import connect
from tests.kits import deployments
from tests.kits.deployments import CONTAINER, body, manifest, manifest_of, uri_of


class Place:
    """A cluster and somebody else's hands on it."""

    cluster: Cluster

    def create(self, whole: dict[str, Any]) -> None:
        raise NotImplementedError

    def annotate(self, name: str, value: str) -> None:
        raise NotImplementedError

    def delete(self, name: str) -> None:
        raise NotImplementedError

    def key(self, name: str = "fraud") -> Key:
        return Key(self.cluster.namespace, name)


class InKubernetes(Place):
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.server = request.getfixturevalue("api_server")
        kubeconfig = request.getfixturevalue("kubeconfig")
        self.cluster = connect(None, str(kubeconfig), None)

    def create(self, whole: dict[str, Any]) -> None:
        deployments.create(self.server, whole)

    def annotate(self, name: str, value: str) -> None:
        change = {"metadata": {"annotations": {"note": value}}}
        deployments.patch(self.server, self.key(name), change)

    def delete(self, name: str) -> None:
        deployments.delete(self.server, self.key(name))


class InFolder(Place):
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.path: Path = request.getfixturevalue("tmp_path")
        self.cluster = FolderCluster(self.path, "shop")

    def create(self, whole: dict[str, Any]) -> None:
        file = self._file(whole["metadata"]["name"])
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(whole))

    def annotate(self, name: str, value: str) -> None:
        whole = yaml.safe_load(self._file(name).read_text())
        whole["metadata"].setdefault("annotations", {})["note"] = value
        self.create(whole)

    def delete(self, name: str) -> None:
        self._file(name).unlink()

    def _file(self, name: str) -> Path:
        return self.path / "shop" / f"{name}.yaml"


IN_KUBERNETES = pytest.param(InKubernetes, marks=pytest.mark.cluster, id="kubernetes")


@pytest.fixture(params=[IN_KUBERNETES, pytest.param(InFolder, id="folder")])
def place(request: pytest.FixtureRequest) -> Place:
    made: Callable[[pytest.FixtureRequest], Place] = request.param
    return made(request)


def test_nothing_there_is_an_empty_cluster(place: Place) -> None:
    assert place.cluster.list() == ()
    assert place.cluster.get(place.key()) is None


def test_what_was_created_is_what_is_read(place: Place) -> None:
    created = place.cluster.apply(manifest(place.cluster.namespace), None)
    assert place.cluster.get(place.key()) == created
    assert place.cluster.list() == (created,)
    assert created.owner == "stage-staging"
    assert created.resource_version


def test_the_list_has_every_object_in_order(place: Place) -> None:
    for name in ("b", "c", "a"):
        place.cluster.apply(manifest(place.cluster.namespace, name), None)
    assert [live.key.name for live in place.cluster.list()] == ["a", "b", "c"]


def test_a_preview_tells_what_apply_leaves_and_writes_nothing(place: Place) -> None:
    wanted = manifest(
        place.cluster.namespace, componentSpecs=[{"spec": {"containers": [CONTAINER]}}]
    )
    preview = comparable(place.cluster.preview(wanted, None))
    assert place.cluster.list() == ()
    assert comparable(place.cluster.apply(wanted, None).body) == preview


def test_a_preview_of_what_is_there_already_shows_no_change(place: Place) -> None:
    wanted = manifest(place.cluster.namespace)
    live = place.cluster.apply(wanted, None)
    assert digest(comparable(place.cluster.preview(wanted, live))) == live.digest


def test_an_update_is_previewed_and_written(place: Place) -> None:
    live = place.cluster.apply(manifest(place.cluster.namespace), None)
    wanted = manifest(place.cluster.namespace, uri="s3://models/fraud/2")
    assert uri_of(place.cluster.preview(wanted, live)) == "s3://models/fraud/2"
    updated = place.cluster.apply(wanted, live)
    assert uri_of(updated) == "s3://models/fraud/2"
    assert updated.resource_version != live.resource_version


def test_what_the_manifest_no_longer_says_is_removed(place: Place) -> None:
    ours = place.cluster.namespace
    before = manifest(ours, annotations={"note": "x"}, replicas=2, labels={"version": "v1"})
    live = place.cluster.apply(before, None)
    after = place.cluster.apply(manifest(ours, annotations={"other": "y"}), live)
    assert after.annotations == {"other": "y"}
    assert after.body["spec"]["predictors"][0].keys() == {"name", "graph"}


def test_deleting_twice_is_no_error(place: Place) -> None:
    live = place.cluster.apply(manifest(place.cluster.namespace), None)
    place.cluster.delete(live)
    assert place.cluster.list() == ()
    place.cluster.delete(live)


def test_an_object_that_changed_meanwhile_is_not_written_over(place: Place) -> None:
    live = place.cluster.apply(manifest(place.cluster.namespace), None)
    place.annotate("fraud", "by hand")
    with pytest.raises(Conflict, match="changed since the plan"):
        place.cluster.apply(manifest(place.cluster.namespace, uri="s3://models/fraud/2"), live)
    with pytest.raises(Conflict, match="changed since the plan"):
        place.cluster.delete(live)
    there = place.cluster.get(place.key())
    assert there is not None
    assert there.annotations["note"] == "by hand"
    assert uri_of(there) == "s3://models/fraud/1"


def test_an_object_that_vanished_meanwhile_is_not_created_anew(place: Place) -> None:
    live = place.cluster.apply(manifest(place.cluster.namespace), None)
    place.delete("fraud")
    with pytest.raises(Conflict, match="deleted since the plan"):
        place.cluster.apply(manifest(place.cluster.namespace, uri="s3://models/fraud/2"), live)
    assert place.cluster.list() == ()


@pytest.mark.parametrize("owner", [None, "stage-production"])
def test_an_object_that_appeared_meanwhile_is_not_touched(place: Place, owner: str | None) -> None:
    theirs = manifest(place.cluster.namespace, owner=owner, uri="s3://theirs")
    if owner:
        place.cluster.apply(theirs, None)  # another m2s: the same field manager
    else:
        place.create(dict(theirs.body))
    with pytest.raises(Conflict, match="created by somebody else since the plan"):
        place.cluster.apply(manifest(place.cluster.namespace), None)
    there = place.cluster.get(place.key())
    assert there is not None
    assert uri_of(there) == "s3://theirs"
    assert there.owner == owner


def test_somebody_else_having_done_the_very_same_is_no_conflict(place: Place) -> None:
    wanted = manifest(place.cluster.namespace, uri="s3://models/fraud/2")
    live = place.cluster.apply(manifest(place.cluster.namespace), None)
    done = place.cluster.apply(wanted, live)
    assert place.cluster.apply(wanted, live) == done
    assert place.cluster.apply(wanted, None) == done


def test_a_foreign_object_is_listed_as_foreign_and_can_be_adopted(place: Place) -> None:
    place.create(body(place.cluster.namespace, owner=None))
    (foreign,) = place.cluster.list()
    assert foreign.owner is None
    adopted = place.cluster.apply(manifest(place.cluster.namespace), foreign)
    assert adopted.owner == "stage-staging"


def test_any_text_comes_back_as_it_was(place: Place) -> None:
    texts = [
        "y",
        "1e3",
        "0o14",
        "null",
        " x ",
        "a\nb\n",
        "é 漢 😀",
        "\u2028\u0085\x7f\ufeff",
        "#: '\"",
    ]
    wanted = manifest(
        place.cluster.namespace, annotations={f"t{i}": text for i, text in enumerate(texts)}
    )
    live = place.cluster.apply(wanted, None)
    assert list(live.annotations.values()) == texts
    assert digest(comparable(place.cluster.preview(wanted, live))) == live.digest


def test_a_name_that_is_none_is_rejected(place: Place) -> None:
    for name in ("../escaped", "Upper", "a/b", ".hidden"):
        wanted = manifest_of(body(place.cluster.namespace, name))
        with pytest.raises(Rejected, match=r"metadata\.name"):
            place.cluster.preview(wanted, None)
        with pytest.raises(Rejected, match=r"metadata\.name"):
            place.cluster.apply(wanted, None)


def test_many_threads_may_write_at_once(place: Place) -> None:
    wanted = [manifest(place.cluster.namespace, f"m{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda one: place.cluster.apply(one, None), wanted))
    assert len(place.cluster.list()) == 40
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(place.cluster.delete, written))
    assert place.cluster.list() == ()


def test_the_manifest_and_what_was_read_stay_as_they_were(place: Place) -> None:
    wanted = manifest(place.cluster.namespace)
    before = copy.deepcopy(wanted.body)
    live = place.cluster.apply(wanted, None)
    seen = copy.deepcopy(live.body)
    place.cluster.apply(manifest(place.cluster.namespace, uri="s3://other"), live)
    assert wanted.body == before
    assert live.body == seen
