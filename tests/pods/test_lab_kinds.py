"""Each kind of example is answered as the model itself predicts; what answers badly gives way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient

from tests import bentoml
from tests.kits import twice
from tests.pods import images
from tests.pods.fixtures import missing
from tests.pods.lab import Lab
from tests.pods.models import Logged, Wanted, log_each
from tests.pods.team import SECRET, WAIT, Team

_VALUE = "48151623"
_CAREFUL = ("apply", "--verify", "--rollback-on-failure", "--write-back")
_BENTO = Path(__file__).parents[2] / "examples" / "bentoml"
_SERVE = ("-m", "bentoml", "serve", "service:Model", "--host", "0.0.0.0", "--port", "3000")  # noqa: S104


def test_a_tensor_and_a_list_of_texts_are_answered(lab: Lab) -> None:
    models = log_each(lab.mlflow, *(Wanted(name=kind, kind=kind) for kind in ("tensor", "text")))
    team = Team(lab, "kinds")
    for model in models:
        team.promote(model)

    applied = team("apply", *WAIT)

    assert applied.code == 0, (applied, lab.logs(team.namespace))
    assert applied.out.count("verified: HTTP 200") == 2
    for model in models:
        assert team.answer(model) == {"predictions": model.predicted}
    assert team.actions() == ["unchanged", "unchanged"]
    team.leave()


def test_an_error_and_a_server_that_is_never_ready_give_way_and_are_told(lab: Lab) -> None:
    good, wrong, deaf = log_each(
        lab.mlflow,
        Wanted(name="rent"),
        Wanted(name="rent", kind="failing"),
        Wanted(name="rent", deploy=_deaf()),
    )
    team = Team(lab, "tried")
    team.promote(good)
    assert team("apply", *WAIT).code == 0

    team.promote(wrong)
    applied = team(*_CAREFUL, "--timeout", "600")
    _gave_way(team, applied, good, f"v{wrong.version} did not answer", "HTTP 400")
    team.promote(deaf)
    applied = team(*_CAREFUL, "--timeout", "20")
    _gave_way(team, applied, good, f"v{deaf.version} did not roll out", "")
    team.leave()


def _gave_way(team: Team, applied: Any, good: Logged, why: str, more: str) -> None:
    """Check that the good version answers, and that everybody is told why the new one does not."""
    assert applied.code == 1, applied
    # On this platform the new version had the traffic; the old one takes it once it has started.
    team.lab.wait(team.namespace, lambda: team.answers(good), "an answer of the good version")
    client = MlflowClient(team.lab.mlflow, team.lab.mlflow)
    number = why.split(maxsplit=1)[0].removeprefix("v")
    tags = client.get_model_version(good.name, number).tags
    in_mlflow = tags[f"m2s.io/live/alias-{team.alias}/verified"]
    name = f"{good.name}-{team.alias}"
    asked = [("status",), ("status", name), ("history", name)]
    shown = [" ".join(team(*argv).out.split()) for argv in asked]
    assert [each for each in (in_mlflow, *shown) if why not in each or more not in each] == []
    told = [in_mlflow, *shown, applied.out, applied.err, team("status", "-o", "json").out]
    assert [each for each in told if _VALUE in each] == []


def _deaf() -> str:
    """Return a Deployment whose server starts and never listens."""
    probe = {"httpGet": {"path": "/ping", "port": 8080}, "periodSeconds": 1}
    server = {"name": "server", "image": images.PYTHON, "readinessProbe": probe}
    server["command"] = ["sleep", "600"]
    pod = {"terminationGracePeriodSeconds": 1, "containers": [server]}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": pod}}}
    return yaml.safe_dump(body)


def test_a_bento_answers_behind_what_m2s_wrote(lab: Lab, tmp_path: Path) -> None:
    python = bentoml.provide()
    if python is None:
        missing(bentoml.HINT)
    lab.add_image("bento", python, "env", f"--chdir={_BENTO}", str(python), *_SERVE)
    client = MlflowClient(lab.mlflow, lab.mlflow)
    twice.save(tmp_path / "model", "mlflow")
    run = client.create_run("0").info
    client.log_artifacts(run.run_id, str(tmp_path / "model"), "model")
    description = (_BENTO / "deploy.yaml").read_text().replace("model-store", SECRET)
    client.log_text(run.run_id, description, "deploy.yaml")
    client.create_registered_model("twice")
    made = client.create_model_version("twice", f"{run.artifact_uri}/model", run.run_id)
    team = Team(lab, "bento")
    client.set_registered_model_alias("twice", team.alias, made.version)

    applied = team("apply", *WAIT)

    assert applied.code == 0, (applied, lab.logs(team.namespace))
    assert "unverified" in applied.out  # /readyz tells no protocol
    asked = {"rows": [{"x": 2}, {"x": 3}]}
    answer = lab.ask(team.namespace, f"twice-{team.alias}:http", "predict", asked)
    assert answer == [{"x": 4}, {"x": 6}]
    team.leave()
