"""A SeldonDeployment as described becomes the Manifest that m2s writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.desired.choice import Wanted
from m2s.model import (
    CHECKSUM,
    GROUP,
    KIND,
    MANAGED_BY,
    MODEL,
    MODEL_VERSION,
    OWNER,
    RUN_ID,
    SELECTOR,
    VERSION,
    Key,
    Manifest,
    digest,
    dns_label,
    label_value,
)


def manifest_of(
    want: Wanted,
    given: Mapping[str, Any],
    uri: str,
    owner: str,
    default: Key,
) -> Manifest:
    """Return ``given``, a SeldonDeployment, under its name and with m2s's own marks."""
    metadata = given.get("metadata") or {}
    key, notes = default, _notes(want)
    if metadata.get("name"):
        key = Key(default.namespace, dns_label(metadata["name"]))
        if key.name != metadata["name"]:
            notes = (*notes, f"metadata.name {metadata['name']!r} is written {key.name}")
    if metadata.get("namespace") not in (None, key.namespace):
        notes = (*notes, f"metadata.namespace {metadata['namespace']!r} gives way to -n")
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {**(metadata.get("labels") or {}), **_labels(want, owner)},
            "annotations": _annotations(want, metadata.get("annotations") or {}),
        },
        **{part: value for part, value in given.items() if part not in _NOT_OURS},
    }
    body["spec"] = _with_uri(given["spec"], uri)
    # Tells "the description changed" from "the object drifted" without keeping the old text.
    body["metadata"]["annotations"][CHECKSUM] = digest(body)
    return Manifest(key, owner, want.selector, (want.version,), body, uri, notes)


def _notes(want: Wanted) -> tuple[str, ...]:
    if not want.others:
        return ()
    listed = ", ".join(f"v{other.version}" for other in want.others)
    return (f"{listed} also in {want.selector.name}: the highest version is served",)


_NOT_OURS = frozenset({"apiVersion", "kind", "metadata", "status"})
# Left behind by `kubectl get -o yaml`: true of another object, at another time.
_STALE_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})


def _labels(want: Wanted, owner: str) -> dict[str, str]:
    return {
        MANAGED_BY: "m2s",
        OWNER: owner,
        MODEL: label_value(want.version.model),
        MODEL_VERSION: str(want.version.version),
    }


def _annotations(want: Wanted, given: Mapping[str, Any]) -> dict[str, Any]:
    ours = {
        MODEL: want.version.model,
        MODEL_VERSION: str(want.version.version),
        SELECTOR: str(want.selector),
    }
    if want.version.run_id:
        ours[RUN_ID] = want.version.run_id
    kept = {name: value for name, value in given.items() if name not in _STALE_ANNOTATIONS}
    return {**kept, **ours}


def _with_uri(spec: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """Overwrite the first predictor's root ``modelUri``, as the first seed does."""
    first, *others = spec["predictors"]
    graph = {**first["graph"], "modelUri": uri}
    return {**spec, "predictors": [{**first, "graph": graph}, *others]}
