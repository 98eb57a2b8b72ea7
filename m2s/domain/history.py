"""Pure: what a deployment served, newest first, and how each of it was described.

Two annotations keep it, so that nobody else has to be asked for it (``m2s rollback``):
``m2s.io/history`` is for people to read, ``m2s.io/revisions`` holds the descriptions, packed.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from m2s.base.labels import CHECKSUM, HISTORY, ORDERS, PINNED, REVISIONS
from m2s.domain.deployments import LiveDeployment, listed, told_by
from m2s.domain.manifests import Manifest
from m2s.domain.versions import Served
from m2s.objects.body import Body, comparable, digest

LENGTH = 10
"""How many entries are kept."""
ROOM = 64 * 1024
"""Bytes of the packed descriptions: a quarter of what the API server allows an object's annotations
(k8s.io/apimachinery, ``TotalAnnotationSizeLimitB``). What does not fit goes, oldest first."""
_UNPACKED = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What was served from one moment on.

    ``since`` is in RFC 3339, UTC, "" where that is unknown; ``revision`` names the description. Of
    one that is followed until it serves and answers, ``follow`` is the registry's stamp of its
    version, and ``earlier`` the description of the same version that it was written over.
    """

    served: tuple[Served, ...]
    since: str
    revision: str
    follow: int | None = None
    earlier: str = ""

    def __str__(self) -> str:
        """``v3``; of several versions ``iris v3, tea v1``."""
        if len(self.served) == 1:
            return f"v{self.served[0].version}"
        return ", ".join(map(str, self.served))

    def is_called(self, name: str) -> bool:
        """Whether a person means this one: by its version, ``3`` or ``v3``, or by its revision."""
        versions = {one.version for one in self.served[:1]}
        return name.removeprefix("v") in versions or name == self.revision


def entries(live: LiveDeployment) -> tuple[Entry, ...]:
    """Return what ``live`` served, what it serves now first; () where nothing was noted."""
    try:
        items = json.loads(live.annotations.get(HISTORY, "[]"))
    except (ValueError, RecursionError):
        return ()
    found = map(_entry, items if isinstance(items, list) else [])
    return tuple(entry for entry in found if entry is not None)


def since(live: LiveDeployment) -> str:
    """Return from when on ``live`` serves what it serves (RFC 3339), "" where that is unknown."""
    newest = next(iter(entries(live)), None)
    return newest.since if newest and newest.served == live.served else ""


def _entry(item: Any) -> Entry | None:
    if not isinstance(item, Mapping):
        return None
    served = told_by(item.get("served"))
    texts = [item.get(name, "") for name in ("since", "revision", "earlier")]
    follow = item.get("follow")
    known = all(one.version.isdecimal() for one in served)
    if not (served and known and all(isinstance(text, str) for text in texts)):
        return None
    since, revision, earlier = texts
    return Entry(served, since, revision, follow if type(follow) is int else None, earlier)


def described(live: LiveDeployment, entry: Entry) -> Body | None:
    """Return the object as it was written for ``entry``, without a record; None if not kept."""
    parts = _unpacked(live.annotations.get(REVISIONS, "")).get(entry.revision)
    return _whole(live, parts) if _has_all(parts) else None


def unpinned(live: LiveDeployment) -> Body:
    """Return the object as m2s wrote it, or as it is if that is not on record, without its pin."""
    newest = next(iter(entries(live)), None)
    written = described(live, newest) if newest else None
    return _whole(live, _parts(written or live.body))


def _whole(live: LiveDeployment, parts: Body) -> Body:
    identity = {"name": live.key.name, "namespace": live.key.namespace}
    head = {name: live.body.get(name) for name in ("apiVersion", "kind")}
    return {**head, **parts, "metadata": {**parts["metadata"], **identity}}


