"""A real kube-apiserver on a real etcd, with the Seldon CRD: no controllers, no kubelets."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import client

from tests.servers.certs import Tls, make_tls, write_key
from tests.servers.crd import load_crd
from tests.servers.process import Process, free_port, wait_for

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

Rule = Mapping[str, Sequence[str]]
"""One RBAC rule as the API has it: apiGroups, resources, verbs, perhaps resourceNames."""

SELDON_EDIT: Rule = {
    "apiGroups": ["machinelearning.seldon.io"],
    "resources": ["seldondeployments"],
    "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
}
"""Everything a namespace's SeldonDeployments can be asked for."""


class ApiServer:
    """The pair of servers, started by the constructor; RBAC is on, ``admin_token`` may do all.

    Namespaces are never finalized (there is no controller to do it) and nothing runs pods: a test
    that needs a status writes it through ``/status`` with :attr:`admin`.
    """

    def __init__(self, binaries: Path, folder: Path, *, port: int | None = None) -> None:
        self._binaries, self._folder = binaries, folder
        self.tls: Tls = make_tls(folder)
        self.admin_token = secrets.token_urlsafe(24)
        self._port = port or free_port()
        self._numbers = itertools.count(1)
        self._write_secrets()
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._etcd = self._run(binaries / "etcd", self._etcd_flags())
        self._apiserver: Process | None = None
        try:
            self.start()
            self._install_crd()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """``https://127.0.0.1:PORT``, the same before and after a restart."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca_file(self) -> Path:
        """The authority that signed the server's certificate; the fault proxy's as well."""
        return self.tls.ca_file

    @property
    def accounts_key(self) -> Path:
        """The key that signs the ServiceAccounts' tokens."""
        return self._folder / "accounts.key"

    def start(self) -> None:
        """Start kube-apiserver on the same port and data and wait until it is ready."""
        if self._apiserver is None:
            self._apiserver = self._run(self._binaries / "kube-apiserver", self._apiserver_flags())
            self._apiserver.await_ready(self._ready)

    def stop(self) -> None:
        """Kill kube-apiserver as a crash would: connections are refused until :meth:`start`."""
        if self._apiserver is not None:
            self._apiserver.kill()
            self._apiserver = None

    def close(self) -> None:
        """End both processes for good."""
        self.stop()
        self._etcd.kill()

    @cached_property
    def admin(self) -> client.ApiClient:
        """A client that may do everything, for setting tests up."""
        return self.client(self.admin_token)

    def client(self, token: str) -> client.ApiClient:
        """Return a Python client that authenticates with ``token``."""
        configuration = client.Configuration()
        configuration.host = self.url
        configuration.ssl_ca_cert = str(self.ca_file)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        return client.ApiClient(configuration)

    def kubeconfig(
        self,
        token: str | None = None,
        *,
        namespace: str | None = None,
        server: str | None = None,
    ) -> Path:
        """Write a kubeconfig with one context, ``test``, and return its path.

        ``token`` is the admin's unless given; ``server`` may be the URL of a fault proxy.
        """
        context = {"cluster": "test", "user": "test"}
        if namespace is not None:
            context["namespace"] = namespace
        cluster = {"server": server or self.url, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path = self._folder / f"kubeconfig-{next(self._numbers)}.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    def namespace(self, prefix: str = "test") -> str:
        """Create a namespace with a name not used before and return the name."""
        name = f"{prefix}-{next(self._numbers)}"
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def user(
        self,
        namespace: str,
        rules: Sequence[Rule] = (),
        *,
        cluster_rules: Sequence[Rule] = (),
    ) -> str:
        """Make a ServiceAccount that may do ``rules`` in the namespace; return its bearer token.

        ``cluster_rules`` are granted in all namespaces and for cluster-scoped resources. The token
        is one of the TokenRequest API's, valid for an hour.
        """
        name = f"user-{next(self._numbers)}"
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.call("POST", accounts, {"metadata": {"name": name}})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        self._grant("Role", f"namespaces/{namespace}/", subject, rules)
        if cluster_rules:
            self._grant("ClusterRole", "", subject, cluster_rules)
        request = {"spec": {"audiences": [], "expirationSeconds": 3600}}
        return str(self.call("POST", f"{accounts}/{name}/token", request)["status"]["token"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request as the administrator and return the answer, both as decoded JSON.

        Raises urllib.error.HTTPError for an answer of 400 and above.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {**self._login, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        with urllib.request.urlopen(request, context=self._trust, timeout=30) as answer:
            return json.load(answer)

    def _grant(
        self, kind: str, scope: str, subject: Mapping[str, str], rules: Sequence[Rule]
    ) -> None:
        group = "rbac.authorization.k8s.io"
        collection = f"/apis/{group}/v1/{scope}{kind.lower()}"
        role = {"metadata": {"name": subject["name"]}, "rules": list(rules)}
        self.call("POST", f"{collection}s", role)
        ref = {"apiGroup": group, "kind": kind, "name": subject["name"]}
        binding = {"metadata": role["metadata"], "subjects": [subject], "roleRef": ref}
        self.call("POST", f"{collection}bindings", binding)

    def _install_crd(self) -> None:
        self.call("POST", _CRDS, load_crd(self._published))
        wait_for(self._serves_seldon, "the Seldon CRD to be served")

    def _published(self) -> dict[str, Any]:
        schemas: dict[str, Any] = self.call("GET", "/openapi/v3/api/v1")["components"]["schemas"]
        return schemas

    def _serves_seldon(self) -> bool:
        with contextlib.suppress(urllib.error.HTTPError):
            self.call("GET", "/apis/machinelearning.seldon.io/v1/seldondeployments?limit=1")
            return True
        return False

    def _ready(self) -> bool:
        request = urllib.request.Request(f"{self.url}/readyz", headers=self._login)
        try:
            with urllib.request.urlopen(request, context=self._trust, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.admin_token}"}

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    def _run(self, binary: Path, flags: Mapping[str, Any]) -> Process:
        argv = [str(binary), *(f"--{name}={value}" for name, value in flags.items())]
        return Process(argv, self._folder / f"{binary.name}.log", cwd=self._folder)

    def _write_secrets(self) -> None:
        write_key(ec.generate_private_key(ec.SECP256R1()), self.accounts_key)
        tokens = self._folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{self.admin_token},admin,admin,system:masters\n")

    def _etcd_flags(self) -> dict[str, Any]:
        return {
            "data-dir": self._folder / "etcd",
            "listen-client-urls": self._etcd_url,
            "advertise-client-urls": self._etcd_url,
            "listen-peer-urls": "http://127.0.0.1:0",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }

    def _apiserver_flags(self) -> dict[str, Any]:
        return {
            "etcd-servers": self._etcd_url,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self._port,
            "cert-dir": self._folder,
            "tls-cert-file": self.tls.cert_file,
            "tls-private-key-file": self.tls.key_file,
            "authorization-mode": "RBAC",
            "token-auth-file": self._folder / "tokens.csv",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self.accounts_key,
            "service-account-signing-key-file": self.accounts_key,
            "service-cluster-ip-range": "10.0.0.0/24",
        }
