"""Pure: which of our objects nothing wants any more, and the whole list of changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from m2s.base.labels import KEEP, PAUSED
from m2s.base.wording import told
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Desired, Manifest, Templates, Undeployable
from m2s.domain.scope import Scope
from m2s.domain.versions import Key, Unreadable, Whereabouts
from m2s.objects import diff
from m2s.plan import claims, holds, reasons
from m2s.plan.changes import Blocked, Change, Delete, Unchanged, held_back
from m2s.plan.claims import Heirs, Places
from m2s.plan.holds import Held
from m2s.plan.ties import NONE, Ties
from m2s.platforms import catalogue


def untemplated(
    templates: Templates, desired: Iterable[Desired], live: Iterable[LiveDeployment], scope: Scope
) -> str | None:
    """Return the question that templates raise of which there are only deployments leftor None."""
    made = [item.key.name for item in live if item.template and scope.includes(item)]
    there = any(item.template for item in desired if isinstance(item, Manifest | Undeployable))
    if there or not made:
        return None
    missing = f"--templates {templates.folder} has no templates"
    if templates.missing:
        missing = f"--templates {templates.folder}: there is no such folder"
    if not templates.folder:
        missing = "--templates is not given"
    return (
        f"{missing}, while deployments that were made from templates are here "
        f"({told(made)}); if that is meant, `kubectl delete sdep` removes them"
    )


def candidates(
    desired: Sequence[Desired],
    written: Iterable[Change],
    live: Iterable[LiveDeployment],
    scope: Scope,
    ties: Ties = NONE,
) -> tuple[LiveDeployment, ...]:
    """Return our objects in scope that nothing wants and nothing holds: to be looked up again."""
    wanted = {item.key for item in desired if isinstance(item, Manifest)}
    held = holds.held(desired, written, ties.renamed)
    return tuple(
        item
        for item in live
        if scope.includes(item)
        and item.key not in wanted
        and not (held.why(item) or item.keep or item.deleting or item.fault)
    )


def assemble(
    desired: Sequence[Desired],
    written: Sequence[Change],
    live: Iterable[LiveDeployment],
    whereabouts: Places,
    scope: Scope,
    ties: Ties = NONE,
) -> tuple[Change, ...]:
    """Return one change for every object that is wanted or ours, by name.

    ``written`` is what :func:`m2s.plan.writes.judge` made of ``desired``, ``live`` every object of
    the namespace; ``whereabouts`` has the second look at each that :func:`candidates` named.
    """
    mine = sorted((item for item in live if scope.includes(item)), key=lambda item: item.key)
    claimed = {change.key for change in written}
    free = [item for item in mine if item.key not in claimed]
    refused = [
        _refused(item, free if item.nameless else mine)
        for item in desired
        if isinstance(item, Undeployable)
    ]
    shown = claimed | {change.key for change in refused if change.live}
    held = holds.held(desired, written, ties.renamed)
    heirs = claims.successors(written, ties.renamed)
    rest = [
        _moved(_unwanted(item, whereabouts.get(item.key), held, heirs, ties), mine)
        for item in mine
        if item.key not in shown
    ]
    return tuple(sorted((*written, *refused, *rest), key=_order))


def _order(change: Change) -> tuple[str, str, str]:
    version = change.version if isinstance(change, Blocked) else None
    return change.key.namespace, change.key.name, str(version or "")


def _refused(item: Undeployable, mine: Iterable[LiveDeployment]) -> Blocked:
    live = next((one for one in mine if _is_about(item, one)), None)
    return Blocked(
        live.key if live else item.key,
        item.owner,
        item.reason,
        version=item.version,
        live=live,
        models=item.models,
        template=item.template,
    )


def _is_about(item: Undeployable, live: LiveDeployment) -> bool:
    if item.owner != live.owner:
        return False
    if item.template and not item.nameless:
        return live.key == item.key
    if item.template or live.template:
        return live.template == item.template
    if item.version is None:
        return live.key == item.key
    return live.model == item.version.model


def _left_alone(live: LiveDeployment) -> Change | None:
    """Return what is shown of a deployment that cannot be read, or is going to be gone anyway."""
    if live.unreadable:
        return held_back(live, live.unreadable)
    return Unchanged(live, reasons.of_deletion(live)) if live.deleting else None


def _unwanted(
    live: LiveDeployment,
    found: Whereabouts | Unreadable | None,
    held: Held,
    heirs: Heirs,
    ties: Ties,
) -> Change:
    if left := _left_alone(live):
        return left
    if kept := _kept(live, found, held):
        return kept
    fields = diff.leaves(live.body, "removed")
    successor = claims.heir_of(live.owner, (one.model for one in live.served), heirs)
    moved = _is_moved(live, heirs)
    renamed_to = successor if moved or not live.template else None
    if why := _why_blocked(live, found, ties, renamed_to=renamed_to):
        return held_back(live, why, unread=isinstance(found, Unreadable))
    if renamed_to:
        why = f"{live.model} is served as {renamed_to.name} now"
        return Delete(live, fields, why, renamed_to, moved=moved)
    if found is None or isinstance(found, Unreadable):
        raise AssertionError(f"{live.key}: nobody looked")
    called = ties.renamed.get(live.model or "")
    why = f"{live.model} is called {called} now, and not wanted" if called else found.reason
    return Delete(live, fields, why, successor, found.gone and not (called or live.template))


def _is_moved(live: LiveDeployment, heirs: Heirs) -> bool:
    """Whether objects of another platform serve all that ``live`` does from now on."""
    found = [heirs.get((live.owner, one.model)) for one in live.served]
    return bool(found) and all(heir and heir.kind != live.key.kind for heir in found)


def _moved(change: Change, mine: Iterable[LiveDeployment]) -> Change:
    """Return what is moved to another platform with both endpoints, as far as they are known."""
    if not isinstance(change, Delete) or not change.successor or not change.moved:
        return change
    heir = next((one for one in mine if one.key == change.successor), None)
    ends = [_endpoint(each) for each in (change.live, heir)]
    what = f"{change.live.model} is served as {change.successor.kind} {change.successor.name} now"
    told = " → ".join(each or "not known yet" for each in ends) if any(ends) else ""
    return replace(change, reason=": ".join(filter(None, (what, told))))


def _endpoint(live: LiveDeployment | None) -> str:
    return catalogue.of(live.key).state(live.body).endpoint if live else ""


def _kept(
    live: LiveDeployment, found: Whereabouts | Unreadable | None, held: Held
) -> Unchanged | None:
    """Return that ``live`` stays because of somebody's order, or of what holds it."""
    if live.key in held.paused:
        return Unchanged(live, held.paused[live.key], ordered=True)
    if live.keep:
        kept = "no longer wanted; kept by its annotation m2s.io/keep"
        return Unchanged(live, kept, ordered=True)
    if why := held.why(live):
        return Unchanged(live, why)
    if isinstance(found, Whereabouts) and found.paused:
        return Unchanged(live, f"paused by the tag {PAUSED} of {live.model}", ordered=True)
    return None


