"""Single registered models and versions, looked up by their exact names."""

from __future__ import annotations

from m2s.base.errors import RegistryError
from m2s.domain.versions import ModelVersion
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import listing
from m2s.sources.mlflow.generations import Client
from m2s.sources.mlflow.server import Server
from m2s.sources.mlflow.trouble import WHERE

_REFUSED = frozenset("/:")
"""Since 2.19 MLflow neither registers nor looks up such a name, but it lists those it has."""


class Lookups:
    """Looks at one thing at a time, safe to share between threads.

    Args:
        server: where, for its errors.
        client: connected to it.

    Raises:
        RegistryError: from every method; its subclass Withheld when the registry answers and does
            not give this one.
    """

    def __init__(self, server: Server, client: Client) -> None:
        self._server, self._client = server, client

    def model(self, name: str) -> mlflow.RegisteredModel | None:
        """Return a registered model, None only when MLflow says that there is none."""
        if _REFUSED & set(name):
            every = listing.models(self._server, self._client)
            return next((each for each in every if each.name == name), None)
        doing = f"look up the registered model {name!r}"
        with self._server.asking_of_one(doing):
            try:
                entity = self._client.get_registered_model(name)
            except mlflow.MlflowException as error:
                if self._says_absent(error):
                    return None
                raise
        self._check_name(doing, name, entity.name)
        return entity

    def version(self, model: str, version: int) -> ModelVersion | None:
        """Return a model version, None only when MLflow says that there is none."""
        if _REFUSED & set(model):
            every = listing.versions(self._server, self._client)
            return next((each for each in every if str(each) == f"{model} v{version}"), None)
        doing = f"look up {model} v{version}"
        with self._server.asking_of_one(doing):
            try:
                entity = self._client.get_model_version(model, str(version))
            except mlflow.MlflowException as error:
                if self._says_absent(error):
                    return None
                raise
            found = listing.version_of(entity)
        self._check_name(doing, model, found.model)
        return found

    def _says_absent(self, error: mlflow.MlflowException) -> bool:
        """Whether the thing is absent; of a workspace that is gone MLflow says the same."""
        absent = mlflow.is_absent(error)
        if absent and self._server.workspace:
            self._client.search_registered_models(max_results=1)  # raises where that is so
        return absent

    def _check_name(self, doing: str, asked: str, answered: str) -> None:
        # A proxy's bare `{}` decodes into an entity without a name.
        if asked != answered:
            said = f"the answer is about {answered!r}: is it an MLflow server? Check {WHERE}"
            raise RegistryError(f"MLflow at {self._server.identity}: cannot {doing}: {said}")
