"""Single registered models and versions, looked up by their exact names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from m2s.base.errors import RegistryError, UsageError
from m2s.base.labels import PAUSED, is_set
from m2s.domain.stages import canonical_stage
from m2s.domain.versions import ModelVersion, Selector, Whereabouts
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import listing
from m2s.sources.mlflow.generations import Client
from m2s.sources.mlflow.server import Server
from m2s.sources.mlflow.trouble import WHERE

_REFUSED = frozenset("/:")
"""Since 2.19 MLflow neither registers nor looks up such a name, but it lists those it has."""
_Entity = TypeVar("_Entity", mlflow.RegisteredModel, mlflow.ModelVersion)


class Lookups:
    """Looks at one thing at a time, safe to share between threads.

    Every method may raise a RegistryError; its subclass Withheld when the registry answers and
    does not give this one.
    """

    def __init__(self, server: Server, client: Client) -> None:
        self._server, self._client = server, client

    def model(self, name: str) -> mlflow.RegisteredModel | None:
        """Return a registered model, None only when MLflow says that there is none."""
        if _REFUSED & set(name):
            every = listing.models(self._server, self._client)
            return next((each for each in every if each.name == name), None)
        doing = f"look up the registered model {name!r}"
        return self._named(doing, name, lambda: self._client.get_registered_model(name))

    def version(self, model: str, version: int) -> ModelVersion | None:
        """Return a model version, None only when MLflow says that there is none."""
        if _REFUSED & set(model):
            every = listing.versions(self._server, self._client)
            return next((each for each in every if str(each) == f"{model} v{version}"), None)
        doing = f"look up {model} v{version}"
        number = str(version)
        entity = self._named(doing, model, lambda: self._client.get_model_version(model, number))
        with self._server.asking_of_one(doing):
            return listing.version_of(entity) if entity else None

    def locate(self, selector: Selector, model: str, version: str | None) -> Whereabouts:
        """Look where a model's versions are now: see :meth:`m2s.sources.source.Registry.locate`."""
        entity = self.model(model)
        if entity is None:
            return Whereabouts(False, "the registered model is gone", gone=True)
        number = int(version) if version is not None and version.isdecimal() else None
        found = self.version(model, number) if number is not None else None
        if selector.kind == "alias":
            place = _by_alias(selector.name, entity.aliases, number, found)
        else:
            place = _by_stage(stage_of(selector), entity, number, found)
        return replace(place, paused=is_set(entity.tags.get(PAUSED)))

    def _named(self, doing: str, name: str, ask: Callable[[], _Entity]) -> _Entity | None:
        with self._server.asking_of_one(doing):
            try:
                entity = ask()
            except mlflow.MlflowException as error:
                if not mlflow.is_absent(error):
                    raise
                if self._server.workspace:  # of one that is gone MLflow says the same
                    self._client.search_registered_models(max_results=1)  # raises where that is so
                return None
        if entity.name == name:
            return entity
        # A proxy's bare `{}` decodes into an entity without a name.
        said = f"the answer is about {entity.name!r}: is it an MLflow server? Check {WHERE}"
        raise RegistryError(f"MLflow at {self._server.identity}: cannot {doing}: {said}")


def stage_of(selector: Selector) -> str:
    """Return a selector's stage in MLflow's spelling; UsageError: MLflow has none such."""
    try:
        return canonical_stage(selector.name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _by_stage(
    stage: str, model: mlflow.RegisteredModel, version: int | None, found: ModelVersion | None
) -> Whereabouts:
    """Say whether ``model`` has a version in ``stage``, and where ``version`` is now.

    ``version`` is the one that is served, None if that is not known; ``found`` is what the
    registry has of it, None if nothing.
    """
    latest = {entry.current_stage: int(entry.version) for entry in model.latest_versions}
    in_stage = f"v{latest[stage]} is in {stage}" if stage in latest else f"nothing is in {stage}"
    if version is None:
        return Whereabouts(stage in latest, in_stage)
    if found is None:
        return Whereabouts(stage in latest, f"v{version} was deleted")
    now = "in no stage" if found.stage in ("", "None") else f"in {found.stage}"
    reason = f"v{version} is {now} now" if found.stage != stage else in_stage
    return Whereabouts(stage in latest or found.stage == stage, reason)


def _by_alias(
    alias: str, aliases: Mapping[str, str], version: int | None, found: ModelVersion | None
) -> Whereabouts:
    """Say what ``alias`` points at now; the arguments are those of :func:`_by_stage`."""
    target = aliases.get(alias)
    if target is not None:
        return Whereabouts(True, f"alias {alias} now points at v{int(target)}")
    if version is not None and found is None:
        return Whereabouts(False, f"v{version} was deleted")
    return Whereabouts(False, f"alias {alias} points at nothing now")
