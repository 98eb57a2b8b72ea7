"""Pure: what will keep a Deployment from serving, judged by what was read beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from m2s.domain.manifests import Manifest
from m2s.objects.body import Body
from m2s.platforms.common import preflight
from m2s.platforms.common.pods import Path, found, mappings, text
from m2s.platforms.deployment.containers import POD
from m2s.platforms.deployment.places import is_rclone, places
from m2s.platforms.findings import Facts, Needs


def needs(body: Body) -> Needs:
    """Return what :func:`checked` wants to know about a Deployment."""
    secrets = frozenset(name for name, *_ in _secrets(body))
    return Needs(secrets, frozenset(name for name, _ in _accounts(body)))


def checked(manifest: Manifest, facts: Facts) -> Manifest:
    """Return ``manifest`` with its warnings, and with Azure's remote as its Secret names it."""
    body, namespace, warnings = manifest.body, manifest.key.namespace, [*manifest.warnings]
    for name, container, uri in _secrets(body):
        if name in facts.secrets:
            label = f"Secret {name}, the environment of container {container},"
            keys, field = facts.secrets[name], "envFrom"
            warnings += preflight.of_secret(keys, label, uri, field, namespace)
    warnings += preflight.of_accounts(_accounts(body), facts, namespace)
    warned = replace(manifest, warnings=tuple(dict.fromkeys(warnings)))
    return preflight.renamed(warned, facts, _read_by_rclone(body))


def _secrets(body: Body) -> Iterator[tuple[str, str, str]]:
    """Yield each Secret that a container cannot start without, the container, and what it reads.

    The URI is "" where something else than rclone reads it.
    """
    uris = {id(container): uri for _, uri, container in places(body) if is_rclone(container)}
    for kind in ("initContainers", "containers"):
        for _, container in found(body, f"{POD}.{kind}.*"):
            for one in mappings(container, "envFrom.*.secretRef"):
                if one.get("optional") is not True and (name := text(one, "name")):
                    yield name, text(container, "name"), uris.get(id(container), "")


def _read_by_rclone(body: Body) -> Iterator[tuple[Path, str, str]]:
    for path, uri, container in places(body):
        if is_rclone(container):
            yield path, uri, next(iter(_environments(container)), "")


def _environments(container: Mapping[str, Any]) -> list[str]:
    return [text(one, "name") for one in mappings(container, "envFrom.*.secretRef")]


def _accounts(body: Body) -> Iterator[tuple[str, str]]:
    for pod in mappings(body, POD):
        if account := text(pod, "serviceAccountName"):
            yield account, "its Pod"
