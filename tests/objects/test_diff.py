"""Two objects as typed field changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.objects import diff
from m2s.objects.body import comparable, digest


def deployment(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "iris"}, "spec": spec}


def told(old: dict[str, Any], new: dict[str, Any], *ignore: str) -> list[tuple[str, str, Any, Any]]:
    return [(str(f), f.kind, f.old, f.new) for f in diff.fields(old, new, ignore)]


def test_matches_named_things_by_name_and_says_the_path_as_a_person_would() -> None:
    old = deployment(predictors=[{"name": "a", "graph": {"modelUri": "s3://1"}}, {"name": "b"}])
    new = deployment(predictors=[{"name": "b"}, {"name": "a", "graph": {"modelUri": "s3://2"}}])
    assert told(old, new) == [
        ("spec.predictors[a].graph.modelUri", "changed", "s3://1", "s3://2"),
        ("spec.predictors", "reordered", ["a", "b"], ["b", "a"]),
    ]


def test_compares_lists_of_unnamed_things_by_position() -> None:
    assert told(deployment(args=["a", "b"]), deployment(args=["a", "c", "d"])) == [
        ("spec.args[1]", "changed", "b", "c"),
        ("spec.args[2]", "added", None, "d"),
    ]


def test_puts_model_level_facts_first_and_metadata_last() -> None:
    def one(version: str, image: str, replicas: int, other: str) -> dict[str, Any]:
        container = {"name": "c", "image": image, "args": [other]}
        predictor = {"name": "p", "replicas": replicas, "graph": {"modelUri": other}}
        return {
            "metadata": {"annotations": {"m2s.io/version": version}, "labels": {"team": other}},
            "spec": {"predictors": [{**predictor, "containers": [container]}]},
        }

    assert [path for path, *_ in told(one("3", "i:1", 1, "x"), one("4", "i:2", 2, "y"))] == [
        "metadata.annotations[m2s.io/version]",
        "spec.predictors[p].containers[c].image",
        "spec.predictors[p].replicas",
        "spec.predictors[p].graph.modelUri",
        "spec.predictors[p].containers[c].args[0]",
        "metadata.labels.team",
    ]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [({"a": 1}, {}, "removed"), ({}, {"a": None}, "added"), ({"a": 1}, {"a": True}, "changed"),
     ({"a": {}}, {"a": []}, "changed"), ({"a": [{"name": "x"}]}, {"a": []}, "changed")],
)  # fmt: skip
def test_tells_added_removed_and_changed_apart(old: Any, new: Any, kind: str) -> None:
    assert [change[:2] for change in told(deployment(**old), deployment(**new))] == [
        ("spec.a", kind)
    ]


def test_says_nothing_of_status_server_fields_and_ignored_paths() -> None:
    old = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}, "status": {"state": "x"}}
    new = {"metadata": {"resourceVersion": "2", "uid": "u"}, "spec": {"replicas": 5}}
    assert told(old, new, "/spec/replicas") == []
    assert told(old, new) == [("spec.replicas", "changed", 1, 5)]


def test_ignores_by_json_pointer_with_its_escapes() -> None:
    old = {"metadata": {"annotations": {"a/b~c": "1", "d": "1"}}}
    new = {"metadata": {"annotations": {"a/b~c": "2", "d": "2"}}}
    assert told(old, new, "/metadata/annotations/a~1b~0c") == [
        ("metadata.annotations.d", "changed", "1", "2")
    ]


def test_lists_every_value_of_what_comes_as_a_whole() -> None:
    body = deployment(predictors=[{"name": "p", "graph": {"name": "g", "children": []}}])
    assert [(str(field), field.new) for field in diff.leaves(body, "added")] == [
        ("spec.predictors[p].graph.children", []),
        ("spec.predictors[p].graph.name", "g"),
        ("spec.predictors[p].name", "p"),
    ]


names = st.sampled_from(["a", "b", "name", "m2s.io/version", "0"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names, inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"name": names, "x": inner}), max_size=3)
    ),
    max_leaves=12,
)
objects = st.fixed_dictionaries({"spec": st.dictionaries(names, values, max_size=3)})


@given(objects, objects)
def test_is_empty_exactly_when_nothing_compared_differs(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    same = digest(comparable(old)) == digest(comparable(new))
    assert (diff.fields(old, new) == ()) == same


@given(objects)
def test_an_object_does_not_differ_from_itself(body: dict[str, Any]) -> None:
    assert diff.fields(body, body) == ()
