"""Pure: whose each wanted object is, and what writing it would come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from m2s.base.labels import FIELD_MANAGER
from m2s.domain import history, provenance, verification
from m2s.domain.deployments import LiveDeployment
from m2s.domain.field_owners import owned_by
from m2s.domain.manifests import Desired, Manifest, Paused, Skipped, Undeployable
from m2s.domain.scope import Scope
from m2s.domain.versions import Key
from m2s.objects import diff
from m2s.objects.body import Body
from m2s.plan import holds, reasons
from m2s.plan.changes import Blocked, Change, Create, Unchanged, Update, blocked
from m2s.plan.holds import NO_ONE, Held, Renamed
from m2s.plan.policy import enforced
from m2s.plan.ties import NONE, Ties
from m2s.platforms import catalogue
from m2s.settings.groups import Safety


@dataclass(frozen=True, slots=True)
class Write:
    """A manifest that may be written, and what it would be written over."""

    manifest: Manifest
    live: LiveDeployment | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """That the cluster would not take what would be written, and why."""

    reason: str


def writes(
    desired: Sequence[Desired],
    live: Mapping[Key, LiveDeployment],
    scope: Scope,
    settings: Safety,
    now: str,
    renamed: Renamed = NO_ONE,
) -> tuple[Write | Blocked, ...]:
    """Sort out whose each wanted object is; from here on ignored paths of live ones are left out.

    ``now`` (RFC 3339) goes on record with what begins to serve; a record without times takes "".
    """
    held = holds.held(desired, (), renamed)
    return tuple(
        _write(item, live.get(item.key), scope, settings, held, now)
        for item in desired
        if isinstance(item, Manifest)
    )


def _write(
    manifest: Manifest,
    live: LiveDeployment | None,
    scope: Scope,
    settings: Safety,
    held: Held,
    now: str,
) -> Write | Blocked:
    problem = _not_ours(live, scope, adopt=settings.adopt) if live else ""
    if live and live.fault:
        problem = live.unreadable
    elif live and (why := held.why_not(manifest, live) or verification.held(manifest, live)):
        problem = why
    if live and live.deleting and not problem:
        why = reasons.of_deletion(live)
        problem = f"{live.key.name} {why}; it is created again once it is gone"
    if problem:
        return blocked(manifest, problem, live)
    allowed = enforced(manifest, live, settings.description_policy)
    if isinstance(allowed, Blocked):
        return allowed
    return write(allowed, live, settings.ignore, now, follow=settings.follows)


def write(
    manifest: Manifest,
    live: LiveDeployment | None,
    ignore: Sequence[str],
    now: str,
    *,
    follow: bool = False,
) -> Write:
    """Return what is written of ``manifest``: with the record; over ``live`` no ignored path.

    ``follow`` is as in :func:`m2s.domain.history.recorded`.
    """
    recorded = history.recorded(manifest, live, now, follow=follow)
    recorded = provenance.carried(recorded, live)
    if live:
        body = catalogue.of(live.key).over(recorded.body, live.body)
        recorded = recorded if body is recorded.body else replace(recorded, body=body)
    return Write(_withheld(recorded, live, ignore), live)


def _not_ours(live: LiveDeployment, scope: Scope, *, adopt: bool) -> str | None:
    if live.owner is None:
        if adopt:
            return None
        return f"{live.key.name} exists and is not m2s's; --adopt takes it over"
    if live.owner not in scope.owners:
        return f"{live.key.name} belongs to the owner {live.owner}; give this one another name"
    if not scope.includes(live):
        served = " and ".join(one.model for one in live.served)
        return f"{live.key.name} serves {served}, which --model leaves out"
    return None


def _withheld(manifest: Manifest, live: LiveDeployment | None, ignore: Sequence[str]) -> Manifest:
    """Leave ignored paths of a live object to whoever owns them.

    Where leaving one out would remove it from the live object, its value there is said again. A
    creation writes them: an autoscaler finds no scale without a first ``spec.replicas``.
    """
    if live is None:
        return manifest
    given = tuple(pointer for pointer in ignore if diff.has(manifest.body, pointer))
    lost = [pointer for pointer in ignore if _lost(live, pointer)]
    body = diff.carried(diff.dropped(manifest.body, given), live.body, lost)
    return replace(manifest, body=body, ignored=given) if given or lost else manifest


def _lost(live: LiveDeployment, pointer: str) -> bool:
    """Whether a path that a manifest does not state is removed when the manifest is written.

    A file is replaced whole. Server-side apply drops what its owner stops saying, and replaces the
    CRD's lists whole (structured-merge-diff: a list without a list type is atomic).
    """
    *way, _ = diff.walked(live.body, pointer)
    in_list = any(isinstance(value, list) for _, value in way)
    return in_list or not live.managed_fields or owned_by(live, FIELD_MANAGER, pointer)


def judge(
    items: Iterable[Write | Blocked],
    previews: Mapping[Key, Body | Refusal],
    ignore: Sequence[str],
    ties: Ties = NONE,
) -> tuple[Change, ...]:
    """Return what each wanted object of :func:`writes` comes to.

    ``previews`` has, for each Write, the object as the cluster would have it, or its refusal.
    ``ignore`` has JSON pointers that are not compared.
    """
    changes: tuple[Change, ...] = tuple(
        item
        if isinstance(item, Blocked)
        else _judged(item, previews[item.manifest.key], ignore, ties)
        for item in items
    )
    return holds.keeping(changes, ties.renamed)


def _judged(item: Write, merged: Body | Refusal, ignore: Sequence[str], ties: Ties) -> Change:
    manifest, live = item.manifest, item.live
    if isinstance(merged, Refusal):
        return replace(blocked(manifest, merged.reason, live), manifest=manifest)
    if live is None:
        fields = diff.leaves(merged, "added")
        return Create(manifest, merged, fields, reasons.of_create(manifest))
    fields, accepted = diff.fields(live.body, merged, ignore), ties.accepted.get(live.key, "")
    if not fields and not accepted:
        return Unchanged(live, manifest.pin, manifest, ordered=bool(manifest.pin))
    if live.key in ties.foreign:
        return blocked(manifest, ties.foreign[live.key], live)
    why = reasons.of_update(manifest, live, fields, ties.renamed) if fields else ""
    return Update(
        manifest, live, merged, fields, "; ".join(filter(None, (manifest.pin, why, accepted)))
    )


def narrowed(
    desired: Sequence[Desired], live: Mapping[Key, LiveDeployment], scope: Scope
) -> tuple[Desired, ...]:
    """Return ``desired`` without the templates of which --model leaves every model out."""
    return tuple(
        item
        for item in desired
        if isinstance(item, Skipped | Paused) or _is_looked_at(item, live.get(item.key), scope)
    )


def _is_looked_at(item: Manifest | Undeployable, live: LiveDeployment | None, scope: Scope) -> bool:
    if not item.template or (live and scope.includes(live)):
        return True
    if isinstance(item, Undeployable):
        return item.nameless or not item.held or any(map(scope.includes_model, item.held))
    return any(scope.includes_model(version.model) for version in item.models)
