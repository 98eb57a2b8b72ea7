"""The chart as it is rendered: what its values come to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.settings import build
from tests.kits.chart_kit import CHART, VALUES_FILES, Helm

FULL = CHART / "ci" / "full-values.yaml"


@pytest.mark.parametrize("values", VALUES_FILES, ids=lambda file: file.stem)
def test_lint_finds_nothing(helm: Helm, values: Path) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"\[(WARNING|ERROR)\]", done.stdout)


def test_the_seeds_values_do_what_they_did(helm: Helm) -> None:
    release = helm.template(
        None,
        "mlflow.MLFLOW_TRACKING_URI=http://mlflow:5000",
        "mlflow.stage=Staging",
        "mlflow.namespace=staging",
        "mlflow.cloud=azure_blob",
        "serviceAccount.name=deployer",
        r"serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn",
        "envFromSecret=mlflow",
        r"nodeSelector.kubernetes\.io/arch=arm64",
        r"podAnnotations.a\.b/c=d",
        namespace="m2s",
    )
    env = {item["name"]: item["value"] for item in release.container["env"]}
    assert env["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert release.container["envFrom"] == [{"secretRef": {"name": "mlflow"}}]
    assert release.settings["stage"] == ["Staging"]
    assert release.settings["namespace"] == "staging"
    assert release.settings["policy"] == "sync"
    account = release.one("ServiceAccount")["metadata"]
    assert (account["name"], account["namespace"]) == ("deployer", "m2s")
    assert account["annotations"] == {"eks.amazonaws.com/role-arn": "arn"}
    assert release.pod["spec"]["serviceAccountName"] == "deployer"
    assert release.pod["spec"]["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    assert release.pod["metadata"]["annotations"]["a.b/c"] == "d"


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ({}, {}),
        ({"platforms": ["kserve"]}, {"platform": "kserve", "deploy-file": "required"}),
        ({"mlserver": "kserve"}, {"platform": "kserve", "deploy-file": "required"}),
        ({"mlserver": "seldon-core"}, {}),
        (
            {"mlserver": "kserve", "platforms": ["seldon", "deployment"]},
            {
                "platform": "kserve",
                "deploy-file": "required",
                "platforms": ["kserve", "seldon", "deployment"],
            },
        ),
        (
            {"platforms": ["kserve", "seldon"], "config": {"default-image": "x:1"}},
            {"platform": "kserve", "platforms": ["kserve", "seldon"], "deploy-file": "optional"},
        ),
        ({"platforms": ["seldon", "kserve"]}, {"platforms": ["seldon", "kserve"]}),
        ({"config": {"platform": "kserve"}}, {"platform": "kserve", "platforms": ["seldon"]}),
    ],
)
def test_the_platforms_in_use_are_told_to_m2s(
    helm: Helm, values: dict[str, Any], written: dict[str, Any]
) -> None:
    """Models without a deploy.yaml are served only where somebody says so."""
    settings = helm.template({"mlflow": {"stage": "Staging"}, **values}).settings
    names = ("platform", "platforms", "deploy-file")
    assert {name: settings[name] for name in names if name in settings} == written


def test_every_option_shows(helm: Helm) -> None:
    release = helm.template(FULL)
    spec, container = release.pod["spec"], release.container
    given = yaml.safe_load(FULL.read_text())
    assert spec["tolerations"] == given["tolerations"]
    assert spec["affinity"] == given["affinity"]
    assert spec["priorityClassName"] == given["priorityClassName"]
    assert spec["imagePullSecrets"] == given["imagePullSecrets"]
    assert container["image"] == f"{given['image']['repository']}@{given['image']['digest']}"
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert container["env"][-1] == given["extraEnv"][0]
    assert given["extraVolumeMounts"][0] in container["volumeMounts"]
    assert given["extraVolumes"][0] in spec["volumes"]
    assert release.pod["metadata"]["labels"]["team"] == "ml-platform"
    assert release.one("PodDisruptionBudget")["spec"]["minAvailable"] == 1
    monitor = release.one("ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"][0]["interval"] == "15s"
    policy = release.one("NetworkPolicy")["spec"]
    assert policy["ingress"][0]["from"] == given["networkPolicy"]["ingressFrom"]
    ports = [port["port"] for rule in policy["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443, 6443, 443, 3128]
    assert release.settings | given["config"] == release.settings
    assert release.settings["model-uri-map"] == given["modelUriMap"]
    assert release.settings["listen"] == ":9090"
    assert release.settings["workspace"] == given["mlflow"]["workspace"]
    assert "workspace" not in helm.template().settings


def test_templates_are_a_folder_of_the_pod(helm: Helm) -> None:
    given = yaml.safe_load(FULL.read_text())["templates"]
    release = helm.template(FULL)
    (volume,) = [v for v in release.pod["spec"]["volumes"] if v["name"] == "templates"]
    (mount,) = [m for m in release.container["volumeMounts"] if m["name"] == "templates"]
    (files,) = [
        item["data"]
        for item in release.all("ConfigMap")
        if item["metadata"]["name"] == volume["configMap"]["name"]
    ]
    assert files == given  # the placeholders are for m2s, not for helm
    assert release.settings["templates"] == mount["mountPath"]
    assert "templates" not in helm.template().settings
    # An edited template is read where it is: it starts no new Pod.
    edited = helm.template(FULL, r"templates.fraud\.yaml=x").pod["metadata"]["annotations"]
    assert edited == release.pod["metadata"]["annotations"]


def test_containers_beside_m2s(helm: Helm) -> None:
    given = yaml.safe_load(FULL.read_text())
    spec = helm.template(FULL).pod["spec"]
    assert spec["initContainers"] == given["extraInitContainers"]
    assert spec["containers"][1:] == given["extraContainers"]


def test_a_split_is_served_instead_of_a_stage(helm: Helm) -> None:
    release = helm.template({"mlflow": {"stage": ""}, "split": "champion=90,challenger=10"})
    assert release.settings["split"] == "champion=90,challenger=10"
    assert {"stage", "alias"} & set(release.settings) == set()


def test_the_webhook_secret_is_a_file_and_nothing_else(helm: Helm) -> None:
    release = helm.template(FULL)
    (mount,) = [m for m in release.container["volumeMounts"] if m["name"] == "webhook"]
    (volume,) = [v for v in release.pod["spec"]["volumes"] if v["name"] == "webhook"]
    (item,) = volume["secret"]["items"]
    assert release.settings["webhook-secret-file"] == f"{mount['mountPath']}/{item['path']}"
    assert (volume["secret"]["secretName"], item["key"]) == ("mlflow-webhook", "key")


def test_webhooks_reach_m2s_and_their_secret_is_files(helm: Helm) -> None:
    release = helm.template(FULL, namespace="m2s")
    hook = release.settings["notify"][0]
    assert hook["url-file"] == "/etc/m2s-notify/url"
    assert hook["on"] == ["Promoted", "RolledBack", "Blocked"]
    assert hook["template"] == {"text": "{{ deployment }}: {{ message }}"}
    mounts = {each["name"]: each["mountPath"] for each in release.container["volumeMounts"]}
    assert mounts["notify"] == "/etc/m2s-notify"
    volumes = {each["name"]: each for each in release.pod["spec"]["volumes"]}
    assert volumes["notify"]["secret"] == {"secretName": "slack"}


def test_kserve_brings_models_by_m2s_where_that_is_asked_for(helm: Helm) -> None:
    release = helm.template(
        None,
        "mlflow.MLFLOW_TRACKING_URI=http://mlflow:5000",
        "mlflow.stage=Staging",
        "storageContainer.create=true",
        "storageContainer.envFrom[0].secretRef.name=mlflow",
        namespace="m2s",
    )
    spec = release.one("ClusterStorageContainer")["spec"]
    container = spec["container"]
    assert (container["name"], container["command"]) == ("storage-initializer", ["m2s", "fetch"])
    assert "args" not in container
    assert container["image"] == release.container["image"]
    assert container["env"] == [{"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"}]
    assert container["envFrom"] == [{"secretRef": {"name": "mlflow"}}]
    assert {"prefix": "mlflow-artifacts:/"} in spec["supportedUriFormats"]


def test_what_is_not_wanted_is_not_there(helm: Helm) -> None:
    kinds = {item["kind"] for item in helm.template().objects}
    wanted = {"ServiceAccount", "ConfigMap", "Role", "RoleBinding", "Service", "Deployment"}
    assert kinds == wanted
    assert [one["name"] for one in helm.template().pod["spec"]["containers"]] == ["m2s"]
    release = helm.template(CHART / "ci" / "single-values.yaml")
    assert {"ServiceAccount", "Role", "RoleBinding"} & {o["kind"] for o in release.objects} == set()
    assert release.pod["spec"]["serviceAccountName"] == "given"
    assert {"livenessProbe", "readinessProbe", "env"} & set(release.container) == set()
    assert release.settings["alias"] == ["champion"]
    assert {"stage", "lease-name"} & set(release.settings) == set()


@pytest.mark.parametrize("values", VALUES_FILES, ids=lambda file: file.stem)
def test_nothing_is_cluster_wide_and_nothing_is_a_wildcard(helm: Helm, values: Path) -> None:
    release = helm.template(values, namespace="m2s")
    assert not [item for item in release.objects if item["kind"].startswith("Cluster")]
    for role in release.all("Role"):
        assert "*" not in json.dumps(role["rules"])
        assert role["metadata"]["namespace"] == release.settings["namespace"]
        assert "update" not in verbs_of(role["rules"], "seldondeployments")


def verbs_of(rules: list[dict[str, Any]], resource: str) -> set[str]:
    return {verb for rule in rules if resource in rule["resources"] for verb in rule["verbs"]}


def test_two_writers_are_never_there_during_an_upgrade(helm: Helm) -> None:
    strategy = helm.template().one("Deployment")["spec"]["strategy"]
    assert strategy["type"] == "RollingUpdate"  # the Lease keeps the new one waiting
    alone = helm.template(CHART / "ci" / "single-values.yaml")
    assert alone.one("Deployment")["spec"]["strategy"]["type"] == "Recreate"


@pytest.mark.thorough
def test_releases_that_serve_the_same_contend_for_one_lease(helm: Helm) -> None:
    def lease(*sets: str, name: str = "m2s") -> Any:
        release = helm.template(None, *sets, name=name)
        (rule,) = [r for r in release.one("Role")["rules"] if "resourceNames" in r]
        assert rule["resourceNames"] == [release.settings["lease-name"]]
        return release.settings["lease-name"]

    assert lease(name="one") == lease(name="two")
    served = [
        (), ("mlflow.stage=Staging",), ("config.owner=me",), ("models={x}",), ("models={y}",),
        ("mlflow.stage=", "alias=a_b"), ("mlflow.stage=", "alias=a-b"),
    ]  # fmt: skip
    leases = [lease(*sets) for sets in served]
    assert len(set(leases)) == len(served)
    assert lease("models={x,y}") == lease("models={y,x}")
    # A split is the work of its first alias, and so is its owner label.
    alias = ("mlflow.stage=", "alias=champion")
    assert lease("mlflow.stage=", r"split=champion=90\,other=10") == lease(*alias)


def test_a_changed_setting_starts_new_pods(helm: Helm) -> None:
    def checksum(*sets: str) -> Any:
        return helm.template(None, *sets).pod["metadata"]["annotations"]["checksum/config"]

    assert checksum() == checksum("replicaCount=2")
    assert checksum() != checksum("interval=1m")


@pytest.mark.parametrize("values", VALUES_FILES, ids=lambda file: file.stem)
def test_m2s_takes_the_settings_that_are_rendered(
    helm: Helm, values: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = helm.template(values)
    (config := tmp_path / "m2s.yaml").write_text(release.config)
    chosen = build.build({}, {}, str(config))
    assert chosen.namespace == release.settings["namespace"]
    assert chosen.listen == ("", release.one("Service")["spec"]["ports"][0]["port"])
    assert chosen.leader_elect is ("lease-name" in release.settings)


@pytest.mark.parametrize("deletions", [None, "sync", "upsert-only"])
def test_what_descriptions_may_ask_for_reaches_m2s(
    helm: Helm, deletions: str | None, tmp_path: Path
) -> None:
    rules = {
        "level": "restricted", "mode": "warn", "images": ["example/*"], "serviceAccounts": [],
        "secrets": ["a"], "annotations": ["b/*"], "kinds": ["SeldonDeployment"],
    }  # fmt: skip
    values = {"policy": {**rules, **({"deletions": deletions} if deletions else {})}}
    (config := tmp_path / "m2s.yaml").write_text(helm.template(values).config)
    chosen = build.build({}, {}, str(config))
    assert chosen.syncs is (deletions != "upsert-only")
    assert chosen.description_policy.level == "restricted"
    assert chosen.description_policy.mode == "warn"
    assert {name: list(patterns) for name, patterns in chosen.description_policy.lists} == {
        name: value for name, value in rules.items() if isinstance(value, list)
    }
