"""What a namespace brings: other people's edits, other people's objects, refusals."""

from __future__ import annotations

import pytest

from m2s.base.labels import OWNER
from tests.kits.kind import GROUP
from tests.kits.support import description, seldon
from tests.kits.worlds import World
from tests.servers import ApiServer, wait_for

REPLICAS = [{"op": "replace", "path": "/spec/predictors/0/replicas", "value": 5}]


def test_drift_names_who_did_it_and_is_taken_back(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    on_cluster.objects.patch("iris-staging", REPLICAS, manager="kubectl-edit")
    change = on_cluster.plan()["iris-staging"]
    assert change["action"] == "update"
    assert change["reason"].startswith("drifted: edited by kubectl-edit at 20")
    (field,) = change["fields"]
    assert (field["path"], field["old"], field["new"]) == (
        "spec.predictors[default].replicas", 5, 1,
    )  # fmt: skip
    on_cluster.apply()
    body = on_cluster.objects.all()["iris-staging"]
    assert body["spec"]["predictors"][0]["replicas"] == 1
    assert on_cluster.actions() == {"iris-staging": "unchanged"}


def test_without_force_a_drift_is_a_conflict(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    on_cluster.objects.patch("iris-staging", REPLICAS, manager="kubectl-edit")
    before = on_cluster.objects.snapshot()
    result = on_cluster("apply", "--no-force-conflicts", "-o", "json")
    assert result.code == 1
    change = result.changes["iris-staging"]
    assert change["action"] == "blocked"
    assert "kubectl-edit owns .spec.predictors" in change["reason"]
    assert on_cluster.objects.snapshot() == before


def test_an_edit_of_what_nobody_states_is_no_drift(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    mine = {"metadata": {"labels": {"cost-center": "7"}, "annotations": {"note": "x"}}}
    on_cluster.objects.patch("iris-staging", mine)
    assert on_cluster.actions() == {"iris-staging": "unchanged"}
    on_cluster.models.add("iris", description(replicas=2))
    on_cluster.apply()
    assert on_cluster.objects.all()["iris-staging"]["metadata"]["labels"]["cost-center"] == "7"


def test_a_field_that_leaves_the_description_leaves_the_object(on_cluster: World) -> None:
    on_cluster.models.add("iris", description().replace("spec:", "spec:\n  protocol: seldon", 1))
    on_cluster.apply()
    on_cluster.models.add("iris")
    fields = {field["path"]: field["kind"] for field in on_cluster.plan()["iris-staging"]["fields"]}
    assert fields["spec.protocol"] == "removed"
    on_cluster.apply()
    assert "protocol" not in on_cluster.objects.all()["iris-staging"]["spec"]


def test_adoption_is_asked_for(on_cluster: World) -> None:
    on_cluster.objects.create(seldon("iris-staging"))
    on_cluster.models.add("iris")
    result = on_cluster("apply", "-o", "json")
    assert result.code == 1
    assert "--adopt takes it over" in result.changes["iris-staging"]["reason"]
    assert on_cluster.plan("--adopt")["iris-staging"]["reason"].startswith("adopted")
    on_cluster.apply("--adopt")
    assert on_cluster.actions() == {"iris-staging": "unchanged"}
    labels = on_cluster.objects.all()["iris-staging"]["metadata"]["labels"]
    assert labels[OWNER] == "stage-staging"


def test_adoption_takes_nothing_from_another_owner(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("shop"), alias="champion")
    on_cluster.apply()
    before = on_cluster.objects.all()
    champion = World(
        on_cluster.models, on_cluster.objects, ("--alias", "champion", *on_cluster.flags[2:])
    )
    result = champion("apply", "--adopt", "-o", "json")
    assert result.code == 1
    assert "belongs to the owner stage-staging" in result.changes["shop"]["reason"]
    assert on_cluster.objects.all() == before


def test_of_two_versions_in_a_stage_the_highest_is_served(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.models.add("iris", description(replicas=2))
    (change,) = on_cluster.plan().values()
    assert change["version"] == "2"
    assert change["notes"] == ["v1 also in Staging: the highest version is served"]
    blocked = on_cluster("apply", "--on-conflict", "block", "-o", "json")
    assert blocked.code == 1
    assert "v2, v1 are all in Staging" in blocked.changes["iris-staging"]["reason"]
    assert on_cluster.objects.all() == {}
    on_cluster.apply()
    assert on_cluster.actions() == {"iris-staging": "unchanged"}


def test_an_alias_moves_and_is_rolled_back(on_cluster: World) -> None:
    on_cluster.models.add("iris", stage=None, alias="champion")
    on_cluster.models.add("iris", description(replicas=2), stage=None, alias="champion")
    flags = ("--alias", "champion", *on_cluster.flags[2:])
    champion = World(on_cluster.models, on_cluster.objects, flags)
    champion.apply()
    on_cluster.models.alias("iris", "champion", 1)
    assert champion.plan()["iris-champion"]["reason"] == "rolled back v2 → v1"
    champion.apply()
    assert champion.actions() == {"iris-champion": "unchanged"}


@pytest.mark.thorough
def test_one_refused_by_admission_stops_no_other(on_cluster: World, api_server: ApiServer) -> None:
    refuse_replicas_over_5(api_server, on_cluster)
    on_cluster.models.add("iris")
    on_cluster.models.add("greedy", description(replicas=9))
    on_cluster.models.add("wine")
    result = on_cluster("apply", "-o", "json")
    assert result.code == 1
    assert result.changes["greedy-staging"]["action"] == "blocked"
    assert "no more than 5 replicas" in result.changes["greedy-staging"]["reason"]
    assert on_cluster.objects.all().keys() == {"iris-staging", "wine-staging"}


@pytest.mark.thorough
def test_one_that_fails_while_it_is_written_stops_no_other(
    on_cluster: World, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy comes between the plan and the write, as an answer at the prompt gives time to."""
    for model in ("iris", "wine"):
        on_cluster.models.add(model)
    on_cluster.models.add("greedy", description(replicas=9))

    def later(*_: object, **__: object) -> bool:
        refuse_replicas_over_5(api_server, on_cluster)
        return True

    monkeypatch.setattr("m2s.cli.carrying._agreed", later)
    result = on_cluster("apply", "-o", "json")
    assert result.code == 1
    outcomes = {one["name"]: one for one in result.document["outcomes"]}
    assert outcomes["greedy-staging"]["status"] == "failed"
    assert "no more than 5 replicas" in outcomes["greedy-staging"]["message"]
    assert outcomes["iris-staging"]["status"] == outcomes["wine-staging"]["status"] == "created"
    assert on_cluster.objects.all().keys() == {"iris-staging", "wine-staging"}


def refuse_replicas_over_5(server: ApiServer, world: World) -> None:
    """Install a ValidatingAdmissionPolicy for the world's namespace and wait until it works."""
    name, namespace = f"replicas-{world.objects.name}", world.objects.name
    group = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpol"
    rule = {
        "apiGroups": [GROUP], "apiVersions": ["v1"], "resources": ["seldondeployments"],
        "operations": ["CREATE", "UPDATE"],
    }  # fmt: skip
    check = "object.spec.predictors.all(p, !has(p.replicas) || p.replicas <= 5)"
    policy = {
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": check, "message": "no more than 5 replicas"}],
        },
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": selector},
        },
    }
    server.call("POST", f"{group}icies", policy)
    server.call("POST", f"{group}icybindings", binding)
    probe = seldon("probe")
    probe["spec"]["predictors"][0]["replicas"] = 9
    wait_for(lambda: not world.objects.allows(probe), "the policy to work")
