"""What an answer comes to: its status and shape count, and no value is ever told."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.domain.asking import Example, Protocol, Reply
from m2s.platforms.common import answers

ANY = Example({"inputs": [1.5]})


def ok(document: Any) -> Reply:
    return Reply(200, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("protocol", "document", "shape"),
    [
        ("mlflow", {"predictions": [0.5, 0.25]}, "2 predictions"),
        ("mlflow", {"predictions": {"label": "x"}}, "predictions"),
        ("v2", {"outputs": [{"name": "o", "shape": [2, 1], "data": [1, 2]}]}, "outputs of 2 x 1"),
        ("seldon", {"data": {"ndarray": [[1, 2], [3, 4]]}}, "data of 2 x 2"),
        ("seldon", {"data": {"tensor": {"shape": [2], "values": [1, 2]}}}, "data of 2"),
    ],
)
def test_a_good_answer_has_a_shape(protocol: Protocol, document: Any, shape: str) -> None:
    reply = ok(document)
    assert answers.fault(reply, protocol, ANY) == ""
    assert answers.shape(reply, protocol) == shape


@pytest.mark.parametrize(
    ("protocol", "reply", "why"),
    [
        ("mlflow", Reply(0, why="connection refused"), "nobody answered: connection refused"),
        ("mlflow", ok([1]), "no JSON object"),
        ("mlflow", Reply(200, b"<html>"), "no JSON object"),
        ("mlflow", ok({"outputs": []}), "no predictions"),
        ("mlflow", ok({"predictions": []}), "empty predictions"),
        ("v2", ok({"outputs": 3}), "no outputs"),
        ("seldon", ok({"status": {"status": "FAILURE"}}), "no data"),
        ("mlflow", Reply(500, b'{"message": "boom\\nat line"}'), "it answered HTTP 500: boom"),
        ("v2", Reply(400, b'{"error": "bad shape"}'), "it answered HTTP 400: bad shape"),
        ("seldon", Reply(500, b'{"status": {"info": "bad"}}'), "it answered HTTP 500: bad"),
        ("mlflow", Reply(422, b'{"detail": [{"msg": "no"}]}'), "it answered HTTP 422: no"),
        ("mlflow", Reply(502, b"<html>\n<body>"), "it answered HTTP 502: an HTML page"),
        ("mlflow", Reply(500, b""), "it answered HTTP 500"),
    ],
)
def test_what_does_not_count_says_why(protocol: Protocol, reply: Reply, why: str) -> None:
    assert why in answers.fault(reply, protocol, ANY)


def test_a_readiness_call_wants_a_status_alone() -> None:
    assert answers.fault(Reply(200, b""), "mlflow", None) == ""
    assert answers.fault(Reply(503, b"later"), "mlflow", None) == "it answered HTTP 503: later"


SECRET = Example(
    {
        "dataframe_split": {
            "columns": ["name", "income"],
            "data": [["Jane Doe-Miller", 51234.5678], ["x", True]],
        }
    }
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("could not convert string to float: 'Jane Doe-Miller'", "'* *-*'"),
        ("bad value 51234.57 in income", "bad value * in income"),
        ("bad value 5.12346e+04", "bad value *"),
        ("bad value 51234.5678.", "bad value *."),
        ("column name has JANE, mille", "column name has *, *"),
        ("feature_jane5", "*"),
        ("value x", "value *"),
        ("is True", "is *"),
        ("expected 2 features, got 7", "expected 2 features, got 7"),
    ],
)
def test_values_of_the_example_are_taken_out_of_an_error(said: str, told: str) -> None:
    body = json.dumps({"message": said}).encode()
    assert told in answers.first_line(body, SECRET)


TEXTS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
VALUES = TEXTS | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9)


@given(st.lists(VALUES, min_size=1, max_size=5), st.sampled_from([repr, str, json.dumps]))
def test_no_value_is_told_however_it_is_written(values: list[Any], write: Any) -> None:
    line = answers.first_line(
        json.dumps({"error": f"~ {' ~ '.join(map(write, values))} ~"}).encode(),
        Example({"inputs": values}),
    )
    told = re.findall(r"\w+", line)
    for value in values:
        for word in re.findall(r"\w+", str(value)):
            assert word not in told
