"""A deployment as described becomes the Manifest that m2s writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from m2s.base.labels import (
    MANAGED_BY,
    MARKS,
    MODEL,
    MODEL_VERSION,
    MODELS,
    OWNER,
    PAUSED,
    PINNED,
    RECORD,
    RUN_ID,
    SELECTOR,
    TEMPLATE,
)
from m2s.base.names import dns_label, label_value
from m2s.desired.choosing import Wanted
from m2s.domain.deployments import listing
from m2s.domain.manifests import Manifest
from m2s.domain.versions import Key
from m2s.objects.body import Body, sealed
from m2s.objects.layers import named_path
from m2s.objects.origins import Source, Sources
from m2s.platforms import catalogue
from m2s.platforms.common.reader import Reader


def manifest_of(
    want: Wanted,
    given: Mapping[str, Any],
    uri: str,
    owner: str,
    default: Key,
    reader: Reader,
    sources: Callable[[], Sources] = dict,
) -> Manifest:
    """Return ``given``, a deployment, under its name and with m2s's own marks.

    ``given`` is what all layers of the description come to, and ``sources`` tells where its fields
    come from; ``default`` has the name, where ``given`` has none, the namespace and the kind. The
    version lies at ``uri``, as a model server reads it.

    Raises:
        Problem: a place of a model's URI has none, or one that no model server reads.
    """
    key, notes = named(given, default)
    bare = Manifest(key, owner, want.selector, (want.version,), {}, uri, (*_notes(want), *notes))
    body, places = catalogue.of(key).with_model(given, uri, reader)
    made = marked(bare, body)
    named_places = [named_path(made.body, place) for place in places]
    where = dict.fromkeys(named_places, Source(f"where the registry has {want.version}"))
    return replace(made, sources=lambda: {**sources(), **marks(made.body), **where})


def marks(body: Body) -> Sources:
    """Return m2s as the source of its own labels and annotations."""
    return {
        ("metadata", field, name): Source("m2s")
        for field in ("labels", "annotations")
        for name in body["metadata"][field]
        if name == MANAGED_BY or name.startswith(MARKS)
    }


def named(given: Mapping[str, Any], default: Key) -> tuple[Key, tuple[str, ...]]:
    """Return under which name and in which namespace it is written, and what that changes."""
    metadata = given.get("metadata") or {}
    key, notes = default, []
    if metadata.get("name"):
        key = replace(default, name=dns_label(metadata["name"]))
        if key.name != metadata["name"]:
            notes.append(f"metadata.name {metadata['name']!r} is written {key.name}")
    if metadata.get("namespace") not in (None, key.namespace):
        notes.append(f"metadata.namespace {metadata['namespace']!r} gives way to -n")
    return key, tuple(notes)


def marked(manifest: Manifest, given: Mapping[str, Any]) -> Manifest:
    """Return ``manifest`` with ``given``, a deployment, and m2s's own marks as its body."""
    resource = catalogue.resource(manifest.key)
    metadata = given.get("metadata") or {}
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": manifest.key.name,
            "namespace": manifest.key.namespace,
            "labels": {**(metadata.get("labels") or {}), **_labels(manifest)},
            "annotations": _annotations(manifest, metadata.get("annotations") or {}),
        },
    }
    own = (part for part in given if part not in _NOT_OURS and not part.startswith(ANCHORS))
    whole = {**body, **{part: given[part] for part in own}}
    return replace(manifest, body=sealed(catalogue.of(manifest.key).wired(whole)))


def warned(manifest: Manifest) -> Manifest:
    """Return a manifest with a warning for what its text alone shows."""
    found = catalogue.of(manifest.key).warnings(manifest.body)
    return replace(manifest, warnings=tuple(dict.fromkeys(found)))


def _notes(want: Wanted) -> tuple[str, ...]:
    if not want.others:
        return ()
    listed = ", ".join(f"v{other.version}" for other in want.others)
    return (f"{listed} also in {want.selector.name}: the highest version is served",)


ANCHORS = "x-"
"""What the top-level keys begin with that hold YAML anchors, as in Compose files: never written."""
_NOT_OURS = frozenset({"apiVersion", "kind", "metadata", "status"})


# True of another object, at another time: left behind by `kubectl get -o yaml`.
_NOT_KEPT = frozenset({
    "kubectl.kubernetes.io/last-applied-configuration", MODELS, TEMPLATE, PAUSED, PINNED, *RECORD,
})  # fmt: skip


def _labels(manifest: Manifest) -> dict[str, str]:
    first = manifest.models[0]
    return {
        MANAGED_BY: "m2s",
        OWNER: manifest.owner,
        MODEL: label_value(first.model),
        MODEL_VERSION: str(first.version),
    }


def _annotations(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    first = manifest.models[0]
    ours = {
        MODEL: first.model,
        MODEL_VERSION: str(first.version),
        SELECTOR: str(manifest.selector),
    }
    if first.run_id:
        ours[RUN_ID] = first.run_id
    if len(manifest.models) > 1:
        ours[MODELS] = listing(manifest.served)
    if manifest.template:
        ours[TEMPLATE] = manifest.template
    kept = {name: value for name, value in given.items() if name not in _NOT_KEPT}
    return {**kept, **ours}
