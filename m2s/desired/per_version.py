"""The deployments that versions have of their own, and what several aliases of a model share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from m2s.desired import splitting
from m2s.desired.choosing import Wanted, check, default_name
from m2s.desired.judging import judged
from m2s.desired.layering import described as stacked
from m2s.desired.locating import servable
from m2s.desired.manifest import manifest_of
from m2s.desired.memo import Memo
from m2s.desired.names import warned
from m2s.desired.templating import filling
from m2s.desired.templating.names import Descriptions, base_names
from m2s.domain.manifests import Manifest, Skipped, TemplateFile, Undeployable
from m2s.domain.versions import Description, Key, ModelVersion, Selector, Unreadable
from m2s.objects.layers import Layer, Merged
from m2s.platforms.problem import Problem
from m2s.settings.build import Settings

ModelTags = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Own:
    """What one run's versions come to.

    ``model_tags`` are the tags of registered models, by model; ``base`` is the template below
    each deploy.yaml. ``memo`` keeps what they came to.
    """

    described: Descriptions
    settings: Settings
    namespace: str
    model_tags: ModelTags
    base: TemplateFile | None = None
    memo: Memo = field(default_factory=Memo)

    def has_file(self, want: Wanted) -> bool:
        """Whether the version is known to have a deploy.yaml."""
        described = self.described[want.version]
        return isinstance(described, Description) and described.file is not None

    def beside_template(self, want: Wanted) -> list[Manifest | Undeployable | Skipped]:
        """Return what a version comes to that a template serves: nothing without a deploy.yaml."""
        described = self.described[want.version]
        if isinstance(described, Unreadable):
            why = f"a template serves it; has it a deploy.yaml? {described.reason}"
            return [self._skipped(want, why)]
        return [self.deployment(want)] if described.file else []

    def waiting(self, want: Wanted, template: str) -> Skipped:
        """Return what a version without a deploy.yaml comes to while a template is not readable."""
        return self._skipped(want, f"{template} may serve it, and cannot be read")

    def _skipped(self, want: Wanted, reason: str) -> Skipped:
        owner = self.settings.owner_of(want.selector)
        return Skipped(owner, want.selector, want.version, reason)

    def deployment(self, want: Wanted) -> Manifest | Undeployable | Skipped:
        """Return what a version comes to, together with those of other aliases beside it."""
        described = tuple(self.described[version] for version in want.versions)
        tags = tuple(
            tuple(sorted(self.model_tags.get(version.model, {}).items()))
            for version in want.versions
        )
        return self.memo.get((want, described, tags), lambda: self._warned(want))

    def _warned(self, want: Wanted) -> Manifest | Undeployable | Skipped:
        made = self._deployment(want)
        if not isinstance(made, Manifest):
            return made
        return judged(warned(made), self.settings.description_policy)

    def _deployment(self, want: Wanted) -> Manifest | Undeployable | Skipped:
        main = self._alone(want)
        if not isinstance(main, Manifest) or not self.settings.split:
            return main
        beside = []
        for share, version in want.beside:
            other = self._alone(Wanted(Selector("alias", share.alias), version))
            if not isinstance(other, Manifest):
                return main.refused(f"{share.alias}: {other.reason}")
            beside.append((share, other))
        return splitting.combined(main, self.settings.split[0], beside)

    def _alone(self, want: Wanted) -> Manifest | Undeployable | Skipped:
        version, owner = want.version, self.settings.owner_of(want.selector)
        key = Key(self.namespace, default_name(version.model, want.selector))
        try:
            check(want, self.settings)
            described = self.described[version]
            if isinstance(described, Unreadable):
                raise Problem(described.reason)
            if described.file is None and self._wants_file:
                return self._skipped(want, _no_file(described.near))
            return self._described(want, described, owner, key)
        except Problem as problem:
            return Undeployable(key, owner, want.selector, version, str(problem))

    @property
    def _wants_file(self) -> bool:
        # A base template says how to serve what has none, unless somebody says otherwise.
        served = self.base is not None and self.settings.deploy_file is None
        return self.settings.describing == "required" and not served

    def _described(self, want: Wanted, described: Description, owner: str, key: Key) -> Manifest:
        version, settings = want.version, self.settings
        uri = servable(described.uri, settings.uri_map, settings.artifact_root, version.run_id)
        base = self._base(want.selector, version, described)

        def merged() -> Merged:
            return stacked(version, described.file, uri, settings, self.model_tags, base)

        first = merged()
        # Made again where somebody asks: to keep all layers at hand takes half the memory there is.
        made = manifest_of(want, first.body, uri, owner, key, settings, lambda: merged().sources())
        return replace(made, notes=(*made.notes, *first.notes))

    def _base(
        self, selector: Selector, version: ModelVersion, described: Description
    ) -> tuple[Layer, ...]:
        if self.base is None:
            return ()
        names = base_names(selector, version, described, self.settings)
        return (filling.fragment(self.base, names, whole=described.file is None),)


def _no_file(near: str) -> str:
    line = "no deploy.yaml in the run or in the model's folder"
    return f"{line}; there is {near}: log it as deploy.yaml, in no folder" if near else line
