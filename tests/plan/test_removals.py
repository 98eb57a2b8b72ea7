"""What nothing wants any more: (what is there, the second look) → deleted, kept or blocked."""

from __future__ import annotations

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Templates
from m2s.domain.scope import Scope
from m2s.domain.versions import Unreadable, Whereabouts
from m2s.plan import removals
from m2s.plan.changes import Delete
from tests.kits.tables import OWN, SCOPE, cannot, comes_to, gone, has, rows, wants

DELETING = {"deletionTimestamp": "2026-11-21T12:03:00Z"}
WANTED_AGAIN = Whereabouts(selected=True, reason="v1 is in Staging")


@pytest.mark.parametrize(
    ("live", "look", "row"),
    [
        (has("iris", "iris 1"), gone(), ("-", "v1 is in Archived now")),
        (
            has("iris", "iris 1"), WANTED_AGAIN,
            ("!", "a second look at the registry still finds it wanted: held; plan again"),
        ),
        (
            has("iris", "iris 1"), Unreadable("403"),
            ("!", "nothing lists iris any more, and whether it is gone cannot be seen: 403"),
        ),
        (
            has("iris", "iris 1"), gone(paused=True),
            ("=", "paused by the tag m2s.io/paused of iris"),
        ),
        (
            has("iris", "iris 1", keep=""), gone(),
            ("=", "no longer wanted; kept by its annotation m2s.io/keep"),
        ),
        (has("iris", "iris 1", keep="false"), gone(), ("-", "v1 is in Archived now")),
        (
            has("iris", ""), gone(),
            ("!", "its annotation m2s.io/model is gone, so the registry cannot be asked about it"),
        ),
        (
            has("iris", "iris 1", metadata=DELETING), gone(),
            ("=", "is being deleted since 2026-11-21 12:03 UTC"),
        ),
        (
            has("iris", "iris 1", fault="no spec"), gone(),
            ("!", "it cannot be read, so it is left as it is: no spec"),
        ),
    ],
    ids=[
        "archived", "wanted again", "not to be seen", "paused", "to be kept", "not to be kept",
        "of no model", "being deleted", "unreadable",
    ],
)  # fmt: skip
def test_one_deployment_that_nothing_wants(
    live: LiveDeployment, look: Whereabouts | Unreadable, row: tuple[str, str]
) -> None:
    assert rows(comes_to([], [live], look=look)) == [(row[0], "iris", row[1])]


@pytest.mark.parametrize(
    ("live", "scope"),
    [
        (has("iris", "iris 1", owner="team-a"), SCOPE),
        (has("iris", "iris 1", owner=None), SCOPE),
        (has("iris", "iris 1"), Scope(frozenset({OWN}), ("tea*",))),
    ],
    ids=["another's", "nobody's", "left out by --model"],
)
def test_what_is_out_of_scope_is_not_even_looked_up(live: LiveDeployment, scope: Scope) -> None:
    assert removals.candidates([], [], [live], scope) == ()
    assert comes_to([], [live], scope=scope) == ()


def test_a_deployment_goes_once_its_model_is_served_under_another_name() -> None:
    changes = comes_to([wants("flower", "iris 1")], [has("iris", "iris 1")])
    assert rows(changes) == [
        ("+", "flower", "v1 is in Staging"),
        ("-", "iris", "iris is served as flower now"),
    ]
    assert isinstance(changes[1], Delete)
    assert changes[1].successor == changes[0].key


def test_what_cannot_be_made_shows_the_deployment_that_it_holds() -> None:
    broken = cannot("iris", "iris 2", "deploy.yaml:3: no mapping")
    changes = comes_to([broken], [has("iris-old", "iris 1"), has("tea", "tea 1")])
    assert rows(changes) == [
        ("!", "iris-old", "deploy.yaml:3: no mapping"),
        ("-", "tea", "v1 is in Archived now"),
    ]


def test_a_teardown_asks_nobody_and_keeps_what_people_keep() -> None:
    live = [
        has("a", "a 1"), has("b", "b 1", keep=""), has("c", "c 1", paused="yes"),
        has("d", "d 1", owner="team-a"),
    ]  # fmt: skip
    assert rows(removals.teardown(live, SCOPE)) == [
        ("-", "a", "teardown: everything of this owner"),
        ("=", "b", "kept by its annotation m2s.io/keep"),
        ("=", "c", "kept by its annotation m2s.io/paused"),
    ]


@pytest.mark.parametrize(
    ("templates", "says"),
    [
        (Templates(""), "--templates is not given"),
        (Templates("t"), "--templates t has no templates"),
        (Templates("t", missing=True), "--templates t: there is no such folder"),
    ],
    ids=["not given", "empty", "missing"],
)
def test_templates_of_which_only_deployments_are_left_are_a_question(
    templates: Templates, says: str
) -> None:
    made = has("shop", "iris 1", template="shop.yaml")
    assert str(removals.untemplated(templates, [], [made], SCOPE)).startswith(f"{says}, while")
    assert removals.untemplated(templates, [], [has("iris", "iris 1")], SCOPE) is None
    there = wants("shop", "iris 1", template="shop.yaml")
    assert removals.untemplated(templates, [there], [made], SCOPE) is None
