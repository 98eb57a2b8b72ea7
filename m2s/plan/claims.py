"""Pure: whose a name is: it belongs to the model that serves under it (law 9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from m2s.base.labels import KEEP, SELECTOR
from m2s.base.wording import told
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Desired, Manifest, Undeployable
from m2s.domain.versions import Key, Unreadable, Whereabouts
from m2s.plan import holds
from m2s.plan.changes import (
    Blocked,
    Change,
    Create,
    Delete,
    Takeover,
    Unchanged,
    Update,
    blocked,
    loses,
)
from m2s.plan.holds import Renamed

Places = Mapping[Key, Whereabouts | Unreadable]
"""What a second look at what a deployment serves came to, or why it was not possible."""
Heirs = Mapping[tuple[str | None, str], Key]
"""By owner and model, the object that serves it from now on."""
_Claim = Manifest | Undeployable


def allowed(manifest: Manifest) -> str:
    """Return the command that lets a model take over a name, in words."""
    return f"`m2s apply --prune` gives the name to {manifest.models[0]}"


def settled(
    desired: Sequence[Desired], live: Mapping[Key, LiveDeployment], renamed: Renamed
) -> tuple[Desired, ...]:
    """Give each name that several want to the one that serves under it; all others are refused.

    Where none of them does, nobody gets it.
    """
    claims: dict[Key, list[_Claim]] = defaultdict(list)
    for item in desired:
        named = isinstance(item, Undeployable) and item.template and not item.nameless
        if isinstance(item, Manifest) or (isinstance(item, Undeployable) and named):
            claims[item.key].append(item)
    return tuple(
        _contested(item, claims[item.key], live.get(item.key), renamed)
        if isinstance(item, Manifest)
        else item
        for item in desired
    )


def _contested(
    manifest: Manifest, claims: Sequence[_Claim], live: LiveDeployment | None, renamed: Renamed
) -> Manifest | Undeployable:
    rivals = [other for other in claims if other is not manifest]
    holder = _holder(claims, live, renamed) if live and rivals else None
    if not rivals or holder is manifest:
        return manifest
    remedy = "give one another metadata.name in its deploy.yaml"
    if manifest.template:
        remedy = "give one another metadata.name; {{ selector.name }} in it tells selectors apart"
    if live and holder:
        what = live.template or told(map(str, live.served))
        mine = remedy.replace("one", "this one", 1)
        leaves = "is taken away" if live.template else f"leaves {holder.selector.name}"
        return manifest.refused(
            f"{what} has the name {live.key.name}; {mine}, or wait: once {what} {leaves}, "
            f"{allowed(manifest)}"
        )
    return manifest.refused(f"{' and '.join(map(_title, rivals))} wants the same name; {remedy}")


def _holder(claims: Sequence[_Claim], live: LiveDeployment, renamed: Renamed) -> _Claim | None:
    """Return the one that serves under a name by now, None where that is none or not known."""
    fit = [each for each in claims if each.owner == live.owner and keeps(each, live, renamed)]
    if len(fit) > 1:
        fit = [each for each in fit if str(each.selector) == live.annotations.get(SELECTOR)]
    return fit[0] if len(fit) == 1 else None


def keeps(claim: _Claim, live: LiveDeployment, renamed: Renamed) -> bool:
    """Whether all that ``live`` serves is still served under its name; a template's is its own."""
    if live.template and live.template == claim.template:
        return True
    return bool(live.served) and not _lost(claim, live, renamed)


def _lost(claim: _Claim, live: LiveDeployment, renamed: Renamed) -> list[str]:
    kept = claim.held if isinstance(claim, Undeployable) else [one.model for one in claim.models]
    names = dict.fromkeys(one.model for one in live.served)
    return [name for name in names if name not in kept and renamed.get(name) not in kept]


def _title(rival: _Claim) -> str:
    if rival.template:
        return f"the template {rival.template} ({rival.selector})"
    version = rival.models[0] if isinstance(rival, Manifest) else rival.version
    return f"{version} ({rival.selector})"


