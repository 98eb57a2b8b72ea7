"""The folder edge: the files as git and Argo CD see them, and files that others wrote."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.base.errors import ClusterError, Rejected, UsageError
from m2s.base.strictyaml import load_all
from m2s.domain.versions import Key
from m2s.objects.yaml_writer import dump
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.deployments import body, manifest, manifest_of

OTHERS = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [fraud.yaml]
---
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    made.mkdir()
    return made


@pytest.fixture
def cluster(tmp_path: Path) -> FolderCluster:
    return FolderCluster(tmp_path, "shop")


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_file_is_the_object_and_nothing_else(tmp_path: Path) -> None:
    whole = body("shop", annotations={"m2s.io/version": "3", "note": "y"}, replicas=2)
    whole["status"] = {"state": "Available"}
    whole["metadata"]["resourceVersion"] = "12"
    FolderCluster(tmp_path / "out", "shop").apply(manifest_of(whole), None)
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()] == [
        "out/shop/fraud.yaml"
    ]
    assert (
        (tmp_path / "out/shop/fraud.yaml").read_text()
        == """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  annotations:
    m2s.io/version: "3"
    note: "y"
  labels:
    app.kubernetes.io/managed-by: m2s
    m2s.io/owner: stage-staging
  name: fraud
  namespace: shop
spec:
  predictors:
  - graph:
      implementation: MLFLOW_SERVER
      modelUri: s3://models/fraud/1
      name: classifier
    name: default
    replicas: 2
