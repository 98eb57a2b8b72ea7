"""Why a change is there, in words a data scientist understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from m2s.base.labels import CHECKSUM
from m2s.base.wording import minute, told
from m2s.domain.deployments import LiveDeployment
from m2s.domain.field_owners import editors_of
from m2s.domain.manifests import Manifest
from m2s.domain.serving import Serving
from m2s.domain.versions import Served
from m2s.objects.diff import FieldChange
from m2s.platforms import catalogue


def of_create(manifest: Manifest) -> str:
    """``v3 is in Staging``, ``v3 is champion, v4 challenger``, ``iris v1 and tea v2 are in …``."""
    first, *more = manifest.served
    if more and manifest.aliases:
        beside = "".join(f", v{one.version} {one.alias}" for one in more)
        return f"v{first.version} is {first.alias}{beside}"
    what = told(map(str, manifest.served)) if manifest.template else f"v{first.version}"
    link = " in" if manifest.selector.kind == "stage" else ""
    return f"{what} {'are' if more else 'is'}{link} {manifest.selector.name}"


def of_update(
    manifest: Manifest,
    live: LiveDeployment,
    fields: Iterable[FieldChange],
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The version's move where there is one; else what moved the description or the object.

    ``renamed`` has what models are called now, by the name they had.
    """
    editors = editors_of(live, fields)
    if live.owner is None:
        costs = catalogue.of(live.key).adopting
        whose = f" from {editors.split(' at ')[0]}" if editors else ""
        return f"adopted{whose}{f'; {costs}' if costs else ''}"
    edited = f"edited by {editors}" if editors else ""
    moved = _version_move(manifest, live, renamed)
    if moved:
        return f"{moved}; also {edited}" if edited else moved
    if live.annotations.get(CHECKSUM) != manifest.body["metadata"]["annotations"][CHECKSUM]:
        return f"description changed; also {edited}" if edited else "description changed"
    return f"drifted: {edited or 'edited outside m2s'}"


def _version_move(manifest: Manifest, live: LiveDeployment, renamed: Mapping[str, str]) -> str:
    there = {one.model for one in live.served}
    called = {renamed[name]: name for name in there if name in renamed}
    if again := [one.model for one in manifest.models if one.model in called]:
        news = told(f"{called[name]} is called {name} now" for name in again)
        unmoved = _numbers(live.served) == _numbers(manifest.served)
        return news if unmoved else f"{news}: {told(map(str, manifest.served))}"
    if there.isdisjoint(one.model for one in manifest.models):
        before = told(one.model for one in live.served) or "an unknown model"
        return f"serves {told(map(str, manifest.served))} now, instead of {before}"
    roles = bool(manifest.aliases)
    main = manifest.aliases[0] if roles else ""
    old = {(one.alias or main) if roles else one.model: one for one in live.served}
    new = {one.alias if roles else one.model: one for one in manifest.served}
    names = len(new) > 1 or len(old) > 1
    moves = [_move(slot if names else "", old.get(slot), one, roles) for slot, one in new.items()]
    gone = [slot for slot in old if slot not in new]
    moves += [f"no {slot} any more" if roles else f"no longer serves {slot}" for slot in gone]
    return ", ".join(filter(None, moves))


def _numbers(served: Iterable[Served]) -> list[str]:
    return [one.version for one in served]


def _move(slot: str, old: Served | None, new: Served, role: bool) -> str:
    """Return what became of one of the served versions; ``slot`` is "" for the only one."""
    if old is None:
        return f"v{new.version} is {slot}" if role else f"serves {new} too"
    before = old.version or "?"
    if before == new.version:
        return ""
    back = before.isdecimal() and new.version.isdecimal() and int(before) > int(new.version)
    model, alias = (f"{slot} ", "") if slot and not role else ("", f" ({slot})" if slot else "")
    return f"{'rolled back' if back else 'promoted'} {model}v{before} → v{new.version}{alias}"


def of_deletion(live: LiveDeployment | Serving) -> str:
    """``is being deleted since 2026-11-21 12:03 UTC, and waits for the finalizer foo/bar``."""
    since = minute(live.deleting)
    line = f"is being deleted since {since}" if since else "is being deleted"
    held = told(live.finalizers)
    return f"{line}, and waits for the finalizer {held}" if held else line
