"""What the templates folder comes to, for every selector; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from m2s.desired.choosing import Wanted
from m2s.desired.templating import filling
from m2s.desired.templating.names import Catalog, Descriptions
from m2s.domain.manifests import Manifest, Templates, Undeployable
from m2s.domain.versions import Selector
from m2s.settings.groups import Describing

Made = Manifest | Undeployable


def deployments(
    given: Templates,
    every: Sequence[Wanted],
    described: Descriptions,
    settings: Describing,
    namespace: str,
) -> tuple[Made, ...]:
    """Return what each template in each file comes to, once for each selector.

    Args:
        given: the templates folder.
        every: the versions that are served, of all models.
        described: their descriptions.
        settings: the selectors, and where models lie.
        namespace: where to.
    """
    return tuple(
        item
        for selector in settings.selectors
        for file in given.files
        for item in filling.deployments(
            file, partial(_catalog, selector, every, described, settings), namespace
        )
    )


def _catalog(
    selector: Selector, every: Iterable[Wanted], described: Descriptions, settings: Describing
) -> Catalog:
    return Catalog(selector, (w for w in every if w.selector == selector), described, settings)


def is_named(item: Made) -> bool:
    """Whether it is known which deployment a template describes."""
    return isinstance(item, Manifest) or not item.nameless


def served(made: Iterable[Made]) -> Iterator[tuple[Selector, str]]:
    """Yield the models that a template serves, or would serve if it could be read."""
    for item in made:
        if isinstance(item, Manifest):
            yield from ((item.selector, version.model) for version in item.models)
        else:
            yield from ((item.selector, model) for model in item.held)
