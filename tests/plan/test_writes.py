"""(what is wanted, what is there) → what writing it comes to; no server is asked."""

from __future__ import annotations

from typing import Any

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.domain.scope import Scope
from m2s.plan import writes
from m2s.plan.changes import Blocked
from tests.kits.tables import OWN, SCOPE, comes_to, has, held_by, key, rows, settings, wants

IRIS = wants("iris", "iris 2")
DELETING = {"deletionTimestamp": "2026-11-21T12:03:00Z"}
SINCE = "is being deleted since 2026-11-21 12:03 UTC"


@pytest.mark.parametrize(
    ("live", "options", "row"),
    [
        (None, {}, ("+", "v2 is in Staging")),
        (has("iris", "iris 2"), {}, ("=", "")),
        (has("iris", "iris 1"), {}, ("~", "promoted v1 → v2")),
        (has("iris", "iris 2", image="mine"), {}, ("~", "description changed")),
        (
            has("iris", "iris 2", image="mine", checksum="server:1"), {},
            ("~", "drifted: edited outside m2s"),
        ),
        (
            has("iris", "iris 2", image="mine", checksum="server:1"), {"ignore": ["/spec/image"]},
            ("=", ""),
        ),
        (
            has("iris", "iris 2", owner=None), {},
            ("!", "iris exists and is not m2s's; --adopt takes it over"),
        ),
        (has("iris", "iris 2", owner=None), {"adopt": True}, ("~", "adopted")),
        (
            has("iris", "iris 2", owner="team-a"), {},
            ("!", "iris belongs to the owner team-a; give this one another name"),
        ),
        (
            has("iris", "iris 2", owner="team-a"), {"adopt": True},
            ("!", "iris belongs to the owner team-a; give this one another name"),
        ),
        (
            has("iris", "iris 2", metadata=DELETING), {},
            ("!", f"iris {SINCE}; it is created again once it is gone"),
        ),
        (
            has("iris", "iris 2", fault="spec is no mapping"), {},
            ("!", "it cannot be read, so it is left as it is: spec is no mapping"),
        ),
    ],
    ids=[
        "absent", "the same", "older", "described otherwise", "edited", "edited where ignored",
        "nobody's", "nobody's, adopted", "another's", "another's, adopted", "being deleted",
        "unreadable",
    ],
)  # fmt: skip
def test_one_manifest_over_what_is_there(
    live: LiveDeployment | None, options: dict[str, Any], row: tuple[str, str]
) -> None:
    (made,) = rows(comes_to([IRIS], [live] if live else [], **options))
    assert made == (row[0], "iris", row[1])


def test_a_refusal_of_the_cluster_blocks_one_row() -> None:
    changes = comes_to([IRIS, wants("tea", "tea 1")], [], refuses={"iris": "no quota"})
    assert rows(changes) == [("!", "iris", "no quota"), ("+", "tea", "v1 is in Staging")]
    assert held_by(changes[0]) == ("iris",)


def test_what_model_leaves_out_is_not_written_over() -> None:
    live = [has("iris", "tea 1")]
    (change,) = writes.writes(
        [IRIS], {key("iris"): live[0]}, Scope(frozenset({OWN}), ("iris",)), settings(), ""
    )
    assert isinstance(change, Blocked)
    assert change.reason == "iris serves tea, which --model leaves out"


@pytest.mark.parametrize(
    ("live", "written"),
    [(None, True), (has("iris", "iris 1"), False)],
    ids=["on creation", "over what is there"],
)
def test_an_ignored_path_is_written_only_on_creation(
    live: LiveDeployment | None, written: bool
) -> None:
    there = {live.key: live} if live else {}
    (item,) = writes.writes([IRIS], there, SCOPE, settings(ignore=["/spec/image"]), "")
    assert isinstance(item, writes.Write)
    # In a file, which knows no owners of fields, the value that is there is said again.
    assert item.manifest.body["spec"].get("image") == "server:1"
    assert item.manifest.ignored == (() if written else ("/spec/image",))


def test_a_pin_is_no_drift_and_says_why() -> None:
    pinned = wants("iris", "iris 1", pin="pinned to v1")
    assert rows(comes_to([pinned], [has("iris", "iris 1")])) == [("=", "iris", "pinned to v1")]
    moved = rows(comes_to([pinned], [has("iris", "iris 2")]))
    assert moved == [("~", "iris", "pinned to v1; rolled back v2 → v1")]
