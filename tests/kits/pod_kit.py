"""m2s as the chart's Pod runs it, without a kubelet: its account, its Role and its token file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiException, AuthenticationV1Api, V1SelfSubjectReview

from tests.kits.chart_kit import Helm, Release, create
from tests.servers import ApiServer, wait_for

AS_POD = """
import sys
from pathlib import Path
from m2s.cli import main
from m2s.targets.kubernetes import credentials
credentials.SERVICE_ACCOUNT = Path(sys.argv.pop(1))
sys.exit(main())
"""
"""m2s with another folder for a Pod's credentials than the one that only a container has."""


@dataclass(frozen=True)
class Token:
    """A bearer token that is good for as long as a Secret is there; a Pod's, as long as the Pod."""

    text: str
    secret: str


@dataclass
class Account:
    """The ServiceAccount of an installed release, and the folder where its Pod finds its token.

    ``models`` is the namespace that the release's Role is in.
    """

    server: ApiServer
    release: Release
    system: str
    models: str
    mount: Path
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def program(self) -> tuple[str, ...]:
        """What Python is told to run for m2s to be in the Pod."""
        return ("-c", AS_POD, str(self.mount))

    def environment(self, url: str) -> dict[str, str]:
        """Return what tells a Pod where the API server is."""
        host, port = url.removeprefix("https://").split(":")
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}

    def kubeconfig(self, url: str) -> Path:
        """Write a kubeconfig that says where the token is, and return its path."""
        cluster = {"server": url, "certificate-authority": str(self.server.ca_file)}
        user = {"tokenFile": str(self.mount / "token")}
        path = self.mount / "kubeconfig"
        whole = {
            "current-context": "pod",
            "clusters": [{"name": "pod", "cluster": cluster}],
            "users": [{"name": "pod", "user": user}],
            "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
        }
        path.write_text(yaml.safe_dump(whole))
        return path

    def rotate(self) -> Token:
        """Put a new token into the file as the kubelet does, all at once, and return it."""
        token = self._issued(f"token-{next(self._numbers)}")
        fresh = self.mount / "fresh"
        fresh.write_text(token.text)
        fresh.replace(self.mount / "token")
        return token

    def revoke(self, token: Token) -> None:
        """Make a token invalid, as a Pod's is when the Pod is gone."""
        self.server.call("DELETE", f"/api/v1/namespaces/{self.system}/secrets/{token.secret}")

    def await_refusal(self, token: Token) -> None:
        """Wait until the server refuses a revoked token: it remembers valid ones for seconds."""
        api = AuthenticationV1Api(self.server.client(token.text))

        def refused() -> bool:
            try:
                api.create_self_subject_review(V1SelfSubjectReview())
            except ApiException as error:
                return bool(error.status == 401)
            return False

        wait_for(refused, "the token to be refused")

    def _issued(self, name: str) -> Token:
        metadata = {"name": name, "namespace": self.system}
        secret = create(self.server, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        bound = {"apiVersion": "v1", "kind": "Secret", "name": name}
        bound["uid"] = secret["metadata"]["uid"]
        spec = {"audiences": [], "expirationSeconds": 3600, "boundObjectRef": bound}
        account = self.release.one("ServiceAccount")["metadata"]["name"]
        path = f"/api/v1/namespaces/{self.system}/serviceaccounts/{account}/token"
        return Token(self.server.call("POST", path, {"spec": spec})["status"]["token"], name)


def install(helm: Helm, server: ApiServer, mount: Path, *sets: str) -> Account:
    """Install the chart's account, Role and RoleBinding, exactly as rendered, with a first token.

    ``sets`` are values of the chart as helm's ``--set``.
    """
    system, models = server.namespace("m2s"), server.namespace("models")
    where = f"mlflow.namespace={models}"
    release = helm.template(None, where, *sets, namespace=system)
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        for body in release.all(kind):
            create(server, body)
    mount.mkdir()
    (mount / "ca.crt").write_bytes(server.ca_file.read_bytes())
    (mount / "namespace").write_text(system)
    return Account(server, release, system, models, mount)
