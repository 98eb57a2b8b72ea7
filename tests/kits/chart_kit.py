"""The chart as fixtures: helm, what it renders, and those objects on the real API server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm import binary
from tests.servers import ApiServer

CHART = Path(__file__).parents[2] / "charts" / "m2s"
VALUES_FILES = (CHART / "values.yaml", *sorted((CHART / "ci").glob("*-values.yaml")))
FILE = "m2s.yaml"
NO_HELM = "chart not tested: "
_PATHS = {
    "Pod": "pods",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "Deployment": "deployments",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "NetworkPolicy": "networkpolicies",
    "ServiceMonitor": "servicemonitors",
}
Object = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """The objects of one release."""

    objects: tuple[Object, ...]

    def all(self, kind: str) -> list[Object]:
        """Return the objects of one kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str) -> Object:
        """Return the only object of one kind."""
        (found,) = self.all(kind)
        return found

    @property
    def pod(self) -> Object:
        """The Deployment's Pod template as a Pod."""
        template: Object = self.one("Deployment")["spec"]["template"]
        name = self.one("Deployment")["metadata"]["name"]
        metadata = {**template["metadata"], "name": name}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

    @property
    def container(self) -> Object:
        """The container of m2s itself."""
        return next(dict(one) for one in self.pod["spec"]["containers"] if one["name"] == "m2s")

    @property
    def config(self) -> str:
        """The text of m2s.yaml."""
        (text,) = (one["data"][FILE] for one in self.all("ConfigMap") if FILE in one["data"])
        return str(text)

    @property
    def settings(self) -> dict[str, Any]:
        """What m2s.yaml says."""
        return dict(yaml.safe_load(self.config))


@dataclass(frozen=True)
class Helm:
    """The program, run on this project's chart."""

    program: Path

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run it; the caller looks at the exit code."""
        return subprocess.run(
            [str(self.program), *argv], capture_output=True, text=True, timeout=60, check=False
        )

    def template(
        self,
        values: Path | Mapping[str, Any] | None = None,
        *sets: str,
        name: str = "m2s",
        namespace: str = "default",
    ) -> Release:
        """Render the chart: ``values`` a file or a mapping, ``sets`` as helm's ``--set``."""
        done = self._template(values, sets, name, namespace)
        assert done.returncode == 0, done.stderr
        objects = [item for item in yaml.safe_load_all(done.stdout) if item]
        return Release(tuple(objects))

    def refusal(self, values: Mapping[str, Any] | None, *sets: str) -> str:
        """Return the line that says what is wrong with the values; helm's own words around it go.

        Helm heads schema errors with two lines, puts the template's name before a template's.
        """
        done = self._template(values, sets, "m2s", "default")
        assert done.returncode != 0, done.stdout
        lines = done.stderr.splitlines()
        found = [line for line in lines if line.startswith(("- at", "Error: execution error"))]
        assert len(found) == 1, done.stderr
        return found[0]

    def _template(
        self, values: Path | Mapping[str, Any] | None, sets: tuple[str, ...], *where: str
    ) -> subprocess.CompletedProcess[str]:
        name, namespace = where
        argv = ["template", name, str(CHART), "--namespace", namespace]
        argv += [part for item in sets for part in ("--set", item)]
        if isinstance(values, Path):
            argv += ["--values", str(values)]
        text = yaml.safe_dump(values) if isinstance(values, Mapping) else None
        return subprocess.run(
            [str(self.program), *argv, *(["--values", "-"] if text else [])],
            input=text, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


def path_of(body: Mapping[str, Any]) -> str:
    """Return the path of an object's collection on the API server."""
    version = body["apiVersion"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    namespace = body["metadata"].get("namespace")
    place = f"namespaces/{namespace}/" if namespace else ""
    return f"{root}/{place}{_PATHS[body['kind']]}"


def create(server: ApiServer, body: Mapping[str, Any], *, dry_run: bool = False) -> Any:
    """Create an object; the server refuses fields that it does not know."""
    query = "fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
    return server.call("POST", f"{path_of(body)}?{query}", body)


def token(server: ApiServer, account: Mapping[str, Any]) -> str:
    """Return a bearer token of a ServiceAccount that is there."""
    metadata = account["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{metadata['name']}/token"
    request = {"spec": {"audiences": [], "expirationSeconds": 3600}}
    return str(server.call("POST", path, request)["status"]["token"])


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm; skips, or with M2S_REQUIRE_CLUSTER=1 fails, when there is none."""
    found = binary.find()
    if found is None and os.environ.get("M2S_REQUIRE_CLUSTER") == "1":
        pytest.fail(NO_HELM + binary.HINT)
    if found is None:
        pytest.skip(NO_HELM + binary.HINT)
    return Helm(found)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly when there was no helm."""
    outcomes = terminalreporter.stats
    reports = [*outcomes.get("skipped", ()), *outcomes.get("error", ())]
    if missed := sum(NO_HELM in str(report.longrepr) for report in reports):
        terminalreporter.section("CHART NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{missed} tests did not run: {binary.HINT}")
