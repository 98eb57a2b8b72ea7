"""SECURITY.md tells what m2s may do in a cluster; the chart's Role allows just that."""

from __future__ import annotations

import re

import pytest

from tests.kits.chart_kit import Helm
from tests.kits.core import PROJECT

Right = tuple[str, str, str]


def told(*, when: set[str]) -> set[Right]:
    """The rights in the table: (group, resource, verb)."""
    rows = re.findall(
        r"(?m)^\| `([\w./-]+)` \| ((?:`\w+`(?:, )?)+) \| (\w+) \|",
        (PROJECT / "SECURITY.md").read_text(),
    )
    assert rows
    assert {row[2] for row in rows} <= {"always", "preflight", "leader"}
    return {
        (group, resource, verb)
        for name, verbs, condition in rows
        if condition in when
        for verb in re.findall(r"`(\w+)`", verbs)
        for resource, _, group in [name.partition(".")]
    }


@pytest.mark.parametrize("when", [(), ("preflight",), ("leader",), ("preflight", "leader")])
def test_the_chart_asks_for_what_is_told_and_no_more(helm: Helm, when: tuple[str, ...]) -> None:
    values = {"preflight": "preflight" in when, "leaderElection": {"enabled": "leader" in when}}
    release = helm.template({"mlflow": {"stage": "Staging"}, **values})
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
