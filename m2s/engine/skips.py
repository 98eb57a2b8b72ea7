"""Pure: which object each skipped version is about, so that it can be told of by a name."""

from __future__ import annotations

from collections.abc import Iterator

from m2s.desired.choosing import default_name
from m2s.domain.manifests import Skipped
from m2s.domain.versions import Key
from m2s.plan.changes import Create
from m2s.plan.plan import Plan


def of(plan: Plan) -> Iterator[tuple[Key, Skipped]]:
    """Yield each skipped version, with the deployment that serves its model, or would."""
    there = {
        (change.live.owner, one.model): change.key
        for change in plan.changes
        if not isinstance(change, Create) and change.live
        for one in change.live.served
    }
    for item in plan.skipped:
        version = item.version
        name = default_name(version.model, item.selector)
        yield there.get((item.owner, version.model), Key(plan.namespace, name)), item


def told(item: Skipped) -> str:
    """Return why a version is skipped, in a line that names it."""
    return f"{item.version} ({item.selector}): {item.reason}"
