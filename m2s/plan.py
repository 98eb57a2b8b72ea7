"""Pure: what is wanted, what is there and what the cluster would make of it become a Plan."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from m2s import diff, holding, reason
from m2s.change import Action, Blocked, Change, Create, Delete, Unchanged, Update
from m2s.desired import Desired
from m2s.errors import Refused
from m2s.holding import Held
from m2s.model import (
    FIELD_MANAGER,
    Body,
    Key,
    LiveDeployment,
    Manifest,
    Selector,
    Served,
    Skipped,
    Templates,
    Undeployable,
    Whereabouts,
)
from m2s.settings import Settings
from m2s.values import MaxDelete


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
        names = [one.model for one in live.served] or [""]
        return live.owner in self.owners and any(map(self.includes_model, names))


@dataclass(frozen=True)
class Plan:
    """Everything one run would do, complete before anything is written (law 1).

    Counted by owner: ``owned`` our objects in scope; ``offered`` the versions that the owner's
    selectors name in the whole registry, before ``--model`` narrows them (None: not asked).
    ``unchecked`` says what preflight could not look at, and why. ``untemplated``, where templates
    are missing of which deployments are here, says so.
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
    unchecked: tuple[str, ...] = ()
    untemplated: str = ""

    def count(self, action: Action) -> int:
        """How many changes are of one kind."""
        return sum(change.action is action for change in self.changes)

    @property
    def pending(self) -> bool:
        """Whether anything would be written or deleted."""
        return any(isinstance(change, Create | Update | Delete) for change in self.changes)

    @property
    def doubtful(self) -> bool:
        """Whether a source looks as if it were gone, so that nothing at all may be written."""
        return bool(self.emptied or self.untemplated)

    @property
    def emptied(self) -> tuple[str, ...]:
        """The owners whose selectors name nothing any more, while something of theirs is here."""
        offered = self.offered
        if offered is None:
            return ()
        return tuple(owner for owner, count in self.owned.items() if count and not offered[owner])

    def refusal(self, max_delete: MaxDelete) -> str:
        """Return why deleting would be refused (law 5), or "" where it would not."""
        if self.untemplated:
            return self.untemplated
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

        Without ``deleting`` only an empty source is a question: nothing else can be lost.
        """
        refusal = self.refusal(max_delete)
        if refusal and (deleting or self.doubtful):
            raise Refused(refusal)

    def only_deletions(self) -> Plan:
        """Return the part that ``prune`` is about."""
        kept = tuple(change for change in self.changes if _concerns_prune(change))
        return replace(self, changes=kept, skipped=())


def _concerns_prune(change: Change) -> bool:
    # A renamed deployment is deleted only once its successor is there.
    held = isinstance(change, Unchanged) and change.reason
    return brings(change) or isinstance(change, Delete | Blocked) or bool(held)


def brings(change: Change) -> bool:
    """Whether an object serves its model only once this change is carried out."""
    if isinstance(change, Update):
        there = {one.model for one in change.live.served}
        return any(one.model not in there for one in change.manifest.models)
    return isinstance(change, Create)


@dataclass(frozen=True, slots=True)
class Write:
    """A manifest that may be written, and what it would be written over."""

    manifest: Manifest
    live: LiveDeployment | None


def writes(
    desired: Sequence[Desired], live: Mapping[Key, LiveDeployment], scope: Scope, settings: Settings
) -> tuple[Write | Blocked, ...]:
    """Sort out whose each wanted object is; ignored paths leave the manifests here."""
    held = holding.held(desired, ())
    return tuple(
        _write(item, live.get(item.key), scope, settings, held)
        for item in desired
        if isinstance(item, Manifest)
    )


def _write(
    manifest: Manifest, live: LiveDeployment | None, scope: Scope, settings: Settings, held: Held
) -> Write | Blocked:
    problem = _not_ours(live, scope, adopt=settings.adopt) if live else ""
    if live and (why := held.why_not(manifest, live)):
        problem = why
    if problem:
        return _blocked(manifest, problem, live)
    return Write(_withheld(manifest, live, settings.ignore), live)


def _blocked(manifest: Manifest, why: str, live: LiveDeployment | None) -> Blocked:
    models = tuple(one.model for one in manifest.models)
    first = manifest.models[0]
    return Blocked(manifest.key, manifest.owner, why, first, live, models, manifest.template)


def _not_ours(live: LiveDeployment, scope: Scope, *, adopt: bool) -> str:
    if live.owner is None:
        if adopt:
            return ""
        return f"{live.key.name} exists and is not m2s's; --adopt takes it over"
    if live.owner not in scope.owners:
        return f"{live.key.name} belongs to the owner {live.owner}; give this one another name"
    if not scope.includes(live):
        served = " and ".join(one.model for one in live.served)
        return f"{live.key.name} serves {served}, which --model leaves out"
    return ""


def _withheld(manifest: Manifest, live: LiveDeployment | None, ignore: Sequence[str]) -> Manifest:
    """Leave ignored paths to whoever owns them.

    Where leaving one out would remove it from the live object, its value there is said again.
    """
    body = diff.dropped(manifest.body, ignore)
    if live:
        lost = [pointer for pointer in ignore if _lost(live, pointer)]
        body = diff.carried(body, live.body, lost)
    given = (
        pointer for pointer in ignore if diff.dropped(manifest.body, [pointer]) != manifest.body
    )
    return replace(manifest, body=body, ignored=tuple(given))


def _lost(live: LiveDeployment, pointer: str) -> bool:
    """Whether a path that a manifest does not state is removed when the manifest is written.

    A file is replaced whole. Server-side apply drops what its owner stops saying, and replaces the
    CRD's lists whole (structured-merge-diff: a list without a list type is atomic).
    """
    *way, _ = diff.walked(live.body, pointer)
    in_list = any(isinstance(value, list) for _, value in way)
    return in_list or not live.managed_fields or reason.owned_by(live, FIELD_MANAGER, pointer)


def judge(
    items: Iterable[Write | Blocked], previews: Mapping[Key, Body | str], ignore: Sequence[str]
) -> tuple[Change, ...]:
    """Return what each wanted object comes to.

    Args:
        items: what :func:`writes` returned.
        previews: for each Write, the object as the cluster would have it, or why it refuses.
        ignore: JSON pointers that are not compared.
    """
    changes: tuple[Change, ...] = tuple(
        item if isinstance(item, Blocked) else _judged(item, previews[item.manifest.key], ignore)
        for item in items
    )
    while (kept := _keeping(changes)) != changes:
        changes = kept
    return changes


def _keeping(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Block what would be written over the deployment of a model whose own change is blocked."""
    held = holding.held((), changes)
    return tuple(_kept(each, held) if isinstance(each, Update) else each for each in changes)


