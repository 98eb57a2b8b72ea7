"""The nouns of what is wanted: templates, manifests, and what could not become one.

``body`` fields hold a Kubernetes object as decoded JSON. They are shared, never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

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


@dataclass(frozen=True)
class Manifest:
    """A SeldonDeployment as it should be, and the versions it serves.

    ``models`` has the one that decides first; ``aliases``, where each of its predictors serves
    another alias's version, runs along with it. ``template`` is the file of the templates folder
    that it was made from, "" for a version's own deployment.
    ``notes`` tell what of the description is done differently, and why; ``ignored`` lists the
    JSON pointers in it that are not written over a live object: ``--ignore`` leaves them to others;
    ``warnings`` say what will keep it from serving, as far as preflight could see. ``sources``
    tells where each field comes from; it is worked out when it is asked for. ``pin`` says, of a
    pinned deployment's, why it is not what the registry says.
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
    aliases: tuple[str, ...] = ()
    template: str = ""
    pin: str = ""
    sources: Callable[[], Sources] = field(default=_unknown, compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """Identity of the whole desired object, its record of the past apart."""
        metadata = self.body["metadata"]
        told = {k: v for k, v in metadata["annotations"].items() if k not in RECORD}
        return digest({**self.body, "metadata": {**metadata, "annotations": told}})

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
    """A wanted version or a template that yields no manifest; what is there is held.

    ``version`` is None for a template of which no version is known; ``models`` are the models that
    are held. ``nameless``: not even the template's name could be read, so that it may be that of
    any deployment made from one.
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
