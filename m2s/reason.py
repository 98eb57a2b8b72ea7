"""Why a change is there, in words a data scientist understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from m2s.diff import FieldChange, Name, Step, steps
from m2s.live import LiveDeployment
from m2s.marks import CHECKSUM, FIELD_MANAGER
from m2s.model import Served
from m2s.wanted import Manifest


def of_create(manifest: Manifest) -> str:
    """``v3 is in Staging``, ``v3 is champion, v4 challenger``, ``iris v1 and tea v2 are in …``."""
    first, *more = manifest.served
    if more and manifest.aliases:
        beside = "".join(f", v{one.version} {one.alias}" for one in more)
        return f"v{first.version} is {first.alias}{beside}"
    what = told(map(str, manifest.served)) if manifest.template else f"v{first.version}"
    link = " in" if manifest.selector.kind == "stage" else ""
    return f"{what} {'are' if more else 'is'}{link} {manifest.selector.name}"


def told(words: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and 7 more``: what still fits on a line."""
    items = list(dict.fromkeys(words))
    if len(items) > 3:
        items = [*items[:2], f"{len(items) - 2} more"]
    *head, last = items or [""]
    return f"{', '.join(head)} and {last}" if head else last


def of_update(
    manifest: Manifest,
    live: LiveDeployment,
    fields: Iterable[FieldChange],
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The version's move where there is one; else what moved the description or the object.

    ``renamed`` has what models are called now, by the name they had.
    """
    editors = _editors(live, fields)
    if live.owner is None:
        return "adopted" + (f" from {editors.split(' at ')[0]}" if editors else "")
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
    if names := [one.model for one in manifest.models if one.model in called]:
        news = told(f"{called[name]} is called {name} now" for name in names)
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


def _editors(live: LiveDeployment, fields: Iterable[FieldChange]) -> str:
    """Name the managers, m2s apart, that wrote what would change, and when the last one did."""
    paths = [field.path for field in fields]
    found: dict[str, str] = {}
    for entry in live.managed_fields:
        manager, owned = str(entry.get("manager", "unknown")), entry.get("fieldsV1") or {}
        if manager != FIELD_MANAGER and any(_owns(owned, path) for path in paths):
            found[manager] = max(found.get(manager, ""), str(entry.get("time", "")))
    if not found:
        return ""
    names = " and ".join(sorted(found))
    last = max(found.values())
    return f"{names} at {minute(last)}" if last else names


def minute(time: str) -> str:
    """Return an RFC 3339 time as ``2026-11-21 12:03 UTC``, "" for what is none."""
    try:
        moment = datetime.fromisoformat(time)
        utc = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return f"{utc:%Y-%m-%d %H:%M} UTC"


def _owns(owned: Mapping[str, Any], path: tuple[Step, ...]) -> bool:
    """Whether a FieldsV1 set covers ``path`` or something on the way to it.

    The format is in k8s.io/apimachinery ``FieldsV1``: ``f:<name>`` for a member, ``k:<json>`` or
    ``i:<n>`` for a list item, ``{}`` for a field that is owned with all that is in it.
    """
    node: Any = owned
    for step in path:
        if not isinstance(step, Name | int) and f"f:{step}" in node:
            node = node[f"f:{step}"]
            continue
        return bool(node is not owned) and not node
    return True


def owned_by(live: LiveDeployment, manager: str, pointer: str) -> bool:
    """Whether ``manager`` owns the field that a JSON pointer names, alone or with others."""
    path = tuple(steps(pointer))
    sets = (e.get("fieldsV1") or {} for e in live.managed_fields if e.get("manager") == manager)
    return any(_owns(owned, path) for owned in sets)
