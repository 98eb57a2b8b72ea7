"""Pure: versions and their deployment descriptions become manifests, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from m2s.desired.choosing import Wanted, choose, with_shares
from m2s.desired.memo import Memo
from m2s.desired.per_version import ModelTags, Own
from m2s.desired.templating import folder
from m2s.desired.templating.names import Descriptions
from m2s.domain.manifests import Desired, Manifest, Templates, Undeployable
from m2s.domain.versions import Description, Unreadable
from m2s.platforms import catalogue
from m2s.settings.groups import Describing

__all__ = [
    "Desired", "Inputs", "Memo", "Wanted", "build", "choose", "serves_undescribed", "with_shares",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What manifests are made of.

    Attributes:
        described: the descriptions of the versions, and of those beside them.
        settings: what of them is served, and how.
        namespace: where.
        model_tags: the tags of registered models, by model; needed where
            :func:`serves_undescribed` says so.
        templates: the templates folder, and the base template.
        every: the versions that templates may name, of all models.
    """

    described: Descriptions
    settings: Describing
    namespace: str
    model_tags: ModelTags
    templates: Templates
    every: Sequence[Wanted]


def build(
    wanted: Sequence[Wanted], inputs: Inputs, memo: Memo | None = None
) -> tuple[Desired, ...]:
    """Return what each template and each wanted version comes to, in the order given.

    Several may want one name: whose it is, :func:`m2s.plan.claims.settled` says. A model that a
    template serves has no deployment of its own, unless it has a deploy.yaml. ``memo`` has what an
    earlier call found out, where there was one.
    """
    settings, namespace, given = inputs.settings, inputs.namespace, inputs.templates
    described = inputs.described
    made = folder.deployments(given, inputs.every, described, settings, namespace)
    served = set(folder.served(made))
    blind = {item.selector: item.template for item in made if not folder.is_named(item)}
    memo = memo or Memo()
    memo.begin((settings, namespace, given.base))
    own = Own(described, settings, namespace, inputs.model_tags, given.base, memo)
    results: list[Desired] = [*made]
    for want in wanted:
        if (want.selector, want.version.model) in served:
            results += own.beside_template(want)
        elif want.selector in blind and not own.has_file(want):
            results.append(own.waiting(want, blind[want.selector]))
        else:
            results.append(own.deployment(want))
    return tuple(_checked(item) if isinstance(item, Manifest) else item for item in results)


def _checked(manifest: Manifest) -> Manifest | Undeployable:
    """Refuse what its platform would."""
    refusal = next(catalogue.of(manifest.key).refusals(manifest.body), "")
    return manifest.refused(refusal) if refusal else manifest


def serves_undescribed(described: Iterable[Description | Unreadable], settings: Describing) -> bool:
    """Whether any version is to be served though it has no deploy.yaml."""
    bare = any(isinstance(item, Description) and item.file is None for item in described)
    return bare and settings.describing != "required"
