"""Pure: what m2s serves in a namespace, by the cluster's word alone; the registry has no say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from m2s.base import mask
from m2s.base.errors import M2sError
from m2s.base.labels import MANAGED_BY, OWNER
from m2s.base.names import near
from m2s.base.wording import minute
from m2s.domain import happenings, serving
from m2s.domain.deployments import LiveDeployment
from m2s.domain.happenings import Happening, Trouble
from m2s.domain.scope import Scope
from m2s.domain.serving import Serving, State
from m2s.domain.versions import Key, Served
from m2s.plan import reasons
from m2s.platforms import catalogue

UNKNOWN = "-"
"""What stands for what nobody noted, and for a folder's state."""


@dataclass(frozen=True)
class Overview:
    """What is served, ordered by name; ``owners`` and ``models`` are what it is narrowed to.

    ``missing`` is what is wanted and has no deployment, ``unread`` what could not be looked at.
    """

    target: str
    namespace: str
    owners: frozenset[str]
    models: tuple[str, ...]
    deployments: tuple[Serving, ...]
    missing: tuple[Serving, ...] = ()
    unread: str = ""


def of(
    target: str,
    namespace: str,
    listed: Iterable[LiveDeployment],
    scope: Scope,
    told: Iterable[Happening] = (),
) -> Overview:
    """Return what m2s serves in a namespace; a scope without owners is everybody's.

    ``told`` are m2s's own Events, which say what is wanted and not served.
    """
    everything = sorted(listed, key=lambda live: live.key)
    owners = scope.owners or frozenset(live.owner for live in everything if live.owner)
    mine = filter(replace(scope, owners=owners).includes, everything)
    found = happenings.troubles(told)
    names = {live.key.name for live in everything}
    return Overview(
        target,
        namespace,
        scope.owners,
        scope.models,
        tuple(serving_of(live, found.get(live.key.name)) for live in mine),
        tuple(
            _missing(Key(namespace, name), trouble)
            for name, trouble in sorted(found.items())
            if name not in names
            and trouble.told.owner in (scope.owners or {trouble.told.owner})
            and scope.includes_model(trouble.told.model)
        ),
    )


def serving_of(live: LiveDeployment, trouble: Trouble | None = None) -> Serving:
    """Return what a deployment serves, and what its platform says of it."""
    return serving.of(live, catalogue.of(live.key).state(live.body), trouble)


def _missing(key: Key, trouble: Trouble) -> Serving:
    """Return what is wanted and has no deployment."""
    labels = {MANAGED_BY: "m2s", OWNER: trouble.told.owner}
    return serving.of(LiveDeployment(key, {"metadata": {"labels": labels}}), State(), trouble)


def only(status: Overview, name: str) -> Overview:
    """Return the part of ``status`` that is about one deployment.

    Raises:
        M2sError: it is not among them.
    """
    key = catalogue.called(name, [one.key for one in status.deployments])
    found = tuple(one for one in status.deployments if one.key == key)
    wanted = () if found else tuple(one for one in status.missing if _is_called(one, name))[:1]
    if not (found or wanted):
        others = near(name, (one.key.name for one in status.deployments))
        hint = f"; did you mean {others}?" if others else f": {empty(status)}"
        raise M2sError(f"m2s has no deployment {name} in {place(status)}{hint}")
    return replace(status, deployments=found, missing=wanted)


def _is_called(one: Serving, name: str) -> bool:
    """Whether a person means what is missing: by its own name, or by its model's."""
    return one.key.name == name or bool(one.trouble and one.trouble.told.model == name)


def place(status: Overview) -> str:
    """Return where all this is."""
    return f"namespace {status.namespace} at {status.target}"


def empty(status: Overview) -> str:
    """Return the line of a status without any deployment."""
    whose = f" of owner {', '.join(sorted(status.owners))}" if status.owners else ""
    which = f" of the models {', '.join(status.models)}" if status.models else ""
    return f"m2s serves nothing{whose}{which} in namespace {status.namespace}"


def summary(deployments: Iterable[Serving]) -> str:
    """Return ``3 deployments, 1 Failed, 2 Available``."""
    states = Counter(one.state for one in deployments)
    count = states.total()
    known = sorted(filter(None, states), key=lambda state: (urgency(state), state))
    told = [f"{states[state]} {state}" for state in known]
    return ", ".join([f"{count} deployment{'s' * (count != 1)}", *told])


