"""Frozen dataclasses for a registry (versions, selectors) and for the key of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from m2s.base.names import dns_label


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which object: a namespace, a name in it, and the kind of the object."""

    namespace: str
    name: str
    kind: str = "SeldonDeployment"

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
    that is unknown; a tag or an alias does not count as a change there. ``created`` is its stamp of
    when the version was registered.
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
    created: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.model} v{self.version}"


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model; ``created`` and ``updated`` are the registry's, in milliseconds.

    ``stages`` has the highest version in each stage that has any.
    """

    name: str
    created: int
    updated: int
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    stages: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Census:
    """What a registry's listings showed, by name; to ask for it costs nothing.

    A listing of versions shows no models, one of models no versions, so either may be empty.
    ``whole``: ``versions`` has every version there is.
    """

    models: Mapping[str, Model] = field(default_factory=dict)
    versions: Mapping[tuple[str, int], ModelVersion] = field(default_factory=dict)
    whole: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """The registered models that were seen, in either listing."""
        return frozenset(self.models) | {model for model, _ in self.versions}


@dataclass(frozen=True, slots=True)
class DeployFile:
    """The bytes of a ``deploy.yaml`` and where they were found, as a person would look for them."""

    origin: str
    content: bytes


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

    ``problem`` says why nothing can be made of the file; all else is empty then. ``formats`` are
    the serialization formats that flavours name; ``pickled``: python_function loads a pickled
    class; ``packed``: a whole Python environment lies beside the file.
    """

    flavors: tuple[str, ...] = ()
    mlflow_version: str = ""
    python_version: str = ""
    problem: str = ""
    formats: tuple[str, ...] = ()
    pickled: bool = False
    packed: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """How a version wants to be deployed: its resolved storage URI and its ``deploy.yaml``, if any.

    ``file`` is None only when every place was read and none had one; ``near`` names a file that may
    have been meant for one then, and where it is. ``mlmodel`` is what its MLmodel file says, where
    somebody asked for that.
    """

    uri: str
    file: DeployFile | None
    near: str = ""
    mlmodel: MlModel | Unchecked | None = None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A second look at one model in the registry, taken before its deployment is deleted.

    ``selected`` says whether the selector names any version of the model now; ``reason`` tells a
    data scientist what became of the served version ("v3 is in Archived now"). ``gone``: there is
    no such registered model any more. ``paused``: its tag asks to leave its deployments alone.
    """

    selected: bool
    reason: str
    gone: bool = field(default=False, compare=False)
    paused: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Offers:
    """What the registry has to select from: how many versions by stage and by alias."""

    stages: Mapping[str, int]
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Served:
    """A version, in decimal, that a deployment serves.

    ``alias`` is the alias that the version is served for, "" in a deployment without a split.
    """

    model: str
    version: str
    alias: str = ""

    def __str__(self) -> str:
        return f"{self.model} v{self.version}"
