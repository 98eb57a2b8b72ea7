"""What proves that an InferenceService serves what was written, and what never does.

Each case is one that was measured with KServe 0.20's controller.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from m2s.domain.rollout import Rollout
from m2s.objects.body import Body
from m2s.platforms import catalogue
from m2s.platforms.platform import Platform

SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
READY = {"type": "Ready", "status": "True"}
URI = "s3://models/2/"


def kserve() -> Platform:
    platform = catalogue.of_body({"kind": "InferenceService"})
    assert platform
    return platform


def live(status: dict[str, Any] | None = None, *, uri: str = URI, **more: Any) -> dict[str, Any]:
    """Return an InferenceService as the cluster has it, with what m2s wrote."""
    predictor = {"model": {"modelFormat": {"name": "mlflow"}, "storageUri": uri}}
    predictor |= more.pop("predictor", {})
    spec = {"predictor": predictor, **more.pop("spec", {})}
    annotations = {"m2s.io/version": "2", **more.pop("annotations", {})}
    metadata = {"name": "iris", "namespace": "shop", "uid": "u", "annotations": annotations}
    metadata["labels"] = {"app.kubernetes.io/managed-by": "m2s", "m2s.io/owner": "me"}
    head = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    body = {**head, "metadata": metadata, "spec": spec}
    primary, *companions = kserve().stored(body)
    stored = {**primary, "metadata": {**primary["metadata"], "generation": 4}}
    status = {"conditions": [READY]} if status is None else status
    return {**kserve().seen(stored, companions), "status": status}


def made(of: Body, name: str = "iris-predictor", **more: Any) -> dict[str, Any]:
    """Return the Deployment that KServe makes of a component, rolled out."""
    spec = kserve().stored(of)[0]["spec"]
    part = next(
        (one["predictor"] for one in spec.get("canary", ()) if one["predictor"]["name"] in name),
        spec["transformer" if name.endswith("transformer") else "predictor"],
    )
    told = {**part["annotations"], SOURCE: part.get("model", {}).get("storageUri", "")}
    replicas = more.get("replicas", 1)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
    return {
        "metadata": {
            "name": name, "generation": 3,
            "ownerReferences": [{"uid": "u", "controller": True}],
        },
        "spec": {"replicas": replicas, "template": {"metadata": {"annotations": told}}},
        "status": {"observedGeneration": 3, **counts, **more.get("status", {})},
    }  # fmt: skip


def progress(
    body: Body, *deployments: Body, before: Body | None = None, pods: Sequence[Body] = ()
) -> Rollout:
    return kserve().rollout(body, before, deployments, 4, lambda _: pods)


def told(found: Rollout) -> str:
    state = "serves" if found.serving else "fails" if found.failed else "waits"
    return f"{state}: {found.message}"


def refused(status: str = "InvalidSpec", message: str = "no runtime found") -> dict[str, Any]:
    info = {"reason": "NoSupportingRuntime", "message": message}
    return {
        "conditions": [READY],
        "modelStatus": {"transitionStatus": status, "lastFailureInfo": info},
    }


def test_it_serves_when_everything_shows_it() -> None:
    assert told(progress(live(), made(live()))) == "serves: "


@pytest.mark.parametrize(
    ("body", "deployment", "says"),
    [
        (
            live({}),
            None,
            "waits: KServe has made no Deployment iris-predictor yet, for the predictor; is its "
            "controller running?",
        ),
        (
            live(),  # Ready and UpToDate all the while
            made(live(uri="s3://models/1/")),
            "waits: Deployment iris-predictor does not show what was written yet",
        ),
        (
            live(),  # only a variable changed: the old Deployment is complete, with the same URI
            made(live(predictor={"serviceAccountName": "other"})),
            "waits: Deployment iris-predictor does not show what was written yet",
        ),
        (
            live(),
            made(live(), status={"availableReplicas": 0}),
            "waits: Deployment iris-predictor: 0 of 1 updated replicas are available",
        ),
        (
            live(predictor={"minReplicas": 3}),
            made(live(predictor={"minReplicas": 3})),
            "waits: Deployment iris-predictor is not scaled from 1 to 3 replicas yet",
        ),
        (
            live({"conditions": [{**READY, "status": "False", "reason": "MinimumReplicas"}]}),
            made(live()),
            "waits: KServe does not call it ready: MinimumReplicas",
        ),
        (
            live({"conditions": [{**READY, "status": "Unknown"}]}),
            made(live()),
            "waits: KServe does not call it ready",
        ),
        (live(refused("UpToDate")), made(live()), "serves: "),  # lastFailureInfo outlives its cause
        (
            live(refused()),
            made(live(uri="s3://models/1/")),
            "fails: KServe does not roll it out (InvalidSpec): NoSupportingRuntime: no runtime "
            "found",
        ),
        (
            live(annotations={"serving.kserve.io/stop": "true"}),
            None,
            "fails: annotation serving.kserve.io/stop stops it: remove that, and it is served",
        ),
        (
            live(annotations={"serving.kserve.io/disable-auto-update": "true"}),
            made(live(uri="s3://models/1/")),
            "fails: annotation serving.kserve.io/disable-auto-update keeps KServe from following "
            "changes: remove it",
        ),
        (
            live(),
            made(
                live(),
                status={
                    "conditions": [
                        {
                            "type": "Progressing",
                            "status": "False",
                            "reason": "ProgressDeadlineExceeded",
                            "message": "timed out",
                        }
                    ]
                },
            ),
            "fails: Deployment iris-predictor does not progress: timed out",
        ),
        (
            live(),
            made(
                live(),
                status={
                    "updatedReplicas": 0,
                    "conditions": [
                        {"type": "ReplicaFailure", "status": "True", "message": "quota exceeded"}
                    ],
                },
            ),
            "waits: Deployment iris-predictor: 0 of 1 new replicas are updated: quota exceeded",
        ),
    ],
)  # fmt: skip
def test_what_is_in_its_way_is_told(body: Body, deployment: Body | None, says: str) -> None:
    assert told(progress(body, *([deployment] if deployment else []))) == says


def test_a_refusal_from_before_is_not_this_changes() -> None:
    body, before = live(refused()), live(refused(), uri="s3://models/1/")
    found = progress(body, made(before), before=before)
    assert not found.failed
    assert "does not show what was written yet; KServe does not roll it out" in found.message
    other = live(refused(message="another"), uri="s3://models/1/")
    assert progress(body, made(other), before=other).failed


def test_a_scheme_that_nothing_reads_is_waited_for_with_the_uri_that_is_there() -> None:
    """KServe says nothing: the annotations are new where only those of the template moved."""
    deployment = made(live())
    deployment["spec"]["template"]["metadata"]["annotations"][SOURCE] = "s3://models/1/"
    says = "waits: Deployment iris-predictor has the model at s3://models/1/, not at "
    assert told(progress(live(), deployment)) == f"{says}s3://models/2/ yet"


CANARY: dict[str, Any] = {
    "trafficPercent": 20,
    "predictor": {"name": "challenger", "model": {"storageUri": "s3://models/3/"}},
}


def test_a_canary_has_a_deployment_and_a_share_of_its_own() -> None:
    share = {"name": "challenger", "trafficPercent": 20}
    body = live({"conditions": [READY], "canaryStatuses": [share]}, spec={"canary": [CANARY]})
    stable, beside = made(body), made(body, "iris-challenger-predictor")
    assert "for the canary challenger" in progress(body, stable).message
    assert told(progress(body, stable, beside)) == "serves: "
    body["status"]["canaryStatuses"] = [{**share, "trafficPercent": 10}]
    says = "waits: canary challenger does not have its share of the requests yet"
    assert told(progress(body, stable, beside)) == says
    says = "waits: Deployment iris-challenger-predictor is of an older description and is not "
    assert told(progress(live(), made(live()), beside)) == f"{says}removed yet"


def test_the_transformer_is_waited_for() -> None:
    body = live(spec={"transformer": {"containers": [{"name": "t", "image": "t:1"}]}})
    assert "Deployment iris-transformer yet" in progress(body, made(body)).message
    assert progress(body, made(body), made(body, "iris-transformer")).serving


def knative(created: str, ready: str, *, uri: str = URI, **more: Any) -> Any:
    predictor = {"latestCreatedRevision": created, "latestReadyRevision": ready}
    status = {"deploymentMode": "Knative", "components": {"predictor": predictor}}
    return live({**status, "conditions": [READY]}, uri=uri, **more)


def test_in_knative_mode_a_new_revision_tells() -> None:
    before = knative("iris-00001", "iris-00001", uri="s3://models/1/")
    after = copy.deepcopy(knative("iris-00001", "iris-00001"))
    says = "waits: Knative has made no Revision after iris-00001 yet"
    assert told(progress(after, before=before)) == says
    assert "iris-00002 is not ready" in progress(knative("iris-00002", "iris-00001")).message
    assert told(progress(knative("iris-00002", "iris-00002"), before=before)) == "serves: "
    scaled = knative("iris-00001", "iris-00001", predictor={"minReplicas": 2})
    assert told(progress(scaled, before=after)) == "serves: "
    assert "since when it serves" in progress(after).message


@pytest.mark.parametrize(
    ("status", "word", "message"),
    [
        ({}, "", ""),
        ({"conditions": [READY]}, "Available", ""),
        ({"conditions": [{**READY, "status": "Unknown"}]}, "Creating", "KServe does not call it"),
        (refused(), "Failed", "KServe does not roll it out (InvalidSpec): NoSupportingRuntime"),
        (
            {"conditions": [{**READY, "status": "False", "reason": "ProgressDeadlineExceeded"}]},
            "Failed",
            "KServe does not call it ready: ProgressDeadlineExceeded",
        ),
    ],
)
def test_its_state_is_in_the_words_that_people_look_for(
    status: dict[str, Any], word: str, message: str
) -> None:
    address = {"address": {"url": "http://iris-predictor.shop.svc.cluster.local"}}
    found = kserve().state(live({**status, "url": "http://iris.example.com", **address}))
    assert (found.word, found.endpoint) == (word, address["address"]["url"])
    assert found.message.startswith(message)
