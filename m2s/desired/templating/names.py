"""What the placeholders of a template may ask of: the versions that a selector offers; pure.

``mlflow.s3["iris demo"]`` and its siblings are mlflow-deployment-controller's; there the name of
the store is a switch, here it is a claim that is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from m2s.base import mask
from m2s.desired.choosing import Wanted, check
from m2s.desired.documents import Function, Nameable
from m2s.domain.versions import Description, ModelVersion, Selector, Unreadable
from m2s.platforms import catalogue
from m2s.platforms.common.locating import scheme
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem
from m2s.settings.groups import Describing

Descriptions = Mapping[ModelVersion, Description | Unreadable]
"""How each version wants to be deployed, as far as that was read."""

STORES: Mapping[str, frozenset[str]] = {
    "s3": frozenset({"s3", "s3a", "s3n"}),
    "gcs": frozenset({"gs", "gcs"}),
    "blob": frozenset({"azureblob", "azure", "az", "blob", "wasb", "wasbs", "abfs", "abfss"}),
}
"""The schemes of each store's URIs; a remote of any other name may be of every store."""


class Catalog:
    """The version that one selector chose of each model, and what describes it.

    ``asked`` are the models that were asked for, in order.
    """

    def __init__(
        self,
        selector: Selector,
        wanted: Iterable[Wanted],
        described: Descriptions,
        settings: Describing,
    ) -> None:
        self.selector, self.settings, self._described = selector, settings, described
        self._wanted = {want.version.model: want for want in wanted}
        self.asked: dict[str, ModelVersion | None] = {}
        self.platform = catalogue.default(settings.platform)
        """What the template that asks is for."""

    def names(self) -> dict[str, Any]:
        """Return what the placeholders of the templates folder may name."""
        return {
            "mlflow": _Mlflow(self),
            "model": _ModelNames(self),
            "selector": _Selector(self.selector),
        }

    def view(self, model: str) -> Version:
        """Return what is known of the version that is served of ``model``.

        Raises:
            Problem: there is none, or it may not be served.
        """
        want = self._wanted.get(model)
        self.asked.setdefault(model, want.version if want else None)
        if want is None:
            link = "in" if self.selector.kind == "stage" else "of"
            raise Problem(f"the model {model!r} has no version {link} {self.selector.name}")
        try:
            check(want, self.settings)
        except Problem as problem:
            raise Problem(f"{model}: {problem}") from problem
        described = self._described.get(want.version)
        return Version(want.version, described, self.settings, self.platform)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that there are to ask for."""
        return tuple(self._wanted)

    @property
    def used(self) -> tuple[ModelVersion, ...]:
        """The versions that were asked for, in the order of asking."""
        return tuple(version for version in self.asked.values() if version)

    def used_at(self, uri: str) -> tuple[ModelVersion, ...]:
        """Return :attr:`used`, the version that lies at ``uri`` first."""
        return tuple(sorted(self.used, key=lambda version: self._uri(version) != uri))

    @property
    def uris(self) -> tuple[str, ...]:
        """Where the versions lie that were asked for, as far as a model server can read it."""
        return tuple(filter(None, map(self._uri, self.used)))

    def _uri(self, version: ModelVersion) -> str:
        try:
            return self.view(version.model).uri
        except Problem:
            return ""


def base_names(
    selector: Selector,
    version: ModelVersion,
    described: Description | Unreadable,
    settings: Describing,
    platform: Platform,
) -> dict[str, Any]:
    """Return what the placeholders of the base template may name: the version at hand."""
    model = Version(version, described, settings, platform)
    return {"model": model, "selector": _Selector(selector)}


class Version(Nameable):
    """One version, as ``model("iris")``, or as ``model`` in the base template."""

    def __init__(
        self,
        version: ModelVersion,
        described: Description | Unreadable | None,
        settings: Describing,
        platform: Platform,
    ) -> None:
        self._version, self._described = version, described
        self._reader = platform.reader(settings, run_id=version.run_id)
        self.name, self.version = version.model, version.version
        self.tags = _VersionTags(version)
        if version.run_id:
            self.run_id = version.run_id

    def __str__(self) -> str:
        return f"{self._version} itself: ask for its .uri, .version, .run_id or .tags"

    @property
    def uri(self) -> str:
        """Where the model lies, as the model server reads it."""
        described = self._described
        if described is None:
            raise Problem(f"{self.name} is left out by --model")
        if isinstance(described, Unreadable) and not described.uri:
            raise Problem(f"{self._version}: {described.reason}")
        try:
            return self._reader.of_registry(described.uri)
        except Problem as problem:
            raise Problem(f"{self._version}: {problem}") from problem

    def lacks(self, name: object) -> str:
        """See :class:`Nameable`."""
        if name == "run_id":
            return f"{self._version} was registered without a run, so it has no run_id"
        return f"a model version has .name, .version, .uri, .run_id and .tags, not .{name}"


class _VersionTags(Nameable):
    """``model("iris").tags["owner"]``, of the model version."""

    def __init__(self, version: ModelVersion) -> None:
        self._version = version

    def __getitem__(self, name: object) -> str:
        return self._version.tags[str(name)]

    def __str__(self) -> str:
        return f'the tags of {self._version}: ask for one, as .tags["name"]'

    def lacks(self, name: object) -> str:
        return f"{self._version} has no tag {name!r}; set it, or add | default('…')"


class _ModelNames(Function, Nameable):
    """``model("iris demo")``."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __call__(self, *names: object) -> Version:
        if len(names) != 1 or not isinstance(names[0], str):
            raise Problem('model(…) wants the name of one model, as in model("iris")')
        return self._catalog.view(names[0])

    def __str__(self) -> str:
        return 'model: name one, as in model("iris").uri'

    def lacks(self, name: object) -> str:
        return f'model has no .{name} here: name the model, as in model("iris").{name}'


