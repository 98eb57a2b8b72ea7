"""The page of ``m2s watch``: search, filter, pages and one deployment, without a script."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.domain.versions import Selector
from tests.kits.support import description, tried
from tests.observers.test_page import Reader, Watched, see, served

HOSTILE = ["<script>alert(1)</script>", '"><b>', "\x1b[2J", "9" * 400]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    made = Watched(tmp_path)
    made.registry.add("iris", description("iris"))
    made.make()
    see(made, served("tea", "Available"), served("wine", "Failed", description="no GPU"))
    return made


def names(watched: Watched, **query: str) -> list[str]:
    """Return the deployments that are linked to, in their order."""
    reader = Reader(watched.ask(query=urlencode(query)).body)
    links = [a["href"] or "" for tag, a in reader.tags if tag == "a"]
    return [link.partition("=")[2] for link in links if link.startswith("?deployment=")]


def test_what_is_not_well_comes_first(watched: Watched) -> None:
    watched.registry.add("iris", "kind: Pod", stage=None)
    watched.registry.move("iris", 2, "Staging")
    watched.registry.add("nut", None)
    watched.make()
    see(watched, served("tea", "Available"), served("wine", "Failed"))
    lines = watched.lines()
    order = ["Blocked", "Skipped", "Served"]
    assert sorted(order, key=lines.index) == order
    there = names(watched)
    assert there[0] == "iris"
    assert there.index("wine") < there.index("tea")


def test_a_search_is_by_name_model_and_version_and_state(watched: Watched) -> None:
    assert set(names(watched)) == {"iris", "tea", "wine"}
    assert names(watched, q="WI") == ["wine"]
    assert names(watched, state="available") == ["tea"]
    assert names(watched, q="i", state="available") == []
    body = watched.ask(query="q=WI").body
    assert "1 found," in Reader(body).lines
    assert 'value="WI"' in body


def test_one_deployment_has_a_page_with_its_history_and_mlflow(watched: Watched) -> None:
    history = (
        '[{"served":[{"model":"b","version":"2"}],"since":"2026-11-21T12:03:59Z"},'
        '{"served":[{"model":"b","version":"1"}],"since":"2026-11-20T12:03:59Z"}]'
    )
    see(watched, served("b", "Available", annotations={"m2s.io/history": history}))
    body = watched.ask(query="deployment=b").body
    reader = Reader(body)
    assert "tea" not in reader.lines
    assert {"v2", "v1", "Available", "stage=Staging"} <= set(reader.lines)
    links = {a.get("href") for tag, a in reader.tags if tag == "a"}
    assert "http://mlflow.example.com/#/models/b/versions/1" in links
    iris = Reader(watched.ask(query="deployment=iris").body)
    assert "Last plan" in iris.lines
    run = watched.registry.select(Selector("stage", "Staging"))[0].run_id
    links = {a.get("href") for tag, a in iris.tags if tag == "a"}
    assert f"http://mlflow.example.com/#/runs/{run}" in links


def test_one_that_is_not_there_says_so(watched: Watched) -> None:
    lines = Reader(watched.ask(query="deployment=none").body).lines
    assert "There is no deployment none here." in lines


def test_ten_thousand_come_page_by_page(watched: Watched) -> None:
    see(watched, *(served(f"n{number:05}", "Available") for number in range(10_000)))
    first = watched.ask()
    assert len(first.body) < 400_000
    assert "page 1 of 51" in Reader(first.body).lines
    assert len(names(watched, page="2", state="available")) == 200
    assert "n09999" in names(watched, page="99999", q="n0")
    assert names(watched, q="n01234") == ["n01234"]


def test_many_that_are_blocked_are_counted_and_found(watched: Watched) -> None:
    for number in range(300):
        watched.registry.add(f"m{number:03}", "kind: Pod")
    watched.make()
    first = watched.ask()
    assert len(first.body) < 300_000
    assert "and 100 more: search for a name" in Reader(first.body).lines
    assert len([name for name in names(watched) if name.startswith("m")]) == 200
    (found,) = names(watched, q="m299")
    assert found.startswith("m299")


@tried(60, sharing=True)
@given(st.text(min_size=1), st.sampled_from(["", "</td><script>", "\" onload=x'"]))
def test_whatever_a_deployment_says_is_text(watched: Watched, text: str, more: str) -> None:
    note = {"m2s.io/pinned": text + more, "m2s.io/model": more + text, "m2s.io/selector": more}
    see(watched, served("wine", text + more, description=more + text, annotations=note))
    for query in ("", "deployment=wine"):
        tags = Reader(watched.ask(query=query).body).tags
        assert "script" not in {tag for tag, _ in tags}
        assert not any(name.startswith("on") for _, attributes in tags for name in attributes)


@tried(60, sharing=True)
@given(
    st.dictionaries(
        st.sampled_from(["q", "state", "deployment", "page", "x"]),
        st.one_of(st.text(), st.sampled_from(HOSTILE)),
    )
)  # fmt: skip
def test_whatever_is_asked_for_is_a_whole_page(watched: Watched, query: dict[str, str]) -> None:
    answer = watched.ask(query=urlencode(query, errors="replace"))
    assert answer.status == "200 OK"
    reader = Reader(answer.body)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert "\x1b" not in answer.body
