"""Plan and outcomes as versioned, masked JSON; a saved plan (``saved_plan``) is one, too.

The shape is pinned by ``tests/test_document.py``: a field may be added within a format version,
never removed or given another meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from m2s.base import mask
from m2s.domain import serving
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest, Skipped
from m2s.engine.execute import Outcome
from m2s.objects.diff import FieldChange
from m2s.plan.changes import Action, Blocked, Change, Create, Delete, Unchanged, Update
from m2s.plan.plan import Plan, models_of, served_of

FORMAT_VERSION = "1.0"


def of_plan(plan: Plan, warnings: Iterable[str] = ()) -> dict[str, Any]:
    """Return a plan as JSON values, without any secret (law 7)."""
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
        "changes": [_change(change) for change in plan.changes],
        "skipped": [_skipped(item) for item in plan.skipped],
        "warnings": [mask.text(warning) for warning in (*warnings, *not_checked(plan))],
    }


def not_checked(plan: Plan) -> tuple[str, ...]:
    """Return what preflight could not look at, a line each."""
    return tuple(f"not checked: {line}" for line in plan.unchecked)


def of_outcomes(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return what executing a plan came to, one entry for each change, in the plan's order."""
    return [
        {
            "name": outcome.change.key.name,
            "namespace": outcome.change.key.namespace,
            "action": outcome.change.action.word,
            "status": outcome.status.value,
            "message": mask.text(outcome.message),
        }
        for outcome in outcomes
    ]


def text(document: Mapping[str, Any], output: str) -> str:
    """Return a document as ``json`` or ``yaml`` text, keys in the order they were put."""
    if output == "json":
        return json.dumps(document, indent=2, ensure_ascii=False)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip()


def _change(change: Change) -> dict[str, Any]:
    model, version = models_of(change)
    fields = () if isinstance(change, Unchanged | Blocked) else change.fields
    live = None if isinstance(change, Create) else change.live
    manifest = None if isinstance(change, Delete | Blocked) else change.manifest
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
        "fields": [_field(field) for field in fields],
        "desired_digest": manifest.digest if manifest else None,
        "live": _live(live) if live else None,
    }


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


def _field(field: FieldChange) -> dict[str, Any]:
    old, new = mask.at(field.path, field.old), mask.at(field.path, field.new)
    return {"path": str(field), "kind": field.kind, "old": old, "new": new}


def _live(live: LiveDeployment) -> dict[str, str]:
    return {"uid": live.uid, "resource_version": live.resource_version, "digest": live.digest}


def _skipped(item: Skipped) -> dict[str, Any]:
    return {
        "model": item.version.model,
        "version": str(item.version.version),
        "selector": str(item.selector),
        "reason": mask.text(item.reason),
    }
