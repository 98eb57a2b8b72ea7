"""Why a change is there, in words: one row of a table for each sentence that people read."""

from __future__ import annotations

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.objects import diff
from m2s.plan import reasons
from tests.kits.tables import CHAMPION, edited, has, wants

SHARES = ("champion", "challenger")
SINCE = "2026-11-21T12:03:00Z"


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (wants("iris", "iris 3"), "v3 is in Staging"),
        (wants("iris", "iris 3", selector=CHAMPION), "v3 is champion"),
        (
            wants("iris", "iris 3, iris 4", selector=CHAMPION, aliases=SHARES),
            "v3 is champion, v4 challenger",
        ),
        (wants("shop", "iris 1", template="shop.yaml"), "iris v1 is in Staging"),
        (wants("shop", "iris 1, tea 2", template="shop.yaml"), "iris v1 and tea v2 are in Staging"),
        (
            wants("shop", "a 1, b 2, c 3, d 4", template="shop.yaml"),
            "a v1, b v2 and 2 more are in Staging",
        ),
    ],
    ids=lambda item: item.replace(" ", "-") if isinstance(item, str) else "",
)
def test_of_a_creation(manifest: Manifest, says: str) -> None:
    assert reasons.of_create(manifest) == says


@pytest.mark.parametrize(
    ("manifest", "live", "says"),
    [
        (wants("iris", "iris 2"), has("iris", "iris 1"), "promoted v1 → v2"),
        (wants("iris", "iris 1"), has("iris", "iris 2"), "rolled back v2 → v1"),
        (wants("iris", "iris 10"), has("iris", "iris 9"), "promoted v9 → v10"),
        (
            wants("iris", "iris 1", image="server:2"), has("iris", "iris 1"),
            "description changed",
        ),
        (
            wants("iris", "iris 1", image="server:2"), has("iris", "iris 1", checksum="server:2"),
            "drifted: edited outside m2s",
        ),
        (
            wants("iris", "iris 1", image="server:2"),
            has("iris", "iris 1", checksum="server:2", metadata=edited("kubectl-edit")),
            "drifted: edited by kubectl-edit at 2026-11-21 12:03 UTC",
        ),
        (
            wants("iris", "iris 1", image="server:2"),
            has("iris", "iris 1", metadata=edited("argocd-controller")),
            "description changed; also edited by argocd-controller at 2026-11-21 12:03 UTC",
        ),
        (
            wants("iris", "iris 2", image="server:2"),
            has("iris", "iris 1", metadata=edited("kubectl-edit")),
            "promoted v1 → v2; also edited by kubectl-edit at 2026-11-21 12:03 UTC",
        ),
        (wants("iris", "iris 1"), has("iris", "iris 1", owner=None), "adopted"),
        (
            wants("iris", "iris 1", image="server:2"),
            has("iris", "iris 1", owner=None, metadata=edited("helm")),
            "adopted from helm",
        ),
        (
            wants("iris", "iris 1"), has("iris", "tea 4"),
            "serves iris v1 now, instead of tea",
        ),
        (
            wants("iris", "iris 1"), has("iris", ""),
            "serves iris v1 now, instead of an unknown model",
        ),
        (
            wants("two", "iris 2, tea 1"), has("two", "iris 1, tea 1"),
            "promoted iris v1 → v2",
        ),
        (wants("two", "iris 1, tea 1"), has("two", "iris 1"), "serves tea v1 too"),
        (wants("two", "iris 1"), has("two", "iris 1, tea 1"), "no longer serves tea"),
        (
            wants("iris", "iris 2, iris 3", aliases=SHARES),
            has("iris", "iris 1, iris 3", aliases=SHARES),
            "promoted v1 → v2 (champion)",
        ),
        (
            wants("iris", "iris 2, iris 3", aliases=SHARES), has("iris", "iris 2"),
            "v3 is challenger",
        ),
        (
            wants("iris", "iris 2", aliases=("champion",)),
            has("iris", "iris 2, iris 3", aliases=SHARES),
            "no challenger any more",
        ),
    ],
    ids=lambda item: item.replace(" ", "-") if isinstance(item, str) else "",
)  # fmt: skip
def test_of_an_update(manifest: Manifest, live: LiveDeployment, says: str) -> None:
    fields = diff.fields(live.body, manifest.body, ())
    assert reasons.of_update(manifest, live, fields) == says


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("flower 1", "iris is called flower now"),
        ("flower 2", "iris is called flower now: flower v2"),
    ],
)
def test_of_a_model_that_was_renamed(wanted: str, says: str) -> None:
    live, manifest = has("iris", "iris 1"), wants("iris", wanted)
    assert reasons.of_update(manifest, live, (), {"iris": "flower"}) == says


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"deletionTimestamp": SINCE}, "is being deleted since 2026-11-21 12:03 UTC"),
        (
            {"deletionTimestamp": SINCE, "finalizers": ["foo/bar"]},
            "is being deleted since 2026-11-21 12:03 UTC, and waits for the finalizer foo/bar",
        ),
        ({"deletionTimestamp": "soon"}, "is being deleted"),
    ],
)  # fmt: skip
def test_of_a_deletion(metadata: dict[str, object], says: str) -> None:
    assert reasons.of_deletion(has("iris", "iris 1", metadata=metadata)) == says
