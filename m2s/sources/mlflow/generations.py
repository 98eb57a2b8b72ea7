"""MLflow's generations: what a server can do, learned from itself, and how each one is asked.

What only a message needs follows from the server's version, which is asked for when it comes to
that. How to ask follows from its answers: what one refuses, or has elsewhere, is kept in mind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from m2s.base.errors import RegistryError
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import workspaces
from m2s.sources.mlflow.server import Server

_ENDPOINT = "/version"
"""What MLflow answers with its version as plain text; 1.x and some proxies do not know of it."""
_LONGEST = 100
"""Bytes of the answer that are looked at."""
_PATTERN = re.compile(r"(\d{1,4})\.(\d{1,4})([.+\w-]{0,40})", re.ASCII)
_PASSING = frozenset({408, 429})
"""Statuses that say nothing of the server, as those from 500 on do not: it is asked again."""

T = TypeVar("T")


class Feature(NamedTuple):
    """What not every MLflow server can do: ``name`` in the plural, ``since`` which version."""

    name: str
    since: tuple[int, int]


ALIASES = Feature("aliases", (2, 3))
WEBHOOKS = Feature("webhooks", (3, 3))
WORKSPACES = Feature("workspaces", (3, 10))
FEATURES = (ALIASES, WEBHOOKS, WORKSPACES)
"""What a user may miss."""


class Generation(NamedTuple):
    """What one MLflow server can do; ``version`` is in its own words, "" where it does not tell."""

    version: str = ""

    def has(self, feature: Feature) -> bool:
        """Whether it is known to have the feature."""
        numbers = re.findall(r"\d+", self.version)[:2]
        return bool(numbers) and tuple(map(int, numbers)) >= feature.since

    def lack(self, feature: Feature) -> str:
        """Say which version has the feature, or return "" where this one is known to have it.

        A server that does not tell its version may well have it: this is for telling a user why
        there may be none, and no reason not to ask.
        """
        if self.has(feature):
            return ""
        since = ".".join(map(str, feature.since))
        this = f"is MLflow {self.version}" if self.version else "server does not tell its version"
        return f"{feature.name} are from MLflow {since} on, and this {this}"


UNKNOWN = Generation()


def parse(text: str) -> Generation:
    """Return the generation of a version such as ``3.17.2``; anything else is :data:`UNKNOWN`."""
    found = _PATTERN.fullmatch(text.strip().strip('"'))
    return Generation(found.group()) if found else UNKNOWN


class Learned:
    """The generation of one registry: asked when it is first needed, and kept; safe to share."""

    def __init__(self, server: Server) -> None:
        self._server, self._lock = server, Lock()
        self._known: Generation | None = None

    @property
    def generation(self) -> Generation:
        """What the server can do; RegistryError where it cannot be reached."""
        with self._lock:
            if self._known is None:
                found, lasting = self._ask()
                if not lasting:
                    return found
                self._known = found
            return self._known

    def lack(self, feature: Feature) -> str:
        """Return :meth:`Generation.lack`, or "" where the server cannot be reached."""
        try:
            return self.generation.lack(feature)
        except RegistryError:
            return ""

    def _ask(self) -> tuple[Generation, bool]:
        """Return the answer, and whether it is to be kept; a database is the installed mlflow's."""
        if self._server.is_database:
            return parse(mlflow.VERSION), True
        if not self._server.is_http:
            return UNKNOWN, True
        with self._server.asking("ask for its version"):
            credentials = mlflow.get_default_host_creds(self._server.uri)
            status, content = mlflow.get(credentials, _ENDPOINT, _LONGEST, workspace=False)
        if status == 200:
            return parse(content.decode(errors="replace")), True
        return UNKNOWN, status < 500 and status not in _PASSING


