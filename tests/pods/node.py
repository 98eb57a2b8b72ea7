"""The lab's node: takes the pods that the scheduler gave it, and keeps its Lease."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.controllers.nodes import lease, leases, node
from tests.pods.pod import Pod
from tests.servers import ApiServer

Json = dict[str, Any]
NAME = "node"
_LOOK_SECONDS = 0.15
_RENEW_EVERY = 60


class Node:
    """Registers itself and looks for pods until the process ends."""

    def __init__(self, server: ApiServer, folder: Path, ports: Sequence[int]) -> None:
        self._server, self._folder, self._ports = server, folder, ports
        self._pods: dict[str, Pod] = {}
        server.call("POST", "/api/v1/nodes", node(NAME))
        server.call("POST", leases(), lease(NAME))

    def keep(self, closing: threading.Event) -> None:
        """Look again and again."""
        looks = 0
        while not closing.wait(_LOOK_SECONDS):
            looks += 1
            with contextlib.suppress(OSError):  # also HTTPError: the next look tries again
                if looks % _RENEW_EVERY == 0:
                    there = self._server.call("GET", leases(NAME))
                    self._server.call("PUT", leases(NAME), {**there, "spec": lease(NAME)["spec"]})
                self._look()

    def _look(self) -> None:
        path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NAME}"
        bodies: dict[str, Json] = {
            body["metadata"]["uid"]: body for body in self._server.call("GET", path)["items"]
        }
        for uid, body in bodies.items():
            if uid not in self._pods:
                self._pods[uid] = Pod(body, self._server.call, self._folder, self._ports)
            if "deletionTimestamp" in body["metadata"]:
                self._pods[uid].leave(body["metadata"].get("deletionGracePeriodSeconds", 30))
        for uid in self._pods.keys() - bodies.keys():
            self._pods[uid].leave(0)
            if self._pods[uid].is_gone:
                del self._pods[uid]
