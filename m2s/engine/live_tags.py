"""Tags in MLflow that say which versions are live: m2s reads them, and writes what differs.

``m2s.io/live/OWNER/deployment``, ``/state``, ``/endpoint``, ``/since`` and ``/verified``: the owner
is a part of the key, so that no owner touches the tags of another owner on the same version. A
version that gave way to another one has the last of them alone, which says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from m2s.base import mask
from m2s.base.errors import TagRefused
from m2s.base.labels import LIVE
from m2s.base.workers import Workers
from m2s.domain.deployments import LiveDeployment
from m2s.domain.scope import Scope
from m2s.domain.serving import Serving
from m2s.domain.versions import Served
from m2s.engine.status import serving_of
from m2s.sources.source import Tagging

UNKNOWN = "-"
"""What stands for what is unknown of one of several deployments."""
LONGEST = 5000
"""Characters of a value, as older MLflow registries take them (mlflow/utils/validation.py)."""
MOST = 8
"""Model versions that are told at the same time; the tags of one are written one by one."""
_PARTS = ("deployment", "state", "endpoint", "since", "verified")

Tags = dict[Served, dict[str, str]]
"""Ours of each version that has any; its ``alias`` is ""."""


def key(owner: str, part: str) -> str:
    """Return the tag in which ``owner`` tells ``part`` of what is live."""
    return f"{LIVE}{owner}/{part}"


def wanted(deployments: Iterable[LiveDeployment], scope: Scope) -> Tags:
    """Return the tags of every version in scope that a deployment of its owners serves.

    Where one owner has several that serve the same version, their values stand side by side, in
    the order of ``deployments``.
    """
    every = [one for one in map(serving_of, deployments) if one.owner in scope.owners]
    found: dict[tuple[Served, str], list[Serving]] = {}
    for one in every:
        for version in _known(one.served, scope):
            found.setdefault((version, one.owner), []).append(one)
    tags: Tags = {}
    for (version, owner), those in found.items():
        tags.setdefault(version, {}).update(_told(owner, those))
    for one in every:
        for version, why in _gave_way(one, scope):
            tags.setdefault(version, {}).setdefault(key(one.owner, "verified"), _joined([why]))
    return tags


def _known(served: Iterable[Served], scope: Scope) -> Iterable[Served]:
    """Return the versions that are to be told, each once."""
    known = (each for each in served if each.version.isdecimal())
    mine = (each for each in known if scope.includes_model(each.model))
    return dict.fromkeys(Served(each.model, each.version) for each in mine)


def _gave_way(one: Serving, scope: Scope) -> Iterator[tuple[Served, str]]:
    """Yield which versions are not tried again, and why."""
    past = {entry.revision: entry.served for entry in one.history}
    for each in one.failed:
        for version in _known(past.get(each.revision, one.served)[:1], scope):
            yield version, str(each)


def _told(owner: str, those: Sequence[Serving]) -> dict[str, str]:
    values = {
        "deployment": [str(one.key) for one in those],
        "state": [one.state for one in those],
        "endpoint": [one.endpoint for one in those],
        "since": [one.since for one in those],
        "verified": [str(one.verified or "") for one in those],
    }
    return {key(owner, part): _joined(texts) for part, texts in values.items() if any(texts)}


def _joined(texts: Iterable[str]) -> str:
    line = ", ".join(mask.text(" ".join(text.split())) or UNKNOWN for text in texts)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def there(tagging: Tagging, scope: Scope) -> Tags:
    """Return the tags of the scope's owners that versions in scope have now."""
    ours = [key(owner, part) for owner in sorted(scope.owners) for part in _PARTS]
    found: dict[Served, Mapping[str, str]] = {}
    for each in ours:
        found |= tagging.read(each)
    return {
        version: {name: tags[name] for name in ours if name in tags}
        for version, tags in found.items()
        if scope.includes_model(version.model)
    }


def update(
    tagging: Tagging, goal: Tags, known: Tags, allowed: Callable[[], bool] = lambda: True
) -> None:
    """Write what differs between ``goal`` and what is there, and nothing else.

    What was written is noted in ``known``, also if the rest fails; ``allowed`` is asked before each
    tag is written. The first version is told alone: a registry that is down is asked once.

    Raises:
        RegistryError: the registry cannot be written to; some tags may have been written.
        TagRefused: it refuses some of them; all others are written.
    """

    def tell(version: Served) -> list[str]:
        refused = []
        for name, value in _differences(goal.get(version, {}), known.get(version, {})):
            if not allowed():
                break
            try:
                _write(tagging, known, version, name, value)
            except TagRefused as error:
                refused.append(str(error))
        return refused

    every = sorted({*goal, *known}, key=lambda one: (one.model, int(one.version)))
    differ = [each for each in every if goal.get(each, {}) != known.get(each, {})]
    told = [tell(each) for each in differ[:1]]
    with ThreadPoolExecutor(MOST, "m2s-tags") as pool:
        told += Workers(pool, MOST).each("Tell MLflow what is live", tell, differ[1:])
    refused = [line for lines in told for line in lines]
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise TagRefused(refused[0] + more)


def _differences(new: Mapping[str, str], old: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Return which tag gets which value, None where it goes."""
    written = [(name, value) for name, value in new.items() if old.get(name) != value]
    return [*written, *((name, None) for name in sorted(old.keys() - new.keys()))]


def _write(tagging: Tagging, known: Tags, version: Served, name: str, value: str | None) -> None:
    if value is None:
        tagging.delete(version, name)
        known.get(version, {}).pop(name, None)
    else:
        tagging.set(version, name, value)
        known.setdefault(version, {})[name] = value
