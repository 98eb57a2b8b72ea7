"""The laws of layers, and what each kind of list comes to."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.objects import diff
from m2s.objects.layers import Layer, Merged, merge
from m2s.platforms.seldon.list_keys import KEYS


def merged(*texts: str) -> Any:
    return together(*texts).body


def together(*texts: str) -> Merged:
    layers = [Layer(str(number), yaml.safe_load(text)) for number, text in enumerate(texts)]
    return merge(layers, KEYS)


def sources(*texts: str) -> dict[str, str]:
    found = together(*texts).sources()
    return {str(diff.FieldChange(path, "added")): str(source) for path, source in found.items()}


# ---------------------------------------------------------------------------------- laws

_SCALARS = st.one_of(st.integers(0, 3), st.sampled_from(["x", "y", ""]), st.booleans())
_NAMES = st.sampled_from(["a", "b", "c"])


def _named(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    fields = st.dictionaries(st.sampled_from(["image", "value", "spec"]), inner, max_size=2)
    items = st.tuples(_NAMES, fields).map(lambda pair: {"name": pair[0], **pair[1]})
    return st.lists(items, max_size=3, unique_by=lambda item: str(item["name"]))


def _values() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.one_of(_SCALARS, st.none()),
        lambda inner: st.one_of(
            st.dictionaries(st.sampled_from(["spec", "metadata", "replicas"]), inner, max_size=3),
            st.fixed_dictionaries({"containers": _named(inner)}),
            st.fixed_dictionaries({"args": st.lists(_SCALARS, max_size=2)}),
        ),
        max_leaves=12,
    )


def bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Layers in which a field may be of any kind, and null."""
    keys = st.sampled_from(["spec", "metadata", "a", "b"])
    return st.dictionaries(keys, _values(), max_size=3)


def shaped() -> st.SearchStrategy[dict[str, Any]]:
    """Layers that keep to one schema and remove nothing."""
    fields = {"replicas": _SCALARS, "image": _SCALARS, "args": st.lists(_SCALARS, max_size=2)}
    return st.recursive(
        st.fixed_dictionaries({}, optional=fields),
        lambda inner: st.fixed_dictionaries(
            {}, optional={**fields, "spec": inner, "metadata": inner, "containers": _items(inner)}
        ),
        max_leaves=8,
    )


def _items(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[Any]]:
    items = st.tuples(_NAMES, inner).map(lambda pair: {**pair[1], "name": pair[0]})
    return st.lists(items, max_size=3, unique_by=lambda item: str(item["name"]))


def body_of(*layers: dict[str, Any]) -> dict[str, Any]:
    return merge([Layer("", layer) for layer in layers], KEYS).body


def without_nothing(value: Any) -> Any:
    """A lone layer is itself, but for the nulls, which remove nothing there."""
    if isinstance(value, dict):
        return {k: without_nothing(inner) for k, inner in value.items() if inner is not None}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


@given(bodies())
def test_a_layer_alone_is_itself(layer: dict[str, Any]) -> None:
    assert body_of(layer) == without_nothing(layer)


@given(bodies(), bodies())
def test_an_empty_layer_changes_nothing(low: dict[str, Any], high: dict[str, Any]) -> None:
    expected = body_of(low, high)
    assert body_of({}, low, high) == expected
    assert body_of(low, {}, high) == expected
    assert body_of(low, high, {}) == expected


@given(bodies())
def test_a_layer_over_itself_is_itself(layer: dict[str, Any]) -> None:
    assert body_of(layer, layer) == body_of(layer)


@given(bodies(), bodies())
def test_the_higher_layer_has_the_last_word(low: dict[str, Any], high: dict[str, Any]) -> None:
    assert_says(body_of(low, high), high)


def assert_says(body: Any, layer: Any) -> None:
    if isinstance(layer, dict):
        for key, value in layer.items():
            if value is None:
                assert key not in body
            else:
                assert_says(body[key], value)
    elif isinstance(layer, list) and layer and isinstance(layer[0], dict):
        for item in layer:
            (found,) = [each for each in body if each["name"] == item["name"]]
            assert_says(found, item)
    elif layer != []:
        assert (type(body), body) == (type(layer), layer)


@given(shaped(), shaped(), shaped())
def test_layers_of_one_schema_may_be_merged_in_any_grouping(
    low: dict[str, Any], middle: dict[str, Any], high: dict[str, Any]
) -> None:
    expected = body_of(low, middle, high)
    assert body_of(body_of(low, middle), high) == expected
    assert normal(body_of(low, body_of(middle, high))) == normal(expected)


