"""What the tests of serving stand on: a pod that runs, answers, and is replaced without a gap."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.pods import images
from tests.pods.lab import Lab
from tests.pods.models import Logged, log_models
from tests.pods.polling import polling

Json = dict[str, Any]
_SCRIPT = "exec mlflow models serve -m {uri} --env-manager local -h 0.0.0.0 -p 8080"
_NAME = "iris"


@pytest.fixture(scope="module")
def models(lab: Lab) -> tuple[Logged, Logged]:
    """Two versions with different answers."""
    first, second = log_models(lab.mlflow, "lab-iris", [2.0, 5.0])
    return first, second


@dataclass(frozen=True)
class Served:
    """A Deployment with its Service in a namespace of its own."""

    lab: Lab
    namespace: str

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    def create(self, body: Json) -> None:
        """Write both."""
        self.lab.server.call("POST", self.path, body)
        port = {"name": "http", "port": 80, "targetPort": "http"}
        service = {"metadata": {"name": _NAME}, "spec": {"selector": _LABELS, "ports": [port]}}
        self.lab.server.call("POST", f"/api/v1/namespaces/{self.namespace}/services", service)

    def replace(self, body: Json) -> None:
        """Write another pod template."""
        there = self.lab.server.call("GET", f"{self.path}/{_NAME}")
        changed = {**there, "spec": {**there["spec"], "template": body["spec"]["template"]}}
        self.lab.server.call("PUT", f"{self.path}/{_NAME}", changed)

    def await_rolled_out(self) -> None:
        """Wait as ``kubectl rollout status`` does, and for the old pods to be gone."""
        self.wait(self._is_rolled_out, "the roll-out")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something in the namespace."""
        self.lab.wait(self.namespace, condition, what)

    def answer(self, model: Logged) -> Any:
        """Ask the Service for the model's example."""
        return self.lab.ask(self.namespace, f"{_NAME}:http", "invocations", model.example)

    def _is_rolled_out(self) -> bool:
        there = self.lab.server.call("GET", f"{self.path}/{_NAME}")
        status, wanted = there["status"], there["spec"]["replicas"]
        counts = {status.get(f"{each}eplicas") for each in ("r", "updatedR", "availableR")}
        seen = status.get("observedGeneration") == there["metadata"]["generation"]
        return seen and counts == {wanted} and len(self.lab.pods(self.namespace)) == wanted


@pytest.fixture
def served(lab: Lab) -> Iterator[Served]:
    made = Served(lab, lab.namespace())
    yield made
    lab.server.call("DELETE", made.path)
    made.wait(lambda: not lab.pods(made.namespace), "the pods to go")


_LABELS = {"app": _NAME}


def _deployment(model: Logged, *, ready: bool = True, strategy: str = "RollingUpdate") -> Json:
    """Return a Deployment of MLflow's server, as one would write it by hand."""
    container = {
        "name": "server",
        "image": images.PYTHON,
        "command": ["sh", "-euc", _SCRIPT.format(uri=model.uri)],
        "env": [{"name": "MLFLOW_TRACKING_URI", "value": model.tracking_uri}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
    }
    if ready:
        probe = {"httpGet": {"path": "/ping", "port": "http"}, "periodSeconds": 1}
        container["readinessProbe"] = probe
    pod = {"containers": [container], "terminationGracePeriodSeconds": 2}
    template = {"metadata": {"labels": _LABELS}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": _LABELS}, "template": template}
    return {"metadata": {"name": _NAME}, "spec": {**spec, "strategy": {"type": strategy}}}


def test_the_answer_is_the_local_prediction(served: Served, models: tuple[Logged, Logged]) -> None:
    first, second = models
    served.create(_deployment(first))
    served.await_rolled_out()
    assert served.answer(first) == {"predictions": first.predicted}
    assert first.predicted != second.predicted


def test_a_roll_out_loses_no_request(served: Served, models: tuple[Logged, Logged]) -> None:
    first, second = models
    served.create(_deployment(first))
    served.await_rolled_out()

    with polling(lambda: served.answer(first)) as polled:
        served.replace(_deployment(second))
        served.await_rolled_out()
        served.wait(lambda: polled.answers[-1] == {"predictions": second.predicted}, "an answer")

    assert polled.failures == []
    expected = [{"predictions": model.predicted} for model in models]
    assert polled.distinct[0] == expected[0]
    assert polled.distinct[-1] == expected[1]


def test_a_version_that_never_gets_ready_leaves_the_old_one_answering(
    served: Served, models: tuple[Logged, Logged]
) -> None:
    first, _ = models
    served.create(_deployment(first))
    served.await_rolled_out()
    broken = _deployment(first)
    broken["spec"]["template"]["spec"]["containers"][0]["command"] = ["false"]

    with polling(lambda: served.answer(first)) as polled:
        served.replace(broken)
        served.wait(lambda: _restarts(served) >= 2, "the new pod to crash twice")

    assert polled.failures == []
    assert polled.distinct == [{"predictions": first.predicted}]


@pytest.mark.parametrize("how", [{"ready": False}, {"strategy": "Recreate"}])
def test_without_care_requests_are_lost(
    served: Served, models: tuple[Logged, Logged], how: dict[str, Any]
) -> None:
    """The controls: what shows no loss above does show one where there is one."""
    first, second = models
    served.create(_deployment(first, **how))
    served.await_rolled_out()
    served.wait(lambda: _answers(served, first), "a first answer")

    with polling(lambda: served.answer(first)) as polled:
        served.replace(_deployment(second, **how))
        served.await_rolled_out()
        served.wait(lambda: _answers(served, second), "an answer of the new version")

    assert polled.failures != []


def _answers(served: Served, model: Logged) -> bool:
    try:
        return bool(served.answer(model) == {"predictions": model.predicted})
    except urllib.error.HTTPError:
        return False


def _restarts(served: Served) -> int:
    pods = served.lab.pods(served.namespace)
    told = [one for pod in pods for one in pod.get("status", {}).get("containerStatuses", ())]
    return max((int(one["restartCount"]) for one in told), default=0)
