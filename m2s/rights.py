"""Pure: what each command asks of the place where it deploys, and what an account may do there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from m2s.marks import GROUP, PLURAL
from m2s.settings import Settings


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A verb on a resource in the namespace; ``name`` is "" for any object of the resource.

    A folder of manifests is one to ``read`` and to ``write``.
    """

    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        """As a Role has it: ``patch seldondeployments.machinelearning.seldon.io``."""
        return " ".join(filter(None, (self.verb, self.resource, self.name)))


@dataclass(frozen=True, slots=True)
class Need:
    """What a command, or a part of one, asks for.

    One that is not ``needed`` was not asked for by the settings, or is done where it may be done:
    ``without`` says which.
    """

    what: str
    rights: tuple[Right, ...]
    needed: bool = True
    without: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """What a place says of itself ("" for what it does not tell) and of what may be done there.

    ``problems`` are what keeps every command from working, a line each.
    """

    version: str = ""
    account: str = ""
    missing: frozenset[Right] = frozenset()
    problems: tuple[str, ...] = ()


def needs(settings: Settings) -> tuple[Need, ...]:
    """Return what the commands want under these settings (README, "Permissions")."""
    return tuple(_of_a_folder() if settings.folder else _of_a_cluster(settings))


def told(rights: Iterable[Right]) -> str:
    """Return rights as people say them: ``get, list seldondeployments; get secrets``."""
    by_object = groupby(sorted(rights), key=lambda right: (right.resource, right.name))
    return "; ".join(
        f"{', '.join(right.verb for right in same)} {resource.partition('.')[0]} {name}".strip()
        for (resource, name), same in by_object
    )


def every(needs: Iterable[Need]) -> tuple[Right, ...]:
    """Return all the rights, each once."""
    return tuple(sorted({right for need in needs for right in need.rights}))


def _of_a_folder() -> Iterator[Need]:
    read, write = Right("the folder", "read"), Right("the folder", "write")
    yield Need("plan", (read,))
    for command in ("apply", "prune", "watch"):
        yield Need(command, (read, write))


def _of_a_cluster(settings: Settings) -> Iterator[Need]:
    deployments = f"{PLURAL}.{GROUP}"
    # A dry run asks for what the write would.
    plan = _rights(deployments, "list", "get", "create", "patch")
    delete, watch = _rights(deployments, "delete"), _rights(deployments, "watch")
    yield Need("plan", plan)
    yield Need("apply", plan)
    yield Need("prune", (*plan, *delete))
    yield Need("rollback", plan)
    yield Need("status", _rights(deployments, "list"))
    yield Need("watch", (*plan, *watch, *(delete if settings.syncs else ())))
    events = _rights("events", "create", "patch")
    yield Need("Events", events, needed=False, without="no Events are written")
    yield Need("--leader-elect", _lease(settings), settings.leader_elect, "watch alone asks for it")
    rollouts = _rights("deployments.apps", "list")
    yield Need("--wait", rollouts, settings.wait, "apply and rollback ask for it")
    looks = (*_rights("secrets", "get"), *_rights("serviceaccounts", "get"))
    yield Need("preflight", looks, needed=False, without="plans say what was not checked")


def _lease(settings: Settings) -> tuple[Right, ...]:
    leases, named = "leases.coordination.k8s.io", settings.lease_name or settings.owners
    name = settings.lease if named else ""  # it is named after what is served
    return (*_rights(leases, "create"), *_rights(leases, "get", "update", name=name))


def _rights(resource: str, *verbs: str, name: str = "") -> tuple[Right, ...]:
    return tuple(Right(resource, verb, name) for verb in verbs)
