"""m2s, as a user runs it, on a cluster whose pods run: what it deploys answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kits.support import Models, Result, m2s
from tests.pods.lab import Lab
from tests.pods.models import Logged, log_models
from tests.pods.polling import polling

Json = dict[str, Any]
_SECRET = "mlflow-access"
_FETCH = ("--fetch-image", "registry.example.com/m2s:latest")
_WAIT = ("--verify", "--timeout", "600")


class Team:
    """A namespace, a registered model with an alias of its own, and m2s between them."""

    def __init__(self, lab: Lab, alias: str) -> None:
        self.lab, self.alias = lab, alias
        self.namespace = lab.namespace()
        self.models = Models(lab.mlflow, Path("unused"))
        access = {"MLFLOW_TRACKING_URI": lab.mlflow}
        secret = {"metadata": {"name": _SECRET}, "stringData": access}
        lab.server.call("POST", f"/api/v1/namespaces/{self.namespace}/secrets", secret)

    def promote(self, model: Logged) -> None:
        """Point the alias at a version."""
        self.models.alias(model.name, self.alias, model.version)

    def __call__(self, command: str, *argv: str) -> Result:
        """Run m2s on the namespace, for the versions with the alias."""
        where = ("--alias", self.alias, "--tracking-uri", self.lab.mlflow)
        cluster = ("--kubeconfig", str(self.lab.kubeconfig(self.namespace)))
        kind = ("--platform", "deployment", "--env-secret", _SECRET, *_FETCH)
        return m2s(command, *where, *cluster, *kind, *argv)

    def answer(self, model: Logged) -> Any:
        """Ask what serves for the model's example."""
        service = f"{model.name}-{self.alias}:http"
        return self.lab.ask(self.namespace, service, "invocations", model.example)


@pytest.fixture(scope="module")
def versions(lab: Lab) -> tuple[Logged, Logged]:
    """Two versions with different answers."""
    first, second = log_models(lab.mlflow, "price", [3.0, 7.0])
    return first, second


def test_a_promoted_version_answers_and_the_next_takes_over_without_a_gap(
    lab: Lab, versions: tuple[Logged, Logged]
) -> None:
    first, second = versions
    team = Team(lab, "champion")
    team.promote(first)

    applied = team("apply", *_WAIT)

    assert applied.code == 0, (applied, lab.logs(team.namespace))
    assert "verified: HTTP 200" in applied.out
    assert team.answer(first) == {"predictions": first.predicted}
    assert _actions(team) == ["unchanged"]

    team.promote(second)
    with polling(lambda: team.answer(first)) as polled:
        applied = team("apply", *_WAIT)
        assert applied.code == 0, (applied, lab.logs(team.namespace))
        lab.wait(
            team.namespace,
            lambda: polled.answers[-1] == {"predictions": second.predicted},
            "an answer of the new version",
        )

    assert polled.failures == []
    assert _actions(team) == ["unchanged"]


def test_a_version_that_cannot_be_installed_gives_way_and_no_request_is_lost(
    lab: Lab, versions: tuple[Logged, Logged]
) -> None:
    first, _ = versions
    (broken,) = log_models(lab.mlflow, "price", [9.0], requires="a-package-that-nobody-has==1.0")
    team = Team(lab, "careful")
    team.promote(first)
    assert team("apply", *_WAIT).code == 0
    team.promote(broken)

    with polling(lambda: team.answer(first)) as polled:
        applied = team("apply", "--verify", "--rollback-on-failure", "--timeout", "60")

    assert applied.code == 1, applied
    assert polled.failures == []
    assert {json.dumps(one) for one in polled.answers} == {
        json.dumps({"predictions": first.predicted})
    }
    planned = team("plan")
    assert f"v{broken.version} did not roll out" in " ".join(planned.out.split()), planned


def _actions(team: Team) -> list[str]:
    planned = team("plan", "-o", "json")
    assert planned.code == 0, planned
    return [change["action"] for change in json.loads(planned.out)["changes"]]
