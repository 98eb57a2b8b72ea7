"""Frozen dataclasses for the desired side: templates, manifests, and what could not become one.

``body`` fields hold a Kubernetes object as decoded JSON. They are shared, never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any

from m2s.base.labels import RECORD
from m2s.domain.versions import Key, ModelVersion, Selector, Served
from m2s.objects.body import Body, digest
from m2s.objects.origins import Sources, _unknown


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """A file of the templates folder; ``name`` is its name there, ``origin`` its path."""

    name: str
    origin: str
    text: str


@dataclass(frozen=True, slots=True)
class Templates:
    """What the templates folder has; ``missing`` when there is no such folder.

    ``base`` is the template of a single model's deployment, if there is one.
    """

    folder: str
    files: tuple[TemplateFile, ...] = ()
    base: TemplateFile | None = None
    missing: bool = False

    @property
    def serves(self) -> bool:
        """Whether they serve versions that have no deploy.yaml."""
        return bool(self.files or self.base)


def identified(body: Body) -> dict[str, Any]:
    """Return what a manifest's digest is made of: all but its record of the past."""
    metadata = body["metadata"]
    told = {k: v for k, v in metadata["annotations"].items() if k not in RECORD}
    return {**body, "metadata": {**metadata, "annotations": told}}


@dataclass(frozen=True)
class Manifest:
    """A SeldonDeployment as it should be, and the versions it serves.

    Attributes:
        key: namespace and name of the object.
        owner: value of its ``m2s.io/owner`` label.
        selector: the stage or alias that it serves.
        models: the versions it serves; the one that decides comes first.
        body: the whole object, as JSON.
        uri: where the version lies, as a model server reads it; "" if that is not known.
        notes: what m2s does differently from the description, and why.
        ignored: JSON pointers (``--ignore``) that m2s does not write over a live object.
        warnings: what preflight found that will keep it from serving.
        violations: what its description asks for against the policy, by path, with the remedy.
        aliases: with ``--split``, the alias of each item of ``models``; else empty.
        template: the file of the templates folder it was made from; "" for a version's own.
        pin: why a pinned deployment differs from what the registry says; "" without a pin.
        sources: computes, when called, which layer each field comes from.
    """

    key: Key
    owner: str
    selector: Selector
    models: tuple[ModelVersion, ...]
    body: Body
    uri: str = ""
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    template: str = ""
    pin: str = ""
    sources: Callable[[], Sources] = field(default=_unknown, compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """Identity of the whole desired object, its record of the past apart."""
        return digest(identified(self.body))

    @property
    def served(self) -> tuple[Served, ...]:
        """Every version it serves, the one that decides first."""
        return tuple(
            Served(one.model, str(one.version), alias)
            for one, alias in zip_longest(self.models, self.aliases, fillvalue="")
            if isinstance(one, ModelVersion)
        )

    def refused(self, reason: str) -> Undeployable:
        """Return this as what it comes to when it may not be written."""
        names = tuple(one.model for one in self.models)
        first = self.models[0]
        return Undeployable(
            self.key, self.owner, self.selector, first, reason, names, self.template
        )


@dataclass(frozen=True, slots=True)
class Undeployable:
    """A wanted version, or a template, that yields no manifest. Its deployment stays as it is.

    Attributes:
        version: None for a template when none of its versions is known.
        models: the models whose deployments stay as they are.
        nameless: the template's name could not be read. Any deployment made from a template may
            belong to it.
    """

    key: Key
    owner: str
    selector: Selector
    version: ModelVersion | None
    reason: str
    models: tuple[str, ...] = ()
    template: str = ""
    nameless: bool = False

    @property
    def held(self) -> tuple[str, ...]:
        """The models whose deployments stay as they are."""
        own = (self.version.model,) if self.version else ()
        return tuple(dict.fromkeys((*own, *self.models)))


@dataclass(frozen=True, slots=True)
class Skipped:
    """A version in the selector that does not ask to be deployed."""

    owner: str
    selector: Selector
    version: ModelVersion
    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """A deployment that somebody ordered to stay as it is."""

    key: Key
    owner: str
    reason: str


Desired = Manifest | Undeployable | Skipped | Paused
