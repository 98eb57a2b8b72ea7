"""Pure: what is wanted, what is there and what the cluster would make of it become a Plan."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from m2s import diff, reason
from m2s.change import Action, Blocked, Change, Create, Delete, Unchanged, Update
from m2s.desired import Desired
from m2s.errors import Refused
from m2s.model import (
    FIELD_MANAGER,
    Body,
    Key,
    LiveDeployment,
    Manifest,
    Selector,
    Skipped,
    Undeployable,
    Whereabouts,
)
from m2s.settings import MaxDelete, Settings


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose objects a run may touch, narrowed to the models it looks at."""

    owners: frozenset[str]
    models: tuple[str, ...] = ()

    def includes_model(self, model: str) -> bool:
        """Whether ``model`` matches a pattern (``*``, ``?``, ``[…]``); no pattern is all."""
        patterns = self.models
        return not patterns or any(fnmatch.fnmatchcase(model, pattern) for pattern in patterns)

    def includes(self, live: LiveDeployment) -> bool:
        """Whether ``live`` is ours to change or delete in this run."""
        return live.owner in self.owners and (
            not self.models or self.includes_model(live.model or "")
        )


@dataclass(frozen=True)
class Plan:
    """Everything one run would do, complete before anything is written (law 1).

    Counted by owner: ``owned`` our objects in scope; ``offered`` the versions that the owner's
    selectors name in the whole registry, before ``--model`` narrows them (None: not asked).
    """

    registry: str
    target: str
    namespace: str
    selectors: tuple[Selector, ...]
    scope: Scope
    changes: tuple[Change, ...]
    skipped: tuple[Skipped, ...]
    owned: Mapping[str, int]
    offered: Mapping[str, int] | None

    def count(self, action: Action) -> int:
        """How many changes are of one kind."""
        return sum(change.action is action for change in self.changes)

    @property
    def pending(self) -> bool:
        """Whether anything would be written or deleted."""
        return any(isinstance(change, Create | Update | Delete) for change in self.changes)

    @property
    def emptied(self) -> tuple[str, ...]:
        """The owners whose selectors name nothing any more, while something of theirs is here."""
        offered = self.offered
        if offered is None:
            return ()
        return tuple(owner for owner, count in self.owned.items() if count and not offered[owner])

    def refusal(self, max_delete: MaxDelete) -> str:
        """Return why deleting would be refused (law 5), or "" where it would not."""
        for owner in self.emptied:
            return (
                f"the registry has nothing for {owner} any more, while {self.owned[owner]} "
                "deployed here come from it; if that is meant, `m2s prune --all` removes them"
            )
        deletions, owned = self.count(Action.DELETE), sum(self.owned.values())
        if not max_delete.allows(deletions, owned):
            return (
                f"{deletions} of {owned} deployments would be deleted, over --max-delete "
                f"{max_delete}; `--max-delete {deletions}` allows it"
            )
        return ""

    def raise_if_unsafe(self, max_delete: MaxDelete, *, deleting: bool) -> None:
        """Raise :class:`~m2s.errors.Refused` when a safety check says no.

        Without ``deleting`` only the empty registry is a question: nothing else can be lost.
        """
        refusal = self.refusal(max_delete)
        if refusal and (deleting or self.emptied):
            raise Refused(refusal)

    def only_deletions(self) -> Plan:
        """Return the part that ``prune`` is about."""
        kept = tuple(change for change in self.changes if _concerns_prune(change))
        return replace(self, changes=kept, skipped=())


def _concerns_prune(change: Change) -> bool:
    # Creations stay as well: a renamed deployment is deleted only once its successor is there.
    held = isinstance(change, Unchanged) and change.reason
    return isinstance(change, Create | Delete | Blocked) or bool(held)


@dataclass(frozen=True, slots=True)
class Write:
    """A manifest that may be written, and what it would be written over."""

    manifest: Manifest
    live: LiveDeployment | None


def writes(
    desired: Sequence[Desired], live: Mapping[Key, LiveDeployment], scope: Scope, settings: Settings
) -> tuple[Write | Blocked, ...]:
    """Sort out whose each wanted object is; ignored paths leave the manifests here."""
    held = _held(desired, ())
    return tuple(
        _write(item, live.get(item.key), scope, settings, held)
        for item in desired
        if isinstance(item, Manifest)
    )


