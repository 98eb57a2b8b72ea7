"""Pure: versions and their deployment descriptions become manifests, or a reason why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from m2s.desired import file
from m2s.desired.choice import Wanted, check, choose, default_name
from m2s.desired.location import servable
from m2s.desired.manifest import manifest_of
from m2s.desired.problem import Problem
from m2s.model import Description, Key, Manifest, Skipped, Undeployable, Unreadable
from m2s.settings import Settings

__all__ = ["Desired", "Wanted", "build", "choose"]

Desired = Manifest | Undeployable | Skipped


def build(
    wanted: Sequence[tuple[Wanted, Description | Unreadable]], settings: Settings, namespace: str
) -> tuple[Desired, ...]:
    """Return what each wanted version comes to, in the order given.

    Two manifests that want one name both become :class:`~m2s.model.Undeployable`.
    """
    results = [_one(want, described, settings, namespace) for want, described in wanted]
    claims: dict[Key, list[Manifest]] = defaultdict(list)
    for result in results:
        if isinstance(result, Manifest):
            claims[result.key].append(result)
    return tuple(
        _contested(result, claims[result.key]) if isinstance(result, Manifest) else result
        for result in results
    )


def _one(
    want: Wanted, described: Description | Unreadable, settings: Settings, namespace: str
) -> Desired:
    version, owner = want.version, settings.owner_of(want.selector)
    key = Key(namespace, default_name(version.model, want.selector))
    try:
        check(want, settings)
        if isinstance(described, Unreadable):
            raise Problem(described.reason)
        if described.file is None:
            reason = "no deploy.yaml in the run or in the model's folder"
            return Skipped(owner, want.selector, version, reason)
        given = file.parse(described.file)
        uri = servable(described.uri, settings.uri_map)
    except Problem as problem:
        return Undeployable(key, owner, want.selector, version, str(problem))
    return manifest_of(want, given, uri, owner, key)


def _contested(manifest: Manifest, claims: Sequence[Manifest]) -> Manifest | Undeployable:
    rivals = [other for other in claims if other is not manifest]
    if not rivals:
        return manifest
    names = " and ".join(f"{other.models[0]} ({other.selector})" for other in rivals)
    reason = f"{names} wants the same name; give one another metadata.name in its deploy.yaml"
    version = manifest.models[0]
    return Undeployable(manifest.key, manifest.owner, manifest.selector, version, reason)
