"""``m2s init``: what it prints is a deploy.yaml that works, on each platform."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from m2s.domain.policy import Policy
from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.plan.changes import Create, Unchanged
from m2s.platforms import catalogue
from m2s.platforms.common.pod_security import violations
from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.support import m2s

STAGED = build({"stage": ["Staging"], "preflight": False}, {})
PLATFORMS = catalogue.names()
BUILT_IN = ("deployment", "seldon")
"""What the tests' API server has without more."""


def printed(platform: str) -> str:
    result = m2s("init", "--platform", platform)
    assert result.code == 0
    return result.out


@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_is_planned_without_a_word_and_names_the_model(platform: str) -> None:
    registry = FakeRegistry()
    registry.add("iris", printed(platform), source="s3://models/iris")
    (change,) = make_plan(registry, FolderCluster("/nonexistent", "shop"), STAGED).changes
    assert isinstance(change, Create)
    assert (change.manifest.notes, change.manifest.warnings) == ((), ())
    assert catalogue.of(change.key).name == platform
    uri = catalogue.of(change.key).first_uri(change.manifest.body)
    assert uri.rstrip("/") == "s3://models/iris"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_its_comments_are_fields_as_well(platform: str) -> None:
    """Whoever takes the mark away in front of them gets resources and a GPU."""
    text = re.sub(r"(?m)^( *)# (?=( *)(resources|requests|limits|nodeSelector|tolerations):)",
                  r"\1", printed(platform))  # fmt: skip
    body = yaml.safe_load(text)
    assert "'nvidia.com/gpu': 1" in str(body)
    registry = FakeRegistry()
    registry.add("iris", text)
    (change,) = make_plan(registry, FolderCluster("/nonexistent", "shop"), STAGED).changes
    assert isinstance(change, Create)


@pytest.mark.parametrize("platform", BUILT_IN)
@pytest.mark.cluster
def test_the_api_server_takes_it(platform: str, namespace: str, kubeconfig: Path) -> None:
    registry, cluster = FakeRegistry(), connect(namespace, str(kubeconfig), None)
    registry.add("iris", printed(platform))
    execute(make_plan(registry, cluster, STAGED), cluster, delete=True)
    (same,) = make_plan(registry, cluster, STAGED).changes
    assert isinstance(same, Unchanged)


def test_plain_kubernetes_is_as_strict_as_it_can_be() -> None:
    registry = FakeRegistry()
    registry.add("iris", printed("deployment"))
    (change,) = make_plan(registry, FolderCluster("/nonexistent", "shop"), STAGED).changes
    assert isinstance(change, Create)
    specs = catalogue.of(change.key).pod_specs(change.manifest.body)
    assert not list(violations(specs, Policy("restricted")))


def test_a_platform_that_is_none_is_one_line() -> None:
    result = m2s("init", "--platform", "deploymnt")
    assert result.code == 64
    assert "did you mean deployment?" in result.err