_Held = Mapping[tuple[str | None, str | None], str]
"""(owner, model) → why its deployments stay as they are."""


def _write(
    manifest: Manifest, live: LiveDeployment | None, scope: Scope, settings: Settings, held: _Held
) -> Write | Blocked:
    problem = _not_ours(live, scope, adopt=settings.adopt) if live else ""
    if live and live.model != manifest.models[0].model and (live.owner, live.model) in held:
        problem = (
            f"{live.key.name} still serves {live.model}, which is {held[live.owner, live.model]}"
        )
    if problem:
        return Blocked(manifest.key, manifest.owner, problem, manifest.models[0], live)
    return Write(_withheld(manifest, live, settings.ignore), live)


def _not_ours(live: LiveDeployment, scope: Scope, *, adopt: bool) -> str:
    if live.owner is None:
        if adopt:
            return ""
        return f"{live.key.name} exists and is not m2s's; --adopt takes it over"
    if live.owner not in scope.owners:
        return f"{live.key.name} belongs to the owner {live.owner}; give this one another name"
    if not scope.includes(live):
        return f"{live.key.name} serves {live.model}, which --model leaves out"
    return ""


def _withheld(manifest: Manifest, live: LiveDeployment | None, ignore: Sequence[str]) -> Manifest:
    """Leave ignored paths to whoever owns them.

    Where m2s itself owns one from before it was ignored, the live value is said again: leaving
    it out would make the server remove it (server-side apply drops what its owner stops saying).
    """
    body = diff.dropped(manifest.body, ignore)
    ours = [pointer for pointer in ignore if live and reason.owned_by(live, FIELD_MANAGER, pointer)]
    if live and ours:
        body = diff.carried(body, live.body, ours)
    given = (
        pointer for pointer in ignore if diff.dropped(manifest.body, [pointer]) != manifest.body
    )
    return replace(manifest, body=body, ignored=tuple(given))


def judge(
    items: Iterable[Write | Blocked], previews: Mapping[Key, Body | str], ignore: Sequence[str]
) -> tuple[Change, ...]:
    """Return what each wanted object comes to.

    Args:
        items: what :func:`writes` returned.
        previews: for each Write, the object as the cluster would have it, or why it refuses.
        ignore: JSON pointers that are not compared.
    """
    return tuple(
        item if isinstance(item, Blocked) else _judged(item, previews[item.manifest.key], ignore)
        for item in items
    )


def _judged(item: Write, merged: Body | str, ignore: Sequence[str]) -> Change:
    manifest, live = item.manifest, item.live
    if isinstance(merged, str):
        return Blocked(manifest.key, manifest.owner, merged, manifest.models[0], live)
    if live is None:
        fields = diff.leaves(merged, "added")
        return Create(manifest, merged, fields, reason.of_create(manifest))
    fields = diff.fields(live.body, merged, ignore)
    if not fields:
        return Unchanged(live, "", manifest)
    return Update(manifest, live, merged, fields, reason.of_update(manifest, live, fields))


def leaving(
    desired: Sequence[Desired],
    written: Iterable[Change],
    live: Iterable[LiveDeployment],
    scope: Scope,
) -> tuple[LiveDeployment, ...]:
    """Return our objects in scope that nothing wants and nothing holds: to be looked up again."""
    wanted = {item.key for item in desired if isinstance(item, Manifest)}
    held = _held(desired, written)
    return tuple(
        item
        for item in live
        if scope.includes(item)
        and item.key not in wanted
        and (item.owner, item.model) not in held
        and not item.keep
    )


def _held(desired: Iterable[Desired], written: Iterable[Change]) -> _Held:
    held: dict[tuple[str | None, str | None], str] = {}
    for item in desired:
        if isinstance(item, Undeployable | Skipped):
            held[item.owner, item.version.model] = f"held: {item.version}: {item.reason}"
    for change in written:
        if isinstance(change, Blocked) and change.version:
            held[change.owner, change.version.model] = f"held: {change.key.name} is blocked"
    return held


