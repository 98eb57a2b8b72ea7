"""One deployment is brought back to what it served before, and pinned to it; or the pin is lifted.

Only the cluster is asked: it keeps the record of each deployment (:mod:`m2s.domain.history`).
"""

from __future__ import annotations

from dataclasses import replace

from m2s.base.errors import M2sError
from m2s.base.labels import PINNED
from m2s.base.names import near
from m2s.base.wording import told
from m2s.domain import history, provenance
from m2s.domain.deployments import LiveDeployment
from m2s.domain.history import Entry
from m2s.domain.manifests import Manifest
from m2s.domain.scope import Scope
from m2s.domain.versions import Key
from m2s.engine.reconcile import now, preview
from m2s.plan import orders, reasons, writes
from m2s.plan.changes import Change, Unchanged, Update
from m2s.plan.plan import Plan
from m2s.platforms import catalogue
from m2s.settings.groups import Settings
from m2s.targets.cluster import Cluster


def make_rollback(cluster: Cluster, settings: Settings, name: str, to: str | None) -> Plan:
    """Return what pins the deployment ``name`` to a version it served.

    ``to`` is the version or the revision, None what it served before. Where the settings name
    owners, only theirs may be touched.

    Raises:
        M2sError: there is no such deployment of ours, or its record has no such version.
    """
    live = found(cluster, settings, name)
    entry = _chosen(live, to)
    body = history.described(live, entry)
    if body is None:
        raise M2sError(f"{name}: the description of {entry} is not kept any more; {_there(live)}")
    was = told(f"v{one.version}" for one in live.served)
    done = f"rolled back {was} → {entry} and pinned" if entry.served != live.served else ""
    why = f"{done or f'pinned to {entry}'}; `m2s rollback {name} --unpin` lifts it"
    wanted = orders.manifest(live, entry, body, pin=_pin(live, entry), why=why)
    return planned(cluster, settings, live, _change(cluster, settings, live, wanted))


def make_unpin(cluster: Cluster, settings: Settings, name: str) -> Plan:
    """Return what lifts the pin of the deployment ``name``; raises as :func:`make_rollback`."""
    live = found(cluster, settings, name)
    if not live.pin:
        return planned(cluster, settings, live, Unchanged(live, "it is not pinned"))
    was = f"v{live.pin}" if live.pin.isdecimal() else live.pin
    why = f"no longer pinned to {was}; the next apply or pass brings what the registry says"
    entry, body = Entry(live.served, "", ""), history.unpinned(live)
    wanted = orders.manifest(live, entry, body, pin=None, why=why)
    change = _change(cluster, settings, live, wanted)
    if _stays_pinned(change):
        # Somebody pinned it with kubectl, who owns the annotation too: it can only be emptied.
        emptied = orders.manifest(live, entry, body, pin="", why=why)
        change = _change(cluster, settings, live, emptied)
    return planned(cluster, settings, live, change)


def _stays_pinned(change: Change) -> bool:
    if isinstance(change, Update):
        return PINNED in change.merged["metadata"]["annotations"]
    return isinstance(change, Unchanged) and PINNED in change.live.annotations


def found(cluster: Cluster, settings: Settings, name: str) -> LiveDeployment:
    """Return the deployment ``name`` that may be ordered about; M2sError: there is none."""
    there = {one.key: one for one in cluster.list(catalogue.kinds_in(name))}
    live = there.get(catalogue.called(name, there) or Key("", ""))
    if live is None:
        ours = [one.key.name for one in there.values() if one.owner is not None]
        others = near(name, ours)
        hint = f"did you mean {others}?" if others else "m2s has deployed nothing there"
        raise M2sError(f"no deployment {name} in namespace {cluster.namespace}; {hint}")
    if live.owner is None:
        raise M2sError(f"{name} is not m2s's, so it has no record of what it served")
    if live.fault:
        raise M2sError(f"{name}: {live.unreadable}")
    if settings.owners and live.owner not in settings.owners:
        owners = " or ".join(sorted(settings.owners))
        raise M2sError(f"{name} belongs to the owner {live.owner}, not to {owners}")
    if live.deleting:
        raise M2sError(f"{name} {reasons.of_deletion(live)}")
    return live


def _chosen(live: LiveDeployment, to: str | None) -> Entry:
    past = history.entries(live)
    fit = [entry for entry in past if (entry.is_called(to) if to else entry.served != live.served)]
    if fit:
        return fit[0]
    missing = f"does not have {to}" if to else "has nothing that it served before"
    raise M2sError(f"the record of {live.key.name} {missing}; {_there(live)}")


def _there(live: LiveDeployment) -> str:
    past = history.entries(live)
    kept = dict.fromkeys(str(entry) for entry in past if history.described(live, entry))
    return f"there is {', '.join(kept)}" if kept else "there is no record yet"


def _pin(live: LiveDeployment, entry: Entry) -> str:
    """Return how the pin names an entry: by its version, where that can mean no other one."""
    version = entry.served[0].version
    first = next(each for each in history.entries(live) if each.is_called(version))
    return version if first == entry else entry.revision


def _change(cluster: Cluster, settings: Settings, live: LiveDeployment, wanted: Manifest) -> Change:
    item = writes.write(wanted, live, settings.ignore, now(settings))
    (change,) = writes.judge([item], {live.key: preview(cluster, item)}, settings.ignore)
    if not isinstance(change, Update):
        return change
    return replace(change, reason=wanted.pin, manifest=provenance.recalled(change.manifest, live))


def planned(cluster: Cluster, settings: Settings, live: LiveDeployment, change: Change) -> Plan:
    """Return the plan of one change, which no registry was asked about."""
    return Plan(
        registry="",
        target=cluster.identity,
        namespace=cluster.namespace,
        selectors=(),
        scope=Scope(frozenset({live.owner or ""}), settings.models),
        changes=(change,),
        show_env=settings.show_env,
    )
