"""A plan counts, and says when deleting would be refused."""

from __future__ import annotations

from typing import Any

import pytest

from m2s.base.errors import Refused
from m2s.domain.budget import MaxDelete
from m2s.domain.manifests import Skipped
from m2s.plan.changes import Action, Change
from m2s.plan.plan import Plan, summary
from tests.kits.tables import (
    OWN,
    SCOPE,
    STAGING,
    cannot,
    comes_to,
    gone,
    has,
    rows,
    versions,
    wants,
)

NORMAL = MaxDelete(5, 30)
EVERY = comes_to(
    [
        wants("create", "a 1"),
        wants("update", "b 2"),
        wants("same", "c 1"),
        cannot("broken", "d 1", "no YAML"),
    ],
    [has("update", "b 1"), has("same", "c 1"), has("delete", "e 1")],
)


def plan(changes: tuple[Change, ...] = EVERY, **more: Any) -> Plan:
    owned: dict[str, Any] = {"owned": {OWN: 3}, "offered": {OWN: 4}, **more}
    return Plan("registry", "cluster", "shop", (STAGING,), SCOPE, changes, (), **owned)


def deletions(count: int, **look: Any) -> tuple[Change, ...]:
    return comes_to([], [has(f"m{n}", f"m{n} 1") for n in range(count)], look=gone(**look))


def test_it_counts_each_kind_of_change() -> None:
    counts = {action.value: plan().count(action) for action in Action}
    assert counts == {"+": 1, "~": 1, "-": 1, "=": 1, "!": 1}
    whole = "Plan: 1 to create, 1 to update, 1 to delete, 1 unchanged, 1 blocked"
    assert summary(plan()) == whole
    nothing = "Plan: 0 to create, 0 to update, 0 to delete, 0 unchanged"
    assert summary(plan(())) == nothing
    left = Plan(
        "", "", "", (), SCOPE, (), (Skipped(OWN, STAGING, versions("f 1")[0], ""),), {}, None
    )
    assert summary(left) == f"{nothing}, 1 skipped"


@pytest.mark.parametrize(
    ("symbols", "pending"), [("+", True), ("~", True), ("-", True), ("=!", False), ("", False)]
)
def test_what_is_unchanged_or_blocked_is_not_pending(symbols: str, pending: bool) -> None:
    changes = tuple(each for each in EVERY if each.action.value in symbols)
    assert plan(changes).pending is pending


@pytest.mark.parametrize(
    ("count", "owned", "budget", "refused"),
    [
        (5, 5, NORMAL, False),
        (6, 6, NORMAL, True),
        (6, 20, NORMAL, False),
        (7, 20, NORMAL, True),
        (1, 1, MaxDelete(0, 0), True),
        (1, 1, MaxDelete(0, 100), False),
        (0, 0, MaxDelete(0, 0), False),
    ],
    ids=["five", "six of six", "30 %", "over 30 %", "none allowed", "all allowed", "nothing"],
)
def test_deletions_have_a_budget(count: int, owned: int, budget: MaxDelete, refused: bool) -> None:
    made = plan(deletions(count), owned={OWN: owned})
    says = (
        f"{count} of {owned} deployments would be deleted, over --max-delete {budget}; "
        f"`--max-delete {count}` allows it"
    )
    assert made.refusal(budget) == (says if refused else None)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"offered": {OWN: 0}}, "the registry has nothing for stage-staging any more, while 3 "),
        ({"doubt": "another registry"}, "another registry"),
        ({"untemplated": "no templates"}, "no templates"),
    ],
    ids=["nothing offered", "in doubt", "no templates"],
)
def test_a_source_that_looks_gone_refuses_even_to_write(more: dict[str, Any], says: str) -> None:
    made = plan(**more)
    assert made.doubtful
    assert str(made.refusal(NORMAL)).startswith(says)
    with pytest.raises(Refused, match=says):
        made.raise_if_unsafe(NORMAL, deleting=False)


def test_too_many_deletions_refuse_only_who_deletes() -> None:
    made = plan(deletions(9), owned={OWN: 9})
    made.raise_if_unsafe(NORMAL, deleting=False)
    with pytest.raises(Refused, match="9 of 9"):
        made.raise_if_unsafe(NORMAL, deleting=True)


@pytest.mark.parametrize(
    ("count", "owned", "accepted", "asks"),
    [(2, 4, False, True), (2, 5, False, False), (1, 1, False, False), (2, 4, True, False)],
    ids=["half", "less than half", "one", "accepted"],
)
def test_models_that_vanish_are_a_question(
    count: int, owned: int, accepted: bool, asks: bool
) -> None:
    lost = deletions(count, gone=True)
    made = plan(lost, owned={OWN: owned}, accepted=accepted)
    assert ("--accept-registry deletes them" in str(made.refusal(NORMAL))) is asks


def test_prune_takes_deletions_and_what_they_wait_for() -> None:
    kept = rows(plan().only_deletions().changes)
    assert [row[:2] for row in kept] == [("!", "broken"), ("+", "create"), ("-", "delete")]
