"""Law 8, the data scientist's side: each bad deploy.yaml is a Blocked row; what serves is held."""

from __future__ import annotations

import pytest

from tests.kits.support import description, seldon
from tests.kits.worlds import World

GOOD = description()
HEAD = "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n"
BOMB = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 10))
ONE = "it must be one SeldonDeployment"

FILES: dict[str, tuple[str | bytes, int | None, str]] = {
    "two documents": (f"{GOOD}---\n{GOOD}", GOOD.count("\n") + 2, f"2 documents; {ONE}"),
    "another kind": ("kind: StatefulSet\napiVersion: apps/v1\n", 1, "kind is 'StatefulSet'"),
    "no kind": ("a: 1\n", 1, "kind is None"),
    "a Kubernetes List": ("kind: List\napiVersion: v1\nitems: []\n", 1, "kind is 'List'"),
    "a list": (f"# one\n- {seldon()}\n", 2, f"a list; {ONE}"),
    "a text": ("hello\n", 1, f"a text; {ONE}"),
    "nothing": (b"", 1, f"no document; {ONE}"),
    "comments only": ("# later\n", 1, f"no document; {ONE}"),
    "another group": ("kind: SeldonDeployment\napiVersion: seldon/v1\n", 2, "apiVersion is"),
    "no spec": (HEAD, 1, "spec is missing"),
    "no predictors": (f"{HEAD}spec:\n  name: x\n", 3, "spec.predictors is missing"),
    "no predictor": (f"{HEAD}spec:\n  predictors: []\n", 4, "spec.predictors is missing or empty"),
    "predictors by name": (f"{HEAD}spec:\n  predictors:\n    a: {{}}\n", 4, "spec.predictors"),
    "no graph": (f"{HEAD}spec:\n  predictors:\n  - name: a\n", 5, "spec.predictors[0].graph"),
    "a predictor that is a text": (f"{HEAD}spec:\n  predictors:\n  - a\n", 5, "is a text"),
    "metadata in a list": (f"{HEAD}metadata: []\nspec: {{}}\n", 3, "metadata is a list"),
    "a name that is a number": (f"{HEAD}metadata:\n  name: 1\n", 4, "metadata.name is a number"),
    "a label that is a number": (
        f"{HEAD}metadata:\n  labels:\n    a: b\n    team: 7\n", 6, "metadata.labels[team]",
    ),
    "an annotation that is true": (
        f"{HEAD}metadata:\n  annotations:\n    a: yes\n", 5, "metadata.annotations[a]",
    ),
    "a tab": (f"{HEAD}spec:\n\tpredictors: []\n", 4, "a tab where YAML wants spaces"),
    "broken YAML": (f"{HEAD}spec: [\n", None, ""),
    "a key that is given twice": (f"{HEAD}kind: x\n", 3, "the key 'kind' is given twice"),
    "an alias bomb": (f"b0: &b0 lol\n{BOMB}", None, "aliases expand to over"),
    "an alias of itself": ("a: &a\n  b: *a\n", None, "alias"),
    "a depth of 100,000": ("[" * 100_000, 1, "levels deep"),
    "a depth of 100,000 mappings": ("{a: " * 100_000, 1, "levels deep"),
    "a programming language's tag": ("a: !!python/object/apply:os.system [x]\n", 1, "python"),
    "not a number": (f"{HEAD}spec: {{a: .nan}}\n", None, ""),
    "latin-1": ("größe: 1\n".encode("latin-1"), 1, "not UTF-8 text"),
    "UTF-16": (GOOD.encode("utf-16"), 1, "not UTF-8 text"),
    "a control character": ("a: \x07\n", 1, "a character that YAML does not allow"),
    "binary": (bytes(range(256)), 2, ""),
    "5 MB": (GOOD + "# " + "x" * 5_000_000, None, "1048576 are the limit"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_bad_file_is_blocked_and_what_serves_is_held(on_folder: World, kind: str) -> None:
    content, line, says = FILES[kind]
    on_folder.models.add("iris")
    on_folder.apply()
    before = on_folder.objects.snapshot()
    on_folder.models.add("iris", content if isinstance(content, bytes) else content.encode())
    on_folder.models.add("wine")
    run = on_folder.models.run_of("iris", 2)
    result = on_folder("apply", "--prune", "-o", "json")
    assert (result.code, result.err) == (1, "")
    change = result.changes["iris-staging"]
    assert (change["action"], change["version"]) == ("blocked", "2")
    assert change["reason"].startswith(f"deploy.yaml of run {run}")
    assert f"{run}:{line}: " in change["reason"] or line is None
    assert says in change["reason"]
    assert len(change["reason"].splitlines()) == 1
    assert len(change["reason"]) < 400
    after = on_folder.objects.snapshot()
    assert {**after, "wine-staging": ""} == {**before, "wine-staging": ""}
    assert "wine-staging" in after, "one bad file stops no other"


TYPOS = {
    "a field that is not declared": (
        ("modelUri", "modelURI"),
        ".spec.predictors[0].graph.modelURI: field not declared in schema",
    ),
    "a text for a number": (("replicas: 1", "replicas: one"), ".spec.predictors[0].replicas"),
    "a container's typo": (("image:", "imgae:"), "imgae: field not declared in schema"),
}  # fmt: skip


@pytest.mark.parametrize("typo", TYPOS)
def test_what_the_cluster_does_not_take_is_blocked(on_cluster: World, typo: str) -> None:
    (right, wrong), says = TYPOS[typo]
    on_cluster.models.add("iris")
    on_cluster.apply()
    before = on_cluster.objects.snapshot()
    on_cluster.models.add("iris", description().replace(right, wrong))
    on_cluster.models.add("new", description().replace(right, wrong))
    on_cluster.models.add("wine")
    result = on_cluster("apply", "--prune", "-o", "json")
    assert (result.code, result.err) == (1, "")
    for name in ("iris-staging", "new-staging"):
        assert result.changes[name]["action"] == "blocked"
        assert says in result.changes[name]["reason"]
    after = on_cluster.objects.snapshot()
    assert after.keys() == {"iris-staging", "wine-staging"}
    assert after["iris-staging"] == before["iris-staging"]


SOURCES = {
    "mlflow-artifacts:/0/models/m-1/artifacts": "--model-uri-map mlflow-artifacts:/=s3://",
    "file:///tmp/model": "--model-uri-map file:/=s3://",
    "dbfs:/models/1": "--model-uri-map dbfs:/=s3://",
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_uri_no_model_server_can_read_is_blocked(on_folder: World, source: str) -> None:
    on_folder.models.add("iris", source=source)
    result = on_folder("apply", "-o", "json")
    assert result.code == 1
    assert SOURCES[source] in result.changes["iris-staging"]["reason"]
    assert on_folder.objects.snapshot() == {}
    mapped = ("--model-uri-map", f"{source}=s3://bucket/iris")
    on_folder.apply(*mapped)
    assert on_folder.plan(*mapped)["iris-staging"]["model_uri"] == "s3://bucket/iris"
