"""Every page of a listing, or an error that names the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from m2s.base.errors import RegistryError
from m2s.base.labels import LIVE
from m2s.domain.versions import Model, ModelVersion
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow.generations import Client
from m2s.sources.mlflow.server import Server

PAGE = 1000
"""The most that ``search_registered_models`` gives at once (mlflow/store/model_registry)."""

NEWEST = 50
"""Models to a page where the last changed come first: more than change between two looks."""
_PAGES = 1000
"""Pages of a listing at the most."""
_NAMES = 20
"""Names to a filter, which is a part of the URL; and so many are asked for one by one."""
_SEVERAL = "filters with several names"
_TAGGED = "filters of {} by tag"
"""What older servers refuse: lists of names before 3.17, and tags in 1.11."""
_BY_NAME, _BY_VERSION = ["name ASC"], ["name ASC", "version_number ASC"]

_T = TypeVar("_T")
_Entity = TypeVar("_Entity", mlflow.RegisteredModel, mlflow.ModelVersion)


def pages(
    server: Server, what: str, ask: Callable[[str | None], mlflow.PagedList[_T]]
) -> Iterator[_T]:
    """Yield the items of every page of ``what``; ``ask`` takes a page's token, None for the first.

    RegistryError: a page could not be read, repeats one that was read, or is one too many.
    """
    for page in _pages(server, what, ask):
        yield from page


def _pages(
    server: Server, what: str, ask: Callable[[str | None], mlflow.PagedList[_T]]
) -> Iterator[list[_T]]:
    token: str | None = None
    known = set[str]()
    for number in range(1, _PAGES + 1):
        doing = f"read page {number} of the {what}"
        with server.asking(doing):
            page = ask(token)
        yield list(page)
        token = page.token
        if not token:
            return
        if token in known:
            raise RegistryError(f"MLflow at {server.identity}: cannot {doing}: it repeats itself")
        known.add(token)
    why = f"it has more than {_PAGES} pages"
    raise RegistryError(f"MLflow at {server.identity}: cannot read all {what}: {why}")


def versions(server: Server, client: Client) -> tuple[ModelVersion, ...]:
    """Return every version of every registered model, by model and version.

    MLflow pages by offset over the newest change first: a version that moves up meanwhile would
    slip between two pages. Ordered by name only creation and deletion shift a page.
    """
    found = _search(server, "model versions", client.search_model_versions, _BY_VERSION)
    return distinct(map(version_of, found))


def tagged_versions(server: Server, client: Client, tag: str) -> tuple[mlflow.ModelVersion, ...]:
    """Return the versions that have a tag, whatever its value: the server picks them if it can."""
    how = (server, f"model versions with the tag {tag}", client.search_model_versions, _BY_VERSION)
    found = client.either(
        _TAGGED.format("versions"),
        lambda: tuple(_search(*how, _tagged(tag))),
        lambda: tuple(_search(*how)),
    )
    return tuple(each for each in found if tag in each.tags)


def _search(
    server: Server,
    what: str,
    search: Callable[..., mlflow.PagedList[_Entity]],
    order: list[str],
    wanted: str | None = None,
) -> Iterator[_Entity]:
    """Yield what a filter of MLflow's picks, prompts apart; a RegistryError names ``what``."""
    found = pages(server, what, lambda token: search(wanted, PAGE, order, token))
    return (each for each in found if not each._is_prompt())


def models(server: Server, client: Client) -> tuple[mlflow.RegisteredModel, ...]:
    """Return every registered model, by name; RegistryError: there are versions without a model."""
    found = _search(server, "registered models", client.search_registered_models, _BY_NAME)
    every = tuple({model.name: model for model in found}.values())
    if not every and (orphans := versions(server, client)):
        raise RegistryError(
            f"MLflow at {server.identity}: cannot believe the list of registered models: it is "
            f"empty, and yet there are versions, such as {orphans[0]}"
        )
    return every


def tagged_models(server: Server, client: Client, tag: str) -> tuple[mlflow.RegisteredModel, ...]:
    """Return the registered models that have a tag, whatever its value: as above."""
    what, search = f"registered models with the tag {tag}", client.search_registered_models
    found = client.either(
        _TAGGED.format("models"),
        lambda: tuple(_search(server, what, search, _BY_NAME, _tagged(tag))),
        lambda: models(server, client),
    )
    return tuple(each for each in found if tag in each.tags)


def _tagged(tag: str) -> str:
    return f"tags.`{tag}` LIKE '%'"


def newest_models(server: Server, client: Client) -> Iterator[list[mlflow.RegisteredModel]]:
    """Yield pages of registered models, the last changed first, for as long as they are asked for.

    A model that changes meanwhile moves up: what it pushes down is shown again, nothing is lost.
    """

    def ask(token: str | None) -> mlflow.PagedList[mlflow.RegisteredModel]:
        order = ["last_updated_timestamp DESC", "name ASC"]
        return client.search_registered_models(None, NEWEST, order, token)

    for page in _pages(server, "last changed models", ask):
        if found := [each for each in page if not each._is_prompt()]:
            yield found


def versions_of(server: Server, client: Client, names: Iterable[str]) -> tuple[ModelVersion, ...]:
    """Return every version of some registered models, by model and version.

    MLflow's filters cannot say a name with a ``'`` in a list: with such a one all are listed.
    """
    wanted = sorted(names)

    def listed() -> tuple[ModelVersion, ...]:
        return tuple(each for each in versions(server, client) if each.model in wanted)

    def picked(filters: Iterable[str]) -> tuple[ModelVersion, ...]:
        how = (server, "versions of changed models", client.search_model_versions, _BY_VERSION)
        found = (_search(*how, each) for each in filters)
        return distinct(map(version_of, chain.from_iterable(found)))

    def one_by_one(some: Sequence[str]) -> tuple[ModelVersion, ...]:
        return picked(f"name = '{name}'" for name in some) if len(some) <= _NAMES else listed()

    def together() -> tuple[ModelVersion, ...]:
        found = [each for each in picked(_lists(wanted)) if each.model in wanted]
        here = {each.model for each in found}
        # No server is known to hide versions so, but some take the filter and do not go by it.
        return distinct((*found, *one_by_one([name for name in wanted if name not in here])))

    if any("'" in name for name in wanted):
        return listed()
    return client.either(_SEVERAL, together, lambda: one_by_one(wanted))


def _lists(names: Sequence[str]) -> Iterator[str]:
    """Yield filters that pick these names, each in one of them."""
    for start in range(0, len(names), _NAMES):
        listed = ", ".join(f"'{name}'" for name in names[start : start + _NAMES])
        yield f"name IN ({listed})"


def version_of(entity: mlflow.ModelVersion) -> ModelVersion:
    """Return mlflow's model version as m2s's."""
    return ModelVersion(
        model=entity.name,
        version=int(entity.version),
        status=entity.status or "READY",
        status_message=entity.status_message or "",
        stage=entity.current_stage or "",  # MLflow's own servers always have one
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
