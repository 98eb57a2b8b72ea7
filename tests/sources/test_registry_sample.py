"""The demo's registry: what ``m2s demo`` shows and then moves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from m2s.base.errors import RegistryError
from m2s.sources.mlflow import sample
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.registry_kit import CHAMPION, STAGING, described, selected
from tests.servers import free_port


@pytest.mark.server
def test_a_sample_is_made_and_moved_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://the.users.own.invalid")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/demo.db"
    sample.create_sample(uri, tmp_path / "models")
    second = sample.log_version(uri, "iris", sample.deploy_yaml("iris", replicas=3))
    sample.promote(uri, "iris", second)
    sample.archive(uri, "wine quality", 1)
    assert os.environ["MLFLOW_REGISTRY_URI"] == "http://the.users.own.invalid"
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.db", "models"]

    monkeypatch.delenv("MLFLOW_REGISTRY_URI")
    assert selected(uri, STAGING) == ["iris v2"]
    assert selected(uri, CHAMPION) == ["fraud v1"]
    iris, fraud = (MlflowRegistry(uri).select(each)[0] for each in (STAGING, CHAMPION))
    assert described(uri, fraud).file is None
    found = described(uri, iris)
    assert found.uri.startswith((tmp_path / "models").as_uri())
    assert found.file is not None
    predictor = yaml.safe_load(found.file.content)["spec"]["predictors"][0]
    assert predictor["graph"]["implementation"] == "MLFLOW_SERVER"
    assert (predictor["graph"]["modelUri"], predictor["replicas"]) == ("", 3)


def test_a_sample_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="cannot create the sample: connection refused"):
        sample.create_sample(f"http://127.0.0.1:{free_port()}", tmp_path)
