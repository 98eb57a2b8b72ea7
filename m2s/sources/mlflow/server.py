"""The address of a registry: what is wrong with it, how it is shown, how its errors read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from urllib.parse import SplitResult, unquote, urlsplit

from m2s.base import mask
from m2s.base.errors import M2sError, RegistryError, Withheld
from m2s.sources.mlflow.trouble import WHERE, brief, diagnose, status_of

_SHORTEST_SECRET = 4  # a shorter one would blank out half the line and hide nothing
_OF_ONE = frozenset({400, 403, 500})
"""The statuses of an answer that says nothing of the server's other objects."""
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_FILES = (
    "MLflow no longer serves file stores: point --tracking-uri at a server (http://…) or a database"
    " (sqlite:///…), which `mlflow migrate-filestore` makes of one"
)
_REFUSED = {
    r"databricks-uc\b|uc:": "Unity Catalog",
    r"databricks\b": "Databricks' workspace registry",
    r"azureml:": "Azure Machine Learning, whose client wants an older MLflow than m2s has",
}
"""What clouds run and m2s does not read, by how MLflow writes a tracking URI of theirs."""
_INSTEAD = "register what is to be served on an MLflow server too, and give its address"
_SAGEMAKER = re.compile(r"arn:aws[a-z-]*:sagemaker:[\w-]+:\d+:mlflow-(tracking-server|app)/.+")
_PLUGIN = "sagemaker-mlflow"


@dataclass(frozen=True, slots=True)
class Server:
    """A tracking URI as MLflow takes it, credentials included.

    ``workspace`` is whose models are meant, "" for those of a request that names none.
    """

    uri: str
    workspace: str = ""

    @classmethod
    def parse(cls, uri: str, workspace: str = "") -> Server:
        """Return the server of ``uri`` or raise a RegistryError that says what is wrong with it."""
        uri = uri.strip()
        if not uri:
            raise RegistryError(f"there is no tracking URI: set {WHERE}")
        server = cls(uri, workspace)
        if reason := _refusal(uri):
            raise RegistryError(f"tracking URI {server.address!r}: {reason}")
        return server

    @property
    def identity(self) -> str:
        """The address and the workspace, as they are shown and kept in plans."""
        return f"{self.address}, workspace {self.workspace}" if self.workspace else self.address

    @property
    def address(self) -> str:
        """The URI without user, password and query."""
        scheme, separator, rest = self.uri.partition("://")
        if not separator:
            return self.uri.rpartition("@")[2]
        rest = re.split(r"[?#]", rest.removeprefix(self._user))[0]
        return f"{scheme}://{rest}"

    @property
    def _user(self) -> str:
        """``user:password@`` as written, also where the password has a "/" that is not encoded."""
        rest = self.uri.partition("://")[2]
        authority = rest.partition("/")[0]
        odd = "@" in rest and ":" in authority and not authority.rpartition(":")[2].isdigit()
        known = authority if "@" in authority or not odd else rest
        return "".join(known.rpartition("@")[:2])

    @property
    def _account(self) -> str:
        """Who asks: the name that goes with a password, as that without one may be a token."""
        name, _, password = self._user.removesuffix("@").partition(":")
        if not password and os.environ.get("MLFLOW_TRACKING_PASSWORD"):
            name, password = os.environ.get("MLFLOW_TRACKING_USERNAME", ""), "there is one"
        return f"the account {unquote(name)!r}" if name and password else "the account"

    @property
    def is_database(self) -> bool:
        """Whether MLflow opens it through SQLAlchemy, in this process."""
        return urlsplit(self.uri).scheme.partition("+")[0] in _DATABASES

    @property
    def is_http(self) -> bool:
        """Whether it is a server, asked over HTTP."""
        return urlsplit(self.uri).scheme in ("http", "https")

    def announce(self) -> None:
        """Have AWS's plugin know the server, which it takes from MLflow's variable alone."""
        if _SAGEMAKER.fullmatch(self.uri):
            os.environ["MLFLOW_TRACKING_URI"] = self.uri

    def scrub(self, text: str) -> str:
        """Return ``text`` with this URI's credentials, and every other known secret, hidden."""
        text = text.replace(self.uri, self.address)
        if self._user:
            text = text.replace(self._user, "")
        password = self._user.removesuffix("@").partition(":")[2]
        for secret in {password, unquote(password)}:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, mask.HIDDEN)
        return mask.text(text)

    def error(self, doing: str, error: BaseException) -> RegistryError:
        """Return ``error`` in one line: which registry, what was asked, the cause, the remedy."""
        cause, remedy = diagnose(error, self._account)
        line = f"MLflow at {self.identity}: cannot {doing}: {cause}"
        return RegistryError(brief(self.scrub(f"{line}: {remedy}" if remedy else line)))

    @contextmanager
    def asking_of_one(self, doing: str) -> Iterator[None]:
        """As :meth:`asking`, of one model: an answer that refuses just it is a Withheld."""
        try:
            with self.asking(doing):
                yield
        except RegistryError as error:
            cause = error.__cause__
            if cause is not None and status_of(cause) in _OF_ONE:
                raise Withheld(str(error)) from cause
            raise

    @contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """Turn whatever mlflow raises inside into a RegistryError; ``doing`` reads "list …"."""
        try:
            yield
        except M2sError:
            raise
        except Exception as error:
            raise self.error(doing, error) from error


def _refusal(uri: str) -> str | None:
    """Say why a URI cannot be a registry's, or return None."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "it is malformed: its host or its port cannot be read"
    if parts.scheme in ("http", "https"):
        return _refusal_http(parts)
    if reason := _refusal_managed(uri):
        return reason
    if re.fullmatch(r"[\w.-]+:\d+(/.*)?", uri):
        return f"it has no scheme: did you mean http://{uri}?"
    return _FILES if parts.scheme in ("", "file") else None


def _refusal_http(parts: SplitResult) -> str | None:
    if not parts.hostname:
        return "it names no host: http://HOST:PORT is what MLflow wants"
    if parts.fragment or parts.query:
        return "it is a page's address: leave out what follows the path ('#…', '?…')"
    return None


def _refusal_managed(uri: str) -> str | None:
    """Say why m2s does not read a registry that a cloud runs, or return None.

    SageMaker's is MLflow's own server, which AWS's plugin for MLflow signs the requests to.
    """
    for pattern, name in _REFUSED.items():
        if re.match(pattern, uri):
            return f"m2s does not read {name}: {_INSTEAD}"
    if not uri.startswith("arn:"):
        return None
    if not _SAGEMAKER.fullmatch(uri):
        return "it is no ARN of an MLflow server on SageMaker (arn:aws:sagemaker:…)"
    plugins = entry_points(group="mlflow.model_registry_store", name="arn")
    return None if plugins else f"MLflow on SageMaker wants AWS's plugin: pip install {_PLUGIN}"
