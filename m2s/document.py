"""Plan and outcomes as a versioned JSON document, masked; and saved plans, which are one.

The shape is pinned by ``tests/test_document.py``: a field may be added within a format version,
never removed or given another meaning.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from m2s import mask, split
from m2s.change import Action, Blocked, Change, Create, Delete, Unchanged, Update
from m2s.diff import FieldChange
from m2s.errors import PlanFileError, UsageError
from m2s.execute import Outcome
from m2s.live import LiveDeployment
from m2s.model import Served
from m2s.plan import Plan, models_of, served_of
from m2s.settings import OPTIONS, Settings
from m2s.wanted import Manifest, Skipped

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
        "models": [_served(one) for one in served_of(change)],
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


def _served(one: Served) -> dict[str, str | None]:
    return {"model": one.model, "version": one.version or None, "alias": one.alias or None}


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


# What decides a plan, and so is taken from it when it is applied. Where the two sides are and who
# asks (tracking URI, kubeconfig) is not: that may differ between the job that plans and the one
# that applies, and what matters of it is compared.
_BOUND = (
    "stage", "alias", "split", "templates", "base-template", "model", "owner", "namespace",
    "target", "model-uri-map", "on-conflict", "adopt", "force-conflicts", "ignore", "preflight",
    "strict",
    "artifact-root", "deploy-file", "default-image", "image-tag", "image-registry", "init-image",
    "image-pull-secret", "env-secret", "service-account", "protocol",
)  # fmt: skip


def save(path: str, plan: Plan, settings: Settings, warnings: Iterable[str]) -> None:
    """Write a plan to be applied later; atomically, readable by its owner only.

    Raises:
        PlanFileError: when it cannot be written.
    """
    document = {**of_plan(plan, warnings), "settings": _bound(plan, settings)}
    target = Path(path)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
    try:
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_text(text(document, "json") + "\n", encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise PlanFileError(f"--out {path}: {error.strerror}") from error


def _bound(plan: Plan, settings: Settings) -> dict[str, Any]:
    return {
        "stage": [item.name for item in settings.selectors if item.kind == "stage"],
        "alias": _aliases(settings),
        "split": split.text(settings.split) if settings.split else None,
        "templates": settings.templates,
        "base-template": settings.base_template,
        "model": list(settings.models),
        "owner": settings.owner,
        "namespace": plan.namespace,
        "target": settings.target,
        "model-uri-map": [mask.text(f"{left}={right}") for left, right in settings.uri_map],
        "on-conflict": settings.on_conflict,
        "adopt": settings.adopt,
        "force-conflicts": settings.force_conflicts,
        "ignore": list(settings.ignore),
        "preflight": settings.preflight,
        "strict": settings.strict,
        **_serving(settings),
    }


def _serving(settings: Settings) -> dict[str, Any]:
    root = settings.artifact_root
    return {
        "artifact-root": mask.text(root) if root else None,
        "deploy-file": settings.deploy_file,
        "default-image": settings.default_image,
        "image-tag": settings.image_tag,
        "image-registry": settings.image_registry,
        "init-image": settings.init_image,
        "image-pull-secret": list(settings.image_pull_secrets),
        "env-secret": settings.env_secret,
        "service-account": settings.service_account,
        "protocol": settings.protocol,
    }


def _aliases(settings: Settings) -> list[str]:
    if settings.split:  # which names them itself
        return []
    return [item.name for item in settings.selectors if item.kind == "alias"]


def load(path: str) -> dict[str, Any]:
    """Return a saved plan's document.

    Raises:
        PlanFileError: when it is not readable, not a saved plan, or of another format version.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise PlanFileError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PlanFileError(f"{path}: not a saved plan: {error}") from error
    if not isinstance(document, dict) or "format_version" not in document:
        raise PlanFileError(f"{path}: not a saved plan; `m2s plan --out {path}` writes one")
    if document["format_version"] != FORMAT_VERSION:
        raise PlanFileError(
            f"{path}: a plan of format version {document['format_version']}; this m2s reads "
            f"{FORMAT_VERSION}: plan again"
        )
    if not _well_formed(document):
        raise PlanFileError(f"{path}: not a saved plan; `m2s plan --out {path}` writes one")
    return document


def _well_formed(document: Mapping[str, Any]) -> bool:
    settings, changes = document.get("settings"), document.get("changes")
    return (
        isinstance(settings, dict)
        and set(_BOUND) <= settings.keys()
        and isinstance(changes, list)
        and all(isinstance(change, dict) and _is_change(change) for change in changes)
    )


def _is_change(change: Mapping[str, Any]) -> bool:
    texts = (change.get("name"), change.get("action"), change.get("model") or "")
    return all(isinstance(text, str) for text in texts) and isinstance(
        change.get("live"), dict | None
    )


def flags_of(document: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that ``apply PLAN`` works by: its own, and those that do not decide it.

    Raises:
        UsageError: when a flag on the command line contradicts the plan.
    """
    result = dict(flags)
    for name in _BOUND:
        saved, given = document["settings"][name], flags.get(name)
        if given is not None and _meant(name, given) != _meant(name, saved):
            raise UsageError(f"--{name}: the saved plan was made with {saved!r}; leave it out")
        result[name] = saved
    return result


def _meant(name: str, raw: Any) -> Any:
    if raw in (None, [], ()):
        return OPTIONS[name].default
    try:
        return OPTIONS[name].parse(raw)
    except ValueError as error:
        raise UsageError(f"--{name}: {error}") from error


def moved(saved: Mapping[str, Any], fresh: Mapping[str, Any]) -> list[str]:
    """Return what is no longer as a saved plan had it, in words; nothing means it still holds.

    An object's resourceVersion also moves with its status; what counts is what m2s compares.
    """
    moves = [
        f"the {side} was {saved.get(side)} and is {fresh[side]}"
        for side in ("registry", "target")
        if saved.get(side) != fresh[side]
    ]
    before, after = _by_identity(saved), _by_identity(fresh)
    for identity in sorted(before.keys() | after.keys()):
        what = _move(before.get(identity), after.get(identity))
        if what:
            moves.append(f"{identity[0]}: {what}")
    return moves


def _by_identity(document: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    changes: list[Mapping[str, Any]] = document["changes"]
    return {(change["name"], str(change.get("model"))): change for change in changes}


def _move(saved: Mapping[str, Any] | None, fresh: Mapping[str, Any] | None) -> str:
    if saved is None or fresh is None:
        only = fresh or saved or {}
        return f"{only['action']} is {'new' if saved is None else 'no longer wanted'}"
    for name, words in (("version", "version"), ("action", "action"), ("model_uri", "model URI")):
        if saved.get(name) != fresh[name]:
            return f"the {words} was {saved.get(name)} and is {fresh[name]}"
    if saved.get("desired_digest") != fresh["desired_digest"]:
        return "its description changed"
    old, new = saved.get("live") or {}, fresh["live"] or {}
    if (old.get("uid"), old.get("digest")) != (new.get("uid"), new.get("digest")):
        return (
            f"the object in the cluster changed (resourceVersion {old.get('resource_version')} "
            f"→ {new.get('resource_version')})"
        )
    return ""