class _Mlflow(Nameable):
    """``mlflow.s3``, ``mlflow.gcs`` and ``mlflow.blob``."""

    def __init__(self, catalog: Catalog) -> None:
        self.s3, self.gcs, self.blob = (_Store(name, catalog) for name in STORES)

    def __str__(self) -> str:
        return 'mlflow: name a store and a model, as in mlflow.s3["iris"]'

    def lacks(self, name: object) -> str:
        return f"mlflow has .{', .'.join(STORES)}, not .{name}"


class _Store(Nameable):
    """``mlflow.s3["iris demo"]``: the model's URI, which must be one of this store."""

    def __init__(self, name: str, catalog: Catalog) -> None:
        self._name, self._catalog = name, catalog

    def __getitem__(self, model: object) -> str:
        if not isinstance(model, str):
            raise Problem(f'mlflow.{self._name} wants a model\'s name in quotes, as in ["iris"]')
        uri = self._catalog.view(model).uri
        actual = next((name for name, own in STORES.items() if scheme(uri) in own), self._name)
        if actual != self._name:
            raise Problem(
                f"mlflow.{self._name}[{model!r}]: the model lies at {mask.text(uri)}; "
                f"write mlflow.{actual}[{model!r}]"
            )
        return uri

    def __str__(self) -> str:
        return f'mlflow.{self._name}: name a model, as in mlflow.{self._name}["iris"]'

    def lacks(self, name: object) -> str:
        return f'write mlflow.{self._name}["{name}"]'


class _Selector(Nameable):
    """``selector.kind`` is stage or alias, ``selector.name`` its name."""

    def __init__(self, selector: Selector) -> None:
        self.kind, self.name = selector.kind, selector.name

    def __str__(self) -> str:
        return "selector: ask for its .name or .kind"

    def lacks(self, name: object) -> str:
        return f"selector has .name and .kind, not .{name}"
