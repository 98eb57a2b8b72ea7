"""What was found of a version is told wherever people look, and no value of an example with it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from m2s.domain import verification
from m2s.domain.asking import Example, Question, Reply
from m2s.domain.deployments import LiveDeployment
from m2s.domain.scope import Scope
from m2s.domain.verification import Verification
from m2s.domain.versions import Key, Served
from m2s.engine import detail, live_tags, status
from m2s.engine.detail import Detail
from m2s.engine.proving import Prover
from m2s.observers.page import rows
from m2s.output import detail_view, status_view
from m2s.settings.build import build
from m2s.targets.cluster import Cluster
from tests.kits.deployments import body as deployment
from tests.kits.fakes import FakeRegistry

OWNER = "stage-staging"
SCOPE = Scope(frozenset({OWNER}))
GOOD = Verification(
    result="verified", revision="44444444", version="v4", at="2026-12-01T12:03:00Z",
    status=200, seconds=0.12, shape="2 predictions",
)  # fmt: skip
BAD = Verification(
    result="failed", revision="44444444", version="v4", at="2026-12-01T12:03:00Z",
    status=500, step="answer", why="it answered HTTP 500: boom",
)  # fmt: skip
GAVE_WAY = "v4 did not answer at 2026-12-01 12:03 UTC: it answered HTTP 500: boom"


def live(version: str = "4", revision: str = "44444444") -> LiveDeployment:
    """Iris in this version, after its v4 where that is another one."""
    past = [{"served": [{"model": "iris", "version": version}], "revision": revision}]
    past += [{"served": [{"model": "iris", "version": "4"}], "revision": "44444444"}]
    annotations = {
        "m2s.io/model": "iris",
        "m2s.io/version": version,
        "m2s.io/checksum": f"sha256:{revision}0000",
        "m2s.io/history": json.dumps(past[: 1 if version == "4" else 2]),
    }
    body = deployment("default", "iris", annotations=annotations)
    return LiveDeployment(Key("default", "iris"), body)


def noted(one: LiveDeployment, found: Verification, *, failed: bool = False) -> LiveDeployment:
    """Return a deployment with what was found, as the cluster has it then."""
    marks = verification.noted(one, found, failed=failed)
    metadata = one.body["metadata"]
    annotations = {**metadata["annotations"], **marks}
    return replace(one, body={**one.body, "metadata": {**metadata, "annotations": annotations}})


def places(one: LiveDeployment) -> dict[str, str]:
    """Return what each place shows of it, on lines that do not end."""
    found = status.of("x", "default", [one], Scope(frozenset()))
    (serving,) = found.deployments
    return {
        "status": text(status_view.table(found, 500)),
        "status -o markdown": status_view.markdown(found),
        "status NAME": text(detail_view.table(found, Detail(), 500)),
        "status NAME -o markdown": detail_view.markdown(found, Detail()),
        "history": text(detail_view.history(found, 500)),
        "history -o markdown": detail_view.history_markdown(found),
        "the page": "\n".join(rows.row(serving).answers),
        "JSON": json.dumps(status.document(found, detail.document(Detail()))),
        "MLflow": json.dumps([*live_tags.wanted([one], SCOPE).values()]),
    }


def text(shown: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=500, highlight=False).print(shown)
    return out.getvalue()


@pytest.mark.parametrize("place", places(live()))
def test_an_answer_is_told_with_its_status_seconds_and_shape(place: str) -> None:
    told = places(noted(live(), GOOD))[place]
    if place == "JSON":
        (one,) = json.loads(told)["deployments"]
        assert one["verified"] == one["found"][0]
        assert (one["verified"]["status"], one["verified"]["seconds"]) == (200, 0.12)
        assert (one["verified"]["shape"], one["failed"]) == ("2 predictions", [])
    else:
        assert "verified: HTTP 200 in 0.12 s, 2 predictions" in told


@pytest.mark.parametrize("place", places(live()))
def test_what_gave_way_is_told_beside_what_serves(place: str) -> None:
    told = places(noted(live("3", "33333333"), BAD, failed=True))[place]
    if place == "JSON":
        (one,) = json.loads(told)["deployments"]
        assert (one["verified"], one["failed"][0]["why"]) == (None, BAD.why)
    else:
        assert GAVE_WAY in told


def test_mlflow_has_on_what_gave_way_why_and_nothing_that_says_it_is_live() -> None:
    tags = live_tags.wanted([noted(live("3", "33333333"), BAD, failed=True)], SCOPE)
    assert tags[Served("iris", "4")] == {live_tags.key(OWNER, "verified"): GAVE_WAY}
    assert live_tags.key(OWNER, "verified") not in tags[Served("iris", "3")]
    elsewhere = Scope(frozenset({"another"}))
    assert live_tags.wanted([noted(live(), GOOD)], elsewhere) == {}


class _Answers:
    """A cluster of which one thing is asked."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def ask(self, _question: Question, _seconds: float) -> Reply:
        return self._reply


TEXTS = st.from_regex(r"[qxz]{5,9}", fullmatch=True)
NUMBERS = st.floats(1e6, 1e9).filter(lambda one: one != int(one))


@given(
    st.lists(TEXTS, min_size=1, max_size=4) | st.lists(NUMBERS, min_size=1, max_size=4),
    st.sampled_from([200, 400, 422, 500]),
    st.sampled_from([repr, str, json.dumps, "{0} and {0}".format]),
    st.booleans(),
)
def test_no_value_of_an_example_or_an_answer_is_told_anywhere(
    values: list[Any], code: int, write: Any, gave_way: bool
) -> None:
    said = f"cannot use {' ~ '.join(map(write, values))}\nTraceback"
    document = {"data": {"ndarray": values}} if code == 200 else {"status": {"info": said}}
    cluster = cast(Cluster, _Answers(Reply(code, json.dumps(document).encode())))
    registry, one = FakeRegistry(), live()
    spec = {"type": "string" if isinstance(values[0], str) else "double"}
    registry.examples[Served("iris", "4")] = Example({"inputs": values}, (spec,))
    prover = Prover(registry, cluster, build({"stage": ["Staging"]}, {}), sleep=lambda _: None)

    found = prover.verify(one)

    assert found.result == ("verified" if code == 200 else "failed"), found
    told = json.dumps(places(noted(one, found, failed=gave_way and code != 200)))
    assert not [value for value in values if str(value) in told]


class _Loading:
    """An MLServer that says 400 until it has loaded the model, and then answers so."""

    def __init__(self, status: int) -> None:
        self._status, self.left = status, 3

    def ask(self, question: Question, _seconds: float) -> Reply:
        if question.body is None:
            return Reply(400 if self.left else 200)
        self.left -= bool(self.left)
        if self.left:
            return Reply(400, b'{"error": "Model iris is not ready yet."}')
        return Reply(self._status, b'{"outputs": [{"shape": [1]}]}')


@pytest.mark.parametrize(("status", "result"), [(200, "verified"), (400, "failed")])
def test_a_server_that_loads_the_model_is_asked_again(status: int, result: str) -> None:
    registry, one = FakeRegistry(), live()
    spec = one.body["spec"]
    one = replace(one, body={**one.body, "spec": {**spec, "protocol": "v2"}})
    registry.examples[Served("iris", "4")] = Example({"inputs": ["x"]}, ({"type": "string"},))
    cluster = cast(Cluster, _Loading(status))
    prover = Prover(registry, cluster, build({"stage": ["Staging"]}, {}), sleep=lambda _: None)
    assert prover.verify(one).result == result