def normal(value: Any) -> Any:
    """The order of a mapping's keys and of new items may differ, nothing else."""
    if isinstance(value, dict):
        return {key: normal(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted((normal(item) for item in value), key=lambda item: str(item["name"]))
    return value


@given(bodies(), bodies())
def test_every_leaf_has_one_source(low: dict[str, Any], high: dict[str, Any]) -> None:
    both = merge([Layer("low", low), Layer("high", high)], KEYS)
    leaves = {field.path for field in diff.leaves({"spec": both.body}, "added")}
    assert {("spec", *path) for path in both.sources() if path} == leaves - {("spec",)}


@given(bodies(), bodies())
def test_merging_changes_no_layer(low: dict[str, Any], high: dict[str, Any]) -> None:
    before = repr((low, high))
    body_of(low, high)
    assert repr((low, high)) == before


# ---------------------------------------------------------------------------------- rules


def test_named_things_merge_and_keep_the_lower_order() -> None:
    low = "containers: [{name: b, image: x, env: [{name: A, value: '1'}]}, {name: a}]"
    high = "containers: [{name: c}, {name: b, env: [{name: B, value: '2'}, {name: A, value: '3'}]}]"
    assert merged(low, high) == {
        "containers": [
            {
                "name": "b",
                "image": "x",
                "env": [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}],
            },
            {"name": "a"},
            {"name": "c"},
        ]
    }


def test_mounts_and_ports_merge_by_what_tells_them_apart() -> None:
    low = "{volumeMounts: [{name: v, mountPath: /a}], ports: [{containerPort: 1, name: x}]}"
    high = "{volumeMounts: [{name: v, mountPath: /b}], ports: [{containerPort: 1, name: y}]}"
    assert merged(low, high) == {
        "volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}],
        "ports": [{"containerPort": 1, "name": "y"}],
    }


def test_other_lists_are_replaced_whole() -> None:
    assert merged("{args: [a, b], tolerations: [{key: x}]}", "{args: [c], tolerations: []}") == {
        "args": ["c"],
        "tolerations": [],
    }


def test_a_list_whose_items_cannot_be_told_apart_is_replaced_whole() -> None:
    twice = "env: [{name: A, value: '1'}, {name: A, value: '2'}]"
    assert merged("env: [{name: B}]", twice) == yaml.safe_load(twice)
    assert merged(twice, "env: [{name: B}]") == {"env": [{"name": "B"}]}


def test_null_removes_and_so_does_a_patch_directive() -> None:
    low = "{a: 1, b: {c: 1}, containers: [{name: x}, {name: y, image: z, args: [a]}]}"
    high = "{a: null, b: {c: null}, containers: [{name: x, $patch: delete}, {name: y, args: null}]}"
    assert merged(low, high) == {"b": {}, "containers": [{"name": "y", "image": "z"}]}
    assert merged(low, "b: {$patch: replace, d: 2}")["b"] == {"d": 2}
    assert merged(low, "a: null", "a: 2")["a"] == 2


def test_every_item_gets_what_is_said_of_all() -> None:
    low = "containers: [{name: '*', image: x, env: [{name: A, value: '1'}]}]"
    high = "containers: [{name: a}, {name: b, image: y}]"
    a = {"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]}
    assert merged(low, high) == {"containers": [a, {**a, "name": "b", "image": "y"}]}
    assert merged(high, low)["containers"][1]["image"] == "x"
    both = "containers: [{name: a, image: y}, {name: '*', image: x}]"
    assert merged(both) == {"containers": [{"name": "a", "image": "y"}]}


def test_what_is_said_of_all_makes_no_item() -> None:
    assert merged("{containers: [{name: '*', image: x}], replicas: 1}") == {"replicas": 1}


def component(*names: str, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name} for name in names], **spec}}


def specs(*lists: list[dict[str, Any]]) -> Any:
    return body_of(*({"componentSpecs": each} for each in lists))["componentSpecs"]


def test_component_specs_are_told_by_their_containers() -> None:
    low = [component("a", "b", x=1), component("c")]
    high = [component("c", x=3), component("b", "d", x=2)]
    assert specs(low, high) == [component("a", "b", "d", x=2), component("c", x=3)]
    assert specs([component("*", x=9)], low) == [component("a", "b", x=1), component("c", x=9)]


def test_a_component_spec_without_containers_is_the_first() -> None:
    bare = {"spec": {"serviceAccountName": "models"}}
    assert specs([component("a"), component("b")], [bare]) == [
        component("a", serviceAccountName="models"),
        component("b"),
    ]
    assert specs([bare], [component("a")]) == [component("a", serviceAccountName="models")]
    assert specs([bare]) == [bare]


def test_a_source_is_the_layer_that_gave_the_value() -> None:
    low = "spec: {replicas: 1, containers: [{name: a, image: x, args: [p]}]}"
    high = "spec: {containers: [{name: a, image: y, resources: {limits: {cpu: 1}}}]}"
    assert sources(low, high) == {
        "spec.replicas": "0",
        "spec.containers[a].name": "0",
        "spec.containers[a].image": "1",
        "spec.containers[a].args[0]": "0",
        "spec.containers[a].resources.limits.cpu": "1",
    }
