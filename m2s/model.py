"""The nouns: frozen values that the rooms hand each other.

``body`` fields hold a Kubernetes object as decoded JSON. They are shared, never changed in place.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any, Literal

Body = Mapping[str, Any]
"""A Kubernetes object as decoded JSON; read only by convention."""

GROUP = "machinelearning.seldon.io"
VERSION = "v1"
PLURAL = "seldondeployments"
KIND = "SeldonDeployment"
FIELD_MANAGER = "m2s"

MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER = "m2s.io/owner"
MODEL = "m2s.io/model"
MODEL_VERSION = "m2s.io/version"
RUN_ID = "m2s.io/run-id"
SELECTOR = "m2s.io/selector"
CHECKSUM = "m2s.io/checksum"
MODELS = "m2s.io/models"
TEMPLATE = "m2s.io/template"
KEEP = "m2s.io/keep"


def digest(value: Any) -> str:
    """Return ``sha256:…`` of a JSON value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def dns_label(text: str, *, limit: int = 63) -> str:
    """Return ``text`` as a DNS-1123 label of at most ``limit`` characters.

    A text that is one already comes back as it is. Otherwise an 8-digit hash of the original is
    appended, so that two texts that differ only in what was lost keep different names. The limit
    is that of a label value: Seldon Core writes the deployment's name into its pods' labels.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text) and len(text) <= limit:
        return text
    tail = hashlib.sha256(text.encode()).hexdigest()[:8]
    head = slug[: limit - len(tail) - 1].strip("-")
    return f"{head}-{tail}" if head else f"m-{tail}"


def label_value(text: str) -> str:
    """Return ``text`` as a label value: itself where it is one, else as :func:`dns_label`."""
    if re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", text) and len(text) <= 63:
        return text
    return dns_label(text)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which object: a namespace and a name in it."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Selector:
    """Which versions should be served: those of a stage, or those an alias points at."""

    kind: Literal["stage", "alias"]
    name: str

    def __str__(self) -> str:
        """As written in an annotation and on the command line: ``stage=Staging``."""
        return f"{self.kind}={self.name}"

    @property
    def owner(self) -> str:
        """The default owner of what this selector deploys, as a label value."""
        name = self.name.lower() if self.kind == "stage" else self.name
        return dns_label(f"{self.kind}-{name}")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model, as the registry has it.

    ``source`` is the registry's own word for where the model lies and may be ``models:/m-…``,
    which no model server reads; the resolved location is in :class:`Description`. ``updated`` is
    the registry's stamp of the last change of what it says of the version, in milliseconds, 0 where
    that is unknown; a tag or an alias does not count as a change there.
    """

    model: str
    version: int
    status: str = "READY"
    status_message: str = ""
    stage: str = "None"
    run_id: str | None = None
    source: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    updated: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.model} v{self.version}"


@dataclass(frozen=True, slots=True)
class DeployFile:
    """The bytes of a ``deploy.yaml`` and where they were found, as a person would look for them."""

    origin: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Description:
    """How a version wants to be deployed: its resolved storage URI and its ``deploy.yaml``, if any.

    ``file`` is None only when every place was read and none had one.
    """

    uri: str
    file: DeployFile | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A version whose description could not be read: what was there is held, never deleted.

    ``uri`` is its storage URI where at least that is known, as a template asks for no more.
    """

    reason: str
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A look that was not possible, which says nothing of what is there.

    ``reason`` tells why, with the remedy; it is empty where nothing is amiss, as in a folder, which
    has no Secrets.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class MlModel:
    """What the ``MLmodel`` file in a model's folder says, versions as written or "".

    ``problem`` says why nothing can be made of the file; all else is empty then.
    """

    flavors: tuple[str, ...] = ()
    mlflow_version: str = ""
    python_version: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A second look at one model in the registry, taken before its deployment is deleted.

    ``selected`` says whether the selector names any version of the model now; ``reason`` tells a
    data scientist what became of the served version ("v3 is in Archived now").
    """

    selected: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Offers:
    """What the registry has to select from: how many versions by stage and by alias."""

    stages: Mapping[str, int]
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Served:
    """A version, in decimal, that a deployment serves; ``alias`` says as which, "" for the only."""

    model: str
    version: str
    alias: str = ""

    def __str__(self) -> str:
        return f"{self.model} v{self.version}"


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


@dataclass(frozen=True, slots=True)
class Source:
    """Which layer of a description gave a field, and in which line of its file, if it is one."""

    layer: str
    line: int | None = None

    def __str__(self) -> str:
        """``deploy.yaml of run 3f2a:12``."""
        return self.layer if self.line is None else f"{self.layer}:{self.line}"


