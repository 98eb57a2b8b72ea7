"""One deployment is brought back to what it served before, and pinned to it; or the pin is lifted.

Only the cluster is asked: it keeps the record of each deployment (:mod:`m2s.history`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from m2s import diff, history, mask, overrides, reason, writes
from m2s.change import Blocked, Unchanged, Update
from m2s.cluster import Cluster
from m2s.errors import M2sError, Rejected
from m2s.history import Entry
from m2s.ids import Body
from m2s.live import LiveDeployment, comparable
from m2s.marks import GROUP, KIND, PINNED, VERSION
from m2s.plan import Plan, Scope
from m2s.reconcile import now
from m2s.settings import Settings
from m2s.wanted import Manifest

_Change = Update | Unchanged | Blocked


def make_rollback(cluster: Cluster, settings: Settings, name: str, to: str | None) -> Plan:
    """Return what pins the deployment ``name`` to a version it served.

    Args:
        cluster: where it is.
        settings: whose objects may be touched, where owners are given; what is ignored.
        name: of the deployment.
        to: the version or the revision; None is what it served before.

    Raises:
        M2sError: there is no such deployment of ours, or its record has no such version.
    """
    live = _found(cluster, settings, name)
    entry = _chosen(live, to)
    body = history.described(live, entry)
    if body is None:
        raise M2sError(f"{name}: the description of {entry} is not kept any more; {_there(live)}")
    was = reason.told(f"v{one.version}" for one in live.served)
    done = f"rolled back {was} → {entry} and pinned" if entry.served != live.served else ""
    why = f"{done or f'pinned to {entry}'}; `m2s rollback {name} --unpin` lifts it"
    wanted = overrides.manifest(live, entry, body, pin=_pin(live, entry), why=why)
    return _plan(cluster, settings, live, _change(cluster, settings, live, wanted))


def make_unpin(cluster: Cluster, settings: Settings, name: str) -> Plan:
    """Return what lifts the pin of the deployment ``name``; raises as :func:`make_rollback`."""
    live = _found(cluster, settings, name)
    if not live.pin:
        return _plan(cluster, settings, live, Unchanged(live, "it is not pinned"))
    was = f"v{live.pin}" if live.pin.isdecimal() else live.pin
    why = f"no longer pinned to {was}; the next apply or pass brings what the registry says"
    change = _lifted(cluster, settings, live, {}, why)
    if not isinstance(change, Blocked) and PINNED in _annotations(change):
        # Somebody pinned it with kubectl, who owns the annotation too: it can only be emptied.
        change = _lifted(cluster, settings, live, {PINNED: ""}, why)
    return _plan(cluster, settings, live, change)


def _annotations(change: Update | Unchanged) -> Mapping[str, str]:
    body = change.merged if isinstance(change, Update) else change.live.body
    annotations: Mapping[str, str] = body["metadata"]["annotations"]
    return annotations


def _lifted(
    cluster: Cluster, settings: Settings, live: LiveDeployment, more: dict[str, str], why: str
) -> _Change:
    entry = Entry(live.served, "", "")
    wanted = overrides.manifest(live, entry, _unpinned(live, more), pin="", why=why)
    return _change(cluster, settings, live, wanted)


def _found(cluster: Cluster, settings: Settings, name: str) -> LiveDeployment:
    there = {one.key.name: one for one in cluster.list()}
    live = there.get(name)
    if live is None:
        ours = [one.key.name for one in there.values() if one.owner is not None]
        near = difflib.get_close_matches(name, ours, n=3) or sorted(ours)[:5]
        hint = f"did you mean {', '.join(near)}?" if near else "m2s has deployed nothing there"
        raise M2sError(f"no deployment {name} in namespace {cluster.namespace}; {hint}")
    if live.owner is None:
        raise M2sError(f"{name} is not m2s's, so it has no record of what it served")
    if settings.owners and live.owner not in settings.owners:
        raise M2sError(f"{name} belongs to the owner {live.owner}, not to {_told(settings)}")
    return live


def _told(settings: Settings) -> str:
    return " or ".join(sorted(settings.owners))


def _chosen(live: LiveDeployment, to: str | None) -> Entry:
    past = history.entries(live)
    fit = [entry for entry in past if (entry.is_called(to) if to else entry.served != live.served)]
    if fit:
        return fit[0]
    missing = f"never served {to}" if to else "served nothing else before"
    raise M2sError(f"{live.key.name} {missing}, as far as its record goes; {_there(live)}")


def _there(live: LiveDeployment) -> str:
    past = history.entries(live)
    kept = dict.fromkeys(str(entry) for entry in past if history.described(live, entry))
    return f"there is {', '.join(kept)}" if kept else "there is no record yet"


def _pin(live: LiveDeployment, entry: Entry) -> str:
    """Return how the pin names an entry: by its version, where that can mean no other one."""
    version = entry.served[0].version
    first = next(each for each in history.entries(live) if each.is_called(version))
    return version if first == entry else entry.revision


def _unpinned(live: LiveDeployment, more: dict[str, str]) -> Body:
    """Return ``live`` as m2s wrote it, or as it is where that is not on record; without its pin."""
    entry = next(iter(history.entries(live)), None)
    body = history.described(live, entry) if entry else None
    parts = comparable(body or live.body)
    annotations = {k: v for k, v in parts["metadata"]["annotations"].items() if k != PINNED}
    metadata = {**parts["metadata"], "annotations": {**annotations, **more}}
    identity = {"name": live.key.name, "namespace": live.key.namespace}
    head = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND}
    return {**head, **parts, "metadata": {**metadata, **identity}}


def _change(
    cluster: Cluster, settings: Settings, live: LiveDeployment, wanted: Manifest
) -> _Change:
    noted = history.recorded(wanted, live, now(settings))
    manifest = writes.withheld(noted, live, settings.ignore)
    try:
        merged = cluster.preview(manifest, live)
    except Rejected as error:
        why = f"rejected by the cluster: {mask.within(str(error), manifest.body)}"
        return Blocked(live.key, manifest.owner, why, manifest.models[0], live, manifest=manifest)
    fields = diff.fields(live.body, merged, settings.ignore)
    if not fields:
        return Unchanged(live, manifest.pin, manifest, ordered=True)
    return Update(manifest, live, merged, fields, manifest.pin)


def _plan(cluster: Cluster, settings: Settings, live: LiveDeployment, change: _Change) -> Plan:
    return Plan(
        registry="",
        target=cluster.identity,
        namespace=cluster.namespace,
        selectors=(),
        scope=Scope(frozenset({live.owner or ""}), settings.models),
        changes=(change,),
        skipped=(),
        owned={},
        offered=None,
    )
