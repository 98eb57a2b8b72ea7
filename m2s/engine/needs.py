"""Pure: which rights each command needs where it deploys, under some settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from m2s.domain.rights import Need, Right
from m2s.platforms import catalogue
from m2s.settings.groups import Settings


def needs(settings: Settings) -> tuple[Need, ...]:
    """Return what the commands want under these settings (README, "Permissions")."""
    return tuple(_of_a_folder() if settings.folder else _of_a_cluster(settings))


def _of_a_folder() -> Iterator[Need]:
    read, write = Right("the folder", "read"), Right("the folder", "write")
    yield Need("plan", (read,))
    for command in ("apply", "prune", "watch"):
        yield Need(command, (read, write))


def _of_a_cluster(settings: Settings) -> Iterator[Need]:
    kinds = [resource.right for resource in catalogue.resources()]
    # A dry run asks for what the write would.
    plan = _rights(kinds, "list", "get", "create", "patch")
    delete, watch = _rights(kinds, "delete"), _rights(kinds, "watch")
    yield Need("plan", plan)
    yield Need("apply", plan)
    yield Need("prune", (*plan, *delete))
    yield Need("rollback", plan)
    yield Need("status", _rights(kinds, "list"))
    yield Need("watch", (*plan, *watch, *(delete if settings.syncs else ())))
    events = _rights(["events"], "create", "patch")
    yield Need("Events", events, needed=False, without="no Events are written")
    yield Need("--leader-elect", _lease(settings), settings.leader_elect, "watch alone asks for it")
    rollouts = _rights(["deployments.apps"], "list")
    yield Need("--wait", rollouts, settings.wait, "apply and rollback ask for it")
    looks = _rights(["secrets", "serviceaccounts"], "get")
    yield Need("preflight", looks, needed=False, without="plans say what was not checked")


def _lease(settings: Settings) -> tuple[Right, ...]:
    leases, named = "leases.coordination.k8s.io", settings.lease_name or settings.owners
    name = settings.lease if named else ""  # it is named after what is served
    return (*_rights([leases], "create"), *_rights([leases], "get", "update", name=name))


def _rights(resources: Iterable[str], *verbs: str, name: str = "") -> tuple[Right, ...]:
    return tuple(Right(resource, verb, name) for resource in resources for verb in verbs)
