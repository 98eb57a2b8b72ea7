"""A team whose models m2s deploys on a cluster whose pods run."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path
from typing import Any

from tests.kits.support import Models, Result, m2s
from tests.pods.lab import Lab
from tests.pods.models import Logged

SECRET = "mlflow-access"
_FETCH = ("--fetch-image", "registry.example.com/m2s:latest")
WAIT = ("--verify", "--timeout", "600")


class Team:
    """A namespace, a registered model with an alias of its own, and m2s between them."""

    def __init__(self, lab: Lab, alias: str) -> None:
        self.lab, self.alias = lab, alias
        self.namespace = lab.namespace()
        self.models = Models(lab.mlflow, Path("unused"))
        access = {"MLFLOW_TRACKING_URI": lab.mlflow}
        secret = {"metadata": {"name": SECRET}, "stringData": access}
        lab.server.call("POST", f"/api/v1/namespaces/{self.namespace}/secrets", secret)

    def promote(self, model: Logged) -> None:
        """Point the alias at a version."""
        self.models.alias(model.name, self.alias, model.version)

    def __call__(self, command: str, *argv: str) -> Result:
        """Run m2s on the namespace, for the versions with the alias."""
        where = ("--alias", self.alias, "--tracking-uri", self.lab.mlflow)
        cluster = ("--kubeconfig", str(self.lab.kubeconfig(self.namespace)))
        if command in ("status", "history"):
            return m2s(command, *argv, *cluster, "--platform", "deployment")
        kind = ("--platform", "deployment", "--env-secret", SECRET, *_FETCH)
        return m2s(command, *where, *cluster, *kind, *argv)

    def answer(self, model: Logged) -> Any:
        """Ask what serves for the model's example."""
        service = f"{model.name}-{self.alias}:http"
        return self.lab.ask(self.namespace, service, "invocations", model.example)

    def answers(self, model: Logged) -> bool:
        """Whether the version's own answer comes; one with an error is none."""
        try:
            return bool(self.answer(model) == {"predictions": model.predicted})
        except urllib.error.HTTPError:
            return False

    def leave(self) -> None:
        """Take away what serves: the lab has room for so many pods."""
        assert self("prune", "--all", "--yes").code == 0

    def actions(self) -> list[str]:
        """Return what the next plan does."""
        planned = self("plan", "-o", "json")
        assert planned.code == 0, planned
        return [change["action"] for change in json.loads(planned.out)["changes"]]
