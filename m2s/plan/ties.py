"""Pure: whether the registry that is asked is the one that the deployments come from (law 14)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar

from m2s.base.labels import RUN_ID
from m2s.base.wording import told
from m2s.domain import provenance
from m2s.domain.deployments import LiveDeployment
from m2s.domain.provenance import Birth
from m2s.domain.versions import Census, Key

_How = Literal["same", "known", "other", "missing"]
"""The registry has the model with the same stamps; has one of that name, without stamps to compare;
has one of that name with other stamps; has none."""

ACCEPT = "`m2s apply --accept-registry` accepts it, once"


@dataclass(frozen=True)
class Ties:
    """What ties deployments to the registry that is asked.

    ``doubt`` says why nothing may be written. ``foreign`` are single deployments of another
    registry, which stay as they are, ``accepted`` those that are noted anew, each with the reason;
    ``renamed`` has what models are called now, by the name they were deployed under.
    """

    doubt: str = ""
    foreign: Mapping[Key, str] = field(default_factory=dict)
    accepted: Mapping[Key, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)


NONE = Ties()
"""Where no registry is asked."""


@dataclass(frozen=True, slots=True)
class _Tie:
    """One version that a deployment serves; ``registry`` is noted on it, None where none is."""

    live: LiveDeployment
    registry: str | None
    birth: Birth
    how: _How
    now: str

    @property
    def is_lost(self) -> bool:
        return self.how in ("other", "missing")

    def counts(self, identity: str) -> bool:
        """Whether that it is lost says anything: what is paused or pinned follows no registry."""
        held = self.live.paused or (self.live.pin and self.registry == identity)
        return self.is_lost and not held


def unlisted(mine: Iterable[LiveDeployment], census: Census) -> tuple[str, ...]:
    """Return the models to be looked up by name: a version that is served is not listed any more.

    Only their own stamps tell whether it was deleted, or never was there.
    """
    if not census.whole:
        return ()
    births = (birth for live in mine for _, birth in _births(live) if birth.registered)
    lost = (one.model for one in births if _number(one) not in census.versions)
    there = (name for name in lost if name in census.names and name not in census.models)
    return tuple(dict.fromkeys(there))


def judge(
    mine: Iterable[LiveDeployment], census: Census, identity: str, *, accept: bool = False
) -> Ties:
    """Say what ties deployments to a registry.

    Args:
        mine: ours, whichever models this run looks at.
        census: what the registry has.
        identity: the registry's.
        accept: somebody said that it is meant.
    """
    names = _Names(census)
    ties = [
        _tie(live, registry, birth, names) for live in mine for registry, birth in _births(live)
    ]
    renamed = {tie.birth.model: tie.now for tie in ties if tie.now != tie.birth.model}
    doubt, foreign = _doubt(ties, census, identity), _foreign(ties, identity)
    if not accept:
        return Ties(doubt, {} if doubt else foreign, {}, renamed)
    moved = {
        tie.live.key: _accepted(tie.registry, identity)
        for tie in ties
        if tie.registry is not None
        and (tie.live.key in foreign or tie.how == "other" or _is_ahead(tie, census))
    }
    return Ties("", {}, moved, renamed)


def _accepted(before: str | None, identity: str) -> str:
    return f"registry accepted: {identity}" + (f", before {before}" if before != identity else "")


def _births(live: LiveDeployment) -> Iterator[tuple[str | None, Birth]]:
    noted = provenance.of(live)
    for one in live.served:
        yield (noted.registry, noted.birth(one)) if noted else (None, Birth(one.model, one.version))


def _number(birth: Birth) -> tuple[str, int]:
    return birth.model, int(birth.version) if birth.version.isdecimal() else 0


def _tie(live: LiveDeployment, registry: str | None, birth: Birth, names: _Names) -> _Tie:
    census = names.census
    model, version = census.models.get(birth.model), census.versions.get(_number(birth))
    stamps = [
        (birth.registered, version.created if version else 0),
        (birth.created, model.created if model else 0),
    ]
    equal = [ours == theirs for ours, theirs in stamps if ours and theirs]
    if any(equal):
        return _Tie(live, registry, birth, "same", birth.model)
    there = birth.model in census.names
    now = "" if there and not equal else names.renamed(live, birth)
    if now:
        return _Tie(live, registry, birth, "same", now)
    how: _How = "missing" if not there else "other" if equal else "known"
    return _Tie(live, registry, birth, how, birth.model)


class _Names:
    """Finds a model by its stamps, or by a version's run, where these are no one else's."""

    def __init__(self, census: Census) -> None:
        self.census = census

    def renamed(self, live: LiveDeployment, birth: Birth) -> str:
        """Return what a model is called now, "" where nothing tells."""
        _, number = _number(birth)
        found = set(self._created.get(birth.created, ()) if birth.created else ())
        if birth.registered:
            found |= self._registered.get((number, birth.registered), set())
        run = live.annotations.get(RUN_ID, "")
        if not (birth.created or birth.registered) and run and birth.model == live.model:
            found |= self._runs.get((number, run), set())
        others = found - {birth.model}
        return others.pop() if len(others) == 1 else ""

    @cached_property
    def _created(self) -> Mapping[int, set[str]]:
        return _grouped((one.created, one.name) for one in self.census.models.values())

    @cached_property
    def _registered(self) -> Mapping[tuple[int, int], set[str]]:
        every = self.census.versions.values()
        return _grouped(((one.version, one.created), one.model) for one in every)

    @cached_property
    def _runs(self) -> Mapping[tuple[int, str], set[str]]:
        every = self.census.versions.values()
        return _grouped(((one.version, one.run_id or ""), one.model) for one in every)


_K = TypeVar("_K")


def _grouped(pairs: Iterable[tuple[_K, str]]) -> dict[_K, set[str]]:
    found: dict[_K, set[str]] = {}
    for key, name in pairs:
        found.setdefault(key, set()).add(name)
    return found


def _doubt(ties: Sequence[_Tie], census: Census, identity: str) -> str:
    ahead = [f"{tie.birth.model} v{tie.birth.version}" for tie in ties if _is_ahead(tie, census)]
    if ahead:
        return (
            f"the registry {identity} does not have {told(ahead)}, which is deployed, and "
            "the model did not change since that was registered: the registry looks restored from "
            f"an older backup; if that is meant, {ACCEPT}"
        )
    lost = [tie for tie in ties if tie.counts(identity)]
    if not lost or any(not tie.is_lost for tie in ties) or _is_registered_anew(lost, identity):
        return ""
    gone = dict.fromkeys(tie.birth.model for tie in lost if tie.how == "missing")
    other = dict.fromkeys(tie.birth.model for tie in lost if tie.how == "other")
    what = [f"it does not have {told(gone)}"] if gone else []
    what += [f"its {told(other)} is not the model that was deployed"] if other else []
    froms = dict.fromkeys(tie.registry for tie in lost if tie.registry not in (None, identity))
    come = f", which come from {told(map(str, froms))}" if froms else ""
    return (
        f"the registry {identity} knows none of the models deployed here{come}: "
        f"{', and '.join(what)}. Is it the right one? If it was moved, replaced or restored, "
        f"{ACCEPT}"
    )


def _is_ahead(tie: _Tie, census: Census) -> bool:
    """Whether a version was deployed that was registered after its model last changed.

    A deleted version leaves a later stamp at its model. One that is not in a restored backup yet
    leaves none.
    """
    birth, model = tie.birth, census.models.get(tie.now)
    if tie.is_lost or model is None or not (birth.registered and model.updated):
        return False
    is_there = (tie.now, _number(birth)[1]) in census.versions
    return not is_there and model.updated < birth.registered


def _is_registered_anew(lost: Sequence[_Tie], identity: str) -> bool:
    """Whether all there is to be seen is one model that was deleted and registered again."""
    kinds = {(tie.birth.model, tie.how, tie.registry) for tie in lost}
    return len(kinds) == 1 and {kind[1:] for kind in kinds} == {("other", identity)}


def _foreign(ties: Sequence[_Tie], identity: str) -> dict[Key, str]:
    """Return the deployments of other registries that nothing shows to be the same as this one."""
    ours = {tie.registry for tie in ties if not tie.is_lost}
    return {
        tie.live.key: f"it comes from the registry {tie.registry}, and this registry has nothing "
        f"of that one; if it is the same registry, or its successor, {ACCEPT}"
        for tie in ties
        if tie.registry not in (None, identity) and tie.registry not in ours
    }