def taken(changes: Iterable[Change], renamed: Renamed) -> tuple[Update, ...]:
    """Return the updates that would hand a name to another model."""
    return tuple(
        each
        for each in changes
        if isinstance(each, Update)
        and each.live.owner is not None
        and each.live.served
        and not keeps(each.manifest, each.live, renamed)
    )


def taking(changes: tuple[Change, ...], places: Places, renamed: Renamed) -> tuple[Change, ...]:
    """Return ``changes`` with each takeover as one, or blocked where it may not be.

    Args:
        changes: what is wanted.
        places: the second look at what each of :func:`taken` serves.
        renamed: what models are called now.
    """
    over = {id(each) for each in taken(changes, renamed)}
    heirs = successors(changes, renamed)
    done = tuple(
        _taking(each, places.get(each.key), heirs, renamed)
        if isinstance(each, Update) and id(each) in over
        else each
        for each in changes
    )
    return holds.keeping(done, renamed)


def _taking(
    change: Update, place: Whereabouts | Unreadable | None, heirs: Heirs, renamed: Renamed
) -> Update | Blocked:
    live, manifest = change.live, change.manifest
    lost = _lost(manifest, live, renamed)
    loses = live.template or told(lost)
    heir = next(filter(None, (heirs.get((live.owner, name)) for name in lost)), None)
    if live.keep:
        return blocked(manifest, f"{live.key.name} is kept by its annotation {KEEP}", live)
    if heir and not live.template:
        why, gone = f"{loses} is served as {heir.name} now", False
    elif isinstance(place, Unreadable):
        return blocked(manifest, f"{live.key.name} serves {loses}: {place.reason}", live)
    elif place is None or place.selected or place.paused:
        still = "paused" if place and place.paused else "wanted"
        why = f"{live.key.name} serves {loses}, and a second look still finds that {still}: held"
        return blocked(manifest, why, live)
    else:
        why, gone = place.reason, place.gone and not live.template
    return replace(
        change, reason=f"{change.reason}: {why}", takeover=Takeover(loses, why, heir, gone)
    )


def untaken(changes: tuple[Change, ...], why: Callable[[Update], str]) -> tuple[Change, ...]:
    """Return ``changes`` without the takeovers for which ``why`` says something: these are blocked.

    What waits for one of them stays as well.
    """
    kept = holds.keeping(tuple(_untaken(each, why) for each in changes))
    while True:
        gone = {each.key for each in kept if isinstance(each, Blocked)}
        again = tuple(_waiting(each, gone) for each in kept)
        if again == kept:
            return kept
        kept = again


def _untaken(change: Change, why: Callable[[Update], str]) -> Change:
    takeover = change.takeover if isinstance(change, Update) else None
    words = why(change) if isinstance(change, Update) and takeover else ""
    if not isinstance(change, Update) or takeover is None or not words:
        return change
    now = f"{change.key.name} serves {takeover.loses} ({takeover.why})"
    return blocked(change.manifest, f"{now}; {words}", change.live)


def _waiting(change: Change, gone: set[Key]) -> Change:
    lost = loses(change)
    if lost is None or lost.successor is None or lost.successor not in gone:
        return change
    why = f"held: {lost.successor.name} is blocked"
    if isinstance(change, Update):
        return blocked(change.manifest, why, change.live)
    return Unchanged(change.live, why) if isinstance(change, Delete) else change


def successors(changes: Iterable[Change], renamed: Renamed) -> Heirs:
    """Return which object serves each model from now on, by owner and model, by either name.

    A model's own deployment counts before a template's.
    """
    manifests = [
        change.manifest
        for change in changes
        if isinstance(change, Create | Update | Unchanged) and change.manifest
    ]
    ordered = sorted(manifests, key=lambda item: not item.template)
    found: dict[tuple[str | None, str], Key] = {
        (item.owner, one.model): item.key for item in ordered for one in item.models
    }
    for old, new in renamed.items():
        found |= {(owner, old): key for (owner, name), key in list(found.items()) if name == new}
    return found