def assemble(
    desired: Sequence[Desired],
    written: Sequence[Change],
    live: Iterable[LiveDeployment],
    whereabouts: Mapping[Key, Whereabouts],
    scope: Scope,
) -> tuple[Change, ...]:
    """Return one change for every object that is wanted or ours, by name.

    Args:
        desired: what the registry asks for.
        written: what :func:`judge` made of it.
        live: every object of the namespace.
        whereabouts: the second look at each object that :func:`leaving` named.
        scope: whose objects this run is about.
    """
    mine = sorted((item for item in live if scope.includes(item)), key=lambda item: item.key)
    refused = [_refused(item, mine) for item in desired if isinstance(item, Undeployable)]
    shown = {change.key for change in (*written, *refused)}
    held, successors = _held(desired, written), _successors(written)
    rest = [
        _unwanted(item, whereabouts.get(item.key), held, successors)
        for item in mine
        if item.key not in shown
    ]
    return tuple(sorted((*written, *refused, *rest), key=_order))


def _successors(written: Iterable[Change]) -> dict[tuple[str | None, str | None], Key]:
    """(owner, model) → the object that serves it from now on."""
    manifests = [
        change.manifest
        for change in written
        if isinstance(change, Create | Update | Unchanged) and change.manifest
    ]
    return {(item.owner, item.models[0].model): item.key for item in manifests}


def _order(change: Change) -> tuple[str, str, str]:
    version = change.version if isinstance(change, Blocked) else None
    return change.key.namespace, change.key.name, str(version or "")


def _refused(item: Undeployable, mine: Iterable[LiveDeployment]) -> Blocked:
    serving = (one for one in mine if (one.owner, one.model) == (item.owner, item.version.model))
    live = next(serving, None)
    return Blocked(live.key if live else item.key, item.owner, item.reason, item.version, live)


def _unwanted(
    live: LiveDeployment,
    found: Whereabouts | None,
    held: _Held,
    successors: Mapping[tuple[str | None, str | None], Key],
) -> Change:
    mine = (live.owner, live.model)
    if live.keep:
        return Unchanged(live, "no longer wanted; kept by its annotation m2s.io/keep")
    if mine in held:
        return Unchanged(live, held[mine])
    if live.model is None:
        why = "its annotation m2s.io/model is gone, so the registry cannot be asked about it"
        return Blocked(live.key, live.owner or "", why, None, live)
    fields = diff.leaves(live.body, "removed")
    if mine in successors:
        successor = successors[mine]
        return Delete(live, fields, f"{live.model} is served as {successor.name} now", successor)
    if found is None or found.selected:
        why = "a second look at the registry still finds it wanted: held; plan again"
        return Blocked(live.key, live.owner or "", why, None, live)
    return Delete(live, fields, found.reason)


def teardown(live: Iterable[LiveDeployment], scope: Scope) -> tuple[Change, ...]:
    """Return the deletion of everything that is ours, whatever the registry says."""
    mine = sorted((item for item in live if scope.includes(item)), key=lambda item: item.key)
    return tuple(
        Unchanged(item, "kept by its annotation m2s.io/keep")
        if item.keep
        else Delete(item, diff.leaves(item.body, "removed"), "teardown: everything of this owner")
        for item in mine
    )


def summary(plan: Plan) -> str:
    """Return the count line that ends every plan."""
    words = {
        Action.CREATE: "to create", Action.UPDATE: "to update", Action.DELETE: "to delete",
        Action.UNCHANGED: "unchanged", Action.BLOCKED: "blocked",
    }  # fmt: skip
    parts = [
        f"{plan.count(action)} {word}"
        for action, word in words.items()
        if action is not Action.BLOCKED or plan.count(action)
    ]
    parts += [f"{len(plan.skipped)} skipped"] if plan.skipped else []
    return f"Plan: {', '.join(parts)}"


def models_of(change: Change) -> tuple[str, str]:
    """Return the model and the version (decimal, or "") that a change is about."""
    match change:
        case Create(manifest=manifest) | Update(manifest=manifest):
            return manifest.models[0].model, str(manifest.models[0].version)
        case Delete(live=live) | Unchanged(live=live):
            return live.model or "", live.version or ""
        case Blocked(version=version, live=live):
            if version:
                return version.model, str(version.version)
            return (live.model or "", live.version or "") if live else ("", "")
        case _:
            assert_never(change)
