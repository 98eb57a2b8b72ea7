"""The deployments that versions have of their own, and what several aliases of a model share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from m2s.desired import deploy_file, splitting
from m2s.desired.choosing import Wanted, check, default_name
from m2s.desired.judging import judged
from m2s.desired.layering import described as stacked
from m2s.desired.manifest import manifest_of, warned
from m2s.desired.templating import filling
from m2s.desired.templating.names import Descriptions, base_names
from m2s.domain.manifests import Manifest, Skipped, TemplateFile, Undeployable
from m2s.domain.versions import Description, Key, ModelVersion, Selector, Unreadable
from m2s.objects.layers import Layer, Merged
from m2s.platforms import catalogue
from m2s.platforms.bare import Bare
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem
from m2s.settings.groups import Describing

ModelTags = Mapping[str, Mapping[str, str]]
_T = TypeVar("_T")


class Memo:
    """Keeps results by all that they depend on; for one thread at a time.

    What nobody asked for between two calls of :meth:`begin` is dropped.
    """

    def __init__(self) -> None:
        self._context: Any = None
        self._known: dict[Hashable, Any] = {}
        self._used: dict[Hashable, Any] = {}

    def begin(self, context: Any) -> None:
        """Begin a round; with another ``context`` than the last one's nothing is known any more."""
        self._known = self._used if context == self._context else {}
        self._used, self._context = {}, context

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return what ``make`` returned for ``key`` in this round or the one before."""
        if key in self._used:
            found: _T = self._used[key]
        else:
            found = self._known[key] if key in self._known else make()
            self._used[key] = found
        return found


@dataclass(frozen=True)
class Own:
    """What one run's versions come to.

    ``model_tags`` are the tags of registered models, by model; ``base`` is the template below
    each deploy.yaml. ``memo`` keeps what they came to.
    """

    described: Descriptions
    settings: Describing
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
            why = f"a template serves it; its deploy.yaml cannot be read: {described.reason}"
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

        def make() -> Manifest | Undeployable | Skipped:
            made = self._deployment(want)
            if not isinstance(made, Manifest):
                return made
            return judged(warned(made), self.settings.description_policy)

        return self.memo.get((want, described, tags), make)

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
        try:
            return splitting.combined(main, self.settings.split[0], beside)
        except Problem as problem:
            return main.refused(str(problem))

    def _alone(self, want: Wanted) -> Manifest | Undeployable | Skipped:
        version, owner = want.version, self.settings.owner_of(want.selector)
        kind = catalogue.default(self.settings.platform).resource.kind
        key = Key(self.namespace, default_name(version.model, want.selector), kind)
        try:
            check(want, self.settings)
            described = self.described[version]
            if isinstance(described, Unreadable):
                raise Problem(described.reason)
            if described.file is None and self._wants_file:
                return self._skipped(want, _no_file(described.near))
            return self._described(want, described, owner, key)
        except Problem as problem:
            key = replace(key, kind=self._told(version) or kind)
            return Undeployable(key, owner, want.selector, version, str(problem))

    def _told(self, version: ModelVersion) -> str:
        """Return the kind that a version's own deploy.yaml tells, "" where it tells none."""
        found = self.described[version]
        file = found.file if isinstance(found, Description) else None
        return next(iter(deploy_file.kinds(file, ())), "") if file else ""

    @property
    def _wants_file(self) -> bool:
        # A base template says how to serve what has none, unless somebody says otherwise.
        served = self.base is not None and self.settings.deploy_file is None
        return self.settings.describing == "required" and not served

    def _described(self, want: Wanted, described: Description, owner: str, key: Key) -> Manifest:
        version, settings = want.version, self.settings
        platform, own = self._own(want, described)
        reader = platform.reader(settings, run_id=version.run_id)
        uri = reader.of_registry(described.uri)

        tags = self.model_tags.get(version.model, {})
        bare = Bare(version, uri, tags, described.mlmodel)

        def merged() -> Merged:
            return stacked(platform, bare, own, settings)

        first = merged()
        # Made again where somebody asks: to keep all layers at hand takes half the memory there is.
        key, reader = replace(key, kind=platform.resource.kind), reader.knowing(uri)
        made = manifest_of(want, first.body, uri, owner, key, reader, lambda: merged().sources())
        return replace(made, notes=(*made.notes, *first.notes))

    def _own(self, want: Wanted, described: Description) -> tuple[Platform, tuple[Layer, ...]]:
        """Return what describes a version, and by which platform that is served."""
        default, layers = catalogue.default(self.settings.platform), list[Layer]()
        platform = default
        if self.base:
            names = partial(base_names, want.selector, want.version, described, self.settings)
            whole = described.file is None
            platform, layer = filling.fragment(self.base, default, names, whole=whole)
            layers.append(layer)
        if described.file:
            own, layer = deploy_file.parse(described.file, default, alone=not layers)
            if layers and own is not platform:
                raise Problem(
                    f"{layer.name}: a {own.resource.kind} over {layers[0].name}, a base template "
                    f"for a {platform.resource.kind}; both must be of one kind"
                )
            platform = own
            layers.append(layer)
        return platform, tuple(layers)


def _no_file(near: str) -> str:
    line = "no deploy.yaml in the run or in the model's folder"
    return f"{line}; there is {near}: log it as deploy.yaml, in no folder" if near else line
