"""What m2s would do to one deployment, as a closed union.

==========  ======  ==============================  =====================
change      symbol  before                          after
==========  ======  ==============================  =====================
Create      ``+``   nothing                         ``merged``
Update      ``~``   ``live``                        ``merged``
Delete      ``-``   ``live``                        nothing
Unchanged   ``=``   ``live``                        ``live``
Blocked     ``!``   ``live``, where there is one    the same: it is held
==========  ======  ==============================  =====================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import ClassVar

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.versions import Key, ModelVersion
from m2s.objects.body import Body
from m2s.objects.diff import FieldChange


class Action(Enum):
    """The kinds of change; each one's value is its symbol in the table."""

    CREATE = "+"
    UPDATE = "~"
    DELETE = "-"
    UNCHANGED = "="
    BLOCKED = "!"

    @property
    def word(self) -> str:
        """As in JSON: ``create``."""
        return self.name.lower()


@dataclass(frozen=True)
class Create:
    """A deployment that is wanted and not there."""

    action: ClassVar[Action] = Action.CREATE
    manifest: Manifest
    merged: Body
    fields: tuple[FieldChange, ...]
    reason: str

    @property
    def key(self) -> Key:
        """Which object."""
        return self.manifest.key


@dataclass(frozen=True)
class Takeover:
    """That an update hands a name to another model, which needs all that a deletion does (law 9).

    ``loses`` says what is no longer served under it, ``why`` what became of that. ``successor``
    and ``gone`` are as in :class:`Delete`.
    """

    loses: str
    why: str
    successor: Key | None = None
    gone: bool = False


@dataclass(frozen=True)
class Update:
    """A deployment that is there and differs from what is wanted.

    ``marks`` are annotations that are set, or for None removed, whatever else is written;
    ``only_marks``: nothing else is, so that a pause undoes nobody's edit.
    """

    action: ClassVar[Action] = Action.UPDATE
    manifest: Manifest
    live: LiveDeployment
    merged: Body
    fields: tuple[FieldChange, ...]
    reason: str
    takeover: Takeover | None = None
    marks: Mapping[str, str | None] = field(default_factory=dict)
    only_marks: bool = False

    @property
    def key(self) -> Key:
        """Which object."""
        return self.manifest.key


@dataclass(frozen=True)
class Delete:
    """A deployment of ours that the selector no longer wants.

    ``successor`` is the object that serves the model from now on, when it was renamed: until
    that one is there, this one stays. ``gone``: the registry has no such model any more. ``moved``:
    objects of another platform serve all that it does from now on.
    """

    action: ClassVar[Action] = Action.DELETE
    live: LiveDeployment
    fields: tuple[FieldChange, ...]
    reason: str
    successor: Key | None = None
    gone: bool = False
    moved: bool = False

    @property
    def key(self) -> Key:
        """Which object."""
        return self.live.key


@dataclass(frozen=True)
class Unchanged:
    """A deployment that m2s does not change.

    ``reason`` is empty if the deployment is as wanted; else it says why m2s leaves it as it is.
    ``ordered`` is true if a person's mark (a pause or a pin) is the reason; m2s leaves the
    deployment as it is until the mark is removed.
    """

    action: ClassVar[Action] = Action.UNCHANGED
    live: LiveDeployment
    reason: str = ""
    manifest: Manifest | None = None
    ordered: bool = False

    @property
    def key(self) -> Key:
        """Which object."""
        return self.live.key


@dataclass(frozen=True)
class Blocked:
    """A wanted change that m2s cannot make. The live deployment stays as it is.

    ``models`` and ``template`` name what else stays as it is, as in
    :class:`~m2s.domain.manifests.Undeployable`. ``manifest`` is set if the cluster or the
    policy refused it. ``unread`` is set if m2s could not see whether ``live`` may go.
    """

    action: ClassVar[Action] = Action.BLOCKED
    key: Key
    owner: str
    reason: str
    _: KW_ONLY
    version: ModelVersion | None = None
    live: LiveDeployment | None = None
    models: tuple[str, ...] = ()
    template: str = ""
    manifest: Manifest | None = None
    unread: bool = False

    @property
    def held(self) -> tuple[str, ...]:
        """The models whose deployments stay as they are."""
        own = (self.version.model,) if self.version else ()
        return tuple(dict.fromkeys((*own, *self.models)))


Change = Create | Update | Delete | Unchanged | Blocked


def judged(changes: Iterable[Change], judge: Callable[[Update], Change]) -> tuple[Change, ...]:
    """Return ``changes`` with each update as ``judge`` has it."""
    return tuple(judge(each) if isinstance(each, Update) else each for each in changes)


def blocked(manifest: Manifest, why: str, live: LiveDeployment | None) -> Blocked:
    """Return what a manifest comes to that may not be written over ``live``."""
    return Blocked(
        manifest.key,
        manifest.owner,
        why,
        version=manifest.models[0],
        live=live,
        models=tuple(one.model for one in manifest.models),
        template=manifest.template,
    )


def held_back(live: LiveDeployment, why: str, *, unread: bool = False) -> Blocked:
    """Return that ``live`` stays as it is."""
    return Blocked(live.key, live.owner or "", why, live=live, unread=unread)


def loses(change: Change) -> Delete | Takeover | None:
    """Return by what a change ends serving something, None where it does not."""
    if isinstance(change, Update):
        return change.takeover
    return change if isinstance(change, Delete) else None
