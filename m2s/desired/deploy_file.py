"""A version's ``deploy.yaml``: one deployment, or a reason with file and line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from m2s.base import strictyaml
from m2s.base.labels import CHECKSUM, KEEP, MARKS, PAUSED, PINNED
from m2s.domain.versions import DeployFile
from m2s.objects.layers import Layer
from m2s.platforms import catalogue
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem


def kinds(file: DeployFile, known: Collection[str]) -> frozenset[str]:
    """Return the kinds of deployments that a file holds, as far as it can be read.

    One with no more than ``known`` kinds need not be read: that is most of them.
    """
    names = [one.kind.encode() for one in catalogue.every() if one.kind not in known]
    if not any(re.search(rb"\b" + name + rb"\b", file.content) for name in names):
        return frozenset()
    try:
        documents = strictyaml.load_all(file.content)
    except strictyaml.YamlError:
        return frozenset()
    found = (catalogue.of_body(document.value) for document in documents)
    return frozenset(platform.resource.kind for platform in found if platform)


def parse(file: DeployFile, default: Platform, *, alone: bool = True) -> tuple[Platform, Layer]:
    """Return what a file describes, as a layer that knows its lines, and the platform it is for.

    What does not say its platform is for the ``default`` one. Where it is ``alone``, a model's
    place with nothing behind it is blank; over another description it would take away what that one
    says.

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
        raise Problem(f"{file.origin}:{line}: {found}; it must be one {default.resource.kind}")
    body = documents[0].value
    platform = catalogue.of_body(body) or default
    problem = platform.fault(documents[0])
    if problem:
        path, text = problem
        raise Problem(f"{file.origin}:{documents[0].line(*path)}: {text}")
    given, marks = _unmarked(platform.blanked(body) if alone else body)
    notes = tuple(f"{file.origin}: {mark} has no effect there: {_REMEDY}" for mark in marks)
    return platform, Layer(file.origin, given, documents[0].line, described=True, notes=notes)


_REMEDY = "`kubectl annotate` sets it on the deployment"


def _unmarked(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return a description without m2s's marks, which are not its to make, and those to tell.

    One that was copied from a deployment has those that m2s wrote there: they are no mistake.
    """
    metadata, marks = dict(body.get("metadata") or {}), list[str]()
    for field in ("labels", "annotations"):
        given = metadata.get(field) or {}
        marks += [name for name in given if name.startswith(MARKS)]
        metadata[field] = {k: v for k, v in given.items() if not k.startswith(MARKS)}
    told = [mark for mark in marks if CHECKSUM not in marks or mark in (KEEP, PAUSED, PINNED)]
    return ({**body, "metadata": metadata} if marks else body), told