def _why_blocked(
    live: LiveDeployment,
    found: Whereabouts | Unreadable | None,
    ties: Ties,
    *,
    renamed_to: Key | None,
) -> str | None:
    """Return why ``live``, which nothing wants, may not be deleted, None where it may."""
    if not live.served:
        return "its annotation m2s.io/model is gone, so the registry cannot be asked about it"
    if live.key in ties.foreign:
        return ties.foreign[live.key]
    if renamed_to:
        return None
    if isinstance(found, Unreadable):
        return f"nothing lists {live.model} any more, and whether it is gone cannot be seen: " + (
            found.reason
        )
    if found is None or found.selected:
        return "a second look at the registry still finds it wanted: held; plan again"
    return None


def teardown(live: Iterable[LiveDeployment], scope: Scope) -> tuple[Change, ...]:
    """Return the deletion of everything that is ours, whatever the registry says."""
    mine = sorted((item for item in live if scope.includes(item)), key=lambda item: item.key)
    return tuple(map(_torn_down, mine))


def _torn_down(live: LiveDeployment) -> Change:
    if left := _left_alone(live):
        return left
    if live.keep or live.paused:
        kept = f"kept by its annotation {KEEP if live.keep else PAUSED}"
        return Unchanged(live, kept, ordered=True)
    return Delete(live, diff.leaves(live.body, "removed"), "teardown: everything of this owner")
