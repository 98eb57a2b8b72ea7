"""What stays as it is, because something about it could not be read or may not be written; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Desired, Manifest, Paused, Skipped, Undeployable
from m2s.domain.versions import Key
from m2s.plan.changes import Blocked, Change, Update, blocked, judged

Renamed = Mapping[str, str]
"""What models are called now, by the name they were deployed under."""
NO_ONE: Renamed = MappingProxyType({})

_Reasons = dict[tuple[str | None, str], str]
"""(owner, name) → why."""


@dataclass(frozen=True)
class Held:
    """Whose deployments stay, and why: by model, by template, and by the object's own name.

    A template's deployment does not come from its models' descriptions: a model that is only
    ``skipped``, for want of a deploy.yaml, does not hold it.
    """

    models: _Reasons = field(default_factory=dict)
    skipped: _Reasons = field(default_factory=dict)
    templates: _Reasons = field(default_factory=dict)
    keys: dict[Key, str] = field(default_factory=dict)
    all_templates: dict[str, str] = field(default_factory=dict)
    paused: dict[Key, str] = field(default_factory=dict)

    def why(self, live: LiveDeployment) -> str | None:
        """Return why ``live`` stays as it is, None where nothing holds it."""
        return next(self._reasons(live), None)

    def why_not(self, manifest: Manifest, live: LiveDeployment) -> str | None:
        """Return why ``manifest`` may not be written over ``live``, None where it may.

        It may not while something that ``live`` serves, and ``manifest`` would not, is held.
        """
        kept = {one.model for one in manifest.models}
        lost = [one.model for one in live.served if one.model not in kept]
        for model in lost:
            for why in self._of_model(live, model):
                return f"{live.key.name} still serves {model}, which is {why}"
        if live.template and live.template != manifest.template:
            for why in self._of_template(live):
                return f"{live.key.name} is made from {live.template}, which is {why}"
        return None

    def _reasons(self, live: LiveDeployment) -> Iterator[str]:
        if live.key in self.paused:
            yield self.paused[live.key]
        for model in {one.model for one in live.served}:
            yield from self._of_model(live, model)
        yield from self._of_template(live)
        if live.key in self.keys:
            yield self.keys[live.key]

    def _of_model(self, live: LiveDeployment, model: str) -> Iterator[str]:
        maps = [self.models] if live.template else [self.models, self.skipped]
        for reasons in maps:
            if why := reasons.get((live.owner, model)):
                yield why

    def _of_template(self, live: LiveDeployment) -> Iterator[str]:
        if not live.template or live.owner is None:
            return
        if why := self.templates.get((live.owner, live.template)):
            yield why
        if why := self.all_templates.get(live.owner):
            yield why


def held(desired: Iterable[Desired], written: Iterable[Change], renamed: Renamed = NO_ONE) -> Held:
    """Return what is held by what could not be made, and by changes that are blocked.

    What is held of a model is held under the name that it had before, too.
    """
    found = Held()
    for item in desired:
        if isinstance(item, Skipped):
            why = _because(str(item.version), item.reason)
            found.skipped[item.owner, item.version.model] = why
        elif isinstance(item, Paused):
            found.paused[item.key] = item.reason
        elif isinstance(item, Undeployable):
            _refused(found, item)
    for change in written:
        if isinstance(change, Blocked):
            _hold(found, change, f"held: {change.key.name} is blocked")
    for reasons in (found.models, found.skipped):
        reasons.update(_under_old_names(reasons, renamed))
    return found


def _under_old_names(reasons: _Reasons, renamed: Renamed) -> _Reasons:
    named = ((old, key, why) for old in renamed for key, why in reasons.items())
    return {(owner, old): why for old, (owner, name), why in named if renamed[old] == name}


def keeping(changes: tuple[Change, ...], renamed: Renamed = NO_ONE) -> tuple[Change, ...]:
    """Block what would be written over the deployment of a model whose own change is blocked."""
    before: tuple[Change, ...] | None = None
    while changes != before:
        before, hold = changes, held((), changes, renamed)
        changes = judged(changes, partial(_kept, hold))
    return changes


def _kept(hold: Held, change: Update) -> Update | Blocked:
    why = hold.why_not(change.manifest, change.live)
    return blocked(change.manifest, why, change.live) if why else change


def _refused(found: Held, item: Undeployable) -> None:
    why = _because(item.template or str(item.version), item.reason)
    _hold(found, item, why)
    if item.nameless:
        found.all_templates[item.owner] = why
    elif item.template:
        found.keys[item.key] = why


def _hold(found: Held, item: Undeployable | Blocked, why: str) -> None:
    found.models.update({(item.owner, name): why for name in item.held})
    if item.template:
        found.templates[item.owner, item.template] = why


def _because(what: str, reason: str) -> str:
    return f"held: {what}: {reason}"