def urgency(state: str) -> int:
    """Return a state's place in what is to be looked at first; an unknown one is in the middle."""
    return serving.STATES.index(state) if state in serving.STATES else 1


def notes(one: Serving) -> Iterator[str]:
    """Yield what is to be said of a deployment besides what its row says, a line each."""
    if len(one.served) > 1:
        yield f"serves {told(one.served)}"
    if one.endpoint:
        yield one.endpoint
    if one.verified and one.verified.result != "failed":
        yield str(one.verified)


def why(one: Serving) -> Iterator[str]:
    """Yield why a deployment is not as one might expect, a line each; nothing where all is well."""
    if one.trouble:
        yield f"{one.trouble} (since {since(one.trouble.told.first)})"
    if one.message:
        yield one.message
    yield from failures(one)
    yield from orders(one)


def failures(one: Serving) -> Iterator[str]:
    """Yield what did not roll out or answer, each once: what serves, and what gave way."""
    told = one.trouble.told.message if one.trouble else ""
    bad = [one.verified] if one.verified and one.verified.result == "failed" else []
    for line in dict.fromkeys(map(str, (*bad, *one.failed))):
        if line not in told:
            yield line


def orders(one: Serving) -> Iterator[str]:
    """Yield what somebody ordered for a deployment."""
    if one.deleting:
        yield reasons.of_deletion(one)
    if one.pin:
        yield f"pinned to {pin(one)}{_last(one, 'rolled back')}"
    if one.paused:
        yield f"paused: m2s leaves it as it is{_last(one, 'paused')}"


def _last(one: Serving, what: str) -> str:
    """Return who ordered that last, as far as it is noted."""
    note = next((each for each in one.notes if each.what == what), None)
    return f" ({note})" if note else ""


def pin(one: Serving) -> str:
    """Return what a deployment is pinned to, "" for nothing; by its version where that is known."""
    known = one.history if one.pin else ()
    return next((str(entry) for entry in known if entry.is_called(one.pin)), one.pin)


def told(served: Iterable[Served]) -> str:
    """Return every version: ``iris v3 as champion, iris v4 as challenger``."""
    return ", ".join(f"{one} as {one.alias}" if one.alias else str(one) for one in served)


def since(time: str) -> str:
    """Return a time of the record, to the minute."""
    return minute(time) or UNKNOWN


def document(status: Overview, detail: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return JSON values, without any secret (law 7); None is what is not known.

    ``detail`` is what is told of a single deployment only.

    The shape is pinned by ``tests/test_status.py``, as that of :mod:`m2s.output.document` is.
    """
    result: dict[str, Any] = mask.value(
        {
            "target": status.target,
            "namespace": status.namespace,
            "owners": sorted(status.owners),
            "models": list(status.models),
            "deployments": [_deployment(one) for one in status.deployments],
            "missing": [_wanted(one) for one in status.missing],
            **(detail or {}),
        }
    )
    return result


def _deployment(one: Serving) -> dict[str, Any]:
    return {
        "name": one.key.name,
        "platform": catalogue.of(one.key).name,
        "namespace": one.key.namespace,
        "owner": one.owner,
        "selector": one.selector or None,
        **_served(one.served),
        "state": one.state or None,
        "message": one.message,
        "since": one.since or None,
        "endpoint": one.endpoint or None,
        "pinned": one.pin or None,
        "paused": one.paused,
        "deleting": one.deleting or None,
        "orders": [asdict(each) for each in one.notes],
        "trouble": _wanted(one) if one.trouble else None,
        "history": [
            {**_served(each.served), "since": each.since or None, "revision": each.revision}
            for each in one.history
        ],
        "verified": asdict(one.verified) if one.verified else None,
        "found": [asdict(each) for each in one.found],
        "failed": [asdict(each) for each in one.failed],
    }


def _wanted(one: Serving) -> dict[str, Any]:
    """Return what is wanted and not served."""
    if one.trouble is None:
        raise AssertionError(f"nothing is in the way of {one.key}")
    told = one.trouble.told
    return {
        "name": told.name,
        "model": told.model or None,
        "version": told.version or None,
        "state": one.trouble.state,
        "reason": told.message,
        "since": told.first or None,
        "last": told.last or None,
    }


def _served(served: tuple[Served, ...]) -> dict[str, Any]:
    first = next(iter(served), Served("", ""))
    listed = list(map(serving.as_json, served))
    return {"model": first.model or None, "version": first.version or None, "models": listed}
