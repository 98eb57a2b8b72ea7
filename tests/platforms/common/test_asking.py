"""An example becomes a request in each protocol, or is refused in words."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.domain.asking import Asking, Example, Protocol
from m2s.platforms.common import asking
from m2s.platforms.problem import Problem


def of(protocol: Protocol, *, frames: bool = True) -> Asking:
    model = "iris" if protocol == "v2" else ""
    return Asking(service="iris", port=8000, protocol=protocol, model=model, frames=frames)


def table(types: dict[str, str], *rows: list[Any]) -> Example:
    inputs = tuple({"name": name, "type": kind} for name, kind in types.items())
    split = {"columns": list(types), "data": list(rows)}
    return Example({"dataframe_split": split}, inputs)


def tensor(dtype: str, given: Any) -> Example:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1]}}
    return Example({"inputs": given}, (spec,))


def asked(protocol: Protocol, example: Example, *, frames: bool = True) -> Any:
    question = asking.question(of(protocol, frames=frames), example)
    json.dumps(question.body, allow_nan=protocol == "mlflow")
    return question.body


def refused(protocol: Protocol, example: Example, *, frames: bool = True) -> str:
    with pytest.raises(Problem) as error:
        asked(protocol, example, frames=frames)
    return str(error.value)


NUMBERS = table({"a": "double", "b": "double"}, [1, 2.5], [3, 4.5])
MIXED = table({"a": "double", "b": "string"}, [1.0, "x"])
CHAT = Example({"messages": [{"role": "user", "content": "hello"}]})


def test_the_paths_are_those_of_the_servers() -> None:
    one = tensor("float64", [1.5])
    paths = [asking.question(of(name), one).path for name in ("mlflow", "v2", "seldon")]
    assert paths == ["/invocations", "/v2/models/iris/infer", "/api/v1.0/predictions"]
    ready = [asking.ready(of(name)).path for name in ("mlflow", "v2", "seldon")]
    assert ready == ["/ping", "/v2/models/iris/ready", "/ready"]
    assert asking.ready(of("v2")).body is None


def test_a_models_name_is_no_path() -> None:
    odd = Asking(service="x", port=1, protocol="v2", model="../a b")
    assert asking.ready(odd).path == "/v2/models/..%2Fa%20b/ready"


@pytest.mark.parametrize("example", [NUMBERS, MIXED, CHAT, tensor("float64", [math.nan])])
def test_mlflows_own_server_takes_an_example_as_it_is(example: Example) -> None:
    assert asked("mlflow", example) is example.payload


def test_a_table_is_a_tensor_for_each_column_in_v2() -> None:
    sent = asked("v2", table({"a": "double", "b": "string"}, [1.5, "x"], [math.nan, "y"]))
    assert sent == {
        "parameters": {"content_type": "pd"},
        "inputs": [
            {"name": "a", "shape": [2], "datatype": "FP64", "data": [1.5, None]},
            {"name": "b", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]},
        ],
    }


def test_a_tensor_is_flat_with_its_shape_in_v2() -> None:
    sent = asked("v2", tensor("float32", [[1.5, 2.5], [3.5, 4.5]]))
    assert sent["parameters"] == {"content_type": "np"}
    assert sent["inputs"] == [
        {"name": "input-0", "shape": [2, 2], "datatype": "FP32", "data": [1.5, 2.5, 3.5, 4.5]}
    ]
    texts = asked("v2", Example({"inputs": ["a", "b"]}, ({"type": "string"},)))
    assert texts["parameters"] == {"content_type": "str"}
    assert texts["inputs"][0]["datatype"] == "BYTES"


def test_seldon_gets_an_array_of_one_type_with_names() -> None:
    sent = asked("seldon", NUMBERS)
    assert sent == {"data": {"names": ["a", "b"], "ndarray": [[1.0, 2.5], [3.0, 4.5]]}}
    assert all(isinstance(one, float) for row in sent["data"]["ndarray"] for one in row)
    assert asked("seldon", tensor("int64", [[1, 2]])) == {"data": {"ndarray": [[1, 2]]}}


@pytest.mark.parametrize(
    ("protocol", "example", "why"),
    [
        ("v2", CHAT, "only MLflow's own protocol has a form for the object of a language model"),
        ("seldon", CHAT, "object of a language model"),
        ("v2", Example({"inputs": {"a": [1]}}, ({}, {})), "named ones"),
        ("seldon", Example({"inputs": {"a": [1]}}, ({},)), "named ones"),
        ("v2", Example({"inputs": [1.5]}), "the model has no"),
        ("v2", tensor("float64", [[1.5], [1.5, 2.5]]), "rows differ in length"),
        ("v2", tensor("float64", [[1.5], 2.5]), "rows differ in length"),
        ("v2", tensor("float64", 1.5), "no array"),
        ("v2", tensor("datetime64", [1]), "no datatype for the input"),
        ("v2", tensor("object", [["a"]]), "texts in a list only"),
        ("v2", tensor("object", [{"a": 1}]), "a form for objects"),
        ("v2", table({"when": "datetime"}, ["2026"]), "column 'when', which is of type datetime"),
        ("v2", table({"a": "string"}, [1]), "is no text"),
        ("v2", Example({"dataframe_split": {"columns": ["a"], "data": [[1]]}}), "no column 'a'"),
        ("v2", Example({"dataframe_split": {"columns": [0], "data": [[1]]}}), "have no names"),
        ("v2", Example({"dataframe_split": {"columns": ["a"], "data": [[]]}}), "each column"),
        ("v2", Example({"dataframe_split": 1}), "not a DataFrame"),
        ("v2", Example({"dataframe_records": []}), "a form for dataframe_records"),
        ("v2", Example({"inputs": [1], "params": {"x": 1}}), "parameters"),
        ("seldon", Example({"inputs": [1], "params": {"x": 1}}), "parameters"),
        ("seldon", MIXED, "mixes types"),
        ("seldon", table({"a": "double"}, [None]), "missing value"),
        ("seldon", table({"a": "float"}, [1.5]), "has the type float"),
        ("seldon", tensor("int64", [True]), "missing value, or one of another type"),
    ],
)
def test_what_has_no_form_is_refused(protocol: Protocol, example: Example, why: str) -> None:
    assert why in refused(protocol, example)


def test_mlflow_server_needs_frames_for_named_columns() -> None:
    assert "xtype: DataFrame" in refused("seldon", NUMBERS, frames=False)
    assert asked("seldon", tensor("float64", [1.5]), frames=False)


COLUMN = st.sampled_from(["double", "float", "long", "integer", "string", "boolean", "datetime"])


@given(st.lists(COLUMN, min_size=1, max_size=4), st.integers(1, 3), st.data())
def test_any_table_is_valid_json_or_refused(kinds: list[str], count: int, data: Any) -> None:
    scalar = st.none() | st.floats() | st.integers(-9, 9) | st.text(max_size=3) | st.booleans()
    rows = [[data.draw(scalar) for _ in kinds] for _ in range(count)]
    example = table({f"c{at}": kind for at, kind in enumerate(kinds)}, *rows)
    assert asking.rows(example) == count
    for protocol in ("v2", "seldon"):
        with contextlib.suppress(Problem):
            sent = asked(protocol, example)
            sizes = sent.get("inputs") or sent["data"]["ndarray"]
            assert len(sizes) == (len(kinds) if protocol == "v2" else count)


@pytest.mark.parametrize(
    ("probe", "environment", "wanted"),
    [
        ("/ping", [], ("mlflow", "")),
        ("/v2/health/ready", [{"name": "MLSERVER_MODEL_NAME", "value": "iris"}], ("v2", "iris")),
        ("/v2/health/ready", [], None),
        ("/readyz", [{"name": "MLSERVER_MODEL_NAME", "value": "iris"}], None),
        (None, [], None),
    ],
)
def test_a_readiness_probe_tells_the_protocol_or_it_is_unknown(
    probe: str | None, environment: list[dict[str, str]], wanted: tuple[str, str] | None
) -> None:
    container = {"env": environment, "readinessProbe": {"httpGet": {"path": probe}}}
    if wanted is None:
        with pytest.raises(Problem, match="/ping"):
            asking.by_probe(container, "iris", 80)
    else:
        found = asking.by_probe(container, "iris", 80)
        assert (found.protocol, found.model) == wanted
        assert (found.service, found.port) == ("iris", 80)
