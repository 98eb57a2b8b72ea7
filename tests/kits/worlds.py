"""The two sides of m2s as fixtures: a registry and a cluster, and m2s run between them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml
from kubernetes import client

from tests.kits.kind import GROUP, PLURAL, VERSION
from tests.kits.support import Models, Result, m2s
from tests.servers import ApiServer, FaultProxy, MlflowServer

STAGING = ("--stage", "Staging")
ON_CLUSTER = pytest.param("on_cluster", marks=pytest.mark.cluster)
ON_FOLDER = pytest.param("on_folder", marks=pytest.mark.server)
"""For a fixture that takes its world by a parameter."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Namespace:
    """A namespace of the real API server, as its administrator sees it."""

    server: ApiServer
    name: str

    @property
    def path(self) -> str:
        """The collection's path."""
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.name}/{PLURAL}"

    def all(self) -> dict[str, dict[str, Any]]:
        """Return every SeldonDeployment by name."""
        items = self.server.call("GET", self.path)["items"]
        return {item["metadata"]["name"]: item for item in items}

    def snapshot(self) -> dict[str, str]:
        """Return the resourceVersions, which differ after any write, by name."""
        return {name: body["metadata"]["resourceVersion"] for name, body in self.all().items()}

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object by hand."""
        made: dict[str, Any] = self.server.call("POST", self.path, body)
        return made

    def allows(self, body: Mapping[str, Any]) -> bool:
        """Whether an object could be created by hand."""
        try:
            self.server.call("POST", f"{self.path}?dryRun=All", body)
        except HTTPError:
            return False
        return True

    def patch(
        self, name: str, patch: Any, *, manager: str = "kubectl-patch", part: str = ""
    ) -> Any:
        """Edit an object by hand: a mapping as a merge patch, a list as a JSON patch."""
        kind = "json-patch" if isinstance(patch, list) else "merge-patch"
        api = client.CustomObjectsApi(self.server.admin)
        call = getattr(api, f"patch_namespaced_custom_object{part and '_' + part}")
        return call(
            GROUP, VERSION, self.name, PLURAL, name, patch,
            field_manager=manager, _content_type=f"application/{kind}+json",
        )  # fmt: skip

    def patch_if_allowed(self, name: str, patch: Any, **how: str) -> None:
        """Edit an object by hand, unless that is not possible."""
        with contextlib.suppress(client.ApiException):
            self.patch(name, patch, **how)

    def dry_run(self, name: str, body: Any) -> Any:
        """Return what a forced server-side apply by m2s would leave."""
        api = client.CustomObjectsApi(self.server.admin)
        return api.patch_namespaced_custom_object(
            GROUP, VERSION, self.name, PLURAL, name, body,
            field_manager="m2s", force=True, dry_run="All",
            _content_type="application/apply-patch+yaml",
        )  # fmt: skip

    def delete(self, name: str = "") -> None:
        """Delete one object, or all of them."""
        self.server.call("DELETE", f"{self.path}/{name}".rstrip("/"))


@dataclass(frozen=True)
class Folder:
    """A folder as the cluster."""

    path: Path

    def all(self) -> dict[str, dict[str, Any]]:
        """Return every SeldonDeployment by name."""
        return {name: yaml.safe_load(text) for name, text in self.snapshot().items()}

    def snapshot(self) -> dict[str, str]:
        """Return the files' contents by name."""
        return {file.stem: file.read_text() for file in sorted(self.path.rglob("*.yaml"))}


@dataclass(frozen=True)
class World:
    """A registry and a cluster; ``flags`` name both and select what is served."""

    models: Models
    objects: Any
    flags: tuple[str, ...]

    def __call__(self, command: str, *argv: str) -> Result:
        """Run a command in this process, with the flags."""
        return m2s(command, *self.flags, *argv)

    def at(self, namespace: str) -> World:
        """Return this world, asked about another namespace."""
        before, after = self.flags[: (at := self.flags.index("-n"))], self.flags[at + 2 :]
        return World(self.models, self.objects, (*before, "-n", namespace, *after))

    def plan(self, *argv: str) -> dict[str, dict[str, Any]]:
        """Return the planned changes by the object's name."""
        result = self("plan", "-o", "json", *argv)
        assert result.code == 0, result
        return result.changes

    def actions(self, *argv: str) -> dict[str, str]:
        """Return what is planned for each object."""
        return {name: change["action"] for name, change in self.plan(*argv).items()}

    def apply(self, *argv: str) -> None:
        """Apply without trouble."""
        result = self("apply", *argv)
        assert result.code == 0, result


@dataclass(frozen=True)
class Proxied(World):
    """MLflow and Kubernetes, each behind a proxy; an alias of the test's own is the selector."""

    objects: Namespace
    mlflow: FaultProxy
    kubernetes: FaultProxy
    alias: str

    def add(self, model: str, deploy: str = "") -> str:
        """Register a version with the alias; returns the model's whole name."""
        name = f"{model}-{self.alias}"
        self.models.add(name, deploy, stage=None, alias=self.alias)
        return name


@pytest.fixture
def on_folder(sqlite_registry: str, tmp_path: Path) -> World:
    """An empty registry and an empty folder."""
    target = tmp_path / "cluster"
    where = ("--tracking-uri", sqlite_registry, "--target", f"dir:{target}")
    return World(Models(sqlite_registry), Folder(target / "default"), (*STAGING, *where))


@pytest.fixture
def on_cluster(sqlite_registry: str, api_server: ApiServer, namespace: str) -> World:
    """An empty registry and a fresh namespace of the real API server."""
    cluster = ("--kubeconfig", str(api_server.kubeconfig()), "-n", namespace)
    where = (*STAGING, "--tracking-uri", sqlite_registry, *cluster)
    return World(Models(sqlite_registry), Namespace(api_server, namespace), where)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client gives up at the first failure."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@contextlib.contextmanager
def both_proxied(mlflow_server: MlflowServer, api_server: ApiServer) -> Iterator[Proxied]:
    """Yield the shared MLflow server and a fresh namespace, both behind proxies."""
    with (
        contextlib.closing(FaultProxy(mlflow_server)) as mlflow,
        contextlib.closing(FaultProxy(api_server)) as kubernetes,
    ):
        objects = Namespace(api_server, api_server.namespace())
        config = api_server.kubeconfig(namespace=objects.name, server=kubernetes.url)
        alias = f"champion-{next(_numbers)}"
        flags = ("--alias", alias, "--tracking-uri", mlflow.url, "--kubeconfig", str(config))
        models = Models(mlflow_server.uri, mlflow_server.database)
        yield Proxied(models, objects, flags, mlflow, kubernetes, alias)


@pytest.fixture
def proxied(
    mlflow_server: MlflowServer, api_server: ApiServer, impatient: None
) -> Iterator[Proxied]:
    """:func:`both_proxied` for one test, without MLflow's retries."""
    with both_proxied(mlflow_server, api_server) as world:
        yield world