def _kept(change: Update, held: Held) -> Update | Blocked:
    why = held.why_not(change.manifest, change.live)
    return _blocked(change.manifest, why, change.live) if why else change


def _judged(item: Write, merged: Body | str, ignore: Sequence[str]) -> Change:
    manifest, live = item.manifest, item.live
    if isinstance(merged, str):
        return replace(_blocked(manifest, merged, live), manifest=manifest)
    if live is None:
        fields = diff.leaves(merged, "added")
        return Create(manifest, merged, fields, reason.of_create(manifest))
    fields = diff.fields(live.body, merged, ignore)
    if not fields:
        return Unchanged(live, "", manifest)
    return Update(manifest, live, merged, fields, reason.of_update(manifest, live, fields))


def narrowed(
    desired: Sequence[Desired], live: Mapping[Key, LiveDeployment], scope: Scope
) -> tuple[Desired, ...]:
    """Return ``desired`` without the templates of which --model leaves every model out."""
    return tuple(
        item
        for item in desired
        if isinstance(item, Skipped) or _is_looked_at(item, live.get(item.key), scope)
    )


def _is_looked_at(item: Manifest | Undeployable, live: LiveDeployment | None, scope: Scope) -> bool:
    if not item.template or (live and scope.includes(live)):
        return True
    if isinstance(item, Undeployable):
        return item.nameless or not item.held or any(map(scope.includes_model, item.held))
    return any(scope.includes_model(version.model) for version in item.models)


