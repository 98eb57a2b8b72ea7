"""Every page of a listing, or an error that names the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from m2s.base.errors import RegistryError
from m2s.base.labels import LIVE
from m2s.domain.versions import Model, ModelVersion
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow.server import Server

PAGE = 1000
"""The most that ``search_registered_models`` gives at once (mlflow/store/model_registry)."""

NEWEST = 50
"""Models to a page where the last changed come first: more than change between two looks."""
_NAMES = 20
"""Names to a filter, which is a part of the URL."""

_T = TypeVar("_T")


def pages(
    server: Server, what: str, ask: Callable[[str | None], mlflow.PagedList[_T]]
) -> Iterator[_T]:
    """Yield the items of every page of ``what``; ``ask`` takes a page's token, None for the first.

    Raises:
        RegistryError: a page could not be read, or leads back to itself.
    """
    for page in _pages(server, what, ask):
        yield from page


def _pages(
    server: Server, what: str, ask: Callable[[str | None], mlflow.PagedList[_T]]
) -> Iterator[list[_T]]:
    token: str | None = None
    number = 1
    while True:
        doing = f"read page {number} of the {what}"
        with server.asking(doing):
            page = ask(token)
        yield list(page)
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
    return distinct(map(version_of, search(server, client, "model versions")))


def search(
    server: Server, client: mlflow.MlflowClient, what: str, wanted: str | None = None
) -> Iterator[mlflow.ModelVersion]:
    """Yield the versions that a filter of MLflow's picks, ordered by model and version.

    Raises:
        RegistryError: naming ``what`` is read, and the page.
    """

    def ask(token: str | None) -> mlflow.PagedList[mlflow.ModelVersion]:
        order = ["name ASC", "version_number ASC"]
        return client.search_model_versions(wanted, PAGE, order, token)

    return pages(server, what, ask)


def models(server: Server, client: mlflow.MlflowClient) -> tuple[mlflow.RegisteredModel, ...]:
    """Return every registered model, by name."""
    found = _search_models(server, client, "registered models")
    return tuple({model.name: model for model in found}.values())


def tagged_models(
    server: Server, client: mlflow.MlflowClient, tag: str
) -> tuple[mlflow.RegisteredModel, ...]:
    """Return the registered models that have a tag, whatever its value: the server picks them."""
    what = f"registered models with the tag {tag}"
    return tuple(_search_models(server, client, what, tagged(tag)))


def tagged(tag: str) -> str:
    """Return the filter of MLflow's that picks what has a tag."""
    return f"tags.`{tag}` LIKE '%'"


def _search_models(
    server: Server, client: mlflow.MlflowClient, what: str, wanted: str | None = None
) -> Iterator[mlflow.RegisteredModel]:
    def ask(token: str | None) -> mlflow.PagedList[mlflow.RegisteredModel]:
        return client.search_registered_models(wanted, PAGE, ["name ASC"], token)

    return pages(server, what, ask)


def newest_models(
    server: Server, client: mlflow.MlflowClient
) -> Iterator[list[mlflow.RegisteredModel]]:
    """Yield pages of registered models, the last changed first, for as long as they are asked for.

    A model that changes meanwhile moves up: what it pushes down is shown again, nothing is lost.
    """

    def ask(token: str | None) -> mlflow.PagedList[mlflow.RegisteredModel]:
        order = ["last_updated_timestamp DESC", "name ASC"]
        return client.search_registered_models(None, NEWEST, order, token)

    return _pages(server, "last changed models", ask)


def versions_of(
    server: Server, client: mlflow.MlflowClient, names: Iterable[str]
) -> tuple[ModelVersion, ...]:
    """Return every version of some registered models, by model and version.

    MLflow's filters cannot say a name with a ``'`` in a list: with such a one all are listed.
    """
    wanted = sorted(names)
    if any("'" in name for name in wanted):
        return tuple(each for each in versions(server, client) if each.model in wanted)
    found: list[ModelVersion] = []
    for start in range(0, len(wanted), _NAMES):
        listed = ", ".join(f"'{name}'" for name in wanted[start : start + _NAMES])
        what = "versions of changed models"
        found += map(version_of, search(server, client, what, f"name IN ({listed})"))
    return distinct(found)


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
        # What m2s itself says of a version is no part of what the registry says of it.
        tags={key: value for key, value in entity.tags.items() if not key.startswith(LIVE)},
        updated=int(entity.last_updated_timestamp or 0),
        created=int(entity.creation_timestamp or 0),
    )


def distinct(found: Iterable[ModelVersion]) -> tuple[ModelVersion, ...]:
    """Return each (model, version) once, in order: a page that shifts repeats what it has shown."""
    unique = {(version.model, version.version): version for version in found}
    return tuple(unique[key] for key in sorted(unique))


def by_name(found: Iterable[ModelVersion]) -> dict[tuple[str, int], ModelVersion]:
    """Return versions by model and number; one that does not exist, or is not given, is none."""
    return {(one.model, one.version): one for one in found if one.source or one.created}


def model_of(entity: mlflow.RegisteredModel) -> Model:
    """Return mlflow's registered model as m2s's."""
    return Model(
        name=entity.name,
        created=int(entity.creation_timestamp or 0),
        updated=int(entity.last_updated_timestamp or 0),
        tags=dict(entity.tags),
        aliases={alias: int(version) for alias, version in entity.aliases.items()},
        stages={each.current_stage: int(each.version) for each in entity.latest_versions},
    )
