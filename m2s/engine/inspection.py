"""The engine's preflight: reads, once each, what the manifests refer to, and has them judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import TypeVar

from m2s.domain.manifests import Desired, Manifest
from m2s.domain.versions import Description, MlModel, Unchecked, Unreadable
from m2s.engine.sides import Sides
from m2s.platforms import catalogue
from m2s.platforms.common.locating import servable
from m2s.platforms.findings import Facts, Needs, unchecked
from m2s.platforms.problem import Problem

_T = TypeVar("_T")


def inspect(
    results: Sequence[Desired],
    described: Iterable[Description | Unreadable],
    sides: Sides,
) -> tuple[tuple[Desired, ...], tuple[str, ...]]:
    """Return ``results`` with their warnings, and what could not be checked, a line each.

    With ``--strict`` a manifest with warnings becomes :class:`~m2s.domain.manifests.Undeployable`,
    and so what is deployed is held. Without ``--preflight`` nothing is read. ``described`` tells
    where the models lie: the registry is asked for their MLmodel files, the cluster for Secrets'
    keys and ServiceAccounts.

    Raises:
        ClusterError: the cluster does not answer.
    """
    registry, cluster, settings, workers = (
        sides.registry, sides.cluster, sides.settings, sides.workers,
    )  # fmt: skip
    if not settings.inspects:
        return tuple(_strictly(item, settings.strict) for item in results), ()
    made = [(catalogue.of(item.key), item) for item in results if isinstance(item, Manifest)]
    needs = Needs.of_all(platform.needs(item.body) for platform, item in made)
    words = {(platform.readable, platform.fetches(settings)) for platform, _ in made}
    folders = _folders(described, settings.uri_map, words)

    looks = tuple(needs.looks)

    def mlmodel(uri: str) -> MlModel | Unchecked | None:
        return registry.mlmodel(folders[uri])

    def read(title: str, look: Callable[[str], _T], names: Collection[str]) -> dict[str, _T]:
        ordered = sorted(names)
        return dict(zip(ordered, workers.each(title, look, ordered), strict=True))

    facts = Facts(
        secrets=read("Looking at Secrets", cluster.secret_keys, needs.secrets),
        accounts=read("Looking for ServiceAccounts", cluster.has_service_account, needs.accounts),
        models=read("Reading MLmodel files", mlmodel, needs.uris & folders.keys()),
        looks=dict(zip(looks, workers.each("Looking around", cluster.look, looks), strict=True)),
    )
    strictly = tuple(_strictly(_judged(item, facts), settings.strict) for item in results)
    platforms = dict.fromkeys(platform for platform, _ in made)
    remarks = (remark for platform in platforms for remark in platform.remarks(facts))
    return strictly, (*unchecked(facts), *remarks)


def _judged(item: Desired, facts: Facts) -> Desired:
    if not isinstance(item, Manifest):
        return item
    try:
        return catalogue.of(item.key).checked(item, facts)
    except Problem as problem:
        return item.refused(str(problem))


def _folders(
    described: Iterable[Description | Unreadable],
    uri_map: Iterable[tuple[str, str]],
    words: Iterable[tuple[Callable[[str], str], bool]],
) -> Mapping[str, str]:
    """Return, by the URI that a model server reads, the folder that the registry knows."""
    folders = {}
    uris = [item.uri for item in described if isinstance(item, Description)]
    for (readable, fetches), uri in product(words, uris):
        with suppress(Problem):  # no manifest came of such a one
            folders[servable(uri, uri_map, None, None, readable, fetches=fetches)] = uri
    return folders


def _strictly(item: Desired, strict: bool) -> Desired:
    if not strict or not isinstance(item, Manifest) or not item.warnings:
        return item
    return item.refused("; ".join(item.warnings))