def untemplated(
    templates: Templates, desired: Iterable[Desired], live: Iterable[LiveDeployment], scope: Scope
) -> str:
    """Return the question that templates raise of which there are only deployments left, or ""."""
    made = [item.key.name for item in live if item.template and scope.includes(item)]
    there = any(item.template for item in desired if not isinstance(item, Skipped))
    if there or not made:
        return ""
    missing = f"--templates {templates.folder} has no templates"
    if templates.missing:
        missing = f"--templates {templates.folder}: there is no such folder"
    if not templates.folder:
        missing = "--templates is not given"
    return (
        f"{missing}, while deployments that were made from templates are here "
        f"({reason.told(made)}); if that is meant, `kubectl delete sdep` removes them"
    )


def leaving(
    desired: Sequence[Desired],
    written: Iterable[Change],
    live: Iterable[LiveDeployment],
    scope: Scope,
) -> tuple[LiveDeployment, ...]:
    """Return our objects in scope that nothing wants and nothing holds: to be looked up again."""
    wanted = {item.key for item in desired if isinstance(item, Manifest)}
    held = holding.held(desired, written)
    return tuple(
        item
        for item in live
        if scope.includes(item) and item.key not in wanted and not held.why(item) and not item.keep
    )


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
    held, successors = holding.held(desired, written), _successors(written)
    rest = [
        _unwanted(item, whereabouts.get(item.key), held, successors)
        for item in mine
        if item.key not in shown
    ]
    return tuple(sorted((*written, *refused, *rest), key=_order))


_Successors = Mapping[tuple[str | None, str], Key]
"""(owner, model) → the object that serves it from now on."""


def _successors(written: Iterable[Change]) -> _Successors:
    """Return which object serves each model; its own deployment counts before a template's."""
    manifests = [
        change.manifest
        for change in written
        if isinstance(change, Create | Update | Unchanged) and change.manifest
    ]
    ordered = sorted(manifests, key=lambda item: not item.template)
    return {(item.owner, one.model): item.key for item in ordered for one in item.models}


def _order(change: Change) -> tuple[str, str, str]:
    version = change.version if isinstance(change, Blocked) else None
    return change.key.namespace, change.key.name, str(version or "")


def _refused(item: Undeployable, mine: Iterable[LiveDeployment]) -> Blocked:
    live = next((one for one in mine if _is_about(item, one)), None)
    key = live.key if live else item.key
    return Blocked(key, item.owner, item.reason, item.version, live, item.models, item.template)


def _is_about(item: Undeployable, live: LiveDeployment) -> bool:
    if item.owner != live.owner:
        return False
    if item.template and not item.nameless:
        return live.key == item.key
    if item.template or live.template:
        return live.template == item.template
    return bool(item.version and live.model == item.version.model)


def _unwanted(
    live: LiveDeployment,
    found: Whereabouts | None,
    held: Held,
    successors: _Successors,
) -> Change:
    if live.keep:
        return Unchanged(live, "no longer wanted; kept by its annotation m2s.io/keep")
    if why := held.why(live):
        return Unchanged(live, why)
    if not live.served:
        why = "its annotation m2s.io/model is gone, so the registry cannot be asked about it"
        return Blocked(live.key, live.owner or "", why, None, live)
    fields = diff.leaves(live.body, "removed")
    heirs = [successors.get((live.owner, one.model)) for one in live.served]
    successor = next(filter(None, heirs), None)
    if successor and not live.template:
        return Delete(live, fields, f"{live.model} is served as {successor.name} now", successor)
    if found is None or found.selected:
        why = "a second look at the registry still finds it wanted: held; plan again"
        return Blocked(live.key, live.owner or "", why, None, live)
    return Delete(live, fields, found.reason, successor)


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
    """Return the model and the version (decimal, or "") that a change is about, the first one."""
    first = next(iter(served_of(change)), Served("", ""))
    return first.model, first.version


def served_of(change: Change) -> tuple[Served, ...]:
    """Return every version that a change is about: those it brings, else those that are there."""
    match change:
        case Create(manifest=manifest) | Update(manifest=manifest):
            return manifest.served
        case Delete(live=live) | Unchanged(live=live):
            return live.served
        case Blocked(version=version, live=live):
            first = (Served(version.model, str(version.version)),) if version else ()
            known = {one.model for one in first}
            more = tuple(Served(name, "") for name in change.held if name not in known)
            return (*first, *more) or (live.served if live else ())
        case _:
            assert_never(change)
