"""Every page of a listing, or an error that names the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from m2s.errors import RegistryError
from m2s.model import ModelVersion
from m2s.registry import client as mlflow
from m2s.registry.server import Server

PAGE = 1000
"""The most that ``search_registered_models`` gives at once (mlflow/store/model_registry)."""

_T = TypeVar("_T")


def pages(
    server: Server, what: str, ask: Callable[[str | None], mlflow.PagedList[_T]]
) -> Iterator[_T]:
    """Yield the items of every page of ``what``; ``ask`` takes a page's token, None for the first.

    Raises:
        RegistryError: a page could not be read, or leads back to itself.
    """
    token: str | None = None
    number = 1
    while True:
        doing = f"read page {number} of the {what}"
        with server.asking(doing):
            page = ask(token)
        yield from page
        if not page.token:
            return
        if page.token == token:
            raise RegistryError(f"MLflow at {server.identity}: cannot {doing}: it repeats itself")
        token, number = page.token, number + 1


def versions(server: Server, client: mlflow.MlflowClient) -> tuple[ModelVersion, ...]:
    """Return every version of every registered model, by model and version.

    MLflow pages by offset over the newest change first: a version that moves up meanwhile would
    slip between two pages. Ordered by name only creation and deletion shift a page.
    """

    def ask(token: str | None) -> mlflow.PagedList[mlflow.ModelVersion]:
        order = ["name ASC", "version_number ASC"]
        return client.search_model_versions(None, PAGE, order, token)

    return distinct(map(version_of, pages(server, "model versions", ask)))


def models(server: Server, client: mlflow.MlflowClient) -> tuple[mlflow.RegisteredModel, ...]:
    """Return every registered model, by name."""

    def ask(token: str | None) -> mlflow.PagedList[mlflow.RegisteredModel]:
        return client.search_registered_models(None, PAGE, ["name ASC"], token)

    found = pages(server, "registered models", ask)
    return tuple({model.name: model for model in found}.values())


def version_of(entity: mlflow.ModelVersion) -> ModelVersion:
    """Return mlflow's model version as m2s's."""
    return ModelVersion(
        model=entity.name,
        version=int(entity.version),
        status=entity.status or "READY",
        status_message=entity.status_message or "",
        stage=entity.current_stage or "None",
        run_id=entity.run_id or None,
        source=entity.source or "",
        tags=dict(entity.tags),
    )


def distinct(found: Iterable[ModelVersion]) -> tuple[ModelVersion, ...]:
    """Return each (model, version) once, in order: a page that shifts repeats what it has shown."""
    unique = {(version.model, version.version): version for version in found}
    return tuple(unique[key] for key in sorted(unique))
