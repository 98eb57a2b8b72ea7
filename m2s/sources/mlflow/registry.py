"""A Model Registry behind an MLflow tracking URI."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from m2s.base.errors import M2sError, UsageError, Withheld
from m2s.base.labels import PAUSED, is_set
from m2s.domain.asking import Example
from m2s.domain.versions import (
    Census,
    Description,
    Model,
    ModelVersion,
    Offers,
    Selector,
    Served,
    Unchecked,
    Unreadable,
)
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import database, environment, listing, workspaces
from m2s.sources.mlflow.artifacts import Store, StoreError
from m2s.sources.mlflow.cache import Cache
from m2s.sources.mlflow.descriptions import Descriptions
from m2s.sources.mlflow.generations import ALIASES, About, Client, Generation, Learned, about
from m2s.sources.mlflow.incremental import IncrementalRegistry
from m2s.sources.mlflow.locations import location
from m2s.sources.mlflow.lookups import Lookups, stage_of
from m2s.sources.mlflow.mlmodel import PATIENCE
from m2s.sources.mlflow.server import Server
from m2s.sources.mlflow.sharing import Shared
from m2s.sources.mlflow.snapshot import ModelReader, has_no_stages, missing
from m2s.sources.mlflow.tagging import MlflowTagging

if TYPE_CHECKING:
    from m2s.sources.mlflow.fetch import Fetch

_FEW = 50
"""Up to so many aliased versions are looked up one by one instead of listing every version."""


class MlflowRegistry:
    """``Registry`` over MLflow's own client; safe to share between threads.

    Args:
        tracking_uri: ``http(s)://…`` with MLflow's own authentication variables or ``user:pass@``,
            or a database such as ``sqlite:////path``.
        request_timeout: seconds for one request, unless MLFLOW_HTTP_REQUEST_TIMEOUT is set. A
            request that fails is tried three times.
        workers: how many aliased versions are looked up at the same time.
        registry_uri: where models are registered, if not at ``tracking_uri``; None leaves it to
            MLFLOW_REGISTRY_URI, as MLflow does.
        workspace: whose models are meant, on a server that has workspaces; None leaves it to
            MLFLOW_WORKSPACE, as MLflow does. It is the whole process's.
        cache: keeps the descriptions of versions that do not change; None fetches them each time.

    Raises:
        RegistryError: the URI is malformed or of a kind that cannot be read, or the database is
            not there or not of the installed mlflow's schema. A server is first asked later.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        request_timeout: float = 30,
        workers: int = 8,
        registry_uri: str | None = None,
        workspace: str | None = None,
        cache: Cache | None = None,
    ) -> None:
        environment.prepare()
        environment.set_timeout(request_timeout)
        elsewhere = registry_uri or os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri
        uris = dict.fromkeys((tracking_uri, elsewhere))
        servers = workspaces.enter(workspace, map(Server.parse, uris))
        for server in servers:
            database.check(server)
        self._server, self._models = servers[0], servers[-1]
        self._server.announce()
        self._learned = Learned(self._models)
        self._workers = workers
        with self._models.asking("open the registry"):
            self._client = Client(self._server.uri, self._models.uri)
        self._one, self._seen = Lookups(self._models, self._client), Census()
        store = Store(self._server.uri, self._server.scrub)
        patience = min(request_timeout, PATIENCE)
        self._descriptions = Descriptions(self._client, store, self.identity, cache, patience)
        self.locate, self.mlmodel = self._one.locate, self._descriptions.mlmodel

    @property
    def identity(self) -> str:
        """The tracking URI, and the registry's where it is another, without user and password.

        The workspace is a part of it, where one was asked for.
        """
        if self._models is self._server:
            return self._server.identity
        return f"{self._server.address} with models at {self._models.identity}"

    @property
    def workspace(self) -> str:
        """The workspace that was asked for, "" for none."""
        return self._models.workspace

    @property
    def generation(self) -> Generation:
        """What the server with the models can do, asked once; RegistryError: it is not reached."""
        return self._learned.generation

    def about(self) -> About:
        """Return what the server with the models says of itself; RegistryError as above."""
        return about(self._models, self.generation, self._client)

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        """Return every version that the selector names; see ``Registry``.

        A stage's versions come from the listing of all versions: a registered model's own list
        has only the highest of each stage. An alias that points at a version which is not there
        yields one of status ``MISSING``, so that it is reported and what is deployed stays.
        UsageError: MLflow has no such stage, or the server no stages or no aliases.
        """
        by_alias = selector.kind == "alias"
        found = self._aliased(selector.name) if by_alias else self._staged(stage_of(selector))
        self._descriptions.warm(found)
        return found

    def model_tags(self) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of every registered model: see :meth:`m2s.sources.source.Registry`."""
        return {model.name: dict(model.tags) for model in self._every_model()}

    def paused(self) -> frozenset[str]:
        """Return the models that are paused: see :meth:`m2s.sources.source.Registry.paused`."""
        found = listing.tagged_models(self._models, self._client, PAUSED)
        return frozenset(model.name for model in found if is_set(model.tags[PAUSED]))

    def describe(
        self, version: ModelVersion, *, read: bool = True, again: bool = False
    ) -> Description | Unreadable:
        """Return the version's resolved storage URI and its ``deploy.yaml``.

        The file is looked for among the run's own artifacts, then in the model's folder and its
        ``artifacts`` and ``code``. The URI is ``models:/…`` only when MLflow itself cannot tell
        where that is; no prefix map is applied. RegistryError: the tracking server is gone or
        refuses us.
        """
        try:
            return self._descriptions.find(version, read=read, again=again)
        except StoreError as error:
            reason = self._server.scrub(str(error))
        except Exception as error:  # noqa: BLE001 - mlflow raises anything; the look-up decides
            reason = str(self._server.error(f"describe {version}", error))
        # This version's trouble, or the server's? A look-up tells, whatever the store answered.
        try:
            if self._one.version(version.model, version.version) is None:
                return Unreadable(f"{version} was deleted while it was read")
        except Withheld as error:
            reason = str(error)
        location = ""
        with suppress(Exception):  # why it fails was said of its files already
            location = self._descriptions.find(version, read=False).uri
        return Unreadable(reason, location)

    def resolve(self, uri: str) -> str | Unreadable:
        """Return where ``uri`` lies: see :meth:`m2s.sources.source.Registry.resolve`."""
        try:
            return location(self._client, uri)
        except StoreError as error:
            return Unreadable(self._server.scrub(str(error)))
        except Exception as error:  # noqa: BLE001 - mlflow raises anything
            return Unreadable(str(self._models.error(f"look up {uri}", error)))

    def example(self, version: Served) -> Example | Unchecked | None:
        """Return its example: see :meth:`m2s.sources.source.Registry.example`."""
        try:
            number = int(version.version) if version.version.isdecimal() else 0
            found = self._one.version(version.model, number)
        except Withheld as error:
            return Unchecked(str(error))
        if found is None:
            return Unchecked(f"{version} is not in the registry any more")
        described = self.describe(found, read=False)
        if isinstance(described, Unreadable):
            return Unchecked(described.reason)
        return self._descriptions.example(described.uri)

    def fetching(self, uri: str) -> Fetch:
        """Return what fetches the model at ``uri``; M2sError: it is not known where that lies."""
        from m2s.sources.mlflow.fetch import Fetch

        named = uri.lower().startswith(("models:", "runs:"))
        where = self.resolve(uri) if named else uri
        if isinstance(where, Unreadable):
            raise M2sError(f"cannot fetch {self._server.scrub(uri)}: {where.reason}")
        return Fetch(where, self._server.uri, self._server.scrub)

    def look(self, model: str) -> Model | Unreadable | None:
        """Look one model up by its exact name: see :meth:`m2s.sources.source.Registry.look`."""
        try:
            entity = self._one.model(model)
        except Withheld as error:
            return Unreadable(str(error))
        return None if entity is None else listing.model_of(entity)

    def models(self) -> Mapping[str, Model]:
        """Return every registered model by its name."""
        return {model.name: listing.model_of(model) for model in self._every_model()}

    def census(self) -> Census:
        """Return what :meth:`select` was shown: see :meth:`m2s.sources.source.Registry.census`."""
        return self._seen

    def offers(self) -> Offers:
        """Return how many versions are in each stage, and how many models have each alias."""
        stages = Counter(each.stage for each in self._every_version() if each.stage)
        models = self._every_model()
        aliases = Counter(alias for model in models for alias in model.aliases)
        return Offers(dict(sorted(stages.items())), dict(sorted(aliases.items())))

    def incremental(
        self,
        resync: float,
        clock: Callable[[], float] = time.monotonic,
        shared: Shared | None = None,
    ) -> IncrementalRegistry:
        """Return this registry for somebody who asks it over and over, ``resync`` in seconds.

        What is read of its lists is ``shared`` with others who ask the same registry.
        """
        where = (self._models, self._client)
        reader = ModelReader(
            models=lambda: map(listing.model_of, listing.models(*where)),
            newest=lambda: (
                [listing.model_of(each) for each in page] for page in listing.newest_models(*where)
            ),
            versions=lambda: listing.versions(*where),
            versions_of=lambda names: listing.versions_of(*where, names),
            unaliased=self._check_aliases,
            unstaged=self._refuse_stages,
        )
        reader = shared.over(self._models.uri, reader) if shared else reader
        return IncrementalRegistry(self, reader, resync=resync, clock=clock)

    def tagging(self) -> MlflowTagging:
        """Return what writes to the same registry what is live."""
        return MlflowTagging(self._models, self._client)

    def _every_version(self) -> tuple[ModelVersion, ...]:
        every = listing.versions(self._models, self._client)
        self._seen = Census(self._seen.models, listing.by_name(every), whole=True)
        return every

    def _every_model(self) -> tuple[mlflow.RegisteredModel, ...]:
        return listing.models(self._models, self._client)

    def _staged(self, stage: str) -> tuple[ModelVersion, ...]:
        every = self._every_version()
        if has_no_stages(every):
            self._refuse_stages()
        return tuple(version for version in every if version.stage == stage)

    def _refuse_stages(self) -> None:
        """Raise a UsageError: the server has no stages, as Unity Catalog has none."""
        raise UsageError(f"MLflow at {self._models.identity} has no stages: select by --alias")

    def _aliased(self, alias: str) -> tuple[ModelVersion, ...]:
        models = self._every_model()
        if not any(each.aliases for each in models):
            self._check_aliases()
        shown = {model.name: listing.model_of(model) for model in models}
        self._seen = replace(self._seen, models=shown)
        wanted = [(each.name, int(each.aliases[alias])) for each in models if alias in each.aliases]
        known: dict[tuple[str, int], ModelVersion] = {}
        if len(wanted) > _FEW:
            known = {(each.model, each.version): each for each in self._every_version()}

        def one(key: tuple[str, int]) -> ModelVersion:
            try:
                return known.get(key) or self._one.version(*key) or missing(alias, *key)
            except Withheld as error:
                return ModelVersion(*key, status="UNREADABLE", status_message=str(error))

        with ThreadPoolExecutor(self._workers) as pool:
            found = listing.distinct(pool.map(one, wanted))
        if not self._seen.whole:
            there = {**self._seen.versions, **listing.by_name(found)}
            self._seen = replace(self._seen, versions=there)
        return found

    def _check_aliases(self) -> None:
        """Raise a UsageError where no model has an alias because the server has none."""
        lack = self.generation.lack(ALIASES)
        if lack and (self.generation.version or self._client.knows_no_alias()):
            raise UsageError(f"MLflow at {self._models.identity} has no aliases: {lack}")