class Client(mlflow.MlflowClient):
    """MLflow's client, for servers of any generation: see :class:`_Models` and :class:`_Rest`."""

    def __init__(self, tracking_uri: str, registry_uri: str) -> None:
        super().__init__(tracking_uri, registry_uri)
        self._models = _Models(registry_uri, tracking_uri)  # type: ignore[no-untyped-call]
        self._refused: set[str] = set()

    def _get_registry_client(self) -> mlflow.ModelRegistryClient:
        return self._models

    def either(self, what: str, ask: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """Return what ``ask`` does, or ``otherwise`` where the server does not take ``what``.

        It is asked until it has refused once.
        """
        if what not in self._refused:
            try:
                return ask()
            except RegistryError as error:
                if not (error.__cause__ and mlflow.is_refused(error.__cause__)):
                    raise
            self._refused.add(what)
        return otherwise()

    def knows_no_alias(self) -> bool:
        """Whether the server does not understand what an alias is; any one is asked for."""
        try:
            self.get_model_version_by_alias("m2s", "m2s")
        except mlflow.MlflowException as error:
            return mlflow.is_nowhere(error)
        return False


@dataclass(frozen=True, slots=True)
class About:
    """A server's version, "" where it does not tell it, and what follows from it.

    ``works`` is what it has that not every server has, ``lacks`` says a line each what newer ones
    have; both are () where that is unknown. ``workspaces`` are () for a server without.
    """

    version: str
    works: tuple[str, ...]
    lacks: tuple[str, ...]
    workspaces: tuple[str, ...]


def about(server: Server, generation: Generation, client: Client) -> About:
    """Return what a server says of itself; RegistryError where it cannot be reached."""
    known = generation.version or client.knows_no_alias()  # as no server before 2.3 does
    lacks = map(generation.lack, FEATURES if known else ())
    works = tuple(each.name for each in FEATURES if generation.has(each))
    names = workspaces.names(server) if server.is_http else ()
    return About(generation.version, works, tuple(filter(None, lacks)), names)


class _Models(mlflow.ModelRegistryClient):
    """MLflow's client of a registry, without the filter that it adds to leave prompts out.

    Servers before 2.21 find no model at all with it, later ones leave prompts out by themselves.
    """

    @cached_property
    def store(self) -> Any:
        """MLflow's store, which asks; ours over HTTP."""
        if not Server(self.registry_uri).is_http:
            return super().store
        return _Rest(partial(mlflow.get_default_host_creds, self.registry_uri))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> mlflow.PagedList[mlflow.RegisteredModel]:
        """Return a page of registered models, perhaps with prompts among them."""
        ask: Callable[..., mlflow.PagedList[mlflow.RegisteredModel]]
        ask = self.store.search_registered_models
        return ask(filter_string, max_results, order_by, page_token)


class _Rest(mlflow.RestStore):
    """A registry over HTTP, also where it is at ``/api/2.0/preview/…``, as in 1.11.

    A path that is nowhere is tried at the other place, which is kept once it answers.
    """

    def __init__(self, credentials: Callable[[], Any]) -> None:
        super().__init__(credentials)  # type: ignore[no-untyped-call]
        self._first: Any = mlflow.RestStore(credentials)
        self._second: Any = _Preview(credentials)  # type: ignore[no-untyped-call]

    def _call_endpoint(self, api: Any, *args: Any, **more: Any) -> Any:
        first, second = self._first, self._second
        try:
            return first._call_endpoint(api, *args, **more)
        except mlflow.MlflowException as error:
            if not mlflow.is_nowhere(error):
                raise
            try:
                answer = second._call_endpoint(api, *args, **more)
            except mlflow.MlflowException as again:
                raise error if mlflow.is_nowhere(again) else again from None
        self._first, self._second = second, first
        return answer


class _Preview(mlflow.RestStore):
    def _get_endpoint_from_method(self, method: Any) -> tuple[str, str]:
        endpoint, verb = super()._get_endpoint_from_method(method)  # type: ignore[no-untyped-call]
        return endpoint.replace("/mlflow/", "/preview/mlflow/", 1), verb
