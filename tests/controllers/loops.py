"""The controller manager and the scheduler of an API server: what makes pods of Deployments."""

from __future__ import annotations

import contextlib
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers import ApiServer
from tests.servers.process import Process, free_port

_OFTEN = {"kube-api-qps": 200, "kube-api-burst": 400, "leader-elect": "false"}
"""Clients that are not slowed down: the tests wait for what they do."""


class ControlLoops:
    """Both programs, started by the constructor; they stop with :meth:`close`."""

    def __init__(self, binaries: Path, server: ApiServer, folder: Path) -> None:
        self._binaries, self._server, self._folder = binaries, server, folder
        self._started: list[Process] = []
        try:
            for name, flags in self._flags().items():
                self._started.append(self._run(name, flags))
            self._started[0].await_ready(self._work)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End both processes."""
        for process in self._started:
            process.kill()

    def _work(self) -> bool:
        """Whether a namespace gets its ServiceAccount, without which there are no pods."""
        with contextlib.suppress(urllib.error.HTTPError):
            self._server.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")
            return True
        return False

    def _run(self, name: str, flags: Mapping[str, Any]) -> Process:
        whole = {**_OFTEN, "kubeconfig": self._server.kubeconfig(), **flags}
        argv = [str(self._binaries / name), *(f"--{key}={value}" for key, value in whole.items())]
        return Process(argv, self._folder / f"{name}.log", cwd=self._folder)

    def _flags(self) -> dict[str, dict[str, Any]]:
        listening = {
            "bind-address": "127.0.0.1",
            "cert-dir": self._folder,
            "authentication-skip-lookup": "true",
        }
        return {
            "kube-controller-manager": {
                **listening,
                "secure-port": free_port(),
                "service-account-private-key-file": self._server.accounts_key,
                "root-ca-file": self._server.ca_file,
                "horizontal-pod-autoscaler-sync-period": "1s",
            },
            "kube-scheduler": {**listening, "secure-port": free_port()},
        }
