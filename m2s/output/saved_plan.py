"""Saved plans: written, read again, and compared with what the two sides come to by then."""

import contextlib
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from m2s.base import mask, printable
from m2s.base.errors import PlanFileError, UsageError
from m2s.output.document import FORMAT_VERSION, of_plan, sides, whole_digest
from m2s.plan.plan import Plan
from m2s.settings import split
from m2s.settings.groups import Settings
from m2s.settings.options import OPTIONS

# Bound is what decides a plan, and so is taken from it when it is applied. Where the two sides are
# and who asks (tracking URI, kubeconfig) is not: that may differ between the job that plans and the
# one that applies, and what matters of it is compared.
_BOUND = tuple(name for name, option in OPTIONS.items() if option.binds)
_ADDED = frozenset({"workspace", "platform", "platforms", "environment"})
"""Those that plans of an older m2s do not have; they are applied all the same."""
_ALL = "environments"


def save(path: str, plan: Plan, settings: Settings, warnings: Iterable[str]) -> None:
    """Write a plan to be applied later; atomically, readable by its owner only.

    Raises:
        UsageError: there is no such folder.
        PlanFileError: it cannot be written.
    """
    bound = {"settings": _bound(plan, settings), "hidden": _hidden(plan, secrets.token_hex(16))}
    _write(path, {**_short(of_plan(plan, warnings)), **bound})


def save_all(path: str, plans: Mapping[str, Any]) -> None:
    """Write the saved plans of several environments, by name, into one; raises as :func:`save`."""
    _write(path, {"format_version": FORMAT_VERSION, _ALL: plans})


def _write(path: str, document: Mapping[str, Any]) -> None:
    target = Path(path)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
    try:
        temporary.touch(mode=0o600, exist_ok=False)
        content = printable.json_text(document).encode(errors="backslashreplace")
        temporary.write_bytes(content + b"\n")
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if not target.parent.exists():
            raise UsageError(f"--out {path}: no such folder {target.parent}") from error
        raise PlanFileError(f"--out {path}: {error.strerror}") from error


def _short(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan's document without the fields of creations, and those that m2s itself needs.

    The digests tell all that is compared; ``m2s plan -o json`` has every field.
    """
    return {**document, "changes": [_without_fields(change) for change in document["changes"]]}


def _without_fields(change: Mapping[str, Any]) -> dict[str, Any]:
    told = [] if change["action"] == "create" else change["fields"]
    return {**change, "fields": [each for each in told if "m2s.io/" not in each["path"]]}


def _hidden(plan: Plan, salt: str) -> dict[str, str]:
    """Return what tells whether any value changed that a plan does not show.

    Whoever has the plan could try values out until the digest fits, so that is made slow: each
    trial takes a tenth of a second and 32 MiB (RFC 7914, scrypt). It is one digest for all objects.
    """
    objects = [whole_digest(item) for change in plan.changes for item in sides(change)]
    key = hashlib.scrypt(
        "\n".join(objects).encode(), salt=salt.encode(), n=2**15, r=8, p=1, maxmem=2**26
    )
    return {"salt": salt, "digest": key.hex()}


def _bound(plan: Plan, settings: Settings) -> dict[str, Any]:
    root = settings.artifact_root
    by_alias = [item.name for item in settings.selectors if item.kind == "alias"]
    special = {
        "stage": [item.name for item in settings.selectors if item.kind == "stage"],
        "alias": [] if settings.split else by_alias,  # which a split names itself
        "split": split.text(settings.split) if settings.split else None,
        "namespace": plan.namespace,
        "model-uri-map": [mask.text(f"{left}={right}") for left, right in settings.uri_map],
        "artifact-root": mask.text(root) if root else None,
    }
    accepted = {"accept-registry": True} if settings.accept_registry else {}
    values: dict[str, Any] = {}
    for name in _BOUND:
        value = special[name] if name in special else getattr(settings, OPTIONS[name].attribute)
        values[name] = list(value) if isinstance(value, tuple) else value
    if not settings.environment:  # as a plan was before there were any
        del values["environment"]
    return {**values, **accepted}


def accepts(document: Mapping[str, Any]) -> bool:
    """Whether a saved plan was made with ``--accept-registry``."""
    return document["settings"].get("accept-registry") is True


def environments(path: str) -> tuple[str, ...]:
    """Return the environments whose plans a file has, () for a plan of one; as :func:`load`."""
    plans = _read(path).get(_ALL, {})
    return tuple(plans) if isinstance(plans, dict) else ()


def load(path: str, environment: str | None = None) -> dict[str, Any]:
    """Return a saved plan's document; where the file has several, that of ``environment``.

    Raises:
        UsageError: there is no such file.
        PlanFileError: it is not readable, not a saved plan, or of another format version.
    """
    document = _read(path)
    if isinstance(plans := document.get(_ALL), dict):
        document = plans.get(environment, {})
    if not isinstance(document, dict) or not _well_formed(document):
        raise PlanFileError(f"{path}: not a saved plan; `m2s plan --out {path}` writes one")
    return document


def _read(path: str) -> dict[str, Any]:
    """Return the document of a file, of this format version.

    Raises:
        UsageError: there is no such file.
        PlanFileError: it is not readable, not a saved plan, or of another format version.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file; `m2s plan --out {path}` writes one") from error
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
    return document


def _well_formed(document: Mapping[str, Any]) -> bool:
    settings, changes = document.get("settings"), document.get("changes")
    return (
        isinstance(settings, dict)
        and set(_BOUND) - _ADDED <= settings.keys()
        and isinstance(changes, list)
        and all(isinstance(change, dict) and _is_change(change) for change in changes)
        and _is_seal(document.get("hidden"))
    )


def _is_seal(hidden: Any) -> bool:
    # A plan that an earlier release saved has none: its digests are of whole objects.
    return hidden is None or (isinstance(hidden, dict) and isinstance(hidden.get("salt"), str))


def _is_change(change: Mapping[str, Any]) -> bool:
    texts = (change.get("name"), change.get("action"), change.get("model") or "")
    return all(isinstance(text, str) for text in texts) and isinstance(
        change.get("live"), dict | None
    )


def flags_of(document: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that ``apply PLAN`` works by: its own, and those that do not decide it.

    UsageError: a flag on the command line contradicts the plan.
    """
    result = dict(flags)
    for name in _BOUND:
        saved, given = document["settings"].get(name), flags.get(name)
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


def stale(saved: Mapping[str, Any], plan: Plan) -> list[str]:
    """Return what is no longer as a saved plan had it, in words; nothing means it still holds."""
    hidden = saved.get("hidden")
    moves = moved(saved, of_plan(plan, digest_of=None if hidden else whole_digest))
    if hidden and not moves and _hidden(plan, hidden["salt"]) != hidden:
        return ["the value of an environment variable or an argument changed"]
    return moves


def moved(saved: Mapping[str, Any], fresh: Mapping[str, Any]) -> list[str]:
    """Return in words how two documents of a plan differ in what is to be done.

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


def _by_identity(document: Mapping[str, Any]) -> dict[tuple[str, ...], Mapping[str, Any]]:
    changes: list[Mapping[str, Any]] = document["changes"]
    keys = ("name", "model", "platform")
    return {tuple(str(change.get(key)) for key in keys): change for change in changes}


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
