"""What is held, and why: what could not be read or written keeps what is there."""

from __future__ import annotations

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Desired, Manifest, Paused, Skipped
from m2s.plan import holds
from m2s.plan.changes import Blocked
from tests.kits.tables import OWN, STAGING, cannot, comes_to, has, key, rows, versions, wants

BROKEN = cannot("iris", "iris 2", "deploy.yaml:3: no mapping")
SKIPPED = Skipped(OWN, STAGING, versions("iris 2")[0], "no deploy.yaml")
TEMPLATE = cannot("shop", "", "no YAML", template="shop.yaml")
NAMELESS = cannot("", "", "x.yaml:1: no YAML", template="x.yaml", nameless=True)


@pytest.mark.parametrize(
    ("item", "live", "why"),
    [
        (BROKEN, has("iris", "iris 1"), "held: iris v2: deploy.yaml:3: no mapping"),
        (BROKEN, has("other", "iris 1"), "held: iris v2: deploy.yaml:3: no mapping"),
        (BROKEN, has("two", "tea 1, iris 1"), "held: iris v2: deploy.yaml:3: no mapping"),
        (BROKEN, has("tea", "tea 1"), None),
        (BROKEN, has("iris", "iris 1", owner="team-a"), None),
        (SKIPPED, has("iris", "iris 1"), "held: iris v2: no deploy.yaml"),
        (SKIPPED, has("iris", "iris 1", template="shop.yaml"), None),
        (TEMPLATE, has("shop", "iris 1", template="shop.yaml"), "held: shop.yaml: no YAML"),
        (TEMPLATE, has("tea", "tea 1", template="tea.yaml"), None),
        (NAMELESS, has("tea", "tea 1", template="tea.yaml"), "held: x.yaml: x.yaml:1: no YAML"),
        (NAMELESS, has("iris", "iris 1"), None),
        (Paused(key("iris"), OWN, "paused by hand"), has("iris", "iris 1"), "paused by hand"),
        (wants("iris", "iris 2"), has("iris", "iris 1"), None),
    ],
    ids=[
        "its model", "its model, under another name", "one of its models", "another model",
        "another owner's", "skipped", "skipped, but made from a template", "its template",
        "another template", "a template without a name", "no template's", "paused", "wanted",
    ],
)  # fmt: skip
def test_what_could_not_be_made_holds_what_is_there(
    item: Desired, live: LiveDeployment, why: str | None
) -> None:
    assert holds.held([item], ()).why(live) == why


def test_a_blocked_row_holds_its_model() -> None:
    row = Blocked(key("new"), OWN, "refused", version=versions("iris 2")[0])
    found = holds.held((), [row])
    assert found.why(has("old", "iris 1")) == "held: new is blocked"
    assert found.why(has("tea", "tea 1")) is None


def test_what_is_held_is_held_under_its_old_name() -> None:
    found = holds.held([BROKEN], (), {"flower": "iris"})
    assert found.why(has("flower", "flower 1")) == "held: iris v2: deploy.yaml:3: no mapping"


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (
            wants("two", "tea 2"),
            "two still serves iris, which is held: iris v2: deploy.yaml:3: no mapping",
        ),
        (wants("two", "tea 2, iris 1"), None),
    ],
    ids=["leaves it out", "serves it on"],
)  # fmt: skip
def test_what_serves_a_held_model_is_not_written_without_it(
    manifest: Manifest, why: str | None
) -> None:
    assert holds.held([BROKEN], ()).why_not(manifest, has("two", "tea 1, iris 1")) == why


def test_blocks_spread_until_nothing_more_is_lost() -> None:
    """``a`` is refused, so ``b`` keeps serving a's model, so ``c`` keeps serving b's."""
    wanted = [wants("a", "one 2"), wants("b", "two 2"), wants("c", "three 2")]
    live = [has("b", "one 1"), has("c", "two 1")]
    changes = comes_to(wanted, live, refuses={"a": "no quota"})
    assert rows(changes) == [
        ("!", "a", "no quota"),
        ("!", "b", "b still serves one, which is held: a is blocked"),
        ("!", "c", "c still serves two, which is held: b is blocked"),
    ]
