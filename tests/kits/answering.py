"""A model server that answers as it is told to, and the Service that leads to it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError

import pytest
from kubernetes import client

from tests.servers import ApiServer

Json = dict[str, Any]


class ModelServer:
    """Answers each POST with ``status`` and ``body``, each GET with ``ready``; notes what comes."""

    def __init__(self) -> None:
        self.status, self.body, self.ready = 200, b'{"data": {"ndarray": [[1.0]]}}', 200
        self.asked: list[tuple[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, None))
                self._answer(outer.ready, b"")

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                outer.asked.append((self.path, json.loads(self.rfile.read(length))))
                self._answer(outer.status, outer.body)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((_address(), 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens, on an address that is not the loopback's."""
        return int(self._server.server_address[1])

    def answers(self, status: int, document: Any) -> None:
        """Have it answer so from now on."""
        self.status, self.body = status, json.dumps(document).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self, server: ApiServer, namespace: str, name: str, port: int = 8000) -> None:
        """Make a Service that leads here.

        The API server's proxy wants a pod with the endpoint's address, and refuses the loopback
        (kubernetes, ``pkg/registry/core/service/storage``: ``isValidAddress``).
        """
        path, metadata = f"/api/v1/namespaces/{namespace}", {"name": name}
        ports = [{"name": "http", "port": port, "targetPort": self.port}]
        server.call("POST", f"{path}/services", {"metadata": metadata, "spec": {"ports": ports}})
        with contextlib.suppress(HTTPError):
            server.call("POST", f"{path}/serviceaccounts", {"metadata": {"name": "default"}})
        containers = [{"name": "classifier", "image": "x"}]
        server.call(
            "POST", f"{path}/pods", {"metadata": metadata, "spec": {"containers": containers}}
        )
        status = {"podIP": _address(), "podIPs": [{"ip": _address()}]}
        api: Any = client.CoreV1Api(server.admin)
        api.patch_namespaced_pod_status(name, namespace, {"status": status})
        pod = {"kind": "Pod", "namespace": namespace, "name": name}
        here = {"addresses": [{"ip": _address(), "targetRef": pod}]}
        subsets = [{**here, "ports": [{"name": "http", "port": self.port}]}]
        server.call("POST", f"{path}/endpoints", {"metadata": metadata, "subsets": subsets})


def _address() -> str:
    """Return an address of this machine that is not the loopback's; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A model server that answers the Seldon protocol well."""
    server = ModelServer()
    yield server
    server.close()
