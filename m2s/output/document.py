"""Plan and outcomes as versioned, masked JSON; a saved plan (``saved_plan``) is one, too.

The shape is pinned by ``tests/test_document.py``: a field may be added within a format version,
never removed or given another meaning.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import yaml

from m2s.base import mask, printable
from m2s.domain import serving
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest, Skipped, identified
from m2s.engine.outcomes import Outcome
from m2s.objects.body import comparable, digest
from m2s.objects.diff import FieldChange
from m2s.plan.changes import Action, Blocked, Change, Create, Delete, Unchanged, Update
from m2s.plan.plan import Plan, models_of, served_of
from m2s.platforms import catalogue

FORMAT_VERSION = "1.0"

DigestOf = Callable[[Manifest | LiveDeployment], str]


def of_plan(
    plan: Plan,
    warnings: Iterable[str] = (),
    digest_of: DigestOf | None = None,
    *,
    whole: bool = False,
) -> dict[str, Any]:
    """Return a plan as JSON values, without any secret (law 7), with lines that are shown with it.

    ``digest_of`` is how its objects are told apart; :func:`shown_digest` unless given.
    With ``whole`` each creation has its whole ``object``, literals and secrets hidden.
    """
    digest_of = digest_of or shown_digest
    return {
        "format_version": FORMAT_VERSION,
        "registry": plan.registry,
        "target": plan.target,
        "namespace": plan.namespace,
        "selectors": [{"kind": item.kind, "name": item.name} for item in plan.selectors],
        "owners": sorted(plan.scope.owners),
        "models": list(plan.scope.models),
        "summary": {
            **{action.word: plan.count(action) for action in Action},
            "skipped": len(plan.skipped),
        },
        "changes": [
            {
                **_change(change, plan.show_env, digest_of),
                **platform,
                **(_object(change, plan.show_env) if whole else {}),
            }
            for change, platform in zip(plan.changes, _platforms(plan.changes), strict=True)
        ],
        "skipped": [_skipped(item) for item in plan.skipped],
        "warnings": [mask.text(warning) for warning in (*warnings, *not_checked(plan))],
    }


def not_checked(plan: Plan) -> tuple[str, ...]:
    """Return what preflight could not look at, a line each."""
    return tuple(f"not checked: {line}" for line in plan.unchecked)


def _platforms(changes: Sequence[Change]) -> list[dict[str, str]]:
    """Return the platform of each change, where not all are of the first one of the catalogue."""
    told = catalogue.mixed(change.key for change in changes)
    return [{"platform": catalogue.of(change.key).name} if told else {} for change in changes]


def of_outcomes(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return what executing a plan came to, one entry for each change, in the plan's order."""
    platforms = _platforms([outcome.change for outcome in outcomes])
    return [
        {
            **platform,
            "name": outcome.change.key.name,
            "namespace": outcome.change.key.namespace,
            "action": outcome.change.action.word,
            "status": outcome.status.value,
            "message": mask.text(outcome.message),
        }
        for outcome, platform in zip(outcomes, platforms, strict=True)
    ]


def text(document: Mapping[str, Any], output: str, *, in_ascii: bool = False) -> str:
    """Return a document as ``json`` or ``yaml`` text, keys in the order they were put."""
    if output == "json":
        return printable.json_text(document, indent=2, in_ascii=in_ascii)
    result: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=not in_ascii).rstrip()
    plain = in_ascii or all(map(str.isprintable, result.split("\n")))
    return result if plain else text(document, output, in_ascii=True)


def _change(change: Change, listed: Sequence[str], digest_of: DigestOf) -> dict[str, Any]:
    model, version = models_of(change)
    fields = () if isinstance(change, Unchanged | Blocked) else change.fields
    manifest, live = _objects(change)
    return {
        "action": change.action.word,
        "name": change.key.name,
        "namespace": change.key.namespace,
        "owner": _owner(change),
        "model": model or None,
        "version": version or None,
        "models": [serving.as_json(one) for one in served_of(change)],
        "template": _template(change),
        "run_id": manifest.models[0].run_id if manifest else None,
        "model_uri": mask.text(manifest.uri) if manifest else None,
        "reason": mask.text(change.reason),
        "notes": [mask.text(note) for note in manifest.notes] if manifest else [],
        "warnings": [mask.text(line) for line in manifest.warnings] if manifest else [],
        "ignored": list(manifest.ignored) if manifest else [],
        "fields": [_field(field, listed) for field in fields],
        "desired_digest": digest_of(manifest) if manifest else None,
        "live": _live(live, digest_of) if live else None,
    }


def _object(change: Change, listed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(change, Create):
        return {}
    return {"object": mask.value(identified(change.manifest.body), listed)}


def sides(change: Change) -> tuple[Manifest | LiveDeployment, ...]:
    """Return the objects that a change's digests are of."""
    return tuple(item for item in _objects(change) if item)


def _objects(change: Change) -> tuple[Manifest | None, LiveDeployment | None]:
    manifest = None if isinstance(change, Delete | Blocked) else change.manifest
    return manifest, None if isinstance(change, Create) else change.live


def _template(change: Change) -> str | None:
    """Return the file of the templates folder that a change comes from."""
    match change:
        case Create(manifest=manifest) | Update(manifest=manifest):
            return manifest.template or None
        case Blocked(template=template, live=live):
            return template or (live.template if live else None) or None
        case _:
            return change.live.template or None


def _owner(change: Change) -> str | None:
    match change:
        case Create(manifest=Manifest(owner=owner)) | Update(manifest=Manifest(owner=owner)):
            return owner
        case Blocked(owner=owner):
            return owner
        case _:
            return change.live.owner


def _field(field: FieldChange, listed: Sequence[str]) -> dict[str, Any]:
    old, new = field.shown(listed)
    return {"path": str(field), "kind": field.kind, "old": old, "new": new}


def _live(live: LiveDeployment, digest_of: DigestOf) -> dict[str, str]:
    # A folder's version of an object is a digest of its file, secrets included.
    version = live.resource_version if live.uid else ""
    return {"uid": live.uid, "resource_version": version, "digest": digest_of(live)}


def shown_digest(item: Manifest | LiveDeployment) -> str:
    """Return the identity of an object without what is hidden: no secret can be guessed by it."""
    body = identified(item.body) if isinstance(item, Manifest) else comparable(item.body)
    return digest(mask.value(body))


def whole_digest(item: Manifest | LiveDeployment) -> str:
    """Return the identity of an object with all that is in it, as earlier releases saved it."""
    return item.digest


def _skipped(item: Skipped) -> dict[str, Any]:
    return {
        "model": item.version.model,
        "version": str(item.version.version),
        "selector": str(item.selector),
        "reason": mask.text(item.reason),
    }