Sources = Mapping[tuple[str | int, ...], Source]
"""By the path of a field, as a FieldChange has it."""


def _unknown() -> Sources:
    return {}


@dataclass(frozen=True)
class Manifest:
    """A SeldonDeployment as it should be, and the versions it serves.

    ``models`` has the one that decides first; ``aliases``, where each of its predictors serves
    another alias's version, runs along with it. ``template`` is the file of the templates folder
    that it was made from, "" for a version's own deployment.
    ``notes`` tell what of the description is done differently, and why; ``ignored`` lists the
    JSON pointers in it that are not written, because ``--ignore`` leaves them to others;
    ``warnings`` say what will keep it from serving, as far as preflight could see. ``sources``
    tells where each field comes from; it is worked out when it is asked for.
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
    sources: Callable[[], Sources] = field(default=_unknown, compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """Identity of the whole desired object."""
        return digest(self.body)

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


@dataclass(frozen=True)
class LiveDeployment:
    """A SeldonDeployment as the cluster has it, ours or anybody's."""

    key: Key
    body: Body

    @property
    def _metadata(self) -> Mapping[str, Any]:
        metadata: Mapping[str, Any] = self.body.get("metadata") or {}
        return metadata

    @property
    def labels(self) -> Mapping[str, str]:
        """Never None."""
        return self._metadata.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Never None."""
        return self._metadata.get("annotations") or {}

    @property
    def owner(self) -> str | None:
        """The owner label, or None for an object that m2s does not manage."""
        if self.labels.get(MANAGED_BY) != "m2s":
            return None
        return self.labels.get(OWNER)

    @property
    def model(self) -> str | None:
        """The registered model it serves."""
        return self.annotations.get(MODEL)

    @property
    def version(self) -> str | None:
        """The model version it serves, in decimal."""
        return self.annotations.get(MODEL_VERSION)

    @property
    def template(self) -> str:
        """The file of the templates folder that it was made from, "" for none."""
        return self.annotations.get(TEMPLATE, "")

    @cached_property
    def served(self) -> tuple[Served, ...]:
        """Every version it serves, the one that decides first; () where that is unknown."""
        listed = _listed(self.annotations.get(MODELS, ""))
        single = (Served(self.model, self.version or ""),) if self.model else ()
        return listed or single

    @property
    def keep(self) -> bool:
        """Whether somebody asked that it never be deleted; any value but "false" does."""
        return self.annotations.get(KEEP, "false").lower() != "false"

    @property
    def resource_version(self) -> str:
        """The API server's opaque version, or the folder's content hash."""
        return str(self._metadata.get("resourceVersion", ""))

    @property
    def uid(self) -> str:
        """Empty in a folder."""
        return str(self._metadata.get("uid", ""))

    @property
    def generation(self) -> int:
        """Counts changes of the spec; 0 in a folder."""
        return int(self._metadata.get("generation", 0))

    @property
    def managed_fields(self) -> tuple[Mapping[str, Any], ...]:
        """The API server's record of who wrote which field, and when."""
        return tuple(self._metadata.get("managedFields") or ())

    @cached_property
    def digest(self) -> str:
        """Identity of what m2s compares; a status update leaves it, not resourceVersion, alone."""
        return digest(comparable(self.body))


def listing(served: Iterable[Served]) -> str:
    """Return the annotation that tells the versions a deployment serves."""
    items = [
        {"model": one.model, "version": one.version, **({"alias": one.alias} if one.alias else {})}
        for one in served
    ]
    return json.dumps(items, separators=(",", ":"), ensure_ascii=False)


def _listed(text: str) -> tuple[Served, ...]:
    """Read what :func:`listing` wrote; () for what anybody else made of it."""
    try:
        items = json.loads(text)
        found = [Served(one["model"], one["version"], one.get("alias", "")) for one in items]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ()
    texts = [text for one in found for text in (one.model, one.version, one.alias)]
    return tuple(found) if all(isinstance(text, str) for text in texts) else ()


def comparable(body: Body) -> dict[str, Any]:
    """Return the part of an object that a person or m2s writes.

    Labels and annotations, then all but metadata and status, as Flux compares
    (fluxcd/pkg ``ssa/manager_diff.go``). ``apiVersion`` and ``kind`` are fixed by the endpoint.
    """
    metadata = body.get("metadata") or {}
    left_out = ("apiVersion", "kind", "metadata", "status")
    rest = {key: value for key, value in body.items() if key not in left_out}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return {"metadata": {"labels": labels, "annotations": annotations}, **rest}
