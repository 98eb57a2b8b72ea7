"""``make demo-serving``: promotions that end with an answer, or with what served before.

A real MLflow and a cluster whose pods run (lab.py), all on this machine and gone at the end. Where
that cannot be, it says what is missing and shows ``m2s demo``, which needs neither.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from tests.controllers import binary as controllers
from tests.controlplane import assets
from tests.pods.lab import Lab, Programs, obstacle
from tests.pods.models import Logged, log_models
from tests.pods.polling import polling
from tests.servers.mlflowserver import make_template

_NAME, _ALIAS, _SECRET = "price", "champion", "mlflow-access"
_SERVICE = f"{_NAME}-{_ALIAS}"
_SERVING = f"""\
alias: {_ALIAS}
platform: deployment
fetch-image: registry.example.com/m2s:latest
env-secret: {_SECRET}
"""
_APPLY = ("apply", "--verify", "--rollback-on-failure")
_UNKNOWN = "a-package-that-nobody-has==1.0"


class Story:
    """The steps, on a lab of its own; ``folder`` has what m2s is told."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        self._namespace = lab.namespace("production")
        self._config = lab.kubeconfig(self._namespace)
        self._client = MlflowClient(lab.mlflow, lab.mlflow)
        secret = {"metadata": {"name": _SECRET}, "stringData": {"MLFLOW_TRACKING_URI": lab.mlflow}}
        lab.server.call("POST", f"/api/v1/namespaces/{self._namespace}/secrets", secret)
        (folder / "m2s.yaml").write_text(_SERVING)

    def tell(self) -> bool:
        """Play it; whether everything came as told."""
        _say("Two versions of a model are logged. m2s.yaml says what to serve, and how:")
        _print(_SERVING)
        first, second = log_models(self._lab.mlflow, _NAME, [3.0, 7.0])
        (broken,) = log_models(self._lab.mlflow, _NAME, [5.0], requires=_UNKNOWN)

        _say(f"Version {first.version} is promoted. What is served answers:")
        self._promote(first)
        good = self._m2s(*_APPLY, "--timeout", "900") and self._answers(first)

        _say(f"Version {broken.version} wants a package that nobody has. It is promoted, too:")
        self._promote(broken)
        with polling(lambda: self._ask(first)) as polled:
            failed = not self._m2s(*_APPLY, "--timeout", "90")
        kept = not polled.failures and len(polled.distinct) == 1
        answers, failures = len(polled.answers), len(polled.failures)
        _say(f"Meanwhile version {first.version} answered {answers} times and failed {failures}.")
        _say("It is not tried again, and every plan says why:")
        self._m2s("plan")

        _say(f"Version {second.version} does better:")
        self._promote(second)
        good = self._m2s(*_APPLY, "--timeout", "900") and good
        return self._answers(second) and good and failed and kept

    def _promote(self, model: Logged) -> None:
        _print(f"$ # in MLflow: models:/{_NAME}@{_ALIAS} is version {model.version}")
        self._client.set_registered_model_alias(_NAME, _ALIAS, str(model.version))

    def _m2s(self, *argv: str) -> bool:
        """Run m2s in the folder; whether it ended with 0."""
        _print(f"$ m2s {' '.join(argv)}")
        access = {"MLFLOW_TRACKING_URI": self._lab.mlflow, "KUBECONFIG": str(self._config)}
        return _run([sys.executable, "-m", "m2s", *argv], self._folder, access) == 0

    def _answers(self, model: Logged) -> bool:
        _print(f"$ curl …/services/{_SERVICE}/proxy/invocations -d '{model.example}'")
        answer = self._ask(model)
        _print(f"{answer}\n# predicted by the model itself: {model.predicted}")
        return bool(answer == {"predictions": model.predicted})

    def _ask(self, model: Logged) -> Any:
        return self._lab.ask(self._namespace, f"{_SERVICE}:http", "invocations", model.example)


def main() -> int:
    """Tell the story, or say why not and show the other one."""
    reason = obstacle()
    api_server, control = (None, None) if reason else (assets.provide(), controllers.provide())
    if api_server is None or control is None:
        _say(f"No pods can run here: {reason or assets.HINT}.\nm2s demo instead, on a folder:")
        return _run([sys.executable, "-m", "m2s", "demo"], Path.cwd(), {})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="m2s-serving-")))
        _say("An MLflow server and a cluster are started, whose pods are programs of this machine.")
        template = make_template(folder)
        programs = Programs(
            api_server=api_server, controllers=control, template=template, kserve=None
        )
        lab = Lab(programs, folder)
        stack.callback(lab.close)
        told = Story(lab, folder).tell()
    if not told:
        _say("This is not how the story goes: something above went wrong.")
    return 0 if told else 1


def _run(argv: Sequence[str], folder: Path, more: dict[str, str]) -> int:
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "COLUMNS": "100"}
    return subprocess.run(
        argv, cwd=folder, env={**os.environ, **quiet, **more}, check=False
    ).returncode


def _say(text: str) -> None:
    _print(f"\n# {text}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
