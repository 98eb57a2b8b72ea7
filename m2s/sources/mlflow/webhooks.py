"""Sets up MLflow's own webhook that pokes ``m2s watch``, and takes it away again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from m2s.base import mask
from m2s.base.errors import RegistryError, UsageError
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import environment, listing, workspaces
from m2s.sources.mlflow.generations import WEBHOOKS, Learned
from m2s.sources.mlflow.server import Server

if TYPE_CHECKING:
    from mlflow.entities.webhook import Webhook, WebhookEventStr

EVENTS: tuple[WebhookEventStr, ...] = (
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)
"""What can change what is served. MLflow has no event for a stage: that is the interval's."""
_PAGE = 100

Done = Literal["created", "updated"]


class Webhooks:
    """The webhooks of one MLflow server; every method may raise a RegistryError of one line.

    The arguments are those of :class:`~m2s.sources.mlflow.registry.MlflowRegistry`.
    """

    def __init__(
        self, tracking_uri: str, *, request_timeout: float = 30, workspace: str | None = None
    ) -> None:
        environment.prepare()
        environment.set_timeout(request_timeout)
        (self._server,) = workspaces.enter(workspace, [Server.parse(tracking_uri)])
        self._server.announce()
        self._learned = Learned(self._server)
        with self._server.asking("open the registry"):
            self._client = mlflow.MlflowClient(self._server.uri, self._server.uri)

    def register(self, name: str, url: str, secret: str) -> Done:
        """Create the webhook ``name``, or bring the one of this name or URL to this state.

        UsageError: ``url`` is no http(s) URL with a host.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            wants = "wants https://HOST/mlflow, where m2s listens"
            raise UsageError(f"--url {mask.text(url)}: {wants}")
        found = self._find(name, url)
        with self._told(secret), self._server.asking(f"register the webhook {name!r}"):
            if found is None:
                self._client.create_webhook(name, url, [*EVENTS], _ABOUT, secret, "ACTIVE")
                return "created"
            identity = found.webhook_id
            self._client.update_webhook(identity, name, _ABOUT, url, [*EVENTS], secret, "ACTIVE")
            return "updated"

    def unregister(self, name: str, url: str | None = None) -> bool:
        """Delete the webhook of this name or URL; return whether there was one."""
        found = self._find(name, url)
        if found is not None:
            with self._server.asking(f"delete the webhook {name!r}"):
                self._client.delete_webhook(found.webhook_id)
        return found is not None

    def _find(self, name: str, url: str | None) -> Webhook | None:
        """Return the webhook of this name, else of this URL."""

        def ask(token: str | None) -> mlflow.PagedList[Webhook]:
            return self._client.list_webhooks(_PAGE, token)

        try:
            every = list(listing.pages(self._server, "webhooks", ask))
        except RegistryError as error:
            if lack := self._learned.lack(WEBHOOKS):
                raise RegistryError(f"{error}: {lack}") from error
            raise
        named = (each for each in every if each.name == name)
        placed = (each for each in every if each.url == url)
        return next(named, None) or next(placed, None)

    @contextmanager
    def _told(self, secret: str) -> Iterator[None]:
        """Add the remedy for MLflow's refusals, and leave out the secret, should it quote that."""
        try:
            yield
        except RegistryError as error:
            text = str(error).replace(secret, mask.HIDDEN)
            remedies = (f": {remedy}" for words, remedy in _REMEDIES.items() if words in text)
            raise RegistryError(text.rstrip(".") + next(remedies, "")) from error


_SERVER = "start the MLflow server with"
_REMEDIES = {
    "URL scheme": f"use https, or {_SERVER} MLFLOW_WEBHOOK_ALLOWED_SCHEMES set to http,https",
    "non-public IP": f"{_SERVER} MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true",
}
_ABOUT = "Asks m2s to look at the registry at once"
