"""One ``m2s watch`` for several environments of m2s.yaml."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.observers.metrics import Metrics, Together
from tests.kits.support import description, m2s
from tests.kits.watch_kit import Start
from tests.kits.worlds import Namespace, World
from tests.servers import ApiServer, free_port, wait_for

STAGES = {"staging": "Staging", "production": "Production"}


def written(folder: Path, **keys: Any) -> None:
    """Write m2s.yaml into the folder that ``m2s watch`` is started in."""
    (folder / "m2s.yaml").write_text(yaml.safe_dump(keys, sort_keys=False))


def entries(**more: Any) -> list[dict[str, Any]]:
    """The two environments, and what both have."""
    return [
        {"name": name, "stage": stage, "namespace": f"ml-{name}", **more}
        for name, stage in STAGES.items()
    ]


def answer(port: int, path: str) -> tuple[int, str]:
    """Return the status and the body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def dead(folder: Path) -> Path:
    """Return a kubeconfig of a cluster that is down."""
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }  # fmt: skip
    (folder / "dead").write_text(yaml.safe_dump(config))
    return folder / "dead"


@pytest.mark.slow
def test_a_cluster_that_is_down_holds_up_no_other(
    on_folder: World, tmp_path: Path, start: Start
) -> None:
    port, target = free_port(), f"dir:{tmp_path}/cluster"
    gone = {"name": "gone", "stage": "Staging", "namespace": "x", "kubeconfig": str(dead(tmp_path))}
    both = [{**each, "target": target} for each in entries()]
    written(
        tmp_path, **{"tracking-uri": on_folder.models.uri, "listen": f"127.0.0.1:{port}"},
        interval="1s", environments=[gone, *both],
    )  # fmt: skip
    on_folder.models.add("iris", description("iris"), stage="Staging")
    on_folder.models.add("wine", description("wine"), stage="Production")
    watch = start("-A")
    assert watch.await_line("created iris")["environment"] == "staging"
    assert watch.await_line("created wine")["environment"] == "production"
    wait_for(
        lambda: any(
            one["level"] == "error" and one["environment"] == "gone" for one in watch.lines
        ),
        "the error of the cluster that is down",
    )
    on_folder.models.move("iris", on_folder.models.add("iris", description("iris"), stage=None),
                          "Staging")  # fmt: skip
    watch.await_line("updated iris")

    assert answer(port, "/healthz")[0] == answer(port, "/readyz")[0] == 200
    assert answer(port, "/readyz/gone") == (503, "no pass has read both sides yet\n")
    assert answer(port, "/readyz/staging")[0] == 200
    index = answer(port, "/")[1]
    assert '<a href="environments/gone">gone</a>: no pass has read both sides yet' in index
    assert "iris" in answer(port, "/environments/staging")[1]
    assert "iris" not in answer(port, "/environments/production")[1]
    counted = answer(port, "/metrics")[1].splitlines()
    assert 'm2s_leader{environment="gone"} 1.0' in counted
    assert not any(line.startswith('m2s_last_success_timestamp_seconds{environment="gone"')
                   for line in counted)  # fmt: skip
    assert sum(line.startswith("process_start_time_seconds ") for line in counted) == 1
    assert watch.end() == 0


@pytest.mark.slow
def test_each_has_a_lease_and_a_namespace(
    on_cluster: World, api_server: ApiServer, tmp_path: Path, start: Start
) -> None:
    places = {name: Namespace(api_server, api_server.namespace("models")) for name in STAGES}
    each = [{**entry, "namespace": places[entry["name"]].name} for entry in entries()]
    written(
        tmp_path, **{"tracking-uri": on_cluster.models.uri, "leader-elect": True},
        kubeconfig=str(api_server.kubeconfig()), policy="sync", interval="1s", environments=each,
        **{"prune-after": 1},
    )  # fmt: skip
    models = on_cluster.models
    for name, stage in STAGES.items():
        models.add(f"{name}-model", description(f"{name}-model"), stage=stage)
        models.add(f"{name}-other", description(f"{name}-other"), stage=stage)
    watch = start("-e", "staging", "-e", "production")
    led = {watch.await_line("leading as", count=count)["environment"] for count in (1, 2)}
    assert led == {*STAGES}
    served = {name: {f"{name}-model", f"{name}-other"} for name in STAGES}
    wait_for(lambda: {name: {*each.all()} for name, each in places.items()} == served, "all")
    models.move("staging-model", 1, "Archived")
    wait_for(lambda: {*places["staging"].all()} == {"staging-other"}, "staging pruned")
    assert {*places["production"].all()} == {"production-model", "production-other"}
    assert watch.end() == 0


def test_one_pass_of_all_has_the_gravest_code(on_folder: World, tmp_path: Path) -> None:
    both = [{**each, "target": f"dir:{tmp_path}/cluster"} for each in entries()]
    written(tmp_path, **{"tracking-uri": on_folder.models.uri}, environments=both)
    on_folder.models.add("iris", description("iris"), stage="Staging")
    on_folder.models.add("wine", "kind: Pod", stage="Production")
    assert m2s("watch", "--once", "-A", "--config", str(tmp_path / "m2s.yaml")).code == 1
    assert (tmp_path / "cluster" / "ml-staging" / "iris.yaml").exists()


def test_the_metrics_of_several_have_a_label() -> None:
    each = {name: Metrics(lambda: True, lambda: {"accepted": 1}) for name in STAGES}
    samples = [one for family in Together(each).collect() for one in family.samples]
    leaders = [one.labels for one in samples if one.name == "m2s_leader"]
    assert leaders == [{"environment": name} for name in STAGES]
    came = [one.labels for one in samples if one.name.startswith("m2s_webhook")]
    assert came == [{"result": "accepted"}]
    assert all("environment" not in one.labels for one in samples if one.name[:8] == "process_")
    alone = [one for family in each["staging"].registry.collect() for one in family.samples]
    assert not any("environment" in one.labels for one in alone)
