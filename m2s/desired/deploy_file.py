"""A version's ``deploy.yaml``: one deployment, or a reason with file and line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.base import strictyaml
from m2s.base.labels import (
    CHECKSUM,
    MARKS,
    MODEL,
    MODEL_VERSION,
    MODELS,
    OWNER,
    RECORD,
    RUN_ID,
    SELECTOR,
    TEMPLATE,
)
from m2s.domain.versions import DeployFile
from m2s.objects.layers import Layer
from m2s.platforms import catalogue
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem


def kinds(file: DeployFile) -> frozenset[str]:
    """Return the kinds of deployments that a file holds, as far as it can be read."""
    names = [resource.kind for resource in catalogue.every()]
    if not any(name.encode() in file.content for name in names[1:]):
        return frozenset()  # most hold the first one, and need not be read for that
    try:
        documents = strictyaml.load_all(file.content)
    except strictyaml.YamlError:
        return frozenset()
    found = (catalogue.of_body(document.value) for document in documents)
    return frozenset(platform.resource.kind for platform in found if platform)


def parse(file: DeployFile, *, alone: bool = True) -> tuple[Platform, Layer]:
    """Return what a file describes, as a layer that knows its lines, and the platform it is for.

    Where it is ``alone``, a model's place with nothing behind it is blank; over another description
    it would take away what that one says.

    Raises:
        Problem: naming file and line, for whatever is not one deployment of a known kind.
    """
    try:
        documents = strictyaml.load_all(file.content)
    except strictyaml.YamlError as error:
        raise Problem(f"{file.origin}:{error.line}: {error.problem}") from error
    if len(documents) != 1:
        line = documents[1].line() if documents else 1
        found = f"{len(documents)} documents" if documents else "no document"
        kind = catalogue.default().resource.kind
        raise Problem(f"{file.origin}:{line}: {found}; it must be one {kind}")
    body = documents[0].value
    platform = catalogue.of_body(body) or catalogue.default()
    problem = platform.fault(documents[0])
    if problem:
        path, text = problem
        raise Problem(f"{file.origin}:{documents[0].line(*path)}: {text}")
    given, marks = _unmarked(platform.blanked(body) if alone else body)
    notes = tuple(f"{file.origin}: {mark} has no effect there: {_REMEDY}" for mark in marks)
    return platform, Layer(file.origin, given, documents[0].line, described=True, notes=notes)


_REMEDY = "`kubectl annotate` sets it on the deployment"
_COPIED = frozenset({
    OWNER, MODEL, MODEL_VERSION, RUN_ID, SELECTOR, CHECKSUM, MODELS, TEMPLATE, *RECORD
})  # fmt: skip
"""What m2s writes on each deployment; a description that was copied from one has it as well."""


def _unmarked(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return a description without marks of m2s's, which are not its to make, and those to tell."""
    metadata, told = dict(body.get("metadata") or {}), list[str]()
    for field in ("labels", "annotations"):
        marks = [name for name in metadata.get(field) or {} if name.startswith(MARKS)]
        if marks:
            metadata[field] = {k: v for k, v in metadata[field].items() if k not in marks}
            told += [mark for mark in marks if mark not in _COPIED]
    return {**body, "metadata": metadata} if "metadata" in body else body, told