"""
    )


def test_the_same_object_is_the_same_bytes_in_any_key_order(cluster: FolderCluster) -> None:
    first = cluster.apply(manifest("shop", annotations={"a": "1", "b": "2"}), None)
    cluster.delete(first)
    second = cluster.apply(manifest("shop", annotations={"b": "2", "a": "1"}), None)
    assert second.resource_version == first.resource_version


numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_whatever_json_is_written_is_read_back(value: Any) -> None:
    (document,) = load_all(dump({"spec": value}))
    assert document.value == {"spec": value}
    assert type(document.value["spec"]) is type(value)


@pytest.mark.parametrize("text", ["y", "N", "on", "1e3", "0o14", "1_000", "0x1f", "1:30", "=", "~"])
def test_a_text_that_some_yaml_reader_takes_for_something_else_is_quoted(text: str) -> None:
    assert dump([text]).decode() == f'- "{text}"\n'


def test_what_is_no_seldondeployment_is_left_alone(cluster: FolderCluster, folder: Path) -> None:
    (folder / "kustomization.yaml").write_text(OTHERS)
    (folder / "README.md").write_text("# not: [yaml")
    (folder / "more.yaml").mkdir()
    live = cluster.apply(manifest("shop"), None)
    assert cluster.list() == (live,)
    cluster.delete(live)
    assert (folder / "kustomization.yaml").read_text() == OTHERS


def test_objects_of_another_namespace_are_none_of_this_one(
    cluster: FolderCluster, folder: Path
) -> None:
    (folder / "theirs.yaml").write_text(yaml.safe_dump(body("bakery", "theirs")))
    assert cluster.list() == ()
    with pytest.raises(Rejected, match=r"theirs\.yaml holds something else"):
        cluster.preview(manifest("shop", "theirs"), None)


def test_an_object_among_others_is_read_but_not_written(
    cluster: FolderCluster, folder: Path
) -> None:
    together = yaml.safe_dump_all([body("shop", "one"), body("shop", "two")])
    (folder / "both.yaml").write_text(together)
    one, two = cluster.list()
    assert (one.key.name, two.key.name) == ("one", "two")
    for attempt in (
        lambda: cluster.preview(manifest("shop", "one", uri="s3://x"), one),
        lambda: cluster.apply(manifest("shop", "one", uri="s3://x"), one),
        lambda: cluster.delete(one),
    ):
        with pytest.raises(Rejected, match=r"both\.yaml holds 2 documents: move .* one\.yaml"):
            attempt()
    assert (folder / "both.yaml").read_text() == together


def test_an_object_in_a_file_of_another_name_is_read_but_not_written(
    cluster: FolderCluster, folder: Path
) -> None:
    (folder / "prod-fraud.yml").write_text(yaml.safe_dump(body("shop")))
    (live,) = cluster.list()
    assert cluster.get(Key("shop", "fraud")) == live
    with pytest.raises(Rejected, match=r"prod-fraud\.yml holds .* rename it to fraud\.yaml"):
        cluster.delete(live)


def test_an_object_that_is_there_twice_is_an_error(cluster: FolderCluster, folder: Path) -> None:
    for name in ("a.yaml", "b.json"):
        (folder / name).write_text(yaml.safe_dump(body("shop")))
    with pytest.raises(ClusterError, match=r"a\.yaml and in .*b\.json: remove one"):
        cluster.list()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind: SeldonDeployment\nspec: [1, 2\nx: y\n", "line 3"),
        (b"kind: SeldonDeployment\nkind: SeldonDeployment\n", "line 2"),
        (b"a: &a [x, x, x, x]\n" + b"b: \xff\n", "line 2"),
        (b"[" * 100_000, "line 1"),
        (b"apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n", "metadata.name"),
        (
            b"apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n"
            b"metadata:\n  name: fraud\n  annotations:\n    m2s.io/keep: true\n",
            "line 6: m2s.io/keep must be text",
        ),
    ],
)
def test_a_file_of_ours_that_cannot_be_understood_is_never_absent(
    cluster: FolderCluster, folder: Path, content: bytes, said: str
) -> None:
    content += b"\n# kind: SeldonDeployment, m2s.io/owner: stage-staging\n"
    (folder / "fraud.yaml").write_bytes(content)
    for attempt in (
        cluster.list,
        lambda: cluster.get(Key("shop", "other")),
        lambda: cluster.apply(manifest("shop"), None),
    ):
        with pytest.raises(ClusterError, match=r"fraud\.yaml") as refused:
            attempt()
        assert said in one_line(refused)
    assert (folder / "fraud.yaml").read_bytes() == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"metadata:\n  name: {{ .Values.name }}\n", "line 2: a key must be a string"),
        (b"{{- if .Values.on }}\nkind: ConfigMap\n{{- end }}\n", "line 1"),
        (b"kind: SeldonDeployment\nkind: SeldonDeployment\n", "line 2"),
        (b"apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n", "metadata.name"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"\t{}", "a tab"),
    ],
)
def test_what_is_not_ours_and_cannot_be_read_is_left_alone_and_named(
    cluster: FolderCluster, folder: Path, content: bytes, said: str
) -> None:
    other = folder / "chart.yaml"
    other.write_bytes(content)
    live = cluster.apply(manifest("shop"), None)
    for _ in range(2):  # the second time nothing is read again
        assert [one.key.name for one in cluster.list()] == ["fraud"]
        (line,) = cluster.unread()
        assert line.startswith(f"{other}, ")
        assert said in line
        assert line.endswith("; it is not m2s's, and left alone")
    cluster.delete(live)
    assert other.read_bytes() == content
    # In the place of one of ours it holds what is wanted there.
    other.rename(folder / "fraud.yaml")
    assert cluster.get(Key("shop", "fraud")) is None
    for refused in (cluster.preview, cluster.apply):
        with pytest.raises(Rejected, match=r"fraud\.yaml holds something else"):
            refused(manifest("shop"), None)
    (folder / "fraud.yaml").unlink()
    assert (cluster.list(), cluster.unread()) == ((), ())


def test_a_link_that_leads_nowhere_is_never_absent(cluster: FolderCluster, folder: Path) -> None:
    (folder / "fraud.yaml").symlink_to(folder / "gone")
    with pytest.raises(ClusterError, match=r"fraud\.yaml: no such file"):
        cluster.list()


def test_a_file_changed_by_hand_is_read_again(cluster: FolderCluster, folder: Path) -> None:
    cluster.apply(manifest("shop"), None)
    (folder / "fraud.yaml").write_text(yaml.safe_dump(body("shop", uri="s3://by-hand")))
    assert "s3://by-hand" in str(cluster.list())


def test_files_that_come_and_go_by_hand_are_noticed(cluster: FolderCluster, folder: Path) -> None:
    cluster.apply(manifest("shop", "first"), None)
    (folder / "other-name.yaml").write_text(yaml.safe_dump(body("shop")))
    with pytest.raises(Rejected, match="rename it to fraud"):
        cluster.preview(manifest("shop"), None)
    (folder / "other-name.yaml").unlink()
    cluster.preview(manifest("shop"), None)
    assert cluster.get(Key("shop", "fraud")) is None


def test_what_a_killed_run_left_behind_is_ignored_and_cleaned(
    cluster: FolderCluster, folder: Path
) -> None:
    left_over = folder / ".fraud.yaml.0123abcd.tmp"
    left_over.write_text("half: [")
    assert cluster.list() == ()
    cluster.apply(manifest("shop"), None)
    assert [file.name for file in folder.iterdir()] == ["fraud.yaml"]


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """Let every write beyond ``size`` bytes of a file fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.thorough
def test_a_write_that_fails_leaves_the_file_as_it_was(cluster: FolderCluster, folder: Path) -> None:
    live = cluster.apply(manifest("shop"), None)
    before = (folder / "fraud.yaml").read_bytes()
    large = manifest("shop", uri="s3://" + "x" * 500_000)
    with disk_full_after(400_000), pytest.raises(ClusterError, match="file too large") as refused:
        cluster.apply(large, live)
    assert "fraud.yaml" in one_line(refused)
    assert (folder / "fraud.yaml").read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["fraud.yaml"]


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    cluster = FolderCluster(tmp_path / "out", "shop")
    for attempt in (cluster.list, lambda: cluster.apply(manifest("shop"), None)):
        with pytest.raises(
            ClusterError, match=r"out/shop.*: not a directory: .*--target"
        ) as refused:
            attempt()
        one_line(refused)


def test_a_path_that_cannot_be_written() -> None:
    cluster = FolderCluster("/proc/m2s", "shop")
    assert cluster.list() == ()
    with pytest.raises(ClusterError, match=r"/proc/m2s.*--target"):
        cluster.apply(manifest("shop"), None)


@pytest.mark.parametrize("namespace", ["..", "a/b", "/etc", "Shop", "a" * 64, "a\n"])
def test_a_namespace_never_leads_out_of_the_folder(tmp_path: Path, namespace: str) -> None:
    with pytest.raises(UsageError, match="namespace"):
        FolderCluster(tmp_path, namespace)


def test_a_folder_has_no_status_to_wait_for(cluster: FolderCluster) -> None:
    cluster.check_rollout_access()
    assert cluster.rollout(cluster.apply(manifest("shop"), None)).serving
    assert cluster.identity.startswith("dir:")
    assert FolderCluster("out", None).namespace == "default"
