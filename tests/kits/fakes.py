"""A registry in memory, for tests that need thousands of them.

``test_fakes_contract.py`` runs the same cases over this one and over MLflow. There is no fake
cluster: a folder is a real one, and quick enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from m2s.base.labels import PAUSED, is_set
from m2s.domain.asking import Example
from m2s.domain.versions import (
    Census,
    DeployFile,
    Description,
    MlModel,
    Model,
    ModelVersion,
    Offers,
    Selector,
    Served,
    Unchecked,
    Unreadable,
    Whereabouts,
)
from tests.kits.support import description


class FakeRegistry:
    """:class:`~m2s.sources.source.Registry`, and the methods of ``Models`` to fill it with."""

    def __init__(self) -> None:
        self._models: dict[str, dict[int, ModelVersion]] = {}
        self._aliases: dict[str, dict[str, int]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._described: dict[tuple[str, int], Description | Unreadable] = {}
        self._runs = 0
        self._born: dict[str, int] = {}
        self._bare: set[str] = set()
        self.examples: dict[Served, Example | Unchecked] = {}

    @property
    def identity(self) -> str:
        """Of no place at all."""
        return "fake://registry"

    def add(
        self,
        model: str,
        deploy: str | bytes | None = "",
        *,
        stage: str | None = "Staging",
        alias: str | None = None,
        source: str | None = None,
        status: str = "READY",
        tags: Mapping[str, str] | None = None,
        model_tags: Mapping[str, str] | None = None,
        mlmodel: bool = True,
    ) -> int:
        """Register one more version; arguments as those of ``Models.add``.

        Without ``mlmodel`` its folder has no MLmodel file.
        """
        self._runs += 1
        run = f"{self._runs:032x}"
        versions = self._models.setdefault(model, {})
        self._born.setdefault(model, self._runs)
        number = max(versions, default=0) + 1
        source = source or f"s3://models/{run}"
        if not mlmodel:
            self._bare.add(source)
        versions[number] = ModelVersion(
            model, number, status, "", stage or "None", run, source, dict(tags or {}),
            created=self._runs,
        )  # fmt: skip
        self._tags.setdefault(model, {}).update(model_tags or {})
        content = description() if deploy == "" else deploy
        text = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        file = DeployFile(f"deploy.yaml of run {run}", text) if text is not None else None
        self._described[model, number] = Description(source, file)
        if alias:
            self.alias(model, alias, number)
        return number

    def spoil(self, model: str, version: int, reason: str) -> None:
        """Make one version's description unreadable."""
        uri = self._described[model, version].uri
        self._described[model, version] = Unreadable(reason, uri)

    def move(self, model: str, version: int, stage: str, *, archive: bool = True) -> None:
        """Put a version into a stage; those that were there are archived."""
        versions = self._models[model]
        for number, other in versions.items():
            if archive and other.stage == stage in ("Staging", "Production"):
                versions[number] = replace(other, stage="Archived")
        versions[version] = replace(versions[version], stage=stage)

    def alias(self, model: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, or at nothing."""
        aliases = self._aliases.setdefault(model, {})
        aliases.pop(alias, None)
        if version is not None:
            aliases[alias] = version

    def delete(self, model: str, version: int | None = None) -> None:
        """Delete a version, which takes its aliases with it, or the whole model."""
        if version is None:
            del self._models[model], self._born[model]
            self._aliases.pop(model, None)
            return
        del self._models[model][version]
        kept = {a: v for a, v in self._aliases.get(model, {}).items() if v != version}
        self._aliases[model] = kept

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        """Return every version that the selector names."""
        found = [
            version
            for model, versions in sorted(self._models.items())
            for _, version in sorted(versions.items())
            if self._names(selector, model, version)
        ]
        return tuple(found)

    def model_tags(self) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of every registered model."""
        return {model: dict(self._tags.get(model, {})) for model in self._models}

    def paused(self) -> frozenset[str]:
        """Return the registered models that are paused."""
        return frozenset(
            model for model in self._models if is_set(self._tags.get(model, {}).get(PAUSED))
        )

    def describe(
        self, version: ModelVersion, *, read: bool = True, again: bool = False
    ) -> Description | Unreadable:
        """Return what :meth:`add` was given, or :meth:`spoil` said."""
        described = self._described[version.model, version.version]
        if read or isinstance(described, Unreadable):
            return described
        return Description(described.uri, None)

    def resolve(self, uri: str) -> str | Unreadable:
        """Return where a ``models:/NAME/VERSION`` of :meth:`add` lies, and nothing else."""
        model, _, number = uri.removeprefix("models:/").rpartition("/")
        version = self._models.get(model, {}).get(int(number) if number.isdecimal() else 0)
        return version.source if version else Unreadable(f"the registry has no {uri}")

    def mlmodel(self, folder: str) -> MlModel | Unchecked | None:
        """Return that of a model which every server loads, or what :meth:`add` was given."""
        return None if folder in self._bare else MlModel(("python_function",), "", "3.10.12")

    def example(self, version: Served) -> Example | Unchecked | None:
        """Return what ``examples`` has."""
        return self.examples.get(replace(version, alias=""))

    def locate(self, selector: Selector, model: str, version: str | None) -> Whereabouts:
        """Look one model up by name."""
        if model not in self._models:
            return Whereabouts(False, "the registered model is gone", gone=True)
        versions = self._models[model]
        named = [one for one in versions.values() if self._names(selector, model, one)]
        number = int(version) if version is not None and version.isdecimal() else None
        found = versions.get(number) if number is not None else None
        if selector.kind == "alias" and named:
            reason = f"alias {selector.name} now points at v{named[0].version}"
        elif number is not None and found is None:
            reason = f"v{number} was deleted"
        elif selector.kind == "alias":
            reason = f"alias {selector.name} points at nothing now"
        else:
            reason = _by_stage(selector.name, named, found)
        return Whereabouts(bool(named), reason, paused=model in self.paused())

    def look(self, model: str) -> Model | None:
        """Look one model up by name."""
        versions = self._models.get(model)
        return None if versions is None else self._model(model, versions)

    def models(self) -> Mapping[str, Model]:
        """Return every registered model."""
        return {name: self._model(name, versions) for name, versions in self._models.items()}

    def _model(self, name: str, versions: Mapping[int, ModelVersion]) -> Model:
        stages: dict[str, int] = {}
        for number, version in sorted(versions.items()):
            stages[version.stage] = number
        aliases = dict(self._aliases.get(name, {}))
        return Model(name, self._born[name], self._runs, self._tags.get(name, {}), aliases, stages)

    def census(self) -> Census:
        """Return every version, as a listing of them shows it."""
        every = [version for versions in self._models.values() for version in versions.values()]
        return Census({}, {(one.model, one.version): one for one in every}, whole=True)

    def offers(self) -> Offers:
        """Return which stages and aliases there are."""
        stages = Counter(one.stage for every in self._models.values() for one in every.values())
        aliases = Counter(alias for every in self._aliases.values() for alias in every)
        return Offers(dict(sorted(stages.items())), dict(sorted(aliases.items())))

    def _names(self, selector: Selector, model: str, version: ModelVersion) -> bool:
        if selector.kind == "stage":
            return version.stage == selector.name
        return self._aliases.get(model, {}).get(selector.name) == version.version


def _by_stage(stage: str, named: list[ModelVersion], found: ModelVersion | None) -> str:
    if found is not None and found.stage != stage:
        now = "in no stage" if found.stage == "None" else f"in {found.stage}"
        return f"v{found.version} is {now} now"
    return f"v{named[-1].version} is in {stage}" if named else f"nothing is in {stage}"
