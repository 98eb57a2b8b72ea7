"""Which of a model's selected versions is served, and under which name by default."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from m2s.base.names import dns_label
from m2s.domain.versions import ModelVersion, Selector
from m2s.platforms.problem import Problem
from m2s.settings.groups import Selection
from m2s.settings.split import Share


@dataclass(frozen=True, slots=True)
class Wanted:
    """One version to be served, chosen from all that the selector names of one model.

    ``beside`` are the versions of other aliases that get a share of its traffic.
    """

    selector: Selector
    version: ModelVersion
    others: tuple[ModelVersion, ...] = ()
    beside: tuple[tuple[Share, ModelVersion], ...] = ()

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """Every version of which the description is needed."""
        return (self.version, *(version for _, version in self.beside))


def choose(selector: Selector, versions: Iterable[ModelVersion]) -> tuple[Wanted, ...]:
    """Return, for each model, its highest version; the lower ones come along as ``others``."""
    by_model: dict[str, list[ModelVersion]] = defaultdict(list)
    for version in versions:
        by_model[version.model].append(version)
    chosen = []
    for _, same in sorted(by_model.items()):
        highest, *lower = sorted(same, key=lambda version: -version.version)
        chosen.append(Wanted(selector, highest, tuple(lower)))
    return tuple(chosen)


def with_shares(
    wanted: Iterable[Wanted], others: Iterable[tuple[Share, Iterable[ModelVersion]]]
) -> tuple[Wanted, ...]:
    """Return ``wanted`` with the versions of other aliases, where the model has them."""
    beside: dict[str, list[tuple[Share, ModelVersion]]] = defaultdict(list)
    for share, versions in others:
        for version in versions:
            beside[version.model].append((share, version))
    return tuple(
        replace(want, beside=tuple(beside[want.version.model]))
        if want.version.model in beside
        else want
        for want in wanted
    )


def default_name(model: str, selector: Selector) -> str:
    """Return ``{model}-{stage}`` as a DNS-1123 label; the stage's case is no loss."""
    tail = selector.name.lower() if selector.kind == "stage" else selector.name
    return dns_label(f"{model}-{tail}")


def check(want: Wanted, settings: Selection) -> None:
    """Raise :class:`Problem` when the version may not be served."""
    version = want.version
    if want.others and settings.on_conflict == "block":
        listed = ", ".join(f"v{other.version}" for other in (version, *want.others))
        raise Problem(
            f"{listed} are all in {want.selector.name}; leave one, or use --on-conflict highest"
        )
    if version.status != "READY":
        why = f": {version.status_message}" if version.status_message else ""
        raise Problem(f"v{version.version} is {version.status} in the registry, not READY{why}")
