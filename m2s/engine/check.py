"""Pure: what ``m2s check`` found on both sides, its JSON document, and which rights are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from m2s.base import mask
from m2s.domain import rights
from m2s.domain.rights import Access, Need, Right
from m2s.domain.versions import Offers
from m2s.platforms import catalogue
from m2s.settings.groups import Settings


@dataclass(frozen=True, slots=True)
class RegistrySide:
    """The registry: ``problem`` is why not all of it could be read, "" where it could.

    ``workspaces`` are those that the server has, () for one without; ``works`` is what it has that
    not every server has, ``lacks`` says a line each what a newer one has.
    """

    identity: str = ""
    version: str = ""
    workspace: str = ""
    workspaces: tuple[str, ...] = ()
    offers: Offers | None = None
    works: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ClusterSide:
    """The cluster or the folder: ``access`` is None, with a ``problem``, where nobody can tell."""

    identity: str = ""
    namespace: str = ""
    access: Access | None = None
    problem: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps every command from working, a line each."""
        return (self.problem,) if self.problem else self.access.problems if self.access else ()


@dataclass(frozen=True, slots=True)
class CommandRights:
    """A command, or a part of one, and what it lacks."""

    need: Need
    missing: tuple[Right, ...]

    @property
    def ok(self) -> bool:
        """Whether it works, or is not needed."""
        return not (self.need.needed and self.missing)


@dataclass(frozen=True, slots=True)
class Checkup:
    """Both sides, and what the commands want of the target."""

    source: RegistrySide
    target: ClusterSide
    needs: tuple[Need, ...]

    @property
    def parts(self) -> tuple[CommandRights, ...]:
        """Every command with what it lacks; none where the target did not tell."""
        access = self.target.access
        if access is None:
            return ()
        missing = access.missing
        return tuple(
            CommandRights(need, tuple(right for right in need.rights if right in missing))
            for need in self.needs
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What is in the way, a line each."""
        return tuple(filter(None, (self.source.problem, *self.target.problems, self.lacking)))

    @property
    def lacking(self) -> str | None:
        """Which rights are missing that are needed, None where none are or a problem tells why."""
        lacking = {right for part in self.parts if not part.ok for right in part.missing}
        if not lacking or self.target.problems:
            return None
        where = f"in namespace {self.target.namespace} at {self.target.identity}"
        return f"this account may not {rights.told(lacking)} {where}: allow it with a Role"

    @property
    def ok(self) -> bool:
        """Whether everything that is needed is there."""
        return not self.problems


def document(checkup: Checkup) -> dict[str, Any]:
    """Return JSON values, without any secret (law 7); None is what is not known.

    The shape is pinned by ``tests/test_check.py``, as that of :mod:`m2s.document` is.
    """
    result: dict[str, Any] = mask.value(
        {
            "ok": checkup.ok,
            "registry": _source(checkup.source),
            "target": _target(checkup.target),
            "commands": [_part(part) for part in checkup.parts],
            "problems": list(checkup.problems),
        },
        (mask.EVERYTHING,),
    )
    return result


def _source(source: RegistrySide) -> dict[str, Any]:
    offers = source.offers
    return {
        "identity": source.identity or None,
        "version": source.version or None,
        "workspace": source.workspace or None,
        "workspaces": list(source.workspaces),
        "stages": dict(offers.stages) if offers else None,
        "aliases": dict(offers.aliases) if offers else None,
        "works": list(source.works),
        "lacks": list(source.lacks),
        "problem": source.problem or None,
    }


def _target(target: ClusterSide) -> dict[str, Any]:
    access = target.access or Access()
    return {
        "identity": target.identity or None,
        "namespace": target.namespace or None,
        "version": access.version or None,
        "account": access.account or None,
        "problems": list(target.problems),
    }


def _part(part: CommandRights) -> dict[str, Any]:
    return {
        "command": part.need.what,
        "works": not part.missing,
        "needed": part.need.needed,
        "missing": list(map(str, part.missing)),
    }


def needs(settings: Settings) -> tuple[Need, ...]:
    """Return what the commands want under these settings (README, "Permissions")."""
    return tuple(_of_a_folder() if settings.folder else _of_a_cluster(settings))


def _of_a_folder() -> Iterator[Need]:
    read, write = Right("the folder", "read"), Right("the folder", "write")
    yield Need("plan", (read,))
    for command in ("apply", "prune", "watch"):
        yield Need(command, (read, write))


def _of_a_cluster(settings: Settings) -> Iterator[Need]:
    used = catalogue.resources(settings.platform, settings.platforms)
    kinds = [resource.right for resource in used]
    beside = {each.right for resource in used for each in catalogue.companions(resource.kind)}
    every = [*kinds, *sorted(beside)]
    # A dry run asks for what the write would; what is beside an object goes with it.
    plan = _rights(every, "list", "get", "create", "patch")
    delete, watch = _rights(kinds, "delete"), _rights(every, "watch")
    yield Need("plan", plan)
    yield Need("apply", plan)
    yield Need("prune", (*plan, *delete))
    yield Need("rollback", plan)
    yield Need("status", _rights(every, "list"))
    yield Need("watch", (*plan, *watch, *(delete if settings.syncs else ())))
    events = _rights(["events"], "create", "patch")
    yield Need("Events", events, needed=False, without="no Events are written")
    reports = _rights(["events"], "list")
    yield Need("status: why", reports, needed=False, without="status shows no Events")
    yield Need("--leader-elect", _lease(settings), settings.leader_elect, "watch alone asks for it")
    rollouts = _rights(["deployments.apps"], "list")
    yield Need("--wait", rollouts, settings.wait, "apply and rollback ask for it")
    asks = _rights(["services/proxy"], "get", "create")
    if settings.verify:
        yield Need("--verify", asks, needed=False, without="only from inside the cluster")
    looks = _rights(["secrets", "serviceaccounts"], "get")
    yield Need("preflight", looks, needed=False, without="plans say what was not checked")


def _lease(settings: Settings) -> tuple[Right, ...]:
    leases, named = "leases.coordination.k8s.io", settings.lease_name or settings.owners
    name = settings.lease if named else ""  # it is named after what is served
    return (*_rights([leases], "create"), *_rights([leases], "get", "update", name=name))


def _rights(resources: Iterable[str], *verbs: str, name: str = "") -> tuple[Right, ...]:
    return tuple(Right(resource, verb, name) for resource in resources for verb in verbs)