def _has_all(parts: Any) -> TypeGuard[Body]:
    metadata = parts.get("metadata") if isinstance(parts, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(parts.get("spec"), Mapping):
        return False
    return all(isinstance(metadata.get(name), Mapping) for name in ("labels", "annotations"))


def way_back(live: LiveDeployment, failed: Collection[str]) -> tuple[Entry, Body] | None:
    """Return the newest description of ``live`` before this one, None where none is kept.

    ``failed`` are the revisions that are none to go back to.
    """
    newest, *past = entries(live) or (Entry((), "", ""),)
    same = [replace(newest, revision=newest.earlier)] if newest.earlier else []
    for entry in (*same, *past):
        if entry.revision not in (*failed, newest.revision) and (body := described(live, entry)):
            return entry, body
    return None


def recorded(
    manifest: Manifest, live: LiveDeployment | None, now: str, *, follow: bool = False
) -> Manifest:
    """Return ``manifest`` with the record of ``live``, continued by what it brings itself.

    Where it brings nothing new the record stays as it is, byte for byte. ``follow``: what is new
    is to be followed until it serves and answers.
    """
    if live and ORDERS in live.annotations and not live.managed_fields:
        # A file is replaced whole; on a server nobody who applies owns this annotation.
        manifest = manifest.noting({ORDERS: live.annotations[ORDERS]})
    stamp = manifest.models[0].updated if follow and manifest.models else None
    entry = Entry(manifest.served, now, revision(manifest.body), stamp)
    if live is None or live.owner is None:
        return manifest.noting(_record([entry], {entry.revision: manifest.body}))
    same = live.served == manifest.served
    if same and (revision(live.body) == entry.revision or HISTORY not in live.annotations):
        there = {name: live.annotations[name] for name in _NAMES if name in live.annotations}
        return manifest.noting(there)
    past, known = _past(live)
    if same and past:
        earlier = past[0].revision if follow else ""
        entry, past = replace(entry, since=past[0].since, earlier=earlier), past[1:]
    bodies = {**known, entry.revision: manifest.body}
    return manifest.noting(_record([entry, *past][:LENGTH], bodies))


def _past(live: LiveDeployment) -> tuple[tuple[Entry, ...], Mapping[str, Body]]:
    """Return the record of ``live``; of one that has none, what it serves now."""
    if past := entries(live):
        return past, _unpacked(live.annotations.get(REVISIONS, ""))
    # Written before there was a record: what is there is what was described, or nearly so.
    entry = Entry(live.served, "", revision(live.body))
    return ((entry,), {entry.revision: live.body}) if live.served else ((), {})


_NAMES = (HISTORY, REVISIONS)


def revision(body: Body) -> str:
    """Return the name of a description: the beginning of its checksum."""
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    checksum = annotations.get(CHECKSUM) or digest(comparable(body))
    return str(checksum).removeprefix("sha256:")[:8]


def _record(past: Sequence[Entry], bodies: Mapping[str, Body]) -> dict[str, str]:
    items = [
        {
            "served": list(map(listed, entry.served)),
            **({"since": entry.since} if entry.since else {}),
            "revision": entry.revision,
            **({"earlier": entry.earlier} if entry.earlier else {}),
            **({} if entry.follow is None else {"follow": entry.follow}),
        }
        for entry in past
    ]
    names = [name for entry in past for name in (entry.revision, entry.earlier) if name]
    history = json.dumps(items, separators=(",", ":"), ensure_ascii=False)
    return {HISTORY: history, REVISIONS: _packed(names, bodies)}


def _packed(names: Iterable[str], bodies: Mapping[str, Body]) -> str:
    """Return the descriptions of these names, as many of the first as there is room for."""
    kept = [name for name in dict.fromkeys(names) if name in bodies]
    while True:
        parts = {name: _parts(bodies[name]) for name in kept}
        text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
        packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
        if len(packed) <= ROOM or not kept:
            return packed
        kept.pop()


def _parts(body: Body) -> dict[str, Any]:
    parts = comparable(body)
    annotations = {k: v for k, v in parts["metadata"]["annotations"].items() if k != PINNED}
    return {**parts, "metadata": {**parts["metadata"], "annotations": annotations}}


def _unpacked(packed: str) -> dict[str, Body]:
    """Read what :func:`_packed` wrote; {} for what anybody else made of it."""
    try:
        raw = base64.b64decode(packed, validate=True)
        text = zlib.decompressobj().decompress(raw, _UNPACKED)
        parts = json.loads(text)
    except (ValueError, zlib.error, binascii.Error, RecursionError):
        return {}
    return parts if isinstance(parts, dict) else {}
