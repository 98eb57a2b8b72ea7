"""SECURITY.md tells what m2s may do in a cluster; the chart's Role allows just that."""

from __future__ import annotations

import re

import pytest

from tests.kits.chart_kit import Helm
from tests.kits.core import PROJECT

Right = tuple[str, str, str]
PLATFORMS = ("seldon", "kserve", "deployment")


def told(*, when: set[str]) -> set[Right]:
    """The rights in the table: (group, resource, verb)."""
    rows = re.findall(
        r"(?m)^\| `([\w./-]+)` \| ((?:`\w+`(?:, )?)+) \| (\w+) \|",
        (PROJECT / "SECURITY.md").read_text(),
    )
    assert rows
    assert {row[2] for row in rows} <= {"always", "preflight", "leader", *PLATFORMS}
    return {
        (group, resource, verb)
        for name, verbs, condition in rows
        if condition in when
        for verb in re.findall(r"`(\w+)`", verbs)
        for resource, _, group in [name.partition(".")]
    }


@pytest.mark.parametrize(
    "when",
    [
        ("seldon",),
        ("seldon", "preflight"),
        ("seldon", "leader"),
        ("seldon", "preflight", "leader"),
        ("kserve",),
        ("seldon", "kserve", "deployment", "leader"),
    ],
)
def test_the_chart_asks_for_what_is_told_and_no_more(helm: Helm, when: tuple[str, ...]) -> None:
    values = {"preflight": "preflight" in when, "leaderElection": {"enabled": "leader" in when}}
    platforms = [each for each in PLATFORMS if each in when]
    release = helm.template({"mlflow": {"stage": "Staging"}, "platforms": platforms, **values})
    asked = {
        (group, resource, verb)
        for rule in release.one("Role")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert asked == told(when={"always", *when})
    assert not release.all("ClusterRole")
    assert not release.all("ClusterRoleBinding")


def test_the_cluster_is_looked_at_only_where_that_is_asked_for(helm: Helm) -> None:
    base = {"mlflow": {"stage": "Staging"}, "preflight": True}
    asked = helm.template({**base, "platforms": ["kserve"], "rbac": {"clusterPreflight": True}})
    (rule,) = asked.one("ClusterRole")["rules"]
    assert rule["verbs"] == ["list"]
    assert rule["resources"] == ["clusterservingruntimes", "clusterstoragecontainers"]
    there = [role for role in asked.all("Role") if role["metadata"]["namespace"] == "kserve"]
    assert [role["rules"][0]["resourceNames"] for role in there] == [["inferenceservice-config"]]
    seldon = helm.template({**base, "rbac": {"clusterPreflight": True}})
    assert not seldon.all("ClusterRole")
    assert len(seldon.all("Role")) == 1
