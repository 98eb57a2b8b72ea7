"""What stands below a row: the part of a long value that differs, and what a creation brings."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from m2s.output.changes_view import LONGEST, differing
from tests.kits.support import description
from tests.kits.worlds import World

LONG = "s3://models/" + "deep/" * 40


def test_a_long_value_shows_the_part_that_differs() -> None:
    old, new = differing(f"{LONG}v3/model", f"{LONG}v4/model")
    assert (old[0], new[0]) == ("…", "…")
    assert old.endswith("v3/model")
    assert new.endswith("v4/model")


def test_a_secret_is_hidden_before_a_value_is_cut() -> None:
    old, new = differing(f"http://user:hunter2@host/{LONG}1", f"http://user:hunter2@host/{LONG}2")
    assert "hunter2" not in old + new


@given(st.text("ab", max_size=400), st.text("ab", max_size=400))
def test_two_values_that_differ_never_look_alike(old: str, new: str) -> None:
    shown = differing(old, new)
    assert (shown[0] == shown[1]) == (old == new)
    assert max(map(len, shown)) <= LONGEST + 1


def test_a_creation_shows_what_matters_and_the_whole_object(on_folder: World) -> None:
    deploy = description("iris").replace(
        "image: server:1.18.2",
        "image: server:1.18.2\n          resources: {limits: {memory: 1Gi}, requests: {cpu: 1}}\n"
        "          env: [{name: LEVEL, value: debug-everything}]",
    )
    on_folder.models.add("iris", deploy)
    out = on_folder("plan").out
    assert "image server:1.18.2" in out
    assert "resources limits.memory 1Gi, requests.cpu 1" in out
    assert "replicas 1" in out
    for output in ("json", "yaml"):
        text = on_folder("plan", "-o", output).out
        assert "debug-everything" not in text
    (change,) = json.loads(on_folder("plan", "-o", "json").out)["changes"]
    predictor = change["object"]["spec"]["predictors"][0]
    assert predictor["componentSpecs"][0]["spec"]["containers"][0]["image"] == "server:1.18.2"


def test_a_creation_without_resources_says_nothing_of_them(on_folder: World) -> None:
    empty = "image: server:1.18.2\n          resources: {}"
    on_folder.models.add("iris", description("iris").replace("image: server:1.18.2", empty))
    assert "resources" not in on_folder("plan").out
