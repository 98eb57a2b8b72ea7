"""The main job as a user does it: the program itself, a real MLflow server, a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from m2s.sources.mlflow.sample import log_version
from tests.kits.support import Models, description, m2s, process
from tests.kits.worlds import Namespace
from tests.servers import ApiServer, MlflowServer


def test_the_story_of_a_model(
    mlflow_server: MlflowServer,
    api_server: ApiServer,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first commands in processes of their own, as from a shell; then quicker, in this one."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig(namespace=namespace)))
    monkeypatch.setenv("M2S_MODEL_URI_MAP", "mlflow-artifacts:/=s3://bucket/mlflow")
    monkeypatch.setenv("M2S_MODEL", "story-*")
    monkeypatch.setenv("M2S_STAGE", "Staging")
    models, objects = Models(mlflow_server.uri), Namespace(api_server, namespace)
    models.add("another")  # else the registry is empty in the end, which is a question
    first = log_version(mlflow_server.uri, "story-iris", description("iris"))
    models.move("story-iris", first, "Staging")

    planned = process("plan", "--detailed-exitcode")
    assert (planned.code, planned.err) == (2, ""), planned.out
    assert (
        planned.out.splitlines()[-1] == "Plan: 1 to create, 0 to update, 0 to delete, 0 unchanged"
    )
    assert objects.all() == {}

    applied = process("apply")
    assert (applied.code, applied.err) == (0, "")
    assert applied.out.splitlines()[-1] == "Done: 1 created"
    body = objects.all()["iris"]
    uri = body["spec"]["predictors"][0]["graph"]["modelUri"]
    assert uri.startswith("s3://bucket/mlflow/0/models/m-")
    assert uri.endswith("/artifacts")
    assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "m2s"
    assert body["metadata"]["annotations"]["m2s.io/model"] == "story-iris"
    assert process("plan", "--detailed-exitcode").code == 0

    second = log_version(
        mlflow_server.uri, "story-iris", description("iris", image="2", replicas=3)
    )
    models.move("story-iris", second, "Staging")
    planned = m2s("plan", "--detailed-exitcode", "-o", "json")
    assert planned.code == 2
    change = planned.changes["iris"]
    assert (change["action"], change["reason"]) == ("update", "promoted v1 → v2")
    fields = {
        field["path"]: (field["kind"], field["old"], field["new"]) for field in change["fields"]
    }
    image = "spec.predictors[default].componentSpecs[0].spec.containers[classifier].image"
    assert fields[image] == ("changed", "server:1.18.2", "server:2")
    assert fields["spec.predictors[default].replicas"] == ("changed", 1, 3)
    assert fields["spec.predictors[default].graph.modelUri"][1] == uri
    assert m2s("apply").code == 0
    assert m2s("plan", "--detailed-exitcode").code == 0

    models.move("story-iris", second, "Archived")
    planned = m2s("plan")
    assert "v2 is in Archived now" in planned.out
    left = m2s("apply")
    assert (left.code, left.err) == (0, "Warning: 1 to delete are left alone without --prune\n")
    assert objects.all().keys() == {"iris"}
    pruned = m2s("prune", "--yes")
    assert pruned.out.splitlines()[-1] == "Done: 1 deleted"
    assert objects.all() == {}
    assert m2s("plan", "--detailed-exitcode").code == 0
    models.delete("another")


PARSERS: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}


@pytest.mark.parametrize("output", PARSERS)
def test_structured_output_is_one_document(on_folder: Any, output: str) -> None:
    on_folder.models.add("größe & co {x}", description("größe"))
    planned = PARSERS[output](on_folder("plan", "-o", output).out)
    assert planned["summary"]["create"] == 1
    assert planned["changes"][0]["model"] == "größe & co {x}"
    applied = PARSERS[output](on_folder("apply", "-o", output).out)
    for change in planned["changes"]:
        del change["object"]  # of a plan alone
    assert applied["plan"]["changes"] == planned["changes"]
    assert [outcome["status"] for outcome in applied["outcomes"]] == ["created"]
    assert applied["format_version"] == planned["format_version"]


def test_markdown_is_a_table_of_one_row_a_deployment(on_folder: Any) -> None:
    on_folder.models.add("a|b <script> `x`\n*y*", description("odd"))
    lines = on_folder("plan", "-o", "markdown").out.splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 6
    assert "<script>" not in rows[0]
    assert "**Plan: 1 to create, 0 to update, 0 to delete, 0 unchanged**" in lines


def test_the_table_is_not_folded_in_a_pipe(on_folder: Any) -> None:
    on_folder.models.add("m" * 100, description("n" * 63))
    on_folder.apply()
    on_folder.models.add("m" * 100, description("n" * 63, image="1" * 90))
    out = on_folder("plan").out
    assert all(line == line.rstrip() for line in out.splitlines())
    (row,) = [line for line in out.splitlines() if line.startswith("~")]
    assert "n" * 63 in row
    assert "\x1b" not in out
